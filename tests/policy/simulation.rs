//! The simulator of the plan and the state machine that runs in it, as the unit tests have them; they are one and the same.
#![allow(dead_code, reason = "the unit tests use more of it")]

#[path = "../../src/exec/tests/fields.rs"]
mod fields;
#[path = "../../src/exec/tests/fixtures.rs"]
mod fixtures;
#[path = "../../src/exec/tests/simulator.rs"]
mod simulator;
#[path = "../../src/exec/tests/state_machine/mod.rs"]
pub mod state_machine;
