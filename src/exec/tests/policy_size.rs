//! argocd-rbac-cm holds no more than Kubernetes takes: what does not fit is never sent, and what stands is not lost over it.

use proptest::prelude::*;
use serde_json::json;

use super::simulator::{Sim, rbac_cm};

const KIB: usize = 1024;
/// What is written makes it no larger than this.
const MOST: usize = 900 * KIB;

fn key(name: &str) -> String {
    format!("policy.argocd-access.{name}.csv")
}

fn size(sim: &Sim) -> usize {
    sim.data(&rbac_cm()).iter().map(|(key, text)| key.len() + text.len()).sum()
}

/// So many subjects make about so many times 280 bytes.
fn spec(subjects: impl IntoIterator<Item = usize>) -> String {
    let subjects: Vec<String> = subjects.into_iter().map(|i| format!("{{kind: Group, name: '{}-{i}'}}", "g".repeat(250))).collect();
    format!("{{subjects: [{}], applications: [{{project: shop}}]}}", subjects.join(", "))
}

/// Others' policy becomes so large.
fn others(sim: &mut Sim, size: usize) {
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "# padding\n".repeat(size / 10)}}));
}

fn delete(sim: &mut Sim, name: &str) {
    if sim.world.accesses.iter().any(|access| access.metadata.name.as_deref() == Some(name)) {
        sim.delete(name);
    }
}

#[test]
fn what_stands_stays_when_others_fill_the_rest_and_can_be_made_less_but_not_more() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec(0..4));
    let before = sim.data(&rbac_cm())[&key("team")].clone();
    others(&mut sim, 1020 * KIB);
    assert!(sim.settle().is_empty(), "nothing is written for it");
    assert_eq!(sim.says("team", "PolicyApplied").1, "Applied");

    sim.grant("late", &spec([9]));
    assert_eq!(sim.says("late", "PolicyApplied").1, "PolicyTooLarge");
    assert!(!sim.data(&rbac_cm()).contains_key(&key("late")));
    let message = sim.message("late", "PolicyApplied");
    assert!(message.contains("900 KiB in all") && message.contains("1024"), "{message}");

    sim.grant("team", &spec(0..5));
    assert_eq!(sim.says("team", "PolicyApplied").1, "PolicyTooLarge");
    assert_eq!(sim.data(&rbac_cm())[&key("team")], before, "the others of it keep what they have");

    // One goes and one comes: the one goes.
    sim.grant("team", &spec([0, 1, 7]));
    let text = sim.data(&rbac_cm())[&key("team")].clone();
    assert!(text.contains("-0, ") && text.contains("-1, ") && !text.contains("-2, ") && !text.contains("-7, "), "{text}");
    assert_eq!(sim.says("team", "PolicyApplied").1, "PolicyTooLarge");
    sim.delete("team");
    sim.settle();
    assert!(!sim.data(&rbac_cm()).contains_key(&key("team")));

    others(&mut sim, 10);
    sim.settle();
    assert_eq!(sim.says("late", "Ready").0, "True", "with room it is written");
}

#[test]
fn an_older_object_that_grows_does_not_push_out_a_younger_one() {
    let mut sim = Sim::stock();
    sim.grant("older", &spec([0]));
    sim.grant("younger", &spec([1]));
    others(&mut sim, MOST - 3 * KIB);
    sim.settle();
    sim.grant("older", &spec(0..20));
    assert_eq!(sim.says("older", "PolicyApplied").1, "PolicyTooLarge");
    assert_eq!(sim.says("younger", "PolicyApplied").1, "Applied");
    assert!(size(&sim) <= MOST);
}

#[test]
fn binary_data_count_for_the_size_too() {
    let mut sim = Sim::stock();
    sim.edit("kubectl", &rbac_cm(), &json!({"binaryData": {"logo.png": "A".repeat(4 * (899 * KIB / 3))}}));
    sim.grant("team", &spec(0..8));
    assert_eq!(sim.says("team", "PolicyApplied").1, "PolicyTooLarge");
    assert!(!sim.data(&rbac_cm()).contains_key(&key("team")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The names say in which order they were declared first.
    #[test]
    fn whatever_is_declared_and_written_beside_it_nothing_of_ours_passes_the_limit_and_all_of_it_can_be_withdrawn(
        steps in prop::collection::vec((0_usize..5, 0_usize..8, prop::option::of(0_usize..1020)), 1..10),
    ) {
        let mut sim = Sim::stock();
        for (which, subjects, foreign) in steps {
            if let Some(foreign) = foreign {
                others(&mut sim, foreign * KIB);
            }
            let before = size(&sim);
            let name = format!("x{which}");
            if subjects == 0 {
                delete(&mut sim, &name);
            } else {
                sim.declare(&name, &spec((which * 10)..(which * 10 + subjects)));
            }
            sim.settle();
            prop_assert!(size(&sim) <= before.max(MOST), "{} after {before}", size(&sim));
            // Nobody has what is not declared, and who was declared before and is still has it.
            for access in &sim.world.accesses {
                let name = access.metadata.name.clone().unwrap();
                let text = sim.data(&rbac_cm()).get(&key(&name)).cloned().unwrap_or_default();
                let declared: Vec<&str> = access.spec.subjects.iter().map(|subject| subject.name.as_str()).collect();
                let members = text.lines().filter(|line| line.starts_with("g, "));
                let is_declared = |line: &str| declared.iter().any(|name| line.split(", ").any(|field| field == *name));
                prop_assert!(members.clone().all(is_declared), "{text}");
                prop_assert!(sim.says(&name, "PolicyApplied").1 == "PolicyTooLarge" || members.count() == declared.len());
            }
        }
        for which in 0..5 {
            delete(&mut sim, &format!("x{which}"));
        }
        sim.settle();
        prop_assert!(sim.data(&rbac_cm()).keys().all(|key| !key.starts_with("policy.argocd-access.")));
    }
}
