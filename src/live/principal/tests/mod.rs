//! Tests of side Principal: worlds in, writes and verdicts out.

mod answers;
mod instance;
mod network;
mod owners;
mod plan;
mod simulator;
