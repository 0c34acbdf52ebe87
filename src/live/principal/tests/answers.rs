//! What agents answered, and what is said of it.

use std::collections::BTreeSet;

use serde_json::json;

use super::simulator::{NOON, Sim, said};
use crate::live::principal::answers::{Answer, Tried};

fn tried(answer: Answer) -> Tried {
    Tried { answer, certificate_expires: Some("2027-01-01T00:00:00Z".parse().unwrap()), at: NOON.parse().unwrap() }
}

fn probing(answers: &[(&str, Answer)]) -> Sim {
    let mut sim = Sim::new();
    sim.world.settings.live.agents = ["one", "two"].map(ToOwned::to_owned).into();
    sim.answers = answers.iter().map(|(name, answer)| ((*name).to_owned(), tried(answer.clone()))).collect();
    sim.declare("hub", "{probe: {mode: ClientCertificate, agents: [one, two]}}", &json!({}));
    sim.settle();
    sim
}

#[test]
fn each_answer_is_named_and_the_worst_is_what_counts() {
    let good = Answer::Code(200);
    for (answer, status, reason) in [
        (Answer::Code(200), "True", "Answered"),
        (Answer::Code(401), "False", "CertificateRefused"),
        (Answer::Refused("UnknownCA".to_owned()), "False", "CertificateRefused"),
        (Answer::Code(502), "False", "AgentDisconnected"),
        (Answer::Code(504), "False", "AgentTimeout"),
        (Answer::Code(302), "False", "ProxyUnreachable"),
        (Answer::Nothing("connection refused".to_owned()), "False", "ProxyUnreachable"),
        (Answer::NotAsked("it lacks a label".to_owned()), "Unknown", "NotProbed"),
    ] {
        for order in [[("one", &answer), ("two", &good)], [("two", &answer), ("one", &good)]] {
            let sim = probing(&order.map(|(name, answer)| (name, answer.clone())));
            assert_eq!(sim.condition("hub", "AgentReachable"), said(status, reason), "{answer:?}");
            assert_eq!(sim.ready("hub"), if status == "True" { "Ready" } else { reason });
        }
    }
    let sim = probing(&[("one", Answer::Code(502)), ("two", Answer::Code(401))]);
    assert_eq!(sim.condition("hub", "AgentReachable"), said("False", "CertificateRefused"));
    assert!(sim.message("hub", "AgentReachable").contains("and 1 more"));
    let codes: Vec<(&str, Option<i64>)> = sim.statuses["hub"].agents.iter().map(|a| (a.name.as_str(), a.code)).collect();
    assert_eq!(codes, [("one", Some(502)), ("two", Some(401))]);
    assert!(sim.statuses["hub"].agents.iter().all(|a| a.certificate_expires.is_some() && a.checked_at.is_some()));
}

#[test]
fn an_expired_certificate_is_said_whatever_was_answered_last() {
    let mut sim = probing(&[("one", Answer::Code(200)), ("two", Answer::Code(200))]);
    sim.answers.get_mut("two").unwrap().certificate_expires = Some(NOON.parse().unwrap());
    sim.settle();
    assert_eq!(sim.condition("hub", "AgentReachable"), said("False", "CertificateRefused"));
}

#[test]
fn only_agents_that_the_admin_names_are_tried() {
    let mut sim = probing(&[("one", Answer::Code(200))]);
    assert_eq!(sim.plan().agents, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
    sim.world.settings.live.agents = BTreeSet::from(["one".to_owned()]);
    sim.settle();
    assert_eq!(sim.plan().agents, BTreeSet::from(["one".to_owned()]));
    assert_eq!(sim.condition("hub", "AgentReachable"), said("Unknown", "NotProbed"));
    assert!(sim.message("hub", "AgentReachable").contains("live.agents"));
    sim.declare("hub", "{probe: {mode: ClientCertificate, agents: [one]}}", &json!({"suspend": true}));
    sim.settle();
    assert!(sim.plan().agents.is_empty() && sim.statuses["hub"].agents.is_empty(), "nobody is tried for an object that does not count");
}
