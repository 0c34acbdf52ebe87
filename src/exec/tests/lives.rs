//! Many random lives of an instance, with every promise held against them after every write. `PROPTEST_CASES` sets how many.

use proptest::prelude::*;

use super::state_machine::judge::Structural;
use super::state_machine::machine::Machine;
use super::state_machine::operation::operation;
use super::state_machine::worlds;

/// So many sequences unless `PROPTEST_CASES` says otherwise.
const SEQUENCES: u32 = 1000;

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { SEQUENCES };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn whatever_happens_nobody_gains_what_is_not_declared_and_in_the_end_all_is_as_before(
        start in worlds::start(),
        operations in proptest::collection::vec(operation(false), 1..24),
    ) {
        Machine::new(start.world(), Structural).live(&operations).map_err(TestCaseError::fail)?;
    }
}
