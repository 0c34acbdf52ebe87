//! The Helm chart: what it renders, what it refuses, and what a real API server makes of it.
//!
//! * [`alerts`]: alert rules and the dashboard.
//! * [`rights`]: least privilege, read from the rendered rules.
//! * [`clusters`]: what serving remote clusters adds, and that it is little.
//! * [`granted`]: the same on a real API server, as the operator's own ServiceAccount.
//! * [`clusters_granted`]: and as the ServiceAccount of the process that serves remote clusters.
//! * [`schemas`]: what every version of Kubernetes that is served takes, by its own schemas.
//! * [`values`]: what may be set, what is refused, and how it reaches the operator's configuration.
//! * [`workload`]: the Deployment, the restoring Job and their names and labels.
//! * [`definitions`]: the CustomResourceDefinitions, through upgrades and removal.
//! * [`availability`]: several pods beside each other, the network around them, and who scrapes them.
//! * [`without_helm`]: charts/static, and examples/gitops.
//! * [`instances`]: several Argo CDs in one release, and one Argo CD in two.
//! * [`helm_test`]: what `helm test` says of a good installation and of a broken one.
//! * [`install`]: installing, two releases side by side, and the notes that a person reads then.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod availability;
mod clusters;
mod clusters_granted;
mod definitions;
mod granted;
mod helm_test;
mod install;
mod instances;
mod rendering;
mod rights;
mod schemas;
mod values;
mod without_helm;
mod workload;
