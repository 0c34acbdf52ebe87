//! Many random lives of an instance, with every promise held against them after every write. They are the same in each run, so that a run
//! can be compared with the one before; `PROPTEST_CASES` sets how many, and `PROPTEST_RNG_SEED` makes others.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::state_machine::edits::Edit;
use super::state_machine::judge::Structural;
use super::state_machine::machine::Machine;
use super::state_machine::operation::{Operation, Spec, operation};
use super::state_machine::place::Which;
use super::state_machine::worlds::{self, Start};
use crate::config::ConflictPolicy;

/// So many sequences unless `PROPTEST_CASES` says otherwise.
const SEQUENCES: u32 = 3000;

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { SEQUENCES };
    let rng_seed = if std::env::var_os("PROPTEST_RNG_SEED").is_some() { default.rng_seed } else { RngSeed::Fixed(1) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..default }
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

fn start(manager: &'static str, flag: Option<&'static str>) -> Start {
    let policy = ConflictPolicy::Auto;
    Start { manager, flag, elsewhere: false, class: "nginx", in_place: false, shells: false, policy, confine: false, restarts: false }
}

fn declare() -> Operation {
    let spec = serde_json::json!({"applications": [{"project": "shop"}], "subjects": [{"kind": "Group", "name": "team-a"}]});
    Operation::Declare("a", Spec(spec))
}

fn upgrade(flag: Option<&'static str>) -> Operation {
    Operation::Foreign(Edit::HelmUpgrade(flag))
}

#[test]
fn what_helm_has_patched_is_not_given_up_by_its_next_apply() {
    let operations = [upgrade(None), declare(), Operation::Settle, upgrade(None)];
    Machine::new(start("helm", Some("false")).world(), Structural).live(&operations).unwrap();
}

#[test]
fn what_helm_takes_over_from_us_and_then_drops_is_gone() {
    let operations = [declare(), Operation::Settle, upgrade(Some("false")), Operation::Steps(1), upgrade(None)];
    Machine::new(start("kubectl", None).world(), Structural).live(&operations).unwrap();
}

#[test]
fn a_policy_that_comes_back_while_it_is_created_anew_keeps_nothing_of_ours() {
    let recreated = Operation::Stale(Box::new(Operation::Foreign(Edit::Recreate(Which::RbacCm))));
    let operations = [Operation::Foreign(Edit::Remove(Which::RbacCm)), declare(), Operation::Steps(1), recreated];
    Machine::new(start("kubectl", None).world(), Structural).live(&operations).unwrap();
}
