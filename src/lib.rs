//! argocd-access-operator: declare who may open a terminal through Argo CD, and it is made exactly true, kept true and taken back.
//!
//! The map of the crate:
//!
//! | module | what it is | IO |
//! |---|---|---|
//! | [`api`] | the custom resources: types, CEL rules, conditions | no |
//! | [`config`] | the configuration file of the platform admin | no |
//! | [`argocd`] | what Argo CD is: instance, settings, policy | no |
//! | [`ownership`] | who has a value of a shared object, and what comes back | no |
//! | [`ingress`] | what a terminal needs from each Ingress controller | no |
//! | [`reconcile`] | writes and their order, time, values in objects of others: for every resource | no |
//! | [`exec`] | `ExecAccess`: world in, plan and verdicts out | no |
//! | [`live`] | `LiveResourceAccess`: Applications in, rights of an agent out | no |
//! | [`clusters`] | `ClusterAccess`: remote clusters and their credentials | no |
//! | [`explain`] | why a terminal or a live resource does not come, and what mends it; who can open a terminal | no |
//! | [`causes`] | an error with its causes, in one line | no |
//! | [`hidden`] | credentials that somebody else says aloud, taken out of a text | no |
//! | [`json`] | reading a kind from JSON | no |
//! | [`printable`] | texts that others wrote, fit to be shown | no |
//! | [`shell`] | text as a word of a shell's command | no |
//! | [`cluster_io`] | watches, writes, reviews, statuses, Events | yes |
//! | [`controller`] | the loops that join the above, and the HTTP server | yes |
//! | [`cli`] | the commands | yes |
//! | [`memory`] | what is free is kept while a round works, and then goes back to the node | no |
//! | [`metrics`] | what is counted | no |
//!
//! One function decides everything, and it is pure: [`exec::plan()`]. One module writes: [`cluster_io::apply`].
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "in a test a panic is the way to say that something does not hold"
    )
)]

pub mod api;
pub mod argocd;
pub mod causes;
pub mod cli;
pub mod cluster_io;
pub mod clusters;
pub mod config;
pub mod controller;
pub mod exec;
pub mod explain;
pub mod hidden;
pub mod ingress;
pub mod json;
pub mod live;
pub mod memory;
pub mod metrics;
pub mod ownership;
pub mod printable;
pub mod reconcile;
pub mod shell;
