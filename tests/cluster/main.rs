//! Tests against a real API server.

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod bench_operator;
mod layers;
mod world;
