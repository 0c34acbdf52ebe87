//! The agent: whether it is found, passes on live resources, and takes its Applications from the control plane. Pure.

use serde_json::json;

use super::NAMED;
use super::observed::Observed;
use super::question::Question;
use crate::api::Feature;
use crate::explain::link::{Fix, Link, Name};
use crate::explain::{LiveCause, after, commands, not_readable};
use crate::live::agent::{Agent, NoAgent, Switch};
use crate::shell::word;

/// How the agent stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let namespace = &question.instance;
    let agent = match observed.agent() {
        Err(not_seen) => return not_readable(Name::Agent, &not_seen),
        Ok(Err(NoAgent::Ambiguous(names))) => {
            let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" and ");
            let cause = LiveCause::AgentAmbiguous;
            let link = Link::unknown(Name::Agent, cause, format!("{named} in {namespace} look like an argocd-agent"));
            return link.mended_by(Fix::by_people(cause.mend()));
        }
        Ok(Err(missing)) => {
            let fact = match missing {
                NoAgent::NotNamed(name) => format!("there is no Deployment {name} in {namespace}, as a LiveResourceAccess names it"),
                _ => format!("no Deployment in {namespace} is an argocd-agent"),
            };
            let cause = LiveCause::AgentMissing;
            return Link::closed(Name::Agent, cause, fact).mended_by(Fix::by_people(cause.mend()));
        }
        Ok(Ok(agent)) => agent,
    };
    let found = format!("Deployment {namespace}/{} with ServiceAccount {}", agent.deployment, agent.service_account);
    match agent.resource_proxy {
        Some(true) => {
            let version = agent.version.as_deref().map(|v| format!(", v{v}")).unwrap_or_default();
            Link::open(Name::Agent, format!("{found}{version}, passes on live resources (whether it is connected is seen in the control plane)"))
        }
        Some(false) => {
            let fact = format!("the resource proxy of {found} is switched off by {}", agent.resource_proxy_switch);
            Link::closed(Name::Agent, LiveCause::ProxyOff, fact).mended_by(switch_on(question, &agent))
        }
        None => undecided(Name::Agent, observed, &format!("whether {found} passes on live resources")),
    }
}

/// How its mode stands.
#[must_use]
pub fn mode(question: &Question, observed: &Observed) -> Link {
    let Ok(Ok(agent)) = observed.agent() else { return after(Name::Mode, "it depends on the agent") };
    let terminal = question.feature == Feature::Terminal;
    match agent.managed {
        Some(true) => Link::open(Name::Mode, "the agent is managed: it takes its Applications from the control plane"),
        Some(false) if terminal => {
            let cause = LiveCause::Autonomous;
            let fact = format!("the agent {} is autonomous, and opens no terminals", agent.deployment);
            Link::closed(Name::Mode, cause, fact).mended_by(Fix::by_people(cause.mend()))
        }
        Some(false) => Link::open(Name::Mode, format!("the agent is autonomous, which matters for terminals, not for {}", question.feature.as_str())),
        None if terminal => undecided(Name::Mode, observed, "whether the agent is managed"),
        None => Link::open(Name::Mode, format!("not known; it matters for terminals, not for {}", question.feature.as_str())),
    }
}

fn undecided(name: Name, observed: &Observed, what: &str) -> Link {
    match &observed.config_maps {
        Err(not_seen) => not_readable(name, not_seen),
        Ok(_) => {
            let cause = LiveCause::AgentUndecided;
            Link::unknown(name, cause, format!("{what} is taken from something that is not read")).mended_by(Fix::by_people(cause.mend()))
        }
    }
}

/// The switch where the agent reads it; what makes that object makes it anew, which is said.
fn switch_on(question: &Question, agent: &Agent) -> Fix {
    let namespace = &question.instance;
    let kept = match agent.installer {
        "Helm" => Some("Helm sets it back with its next upgrade; so that it stays, set enableResourceProxy: true in the values of the agent's chart"),
        "ArgoCD" => Some("an Application of Argo CD sets it back with its next sync; so that it stays, change it in Git"),
        _ => None,
    };
    let patch = match &agent.resource_proxy_switch {
        Switch::ConfigMap { name, key } => commands::merge(namespace, "configmap", name, &json!({"data": {key: "true"}})),
        Switch::Argument(_) | Switch::Variable(_) => None,
    };
    let Some(patch) = patch else {
        let by = if agent.installer == "Operator" { ", in the ArgoCD object from which argocd-operator makes the agent" } else { "" };
        return Fix::by_people(format!("set {} to \"true\"{by}, and restart the agent", agent.resource_proxy_switch));
    };
    let restart = format!("kubectl -n {} rollout restart deployment/{}", word(namespace), word(&agent.deployment));
    Fix::command(patch).then(restart).noting(kept.map(ToOwned::to_owned))
}
