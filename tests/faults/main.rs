//! What an operator meets when its cluster is ill: everything declared becomes true afterwards, everything that is over ends, nothing is
//! given beyond what is declared meanwhile, and the metrics show what it was.
//!
//! * [`watches`]: one kind is refused for long, watches are cut or too old. [`storms`]: refusals, and answers that take seconds.
//! * [`server`]: the API server is away, and etcd. [`certificates`]: both sides get others.
//! * [`full`]: argocd-rbac-cm is full. [`definition`]: the `CustomResourceDefinition` goes and comes.
//! * [`soak`]: many changes, and memory stays level.
//! * [`bench`] is what they share, with [`world`] and [`hands`] of the tests on a cluster that is well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "shared")]
#[path = "../cluster/hands.rs"]
mod hands;
#[allow(dead_code, reason = "shared")]
#[path = "../cluster/world.rs"]
mod world;

mod bench;
mod certificates;
mod definition;
mod full;
mod server;
mod soak;
mod storms;
mod watches;
