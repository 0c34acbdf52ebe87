//! The other owners of what the operator touches, for real: each of them writes with its own program, and none may notice that we are there.
//!
//! * [`upgrades`], [`variants`]: an Argo CD that Helm installed, by helm 4 and by helm 3. [`release`] is such an Argo CD, and its twin
//!   that never met the operator.
//! * [`from_git`]: an Application of the real Argo CD, with self-heal, that keeps Argo CD's own settings as they are in Git.
//! * [`world`] and [`hands`] are those of the tests of the cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../cluster/hands.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod hands;
#[path = "../support/mod.rs"]
mod support;
#[path = "../cluster/world.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod world;

mod from_git;
mod projects;
mod release;
mod upgrades;
mod variants;
