//! `make bench`: the operator's release build on a real API server, under the rights that its chart gives it.
//!
//! Each figure stands beside one that was measured in the same run on the same machine: the same writes by a client that does nothing else,
//! the same lists by one that only lists. Times are taken from the API server's own audit log, so that both are measured by one clock.
//!
//! * [`latency`]: one object, from its creation until the last layer is written and until it is Ready; [`floor`] does the same writes.
//! * [`burst`]: many at once. [`steady`]: many that stay as they are. [`start`]: the operator starts where many are declared.
//! * [`policy`]: what the lines that the operator writes cost Argo CD.
//! * [`place`] is where all of it happens; [`log`] reads the audit log, [`process`] what the kernel says of the operator; [`report`] is the result.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark that cannot measure ends with a message; its figures are small"
)]

mod burst;
mod floor;
mod latency;
mod log;
mod place;
mod policy;
mod process;
mod report;
mod start;
mod steady;

#[path = "../../support/mod.rs"]
mod support;

use report::Report;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // What cargo adds to a benchmark's arguments is none of ours.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let does = |part: &str| wanted.is_empty() || wanted.iter().any(|one| one == part);
    let mut report = Report::new();
    if does("policy") {
        tokio::task::block_in_place(|| policy::measure(&mut report));
    }
    if does("latency") {
        latency::measure(&mut report).await;
    }
    if does("burst-200") {
        let place = place::Place::new("burst", 200).await;
        burst::measure(&mut report, &place).await;
    }
    if does("burst") || does("steady") || does("start") {
        let place = place::Place::new("many", 1000).await;
        burst::measure(&mut report, &place).await;
        steady::measure(&mut report, &place).await;
        start::measure(&mut report, &place).await;
    }
    report.finish();
}
