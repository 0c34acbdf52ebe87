//! What the documents say is true.
//!
//! * [`commands`]: the commands of the README and the how-to pages are run, and what they are said to print is what they print.
//! * [`manifests_shown`]: every YAML block is accepted by the API server, or by the chart.
//! * [`examples`]: every file of examples/ is applied and reaches the condition that it promises.
//! * [`references`]: links, file names, reasons and conditions exist; nothing names a machine or a registry.
//! * [`names`]: metrics, options of the command line and values of the chart exist.
//! * [`release`]: the workflows of a release, and the tests that the threat model names.
//! * [`health`]: what Argo CD shows of our objects.
//! * [`demo`]: `make demo` and `make demo-down`.
//!
//! The pages of docs/reference/ are written by a target of their own, tests/documents/reference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../cluster/world.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod world;

#[path = "../clusters/bench.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod remote_bench;

mod commands;
mod demo;
mod examples;
mod examples_clusters;
mod examples_live;
mod health;
mod manifests_shown;
mod markdown;
mod names;
mod references;
mod release;
mod session;
