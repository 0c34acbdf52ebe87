//! The least that grants what is asked: a `LiveResourceAccess` where the cluster has the kind, else a Role. Each is tried before it is
//! printed; what would grant more than was asked is not printed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::declared::{declares, wanted};
use super::observed::Observed;
use super::owners::line;
use super::question::Question;
use super::rights::{Need, What, show};
use crate::api::{Feature, GROUP, GroupKind, LiveResourceAccess};
use crate::argocd::deployed::Deployed;
use crate::explain::commands;
use crate::explain::link::Fix;
use crate::json;
use crate::live::agent::Agent;
use crate::live::children::Children;
use crate::live::objects::SHIPPED;
use crate::live::rules::{Names, Right};
use crate::live::sensitive;
use crate::live::wanted::Wanted;
use crate::shell::word;

const RBAC: &str = "rbac.authorization.k8s.io";
/// As many kinds as one object may exclude.
const MOST_EXCLUDED: usize = 64;
/// So many of the others are named.
const NAMED: usize = 5;

/// Why nothing is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum No {
    /// It is left out unless somebody releases it by name, who has to judge that.
    LeftOut(String),
    /// All that can be declared is more than was asked.
    Wider(String),
}

/// The object that declares it, for this Application in this namespace, without every other kind.
pub(super) fn object(question: &Question, observed: &Observed, needs: &[Need]) -> Result<Fix, No> {
    let kind = &question.resource.kind;
    if let Some(why) = judged_by_people(question, kind) {
        return Err(No::LeftOut(why));
    }
    let place = observed.place(question).unwrap_or_default();
    let manifest = manifest(question, observed, &place);
    let access: LiveResourceAccess = json::read(&manifest).map_err(|e| No::Wider(format!("nothing can be declared: {}", json::why(&e))))?;
    let access_of = |protected: &str| format!("nothing is granted in {protected} (protectedNamespaces): use kubectl there");
    if access.spec.agent.as_ref().is_some_and(|agent| agent.protected_namespaces.contains(&place)) || place == question.instance {
        return Err(No::LeftOut(access_of(&place)));
    }
    let granted = wanted(question, observed, &access).ok().flatten().unwrap_or_default();
    if let Some(need) = needs.iter().find(|need| !declares(&granted, need)) {
        let why =
            "see the Application, its project and its namespace above; a child kind that the operator does not know is named in spec.agent.children";
        return Err(No::Wider(format!("no LiveResourceAccess for this Application would grant {}: {why}", show(&need.asked))));
    }
    let more = wider(question, observed, needs, &granted);
    if !more.is_empty() {
        let some = more.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let feature = question.feature.as_str();
        return Err(No::Wider(format!(
            "every LiveResourceAccess that grants it grants more than was asked, such as {some}; if that is meant, declare {feature} for {}",
            question.app
        )));
    }
    let name = question.short(&place);
    let create = commands::create(&question.instance, &yaml(&manifest));
    let wait =
        format!("kubectl -n {} wait --for=condition=Ready liveresourceaccesses.{GROUP}/{} --timeout=2m", word(&question.instance), word(&name));
    let note = others(question, &granted, &place);
    Ok(Fix::command(create).then(wait).noting(note))
}

/// What nobody should get by pasting a command.
fn judged_by_people(question: &Question, kind: &GroupKind) -> Option<String> {
    let changes = matches!(question.feature, Feature::Edit | Feature::Actions | Feature::Delete);
    let why = if sensitive::is_secret(kind) && !changes {
        "a Secret is sent whole to the control plane: secrets: Named of a grant releases those of an Application by their names, if that is to be"
    } else if sensitive::is_hidden(kind) || (changes && sensitive::is_sensitive(kind)) {
        "whoever may change such a resource may give rights, or run what they like: sensitive of a grant releases the kind, if that is to be"
    } else {
        return None;
    };
    Some(why.to_owned())
}

fn manifest(question: &Question, observed: &Observed, place: &str) -> Value {
    let kinds = kept(question, observed);
    let mut application = json!({"project": question.app.project, "name": question.app.name});
    if let (true, Some(map)) = (question.app_namespace() != question.instance, application.as_object_mut()) {
        map.insert("namespace".to_owned(), json!(question.app_namespace()));
    }
    let mut grant = json!({"features": [question.feature], "applications": [application], "precision": "Name"});
    if let Some(map) = grant.as_object_mut() {
        if place.is_empty() {
            map.insert("clusterScoped".to_owned(), json!("View"));
        } else {
            map.insert("namespaces".to_owned(), json!({"names": [place]}));
        }
    }
    let mut agent = json!({"grants": [grant]});
    let exclude = excluded(observed, &kinds);
    if let (true, Some(map)) = (!exclude.is_empty() && exclude.len() <= MOST_EXCLUDED, agent.as_object_mut()) {
        map.insert("exclude".to_owned(), json!(exclude));
    }
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"), "kind": "LiveResourceAccess",
        "metadata": {"name": question.short(place), "namespace": question.instance},
        "spec": {"side": "Agent", "agent": agent},
    })
}

/// The kinds without which it does not work: its own and those of its owners; for logs from above, all that is below, down to the Pods.
fn kept(question: &Question, observed: &Observed) -> BTreeSet<GroupKind> {
    let own = question.resource.kind.clone();
    let below = if question.feature == Feature::Logs { Children::new(&[], &[]).below(&own) } else { BTreeSet::new() };
    line(observed).seen.into_iter().map(|owner| owner.resource.kind).chain(below).chain([own]).collect()
}

/// Every other kind that the Application has, or that comes into being below one that it has.
fn excluded(observed: &Observed, kept: &BTreeSet<GroupKind>) -> BTreeSet<GroupKind> {
    let children = Children::new(&[], &[]);
    let listed = observed.app().map(Deployed::resources).unwrap_or_default();
    let mut all: BTreeSet<GroupKind> = listed.iter().map(|r| GroupKind::new(&r.group, &r.kind)).collect();
    let below: Vec<GroupKind> = all.iter().flat_map(|kind| children.below(kind)).collect();
    all.extend(below);
    // What the API server does not know is nothing that is granted.
    all.into_iter().filter(|kind| !kept.contains(kind) && observed.known(kind).is_some()).collect()
}

/// What is granted beside what was asked: other verbs, kinds and namespaces. Other resources of the same kinds cannot be told apart.
fn wider(question: &Question, observed: &Observed, needs: &[Need], granted: &Wanted) -> Vec<String> {
    let needed: BTreeSet<(&str, &str, &str, &str)> = needs
        .iter()
        .map(|need| (need.asked.namespace.as_str(), need.asked.group.as_str(), need.asked.resource.as_str(), need.asked.verb.as_str()))
        .collect();
    // Each feature shows what it is about, and what it is found by.
    let kinds = kept(question, observed);
    let is_kept = |right: &Right| {
        let plural = |kind: &GroupKind| observed.known(kind).is_some_and(|known| known.plural == right.resource);
        kinds.iter().any(|kind| kind.group == right.group && plural(kind))
    };
    let places: BTreeSet<&str> = needs.iter().map(|need| need.asked.namespace.as_str()).collect();
    let shown = |namespace: &str, right: &Right| right.verb == "get" && places.contains(namespace) && is_kept(right);
    // That an action was taken is told by an Event.
    let tells = |right: &Right| question.feature == Feature::Actions && right.resource == "events" && right.verb == "create";
    let mut more = Vec::new();
    let rules = granted.namespaces.iter().map(|(namespace, place)| (namespace.as_str(), &place.rules)).chain([("", &granted.cluster)]);
    for (namespace, rules) in rules {
        for (right, _) in rules.iter() {
            let is_needed = needed.contains(&(namespace, right.group.as_str(), right.resource.as_str(), right.verb.as_str()));
            if !is_needed && !tells(right) && !shown(namespace, right) {
                more.push(format!("{} {} in {}", right.verb, right.resource, if namespace.is_empty() { "the cluster" } else { namespace }));
            }
        }
    }
    let features = granted.namespaces.values().flat_map(|place| &place.features);
    let odd = features.filter(|feature| SHIPPED.iter().any(|(shipped, _)| shipped == *feature) && **feature != question.feature);
    more.extend(odd.map(|feature| feature.as_str().to_owned()));
    more
}

/// Which other resources it is for as well: a grant goes by kinds, and by the names that are in Git.
fn others(question: &Question, granted: &Wanted, place: &str) -> String {
    let mut said = Vec::new();
    let rules = granted.namespaces.get(place).map_or(&granted.cluster, |place| &place.rules);
    let mut seen = BTreeMap::new();
    for (right, names) in rules.iter().filter(|(right, _)| !right.resource.contains('/') && right.verb != "create") {
        seen.insert(right.resource.clone(), names.clone());
    }
    for (resource, names) in seen {
        match names {
            Names::All => said.push(format!("all {resource} in {place}")),
            Names::Only(some) => said.push(format!("{resource} {}", some.into_iter().take(NAMED).collect::<Vec<_>>().join(", "))),
        }
    }
    let shipped = match question.feature {
        Feature::Events => "; it lists all Events of the namespace",
        Feature::Logs => "; it reads the logs of all Pods of the namespace",
        Feature::Terminal => "; it opens terminals in all Pods of the namespace, as far as Argo CD's policy in the control plane lets people",
        _ => "",
    };
    format!("it is for {}{shipped}", said.join(", "))
}

/// A Role for the agent with exactly these rights, by the names of the resources; where there is no LiveResourceAccess.
pub(super) fn role(question: &Question, agent: &Agent, needs: &[Need]) -> Option<Fix> {
    if judged_by_people(question, &question.resource.kind).is_some() || needs.is_empty() {
        return None;
    }
    let mut commands = Vec::new();
    let mut places: BTreeMap<&str, Vec<&Need>> = BTreeMap::new();
    for need in needs {
        places.entry(&need.asked.namespace).or_default().push(need);
    }
    let places_of = places.keys().copied().collect::<Vec<_>>();
    let name = format!("argocd-live-{}", question.short(places_of.last().copied().unwrap_or_default()));
    for (namespace, needs) in &places {
        let (role, binding) = if namespace.is_empty() { ("ClusterRole", "ClusterRoleBinding") } else { ("Role", "RoleBinding") };
        let rules: Vec<Value> = needs.iter().map(|need| rule(need)).collect();
        let api = format!("{RBAC}/v1");
        let role_object = json!({"apiVersion": api, "kind": role, "metadata": {"name": name}, "rules": rules});
        let binding_object = json!({
            "apiVersion": api, "kind": binding, "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": role, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": agent.service_account, "namespace": question.instance}],
        });
        let both = format!("{}---\n{}", yaml(&role_object), yaml(&binding_object));
        let place = if namespace.is_empty() { question.instance.as_str() } else { namespace };
        commands.push(commands::create(place, &both));
    }
    let lasts = needs.iter().any(|need| matches!(need.what, What::Owner(_)) || need.asked.resource.starts_with("pods"));
    let note = lasts.then(|| {
        "it names single resources: with the next Pod or ReplicaSet it has to be made anew, which a LiveResourceAccess does by itself".to_owned()
    });
    let wide = needs.iter().find(|need| need.asked.name.is_empty());
    let wide = wide.map(|need| format!("{} is for the whole namespace: Kubernetes has nothing narrower", show(&need.asked)));
    Some(Fix { commands, notes: note.into_iter().chain(wide).collect() })
}

fn rule(need: &Need) -> Value {
    let asked = &need.asked;
    let mut rule = json!({"apiGroups": [asked.group], "resources": [asked.resource], "verbs": [asked.verb]});
    if let (false, Some(map)) = (asked.name.is_empty(), rule.as_object_mut()) {
        map.insert("resourceNames".to_owned(), json!([asked.name]));
    }
    rule
}

/// As YAML, in which every text is one. What cannot be written so is written as JSON, which is YAML as well.
fn yaml(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string() + "\n")
}
