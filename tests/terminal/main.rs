//! Tests with a real Argo CD: terminals as people open them.

#[path = "../support/mod.rs"]
mod support;

mod bench;
