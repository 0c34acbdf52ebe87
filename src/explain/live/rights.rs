//! Which rights of the agent's ServiceAccount a feature takes, and what the API server says of them. Pure.

use super::observed::{Observed, Owner};
use super::owners::Search;
use super::question::Question;
use crate::api::Feature;
use crate::argocd::versions;
use crate::live::review::{Question as Asked, Reviews};

/// One right, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// As it is asked for.
    pub asked: Asked,
    /// What it is for.
    pub what: What,
}

/// What a right is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// To read the resource.
    Get,
    /// To read an owner of it, on the way to the Application.
    Owner(Owner),
    /// To change it.
    Change,
    /// To list Events.
    Events,
    /// To read logs.
    Logs,
    /// To open a terminal: one of two verbs may be enough.
    Exec,
}

/// How the rights stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All are there.
    Whole,
    /// These are not.
    Missing(Vec<Need>),
    /// It could not be asked: why.
    Unanswered(String),
}

fn ask(namespace: &str, group: &str, resource: impl Into<String>, verb: &str, name: &str) -> Asked {
    let (namespace, group, verb, name) = (namespace.to_owned(), group.to_owned(), verb.to_owned(), name.to_owned());
    Asked { namespace, group, resource: resource.into(), verb, name }
}

/// What the feature takes for this resource. Empty where its kind or its namespace is not known.
#[must_use]
pub fn needed(question: &Question, observed: &Observed, search: &Search) -> Vec<Need> {
    let (Some(known), Some(place)) = (observed.known(&question.resource.kind), observed.place(question)) else { return Vec::new() };
    let (group, name) = (question.resource.kind.group.as_str(), question.resource.name.as_str());
    let is_pod = group.is_empty() && question.resource.kind.kind == "Pod";
    let mut all = Vec::new();
    if question.is_compared() {
        all.push(Need { asked: ask(&place, group, &known.plural, "get", name), what: What::Get });
        for owner in &search.asked {
            let Some(above) = observed.known(&owner.resource.kind) else { continue };
            let namespace = if above.namespaced { place.as_str() } else { "" };
            let asked = ask(namespace, &owner.resource.kind.group, &above.plural, "get", &owner.resource.name);
            all.push(Need { asked, what: What::Owner(owner.clone()) });
        }
    }
    let change = |verb: &str| Need { asked: ask(&place, group, &known.plural, verb, name), what: What::Change };
    match question.feature {
        Feature::View => {}
        // The API server narrows a list of Events by their object only after it has allowed the list.
        Feature::Events => all.push(Need { asked: ask(&place, "", "events", "list", ""), what: What::Events }),
        // Above a Pod, the logs are those of all Pods below.
        Feature::Logs => all.push(Need { asked: ask(&place, "", "pods/log", "get", if is_pod { name } else { "" }), what: What::Logs }),
        Feature::Terminal => {
            all.extend(["get", "create"].map(|verb| Need { asked: ask(&place, "", "pods/exec", verb, name), what: What::Exec }));
        }
        Feature::Edit => all.push(change("patch")),
        Feature::Delete => all.push(change("delete")),
        Feature::Actions => {
            all.push(change("patch"));
            // Of the actions that Argo CD brings along, only those of Argo's own kinds write a status.
            if group == "argoproj.io" && known.below.get("status").is_some_and(|verbs| verbs.contains("patch")) {
                all.push(Need { asked: ask(&place, group, format!("{}/status", known.plural), "patch", name), what: What::Change });
            }
        }
    }
    all
}

/// How they stand, by the answers of the API server.
#[must_use]
pub fn standing(needs: &[Need], reviews: &Reviews, kubernetes: Option<&str>) -> Standing {
    if needs.is_empty() {
        return Standing::Unanswered("it is not known which rights it takes".to_owned());
    }
    let mut missing = Vec::new();
    for need in needs {
        match reviews.get(&need.asked) {
            Some(Ok(answer)) if answer.allowed => {}
            Some(Ok(_)) => missing.push(need.clone()),
            Some(Err(why)) => return Standing::Unanswered(why.clone()),
            None => return Standing::Unanswered(format!("{} was not asked", show(&need.asked))),
        }
    }
    // The agent asks by a WebSocket first, and then by POST: `create` alone gets through, and `get` alone on older API servers.
    let lacks = |verb: &str| missing.iter().any(|need| need.what == What::Exec && need.asked.verb == verb);
    let old = versions::CREATE_FOR_WEBSOCKET.holds(kubernetes) == Some(false);
    if !lacks("create") || (!lacks("get") && old) {
        missing.retain(|need| need.what != What::Exec);
    }
    if missing.is_empty() { Standing::Whole } else { Standing::Missing(missing) }
}

/// A right in words.
#[must_use]
pub fn show(asked: &Asked) -> String {
    let group = if asked.group.is_empty() { String::new() } else { format!(".{}", asked.group) };
    let name = if asked.name.is_empty() { String::new() } else { format!(" {}", asked.name) };
    format!("{} {}{group}{name}", asked.verb, asked.resource)
}
