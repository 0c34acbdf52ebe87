//! Tests of the plan: worlds in, writes and verdicts out.

pub mod fixtures;
