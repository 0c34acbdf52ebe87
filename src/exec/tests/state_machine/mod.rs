//! Random lives of an instance: people declare, change, suspend and delete, others edit everything that is shared, kinds become
//! unreadable, the operator is killed at any write or sends an old plan; and every promise is held against it after every write.
//!
//! * [`operation`]: what may happen; [`edits`]: what others do, as data, in which [`place`]; [`declared`]: what is declared, computed apart.
//! * [`machine`]: runs a sequence and holds the promises against it; [`promises`]: what these are; [`written`]: what may be written at all; [`judge`]: what a policy allows.
//!
//! The tests are [`super::lives`], which judges structurally and quickly, and in `tests/policy/lives.rs`, where Argo CD's own engine is the
//! judge.

pub mod declared;
pub mod edits;
pub mod judge;
pub mod machine;
pub mod operation;
pub mod place;
pub mod promises;
pub mod worlds;
pub mod written;

use super::{fixtures, simulator};
