//! Remote clusters, each real: the operator in a hub (Kubernetes 1.36), installed by its chart and under the rights that the chart gives
//! it, and a remote cluster (1.34) that is bootstrapped as an administrator does it.
//!
//! * [`token`]: a credential for what is declared, and nothing left after it.
//! * [`killed`]: the operator dies at every one of its writes.
//! * [`untold`]: what is secret is told nowhere, also where everything fails.
//! * [`bench`] is what they share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod killed;
mod token;
mod untold;
