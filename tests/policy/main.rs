//! Hostile input, judged by Argo CD's own policy engine: whatever is declared is refused with a message, or becomes exactly that grant.
//!
//! * [`names`]: hostile names in every field that carries one.
//! * [`grants`]: random declarations among nasty foreign policies, asked about over a universe of people, actions and objects.
//! * [`projects`]: roles in AppProjects, judged by Argo CD's project rules as well.
//! * [`loader`]: our reading of policy lines and patterns against Argo CD's.
//! * [`evaluator`], [`patterns`], [`corpus`]: our decisions and matches against Argo CD's.
//! * [`who_can`]: those who are said to get a terminal, and the others.
//! * [`lives`]: random lives of an instance, judged after every write.
//! * [`bounds`]: ten thousand objects.
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "texts are built for reading, and a table of names is long"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

// The modules that the unit tests share with this binary name the crate's own as `crate::`.
use argocd_access::{api, argocd, config, exec, ownership, reconcile};

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod corpus;
mod declared;
mod dice;
mod evaluator;
mod generated;
mod grants;
mod instance;
mod lives;
mod loader;
mod names;
mod patterns;
mod projects;
mod simulation;
mod who_can;
