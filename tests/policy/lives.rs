//! Random lives of an instance, as the unit tests have them, with Argo CD's own engine as the judge after every write: people can open
//! exactly the terminals that are declared, besides those that others have given them. The same lives in each run, unless
//! `PROPTEST_RNG_SEED` says otherwise.

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};
use serde_json::Value;

use super::simulation::state_machine::declared::{Access, Universe};
use super::simulation::state_machine::machine::Machine;
use super::simulation::state_machine::operation::operation;
use super::simulation::state_machine::{judge, worlds};
use super::support::policyjudge::{self, Request};

/// So many sequences.
const SEQUENCES: u32 = 200;

struct Engine<'a>(&'a std::cell::RefCell<policyjudge::Judge>);

impl judge::Judge for Engine<'_> {
    fn access(&mut self, universe: &Universe, data: &super::instance::Data, projects: &[Value]) -> Result<Access, String> {
        let pairs = (0..universe.people.len()).flat_map(|p| (0..universe.objects.len()).map(move |o| (p, o)));
        let request = |(p, o): (usize, usize)| {
            let (user, groups) = &universe.people[p];
            Request::exec(user, &groups.iter().map(String::as_str).collect::<Vec<_>>(), &universe.objects[o])
        };
        let requests: Vec<Request> = pairs.clone().map(request).collect();
        let allowed = self.0.borrow_mut().allowed(data, projects, &requests)?;
        Ok(pairs.zip(allowed).filter(|(_, allowed)| *allowed).map(|(pair, _)| pair).collect())
    }
}

#[test]
fn after_every_write_argo_cd_allows_what_is_declared_and_nothing_else() {
    let engine = std::cell::RefCell::new(policyjudge::Judge::start());
    let default = ProptestConfig::default();
    let rng_seed = if std::env::var_os("PROPTEST_RNG_SEED").is_some() { default.rng_seed } else { RngSeed::Fixed(1) };
    let config = ProptestConfig { cases: SEQUENCES, rng_seed, failure_persistence: None, ..default };
    let mut runner = TestRunner::new(config);
    let lives = (worlds::start(), proptest::collection::vec(operation(true), 1..16));
    let result =
        runner.run(&lives, |(start, operations)| Machine::new(start.world(), Engine(&engine)).live(&operations).map_err(TestCaseError::fail));
    if let Err(TestError::Fail(why, (start, operations))) = result {
        panic!("{why}\nThe shortest such life: {start:#?}\n{operations:#?}");
    }
    result.unwrap();
}
