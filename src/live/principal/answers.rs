//! What agents answered when they were tried, and what is said of it. Pure; `cluster_io::probe` asks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::admission::Case;
use crate::api::conditions::{Reason, Verdict};
use crate::api::live_status::AgentAnswer;
use crate::config::InstanceConfig;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This HTTP code.
    Code(u16),
    /// The certificate was refused before anything could be asked: what was said.
    Refused(String),
    /// Nothing: why.
    Nothing(String),
    /// It was not asked, since its cluster Secret is not there, or not as it must be: why.
    NotAsked(String),
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What came back.
    pub answer: Answer,
    /// When the client certificate expires.
    pub certificate_expires: Option<Timestamp>,
    /// When it was.
    pub at: Timestamp,
}

/// The last try of each agent, by name.
pub type Answers = BTreeMap<String, Tried>;

/// The agents that objects in effect have tried, and that the platform admin lets the operator try.
#[must_use]
pub fn wanted(cases: &[Case], settings: &InstanceConfig) -> BTreeSet<String> {
    let named = cases.iter().filter(|c| c.effective).filter_map(|c| c.grant.as_ref()?.probe.as_ref()).flatten();
    named.filter(|agent| settings.live.agents.contains(*agent)).cloned().collect()
}

/// What is said of the agents of one object.
#[must_use]
pub fn told(agents: &BTreeSet<String>, answers: &Answers) -> Vec<AgentAnswer> {
    let told = |name: &String| {
        let tried = answers.get(name);
        AgentAnswer {
            name: name.clone(),
            code: tried.and_then(|tried| if let Answer::Code(code) = tried.answer { Some(i64::from(code)) } else { None }),
            certificate_expires: tried.and_then(|tried| tried.certificate_expires).map(Time),
            checked_at: tried.map(|tried| Time(tried.at)),
        }
    };
    agents.iter().map(told).collect()
}

/// The verdict of `AgentReachable`: what is worst.
#[must_use]
pub fn verdict(agents: &BTreeSet<String>, settings: &InstanceConfig, answers: &Answers, now: Timestamp) -> Verdict {
    let judged: Vec<(u8, Verdict)> = agents.iter().map(|agent| one(agent, settings, answers.get(agent), now)).collect();
    let bad = judged.iter().filter(|(_, verdict)| !verdict.holds()).count();
    match judged.into_iter().max_by(|a, b| a.0.cmp(&b.0)) {
        Some((_, verdict)) if verdict.holds() => Verdict::yes(Reason::Answered, format!("{} agent(s) answered through the principal", agents.len())),
        Some((_, verdict)) if bad > 1 => Verdict { message: format!("{} (and {} more)", verdict.message, bad - 1), ..verdict },
        Some((_, verdict)) => verdict,
        None => none(),
    }
}

/// What is said where no agent is meant to be tried.
#[must_use]
pub fn none() -> Verdict {
    Verdict::unknown(Reason::NotProbed, "spec.principal.probe.mode is None: whether agents answer is not tried")
}

fn one(agent: &str, settings: &InstanceConfig, tried: Option<&Tried>, now: Timestamp) -> (u8, Verdict) {
    if !settings.live.agents.contains(agent) {
        let message = format!("the operator may not read the Secret cluster-{agent}; name the agent in the chart value live.agents");
        return (3, Verdict::unknown(Reason::NotProbed, message));
    }
    let Some(tried) = tried else { return (1, Verdict::unknown(Reason::NotProbed, format!("{agent} was not asked yet"))) };
    if tried.certificate_expires.is_some_and(|end| end <= now) {
        let message = format!("the client certificate of the Secret cluster-{agent} has expired; make it anew with argocd-agentctl");
        return (8, Verdict::no(Reason::CertificateRefused, message));
    }
    match &tried.answer {
        Answer::Code(200) => (0, Verdict::yes(Reason::Answered, format!("{agent} answered"))),
        Answer::Code(401) => {
            let message = format!("the principal does not accept the client certificate of the Secret cluster-{agent} as that of {agent} (401)");
            (7, Verdict::no(Reason::CertificateRefused, message))
        }
        Answer::Refused(why) => {
            (7, Verdict::no(Reason::CertificateRefused, format!("the principal refused the client certificate of the Secret cluster-{agent}: {why}")))
        }
        Answer::Code(502) => (5, Verdict::no(Reason::AgentDisconnected, format!("{agent} is not connected to the principal (502)"))),
        Answer::Code(504) => {
            (4, Verdict::no(Reason::AgentTimeout, format!("{agent} is connected to the principal and did not answer in time (504)")))
        }
        Answer::Code(code) => (6, Verdict::no(Reason::ProxyUnreachable, format!("the resource proxy answered for {agent} with {code}"))),
        Answer::Nothing(why) => {
            let message = format!("the resource proxy did not answer the operator for {agent} ({why}); argocd-server's own way to it may be another");
            (6, Verdict::no(Reason::ProxyUnreachable, message))
        }
        Answer::NotAsked(why) => (2, Verdict::unknown(Reason::NotProbed, format!("{agent} was not asked: {why}"))),
    }
}
