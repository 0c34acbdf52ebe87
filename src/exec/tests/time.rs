//! Time passes: what opens, closes and expires, and what of it is written.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::fixtures::SPEC;
use super::simulator::{Sim, argocd_cm, exec_access, rbac_cm, the_ingress};
use crate::api::FINALIZER;
use crate::reconcile::{Direction, Kind, Layer, Write};

const KEY: &str = "policy.argocd-access.team.csv";
/// A Monday at noon, when tests begin.
const NOON: &str = "2026-06-01T12:00:00Z";
const OFFICE: &str = "schedule: [{days: [Mon, Tue, Wed, Thu, Fri], from: '08:00', to: '18:00', timeZone: Europe/Paris}], ";

fn spec(more: &str) -> String {
    SPEC.replace("{subjects", &format!("{{{more}subjects"))
}

fn valid(from: &str, to: &str) -> String {
    let field = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!("{name}: '{value}', ") };
    spec(&format!("validity: {{{}{}}}, ", field("notBefore", from), field("notAfter", to)))
}

impl Sim {
    /// It is this late now.
    fn at(&mut self, time: &str) -> Vec<Write> {
        self.now = time.parse().unwrap();
        self.settle()
    }

    fn is_open(&self) -> bool {
        let (lines, bound) = (self.data(&rbac_cm()).contains_key(KEY), !self.bound().is_empty());
        assert_eq!(lines, bound, "lines and bindings come and go together");
        lines
    }

    fn ready(&self) -> (String, String) {
        self.says("team", "Ready")
    }

    fn next(&self) -> Option<String> {
        self.status("team").next_transition.map(|t| t.0.to_string())
    }
}

fn said(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

fn shared_settings(writes: &[Write]) -> usize {
    writes.iter().filter(|w| w.target == argocd_cm() || w.target == the_ingress() || w.target.kind == Kind::Deployment).count()
}

#[test]
fn windows_toggle_lines_and_bindings_and_nothing_else() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec(OFFICE));
    assert!(sim.is_open());
    assert_eq!((sim.ready(), sim.next().unwrap().as_str()), (said("True", "Ready"), "2026-06-01T16:00:00Z"));
    let (flag, ingress) = (sim.data(&argocd_cm()), sim.annotations(&the_ingress()));

    assert!(sim.at("2026-06-01T15:59:59Z").is_empty());
    let closing = sim.at("2026-06-01T16:00:00Z");
    assert!(!sim.is_open());
    assert_eq!((sim.ready(), sim.next().unwrap().as_str()), (said("False", "OutsideSchedule"), "2026-06-02T06:00:00Z"));
    assert_eq!(closing.iter().map(|w| (w.layer, w.direction)).next(), Some((Layer::Policy, Direction::Narrow)), "the lines go first: {closing:?}");
    assert!(sim.message("team", "Active").contains("opens at 2026-06-02T06:00:00Z"), "{}", sim.message("team", "Active"));

    let opening = sim.at("2026-06-02T06:00:00Z");
    assert!(sim.is_open());
    assert_eq!(opening.iter().map(|w| w.layer).collect::<Vec<_>>(), [Layer::Server, Layer::Policy], "the lines come last");
    assert_eq!(shared_settings(&closing) + shared_settings(&opening), 0, "what everybody shares stays");
    assert_eq!((sim.data(&argocd_cm()), sim.annotations(&the_ingress())), (flag, ingress));

    sim.at("2026-06-05T16:00:00Z");
    assert_eq!(sim.next().unwrap(), "2026-06-08T06:00:00Z", "a weekend lies between");
}

#[test]
fn before_its_beginning_an_access_is_prepared_and_grants_nothing() {
    let mut sim = Sim::stock();
    sim.grant("team", &valid("2026-06-01T14:00:00Z", ""));
    assert!(!sim.is_open());
    assert_eq!((sim.ready(), sim.next().unwrap().as_str()), (said("False", "BeforeStart"), "2026-06-01T14:00:00Z"));
    assert_eq!(sim.data(&argocd_cm())["exec.enabled"], "true");
    assert_eq!(sim.says("team", "ExecEnabled").0, "True");
    let writes = sim.at("2026-06-01T14:00:00Z");
    assert!(sim.is_open());
    assert_eq!((sim.ready(), sim.next()), (said("True", "Ready"), None));
    assert_eq!(shared_settings(&writes), 0);
}

#[test]
fn an_expired_access_is_handed_back_and_stays_as_a_record() {
    let mut sim = Sim::stock();
    let before = sim.shared();
    sim.grant("team", &valid("", "2026-06-01T13:00:00Z"));
    assert_eq!((sim.is_open(), sim.next().unwrap().as_str()), (true, "2026-06-01T13:00:00Z"));
    sim.at("2026-06-01T13:00:00Z");
    assert_eq!(sim.shared(), before);
    assert_eq!((sim.ready(), sim.next()), (said("False", "Expired"), None));
    assert_eq!((sim.says("team", "Active"), sim.says("team", "PolicyApplied")), (said("False", "Expired"), said("False", "Expired")));
    assert_eq!(sim.says("team", "Accepted").0, "True");
    assert_eq!(sim.get(&exec_access("team")).unwrap()["metadata"]["finalizers"], json!([FINALIZER]), "until it is deleted");
    assert!(sim.at("2027-01-01T00:00:00Z").is_empty());
    assert_eq!(sim.plan().next, None, "nothing is to come");
    sim.grant("team", &valid("", "2027-02-01T00:00:00Z"));
    assert!(sim.is_open(), "who prolongs it opens it again");
    sim.at("2027-02-01T00:00:00Z");
    sim.delete("team");
    sim.settle();
    assert!(sim.world.accesses.is_empty());
}

#[test]
fn one_that_was_over_before_it_was_seen_is_never_touched() {
    let mut sim = Sim::stock();
    let before = sim.shared();
    assert!(sim.grant("team", &valid("", "2026-05-01T00:00:00Z")).is_empty(), "not even a finalizer");
    assert_eq!((sim.ready(), sim.shared()), (said("False", "Expired"), before));
}

#[test]
fn validity_and_schedule_must_both_hold() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec(&format!("{OFFICE}validity: {{notBefore: '2026-06-02T10:00:00Z', notAfter: '2026-06-03T10:00:00Z'}}, ")));
    let mut seen = Vec::new();
    for (time, open) in [
        ("2026-06-02T07:00:00Z", false),
        ("2026-06-02T10:00:00Z", true),
        ("2026-06-02T16:00:00Z", false),
        ("2026-06-03T06:00:00Z", true),
        ("2026-06-03T10:00:00Z", false),
    ] {
        sim.at(time);
        assert_eq!(sim.is_open(), open, "{time}");
        seen.push(sim.ready().1);
    }
    assert_eq!(seen, ["BeforeStart", "Ready", "OutsideSchedule", "Ready", "Expired"]);
}

#[test]
fn the_end_of_one_leaves_the_others() {
    let mut sim = Sim::stock();
    sim.grant("team", &valid("", "2026-06-01T13:00:00Z"));
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    let writes = sim.at("2026-06-01T13:00:00Z");
    assert_eq!((sim.bound(), sim.says("other", "Ready")), (vec!["bank".to_owned()], said("True", "Ready")));
    assert_eq!(shared_settings(&writes), 0);
}

#[test]
fn a_plan_says_when_it_will_be_another_one() {
    let cases = [
        (valid("2026-06-01T14:00:00Z", ""), "2026-06-01T14:00:00Z"),
        (valid("2026-06-01T14:00:00Z", "2026-06-01T15:00:00Z"), "2026-06-01T14:00:00Z"),
        (valid("", "2026-06-01T13:30:00Z"), "2026-06-01T13:30:00Z"),
        (spec(OFFICE), "2026-06-01T16:00:00Z"),
        (spec(&OFFICE.replace("08:00", "16:00")), "2026-06-01T14:00:00Z"),
        (valid("", "2026-06-01T13:30:00Z").replace("{validity", "{mode: Observe, validity"), "2026-06-01T13:30:00Z"),
    ];
    for (spec, next) in cases {
        let mut sim = Sim::stock();
        sim.grant("team", &spec);
        let said = |sim: &Sim| sim.plan().outlooks.iter().map(|o| (o.active.clone(), o.next_transition)).collect::<Vec<_>>();
        let before = said(&sim);
        let due = sim.plan().next.unwrap();
        assert_eq!(due.to_string(), next, "{spec}");
        sim.now = due - SignedDuration::from_millis(1);
        assert!(sim.plan().writes.is_empty() && said(&sim) == before && sim.plan().next == Some(due), "{spec}");
        sim.now = due;
        assert_ne!(said(&sim), before, "{spec}");
    }
    let mut sim = Sim::stock();
    sim.grant("team", SPEC);
    assert_eq!(sim.plan().next, None);
    sim.grant("first", &valid("", "2026-06-01T18:00:00Z"));
    sim.grant("second", &valid("", "2026-06-01T17:00:00Z"));
    assert_eq!(sim.plan().next.unwrap().to_string(), "2026-06-01T17:00:00Z", "the earliest of all");
}

#[test]
fn where_clocks_differ_the_later_one_ends_and_the_earlier_one_begins() {
    for ahead in [60, -60] {
        let mut sim = Sim::stock();
        sim.world.server_ahead = Some(SignedDuration::from_secs(ahead));
        sim.grant("team", &valid("2026-06-01T13:00:00Z", "2026-06-01T14:00:00Z"));
        let begins = if ahead > 0 { "2026-06-01T13:00:00Z" } else { "2026-06-01T13:01:00Z" };
        let ends = if ahead > 0 { "2026-06-01T13:59:00Z" } else { "2026-06-01T14:00:00Z" };
        for (due, open) in [(begins, true), (ends, false)] {
            assert_eq!(sim.plan().next.unwrap().to_string(), due, "{ahead}");
            sim.now = due.parse::<Timestamp>().unwrap() - SignedDuration::from_secs(1);
            sim.round();
            assert_eq!(sim.is_open(), !open, "{ahead}: a second before {due}");
            sim.at(due);
            assert_eq!(sim.is_open(), open, "{ahead}: at {due}");
        }
        assert_eq!(sim.says("team", "ClockSynced"), said("False", "ClockSkew"));
    }
}

#[test]
fn the_clocks_are_spoken_of_only_where_time_matters_and_never_keep_an_access_from_being_ready() {
    let mut sim = Sim::stock();
    sim.grant("team", &valid("", "2026-07-01T00:00:00Z"));
    sim.grant("other", "{subjects: [{kind: Group, name: b}], applications: [{project: bank}]}");
    assert_eq!(sim.says("team", "ClockSynced"), said("True", "InSync"));
    assert!(sim.status("other").conditions.iter().all(|c| c.type_ != "ClockSynced"));
    sim.world.server_ahead = None;
    sim.settle();
    assert_eq!((sim.says("team", "ClockSynced"), sim.ready()), (said("Unknown", "ClockUnknown"), said("True", "Ready")));
}

#[test]
fn an_end_is_kept_although_a_foreign_line_is_broken() {
    let mut sim = Sim::stock();
    sim.grant("team", &valid("", "2026-06-01T13:00:00Z"));
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.overlay.csv": "p, broken"}}));
    sim.settle();
    sim.at("2026-06-01T13:00:00Z");
    assert!(!sim.is_open());
    assert_eq!(sim.data(&rbac_cm())["policy.overlay.csv"], "p, broken");
}

#[test]
fn limits_of_the_instance_bound_the_time() {
    let refusal = |spec: &str, set: fn(&mut crate::config::Limits)| {
        let mut sim = Sim::stock();
        set(&mut sim.world.settings.limits);
        sim.now = NOON.parse().unwrap();
        sim.declare("team", spec);
        // The simulator's objects are born at the beginning of all time.
        sim.edit("kubectl", &exec_access("team"), &json!({"metadata": {"creationTimestamp": NOON}}));
        sim.settle();
        (sim.says("team", "Accepted").1, sim.message("team", "Accepted"))
    };
    let hours: fn(&mut crate::config::Limits) = |l| l.max_duration = Some(std::time::Duration::from_secs(5400));
    let required: fn(&mut crate::config::Limits) = |l| l.require_not_after = true;
    for (spec, set, limit) in [
        (SPEC.to_owned(), required, "requireNotAfter"),
        (valid(NOON, ""), required, "requireNotAfter"),
        (SPEC.to_owned(), hours, "at most 1h30m (limit maxDuration)"),
        (valid("", "2026-06-01T13:30:01Z"), hours, "creation 2026-06-01T12:00:00Z (limit maxDuration)"),
        (valid("2026-06-01T10:00:00Z", "2026-06-01T13:00:00Z"), hours, "notBefore 2026-06-01T10:00:00Z (limit maxDuration)"),
    ] {
        let (reason, message) = refusal(&spec, set);
        assert!(reason == "LimitExceeded" && message.contains(limit), "{reason} {message}");
    }
    for (spec, set) in [
        (valid("", "2026-06-01T13:30:00Z"), hours),
        (valid("2026-06-02T10:00:00Z", "2026-06-02T11:30:00Z"), hours),
        (valid("", "2027-06-01T13:30:00Z"), required),
    ] {
        assert_eq!(refusal(&spec, set).0, "Valid", "{spec}");
    }
}

#[test]
fn a_time_zone_that_there_is_not_is_refused_by_name() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec(&OFFICE.replace("Europe/Paris", "Europe/Pariss")));
    assert_eq!(sim.says("team", "Accepted"), said("False", "Invalid"));
    let message = sim.message("team", "Accepted");
    assert!(message.contains("spec.schedule[0].timeZone \"Europe/Pariss\""), "{message}");
    assert!(!sim.is_open());
}

#[test]
fn who_observes_sees_what_the_windows_would_open_until_it_is_over() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec(&format!("mode: Observe, {}validity: {{notAfter: '2026-06-08T00:00:00Z'}}, ", OFFICE.replace("18:00", "08:30"))));
    assert_eq!(sim.ready(), said("False", "Observing"));
    assert!(sim.status("team").changes.iter().any(|c| c.field == format!("data/{KEY}")));
    sim.at("2026-06-08T00:00:00Z");
    assert_eq!(sim.ready(), said("False", "Expired"));
    assert!(sim.status("team").changes.is_empty());
}

#[test]
fn an_object_that_waits_keeps_the_shared_settings_of_one_that_expires() {
    let mut sim = Sim::stock();
    sim.grant("team", &valid("", "2026-06-01T13:00:00Z"));
    sim.grant("night", &spec("roleName: night, schedule: [{days: [Mon], from: '22:00', to: '02:00'}], "));
    assert!(shared_settings(&sim.at("2026-06-01T13:00:00Z")) == 0 && sim.data(&argocd_cm())["exec.enabled"] == "true");
    sim.delete("night");
    sim.settle();
    assert!(!sim.data(&argocd_cm()).contains_key("exec.enabled"), "the last one hands it back");
}

#[test]
fn in_a_confined_instance_a_window_opens_behind_the_admission_policy_and_closes_before_it() {
    let mut sim = super::confinement::confined();
    sim.grant("team", &spec(&OFFICE.replace("08:00", "16:00")));
    assert_eq!((sim.is_open(), super::confinement::allows(&sim).as_str()), (false, "false"), "while none is open it denies all");
    let opening = sim.at("2026-06-01T14:00:00Z");
    assert!(sim.is_open());
    let layers: Vec<Layer> = opening.iter().map(|w| w.layer).collect();
    assert_eq!(layers, [Layer::Confinement, Layer::Server, Layer::Policy]);
    let closing = sim.at("2026-06-01T16:00:00Z");
    assert_eq!((sim.is_open(), closing[0].layer), (false, Layer::Policy), "{closing:?}");
    assert_eq!(super::confinement::allows(&sim), "false");
    assert_eq!(shared_settings(&opening) + shared_settings(&closing), 0);
}

#[test]
fn a_stop_ends_an_open_window_and_its_release_opens_it_again() {
    let mut sim = Sim::stock();
    sim.grant("team", &spec(OFFICE));
    let stop = |sim: &mut Sim, why: serde_json::Value| {
        sim.edit("kubectl", &argocd_cm(), &json!({"metadata": {"annotations": {crate::api::STOP: why}}}));
        sim.settle();
    };
    stop(&mut sim, json!("drill"));
    assert_eq!((sim.is_open(), sim.ready(), sim.next()), (false, said("False", "Stopped"), None));
    assert!(sim.status("team").sessions_may_remain.is_some());
    assert_eq!(sim.plan().next, None, "no window opens");
    sim.at("2026-06-02T07:00:00Z");
    assert!(!sim.is_open());
    stop(&mut sim, json!(null));
    assert!(sim.is_open());
}
