//! The test bench: real etcd, kube-apiserver, kube-controller-manager, kwok, Redis and Argo CD on this machine, without a container engine.
//!
//! Every test binary includes it with `#[path = "../support/mod.rs"] mod support;`. Read from here:
//!
//! * [`control_plane::ControlPlane`] is one Kubernetes cluster per test binary; [`instance`] gives each test a namespace of its own in it.
//! * [`chart`] installs the operator with the real helm; [`kubelet`] runs what the chart's pods say, as the chart's ServiceAccount.
//! * [`proxy`] stands between one operator and the API server, and stops it at any of its writes; [`death`] is what may become of it there.
//! * [`argocd`] runs a whole Argo CD beside it, and [`terminal`] opens terminals through it as a person's browser does.
//! * [`edge`]: what an argocd-agent installs in its cluster.
//! * [`pair`] is argocd-agent: its principal on one control plane, agents on the same or another.
//! * [`fronts`]: the proxies that Ingress controllers run, in front of it.
//! * [`policyjudge`] asks Argo CD's own policy engine; [`audit`] counts what was written; [`snapshot`] compares before and after.
//! * [`openmetrics`] reads what the operator says of itself, as Prometheus does, and [`trail`] what it tells of grants.
//! * [`reaper`] ends and removes everything, however the test binary comes to its end.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of the bench")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot do its work fails the test, with a message"
)]

pub mod argocd;
pub mod audit;
pub mod certificates;
pub mod chart;
pub mod control_plane;
pub mod death;
pub mod edge;
pub mod eventually;
pub mod fronts;
pub mod hub;
pub mod instance;
pub mod kubelet;
pub mod kwok;
pub mod manifests;
pub mod openmetrics;
pub mod pair;
pub mod policyjudge;
pub mod process;
pub mod proxy;
pub mod reaper;
pub mod snapshot;
pub mod terminal;
pub mod tools;
pub mod trail;

pub use control_plane::{ControlPlane, Kubernetes};
pub use eventually::eventually;
pub use snapshot::{managers, snapshot};
