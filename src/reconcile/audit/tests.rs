//! Lives of objects, and what is told of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Effect, Event, Ledger, Record, effect_of, event, follow, keep_writers};
use crate::api::conditions::{ConditionType, Reason, State, Verdict, condition};
use crate::api::{ExecAccess, ExecAccessStatus, GrantInEffect};
use crate::reconcile::told::Told;

fn at(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(1_800_000_000 + second).unwrap())
}

fn access(subjects: &[&str], project: &str, reason: &str) -> ExecAccess {
    let subjects: Vec<Value> = subjects.iter().map(|name| json!({"kind": "Group", "name": name})).collect();
    serde_json::from_value(json!({
        "apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess",
        "metadata": {"name": "team", "namespace": "argocd", "uid": "uid-team", "generation": 3, "managedFields": [
            {"manager": "argocd-access", "operation": "Update", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
            {"manager": "argocd-access", "operation": "Apply", "time": "2026-01-03T00:00:00Z", "subresource": "status", "fieldsV1": {"f:status": {}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:reason": {}}}},
            {"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {"f:subjects": {}}}},
            {"manager": "labeller", "operation": "Update", "time": "2026-01-04T00:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
        ]},
        "spec": {"subjects": subjects, "applications": [{"project": project}], "reason": reason},
    }))
    .unwrap()
}

fn said(kind: ConditionType, state: State, reason: Reason) -> Condition {
    condition(kind, &Verdict { state, reason, message: String::new() }, None, &[], &at(0))
}

/// What the operator would find, apart from the grant.
fn found(effect: Effect, until: Option<i64>) -> ExecAccessStatus {
    let (active, policy) = match effect {
        Effect::Given => ((State::True, Reason::InEffect), (State::True, Reason::Applied)),
        Effect::Standing => ((State::True, Reason::InEffect), (State::False, Reason::WriteFailed)),
        _ => ((State::False, Reason::Suspended), (State::False, Reason::Suspended)),
    };
    let set = if effect == Effect::Gone { Vec::new() } else { vec!["argocd-rbac-cm".into()] };
    let conditions = vec![said(ConditionType::Active, active.0, active.1), said(ConditionType::PolicyApplied, policy.0, policy.1)];
    ExecAccessStatus { set, conditions, next_transition: until.map(at), ..ExecAccessStatus::default() }
}

/// An object, the process that looks after it, and what that has told.
struct Life {
    object: Arc<ExecAccess>,
    ledger: Ledger<ExecAccess>,
    told: Vec<Record>,
    second: i64,
}

/// What becomes of a write of a status.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Written,
    /// It is written, and the answer is lost.
    Unanswered,
    Refused,
}

impl Life {
    fn new() -> Self {
        Self { object: Arc::new(access(&["a"], "shop", "INC-1")), ledger: Ledger::default(), told: Vec::new(), second: 0 }
    }

    fn declare(&mut self, subjects: &[&str], project: &str) {
        let status = self.object.status.clone();
        let generation = self.object.metadata.generation;
        let mut object = ExecAccess { status, ..access(subjects, project, "INC-1") };
        // As the API server counts: each spec that differs.
        object.metadata.generation = if object.spec == self.object.spec { generation } else { generation.map(|number| number + 1) };
        self.object = Arc::new(object);
    }

    fn round(&mut self, effect: Effect, until: Option<i64>, fate: Fate) {
        self.second += 1;
        self.told.extend(self.ledger.seen(&self.object));
        let mut status = found(effect, until);
        let before = self.object.status.as_ref().and_then(|status| status.grant.as_ref());
        let (effect, until) = (ExecAccess::effect(&status), status.next_transition.clone());
        status.grant = follow(before, effect, &self.object.terms(), until.as_ref(), None, &at(self.second));
        if self.object.status.as_ref() == Some(&status) {
            return;
        }
        self.ledger.sent(&self.object);
        let with = Arc::new(ExecAccess { status: Some(status.clone()), ..(*self.object).clone() });
        match fate {
            Fate::Written => {
                self.told.extend(self.ledger.written(&self.object, &status));
                self.object = with;
            }
            Fate::Unanswered => self.object = with,
            Fate::Refused => {}
        }
    }

    fn told(&self) -> Vec<&'static str> {
        self.told.iter().map(|record| record.event.as_str()).collect()
    }

    fn grant(&self) -> Option<GrantInEffect> {
        self.object.status.as_ref().and_then(|status| status.grant.clone())
    }
}

#[test]
fn a_grant_is_told_when_it_opens_changes_and_closes_with_who_whom_what_until_when_and_why() {
    let mut life = Life::new();
    life.round(Effect::Given, Some(600), Fate::Written);
    life.round(Effect::Given, Some(600), Fate::Written);
    life.declare(&["a", "b"], "shop");
    life.round(Effect::Given, Some(900), Fate::Written);
    life.round(Effect::Gone, None, Fate::Written);
    assert_eq!(life.told(), ["GrantOpened", "GrantChanged", "GrantClosed"]);
    let [opened, changed, closed] = &life.told[..] else { panic!("{:?}", life.told) };
    assert_eq!((opened.whom.as_str(), opened.whom_count), (r#"["Group a"]"#, 1));
    assert_eq!(opened.what, r#"["exec create shop/*","pods of the Applications' namespaces"]"#);
    assert_eq!((opened.until.as_str(), opened.reason.as_str()), (at(600).0.to_string().as_str(), "INC-1"));
    let by: Value = serde_json::from_str(&opened.by).unwrap();
    let who = |manager: &str, operation: &str, time: &str| json!({"manager": manager, "operation": operation, "time": time});
    assert_eq!(
        by,
        json!([who("argocd-controller", "Apply", "2026-01-02T00:00:00Z"), who("kubectl-edit", "Update", "2026-01-01T00:00:00Z")]),
        "the managers of the spec, the latest first"
    );
    assert_eq!((changed.changed.as_str(), changed.whom.as_str()), ("whom,until", r#"["Group a","Group b"]"#));
    assert_eq!((closed.cause.as_str(), &closed.whom, &closed.since), ("Suspended", &changed.whom, &opened.since));
}

#[test]
fn what_cannot_be_written_is_not_told_as_changed_until_it_is() {
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Written);
    life.declare(&["b"], "shop");
    life.round(Effect::Standing, None, Fate::Written);
    assert_eq!(life.told(), ["GrantOpened"], "the lines are those of before");
    // Closed now, it is told for whom it was.
    life.round(Effect::Gone, None, Fate::Written);
    assert_eq!(life.told.last().unwrap().whom, r#"["Group a"]"#);
}

#[test]
fn of_a_grant_whose_terms_nobody_knows_any_more_none_are_told() {
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Written);
    // While no operator ran, somebody declared something else and suspended it.
    life.ledger = Ledger::default();
    life.declare(&["b"], "shop");
    life.round(Effect::Gone, None, Fate::Written);
    let closed = life.told.last().unwrap();
    assert_eq!((closed.event.as_str(), closed.whom.as_str(), closed.whom_count), ("GrantClosed", "[]", 0));
    assert!(closed.note(1000).contains("Suspended") && !closed.note(1000).contains("Whom"), "{}", closed.note(1000));
}

#[test]
fn a_process_that_dies_between_the_status_and_the_line_leaves_that_line_out_and_no_other() {
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Unanswered);
    life.ledger = Ledger::default();
    life.round(Effect::Given, None, Fate::Written);
    assert_eq!(life.told(), Vec::<&str>::new(), "it is not told twice either");
    life.round(Effect::Gone, None, Fate::Written);
    assert_eq!(life.told(), ["GrantClosed"]);
}

#[test]
fn a_status_whose_answer_was_lost_is_told_with_the_terms_that_it_is_of() {
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Unanswered);
    life.declare(&["b"], "web");
    life.round(Effect::Standing, None, Fate::Written);
    let opened = life.told.first().unwrap();
    assert_eq!((opened.event.as_str(), opened.whom.as_str()), ("GrantOpened", r#"["Group a"]"#));
}

#[test]
fn what_somebody_else_has_written_and_told_is_not_told_again() {
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Written);
    let mut status = found(Effect::Gone, None);
    status.grant = None;
    life.object = Arc::new(ExecAccess { status: Some(status), ..(*life.object).clone() });
    life.round(Effect::Gone, None, Fate::Written);
    assert_eq!(life.told(), ["GrantOpened"]);
}

#[test]
fn an_object_that_is_let_go_or_gone_has_its_grant_closed_once() {
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Written);
    let released = life.ledger.released(&life.object).unwrap();
    assert_eq!((released.event, released.cause.as_str()), (Event::Closed, "Deleting"));
    assert_eq!(life.ledger.vanished(&BTreeSet::new()).len(), 0, "it is told already");

    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Written);
    assert_eq!(life.ledger.vanished(&BTreeSet::from(["uid-team".to_owned()])).len(), 0, "it is there");
    let vanished = life.ledger.vanished(&BTreeSet::new());
    assert_eq!(vanished.iter().map(|(_, record)| record.cause.as_str()).collect::<Vec<_>>(), ["ObjectGone"]);

    // One that another process has opened.
    let mut life = Life::new();
    life.round(Effect::Given, None, Fate::Written);
    life.ledger = Ledger::default();
    assert!(life.ledger.released(&life.object).is_some());
}

#[test]
fn nothing_that_others_write_makes_a_line_long_or_breaks_it() {
    let nasty = "\u{202e}\u{1b}[2J\n{\"event\":\"GrantClosed\"}, \"x\"".repeat(200);
    let many: Vec<String> = (0..64).map(|n| format!("{n}{nasty}")).collect();
    let mut life = Life::new();
    let names: Vec<&str> = many.iter().map(String::as_str).collect();
    life.object = Arc::new(access(&names, "shop", &nasty));
    life.round(Effect::Given, None, Fate::Written);
    let record = life.told.first().unwrap();
    let whom: Vec<String> = serde_json::from_str(&record.whom).unwrap();
    assert_eq!((whom.len(), record.whom_count), (16, 64), "one entry for each subject, whatever it is called");
    for text in whom.iter().chain([&record.reason, &record.cause, &record.note(1000)]) {
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text}");
    }
    let note = record.note(1000);
    assert!(note.len() <= 1000 && note.contains("and 61 more"), "{} {note}", note.len());
    let line = [&record.by, &record.whom, &record.what, &record.reason].into_iter().map(String::len).sum::<usize>();
    assert!(line < 12_000, "{line}");
}

#[test]
fn a_layer_of_another_resource_is_gone_only_when_it_says_so() {
    let effect = |active: (State, Reason), layer: (State, Reason), proven| {
        let conditions = [said(ConditionType::Active, active.0, active.1), said(ConditionType::RBACApplied, layer.0, layer.1)];
        effect_of(&conditions, ConditionType::RBACApplied, proven)
    };
    let (yes, no) = ((State::True, Reason::InEffect), (State::False, Reason::Suspended));
    assert_eq!(effect(yes, (State::True, Reason::Applied), false), Effect::Given);
    assert_eq!(effect(yes, (State::False, Reason::WriteFailed), true), Effect::Standing);
    assert_eq!(effect(yes, (State::Unknown, Reason::Pending), false), Effect::Unsure);
    assert_eq!(effect(no, (State::False, Reason::Suspended), false), Effect::Gone);
    for not in [(State::False, Reason::WriteFailed), (State::Unknown, Reason::NotReadable), (State::True, Reason::Applied)] {
        assert_eq!(effect(no, not, false), Effect::Unsure, "{not:?}");
    }
    assert_eq!(effect_of(&[], ConditionType::RBACApplied, false), Effect::Unsure);
}

#[derive(Clone, Debug)]
enum Step {
    Declare(usize, usize),
    Round(Effect, Option<i64>, Fate),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let effect = prop_oneof![4 => Just(Effect::Given), 1 => Just(Effect::Standing), 2 => Just(Effect::Gone)];
    let fate = prop_oneof![4 => Just(Fate::Written), 1 => Just(Fate::Unanswered), 1 => Just(Fate::Refused)];
    prop_oneof![
        2 => (0..3_usize, 0..2_usize).prop_map(|(whom, what)| Step::Declare(whom, what)),
        5 => (effect, proptest::option::of(600..602_i64), fate).prop_map(|(effect, until, fate)| Step::Round(effect, until, fate)),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn openings_and_closings_alternate_no_change_is_told_twice_and_the_last_line_says_what_is_in_effect(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut life = Life::new();
        let mut current = (Effect::Gone, None);
        for step in steps {
            match step {
                Step::Declare(whom, what) => life.declare([&["a"][..], &["b"], &["a", "b"]][whom], ["shop", "web"][what]),
                Step::Round(effect, until, fate) => {
                    current = (effect, until);
                    life.round(effect, until, fate);
                }
                // Whoever takes over finds everything told, or else nobody could know.
                Step::Restart => {
                    life.told.extend(life.ledger.seen(&life.object));
                    life.ledger = Ledger::default();
                }
            }
        }
        life.round(current.0, current.1, Fate::Written);
        life.round(current.0, current.1, Fate::Written);
        let mut open: Option<&Record> = None;
        let mut ids = BTreeSet::new();
        for record in &life.told {
            prop_assert!(ids.insert(&record.id), "told twice: {:?}", life.told);
            match (&record.event, open) {
                (Event::Opened, None) => open = Some(record),
                (Event::Changed(_), Some(before)) => {
                    prop_assert_eq!(&before.since, &record.since);
                    open = Some(record);
                }
                (Event::Closed, Some(before)) => {
                    prop_assert_eq!(&before.since, &record.since);
                    open = None;
                }
                _ => prop_assert!(false, "{:?}", life.told),
            }
        }
        let grant = life.grant();
        prop_assert_eq!(open.map(|record| record.since.clone()), grant.as_ref().map(|grant| grant.since.0.to_string()));
        prop_assert_eq!(
            open.map(|record| record.until.clone()),
            grant.as_ref().map(|grant| grant.until.as_ref().map(|until| until.0.to_string()).unwrap_or_default())
        );
        if current.0 == Effect::Given {
            let whom: Vec<String> = serde_json::from_str(&open.unwrap().whom).unwrap();
            prop_assert_eq!(whom, life.object.terms().whom);
        }
        prop_assert_eq!(event(grant.as_ref(), grant.as_ref()), None);
    }
}

#[test]
fn of_managed_fields_only_who_wrote_the_spec_is_kept_and_a_record_tells_the_same() {
    let whole = access(&["a"], "shop", "INC-1");
    let mut kept = whole.clone();
    keep_writers(&mut kept.metadata);
    let entries = kept.metadata.managed_fields.clone().unwrap();
    let managers: Vec<_> = entries.iter().map(|entry| entry.manager.clone().unwrap()).collect();
    assert_eq!(managers, ["kubectl-edit", "argocd-controller"]);
    assert!(entries.iter().all(|entry| entry.fields_v1.is_none()), "a tenth of it: {entries:#?}");
    let grant = GrantInEffect { since: at(0), until: None, changes: 0, whom: String::new(), what: String::new(), credential: None };
    let told = |object: &ExecAccess| Record::new(Event::Opened, &object.metadata, &grant, Some(&object.terms()), "", None);
    assert_eq!(told(&kept), told(&whole));
    assert!(told(&kept).by.contains("kubectl-edit"));
    keep_writers(&mut kept.metadata);
    assert_eq!(kept.metadata.managed_fields.as_ref(), Some(&entries), "what was kept is kept");
}

#[test]
fn of_an_object_no_older_version_is_kept_once_its_successor_is_seen() {
    let mut life = Life::new();
    let first = Arc::downgrade(&life.object);
    life.round(Effect::Given, None, Fate::Written);
    life.round(Effect::Given, None, Fate::Written);
    assert!(first.upgrade().is_none(), "as it was before its status");
    life.declare(&["b"], "shop");
    let declared = Arc::downgrade(&life.object);
    // What is in effect is still that of the old spec: only with it can be told whose it was.
    life.round(Effect::Standing, None, Fate::Written);
    life.declare(&["c"], "shop");
    assert!(declared.upgrade().is_none());
    life.round(Effect::Gone, None, Fate::Written);
    assert_eq!(life.told.last().map(|record| record.whom.as_str()), Some(r#"["Group a"]"#));
}
