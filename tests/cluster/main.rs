//! The operator on a real API server, installed by its chart and under the rights that the chart gives it.
//!
//! * [`layers`], [`applications`], [`several`], [`in_place`], [`ingress`], [`project`]: what is set for whom, and what comes back.
//! * [`instances`]: several Argo CDs under one operator.
//! * [`statuses`]: how a status is written.
//! * [`repair`], [`steady`]: what is undone when others change it, and that nothing is written when nothing has changed.
//! * [`owners`], [`operated`]: shared objects that somebody else keeps, and who keeps rewriting them.
//! * [`time`]: what opens, closes and expires, on the wall clock.
//! * [`audit_trail`]: what is told of grants, and how often.
//! * [`exclusive`]: who else may open terminals.
//! * [`half_world`], [`refused`], [`refused_writes`], [`strays`]: something is missing, may not be read, may not be written, is elsewhere.
//! * [`confinement`], [`stop`]: what argocd-server may not do, whatever its rights; and taking everything back at once.
//! * [`state_machine`]: random lives of whole instances; [`sequences`] is what it shares with the unit tests. [`killed`]: killed at any write.
//! * [`uninstall`]: removing the operator, with its hooks and without.
//! * [`live`], [`live_principal`]: live resources, on both sides.
//! * [`clusters`]: what is done on a remote cluster.
//! * [`schema`], [`live_schema`], [`cluster_schema`]: the CustomResourceDefinitions. [`operator`]: the program itself.
//! * [`plan`]: what would change. [`explain`], [`explain_live`]: what keeps a person from a terminal, and from a live resource.
//! * [`world`] and [`hands`] are what these share; [`bench`] and [`bench_operator`] test the test bench.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

// The modules that the unit tests share with this binary name the crate's own as `crate::`.
use argocd_access::{api, exec, ownership, reconcile};

#[path = "../support/mod.rs"]
mod support;

mod applications;
mod audit_trail;
mod bench;
mod bench_operator;
mod cluster_schema;
mod clusters;
mod confinement;
mod exclusive;
mod explain;
mod explain_live;
mod half_world;
mod hands;
mod in_place;
mod ingress;
mod ingress_controllers;
mod instances;
mod killed;
mod layers;
mod leadership;
mod live;
mod live_principal;
mod live_schema;
mod operated;
mod operator;
mod owners;
mod plan;
mod project;
mod refused;
mod refused_writes;
mod repair;
mod schema;
mod sequences;
mod several;
mod state_machine;
mod statuses;
mod steady;
mod stop;
mod strays;
mod time;
mod uninstall;
mod who_can;
mod world;
