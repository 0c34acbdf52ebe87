//! The parts of the state machine that need no simulator, as the unit tests have them: what happens, what others do, what is declared.
#![allow(dead_code, reason = "the unit tests use more of it")]

#[path = "../../src/exec/tests/state_machine/declared.rs"]
pub mod declared;
#[path = "../../src/exec/tests/state_machine/edits.rs"]
pub mod edits;
#[path = "../../src/exec/tests/fields.rs"]
pub mod fields;
#[path = "../../src/exec/tests/state_machine/operation.rs"]
pub mod operation;
#[path = "../../src/exec/tests/state_machine/place.rs"]
pub mod place;
#[path = "../../src/exec/tests/state_machine/written.rs"]
pub mod written;
