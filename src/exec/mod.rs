//! `ExecAccess`: from what is declared and what is seen to what is to be written and what is to be said. Pure.
//!
//! ```text
//! World --admission--> cases --fold, one file per layer--> Plan (writes, outlooks) --apply--> (elsewhere) --status--> ExecAccessStatus
//! ```
//! `plan` is the one function that the controller, the command line and the tests share.

pub mod admission;
pub mod by_name;
pub mod confinement;
pub mod debts;
pub mod exclusive;
pub mod flag;
pub mod grant;
pub mod hold;
pub mod in_place;
pub mod ingress;
pub mod lines;
pub mod openers;
pub mod plan;
pub mod policy;
pub mod preview;
pub mod project;
pub mod project_outlook;
pub mod project_owner;
pub mod remote;
pub mod remote_proof;
pub mod restart;
pub mod room;
pub mod server;
pub mod sessions;
pub mod source;
pub mod status;
mod told;
pub mod world;

#[cfg(test)]
pub(crate) mod tests;

pub use plan::{Outlook, Plan, plan};
pub use world::World;
