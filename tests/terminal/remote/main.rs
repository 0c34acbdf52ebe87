//! A remote cluster as people use it: a real Argo CD in the hub (Kubernetes 1.36), its Applications and their Pods in a remote cluster (1.34),
//! and nothing between them but the credential that the operator makes for a `ClusterAccess`.
//!
//! * [`window`]: a terminal opens while it is declared, and not after it.
//! * [`rotation`]: Applications go on while credentials come and go.
//! * [`cache`]: what Argo CD makes of what it may not read, and of a credential that is dead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../../clusters/bench.rs"]
#[allow(dead_code, reason = "the tests of remote clusters use the rest")]
mod bench;
#[path = "../../support/mod.rs"]
mod support;

mod cache;
mod hub;
mod rotation;
mod window;
