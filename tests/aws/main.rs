//! What others make of the documents and objects for AWS, without an account of AWS.
//!
//! * [`judged`]: parliament, which knows all actions, resources and condition keys, finds nothing wrong with a policy.
//! * [`carried_out`]: the commands are run with the real aws command line against moto, which then has what was meant.
//! * [`pages`]: the pages show what is put out.
//! * [`objects`]: an API server with the kinds of ACK and Crossplane takes the objects, strictly, and their controllers' words lead on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;

mod carried_out;
mod declared;
mod judged;
mod objects;
mod pages;
