//! `LiveResourceAccess`: from what is declared and what the Applications consist of to the rights that an agent needs. Pure.
//!
//! ```text
//! World --admission--> cases --derive (projects, discovery, child kinds, hard list, ceiling)--> rights --fold--> Plan (writes, outlooks)
//!       --apply--> (elsewhere) --review, status--> LiveResourceAccessStatus
//! ```

pub mod admission;
pub mod agent;
pub mod basis;
pub mod ceiling;
pub mod children;
pub mod deployment;
pub mod derive;
pub mod discovery;
pub mod grant;
pub mod objects;
pub mod outlook;
pub mod plan;
pub mod principal;
pub mod review;
pub mod rules;
pub mod sensitive;
pub mod status;
mod told;
pub mod wanted;
pub mod world;

#[cfg(test)]
pub(crate) mod tests;

pub use outlook::Outlook;
pub use plan::{Plan, plan};
pub use world::World;
