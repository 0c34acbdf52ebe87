//! Remote clusters, each real: the operator in a hub (Kubernetes 1.36), installed by its chart and under the rights that the chart gives
//! it, and a remote cluster (1.34) that is bootstrapped as an administrator does it.
//!
//! * [`token`]: a credential for what is declared, and nothing left after it.
//! * [`rotation`]: it is replaced while it is in use, and nothing is written where nothing changes.
//! * [`exec`]: a terminal's right is bound where an ExecAccess in effect needs it, and as long.
//! * [`end`]: it is taken back when the object is deleted, is over or suspended, when everything is stopped, and when the operator goes.
//! * [`adopted`]: a cluster Secret that was there before is taken over, and given back to the byte.
//! * [`refused`]: what is wrong is told by its name, and nothing is given meanwhile.
//! * [`canary`]: it is in its Secret, and nowhere else.
//! * [`killed`]: the operator dies at every one of its writes.
//! * [`told`]: the audit trail of its life.
//! * [`untold`]: what is secret is told nowhere, also where everything fails.
//! * [`manage`]: the operator writes roles, permissions in the whole cluster, a way through a proxy, identities of AWS.
//! * [`existing`]: a credential that others keep.
//! * [`many`]: a hundred at once, some of them dead.
//! * [`bench`] is what they share; [`way`] is the network between the two, and [`trap`] a server that is not the remote cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;

mod adopted;
mod bench;
mod canary;
mod end;
mod exec;
mod existing;
mod killed;
mod manage;
mod many;
mod refused;
mod rotation;
mod token;
mod told;
mod trap;
mod untold;
mod way;
