//! What every resource of ours is reconciled with: writes and their order, time, and values in objects that belong to somebody else. Pure.
//!
//! `exec` and `live` decide what is wanted; what is said here holds for both.

pub mod active;
pub mod audit;
pub mod clock;
pub mod contests;
pub mod declared;
pub mod elements;
pub mod finalizer;
pub mod leadership;
pub mod limits;
pub mod plan;
pub mod seen;
pub mod selection;
pub mod shared;
pub mod stop;
pub mod surroundings;
pub mod time;
pub mod told;
pub mod unreadable;
pub mod withheld;
pub mod write;

#[cfg(test)]
mod tests;

pub use plan::{Applied, Failures, Prepared};
pub use seen::{NotSeen, Seen};
pub use surroundings::Surroundings;
pub use write::{Action, Direction, Kind, Layer, Target, Write};
