//! Tests with a real Argo CD: terminals as people open them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test cannot do fails it")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../cluster/world.rs"]
#[allow(dead_code, reason = "the tests of the cluster use the rest")]
mod world;

mod bench;
mod confined;
mod confinement;
mod dev_operators;
mod exclusive;
mod explained;
mod instance;
mod project_roles;
mod proxies;
mod rights;
mod stale;
mod team_exec;
