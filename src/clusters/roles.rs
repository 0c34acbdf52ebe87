//! The ClusterRoles of the bootstrap, as they are in the remote cluster: whether they are what they should be, and, with
//! `authority: Manage`, what has to be written so that they are. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::json;

use super::bootstrap;
use super::grant::Grant;
use super::manager::command;
use super::names::{EXEC, LOGS, ROLES, SYNC, SYNC_CLUSTER};
use super::remote::{Remote, is_owned};
use super::rights::{self, Outdated, Roles};
use crate::api::OWNER_LABEL;
use crate::api::cluster_access::Authority;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::live::ceiling::Ceiling;
use crate::live::rules::{Names, Right, rights_of};
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// What the layer wants, and what it found.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// The writes; only with `authority: Manage`.
    pub wanted: Wanted,
    /// What stands in the way, or is to be mended by a person.
    pub verdict: Option<Verdict>,
    /// How the roles differ from what they should be.
    pub outdated: Outdated,
    /// What holds nothing, and so need not be bound.
    pub usable: Vec<&'static str>,
}

/// What the roles should be; `None`: the remote cluster does not say which kinds it has.
#[must_use]
pub fn wanted(grant: &Grant, remote: &Remote) -> Option<Roles> {
    remote.discovery.as_deref().map(|discovery| rights::wanted(&grant.permissions, discovery))
}

fn held(remote: &Remote) -> BTreeMap<String, Vec<PolicyRule>> {
    remote.roles.iter().map(|(name, role)| (name.clone(), role.rules.clone().unwrap_or_default())).collect()
}

/// Looks at the roles. `namespace`: that of the instance.
#[must_use]
pub fn fold(grant: &Grant, wanted: Option<&Roles>, remote: &Remote, namespace: &str) -> Folded {
    if grant.authority == Authority::None {
        return Folded::default();
    }
    let Some(wanted) = wanted else {
        let message = "the remote cluster does not say which kinds it has, so it is not known what the roles should hold";
        return Folded { verdict: Some(Verdict::unknown(Reason::NotReadable, message)), usable: present(remote), ..Folded::default() };
    };
    let command = command(&grant.id.cluster, namespace, false);
    let mut folded = Folded { outdated: rights::outdated(wanted, &held(remote)), usable: present(remote), ..Folded::default() };
    if grant.authority == Authority::Manage {
        manage(grant, wanted, remote, &mut folded);
        return folded;
    }
    let permissions = &grant.permissions;
    let missing = remote.missing_roles(!permissions.cluster_resources.is_empty(), permissions.logs, grant.may_exec());
    if !missing.is_empty() {
        let message = format!("the remote cluster has no ClusterRole {}; make it with: {command}", missing.join(", "));
        folded.verdict = Some(Verdict::no(Reason::NotBootstrapped, message));
    } else if let (false, Some(first)) = (folded.outdated.is_none(), folded.outdated.missing.iter().chain(&folded.outdated.excess).next()) {
        let what = if folded.outdated.missing.is_empty() {
            "hold more than is declared"
        } else {
            "lack what is declared, or kinds that the cluster has by now"
        };
        let group = if first.group.is_empty() { String::new() } else { format!(".{}", first.group) };
        let message = format!(
            "the roles of the bootstrap {what}: {} {}{group} ({}), for one; make them anew with: {command}",
            first.verb, first.resource, first.by
        );
        folded.verdict = Some(Verdict::no(Reason::RoleOutdated, message));
    }
    folded
}

fn present(remote: &Remote) -> Vec<&'static str> {
    ROLES.into_iter().filter(|role| remote.roles.contains_key(*role)).collect()
}

/// What of a role may be given: what the operator's own identity holds there. It cannot give more.
fn within(wanted: &Roles, role: &str, ceiling: &Ceiling) -> (Vec<PolicyRule>, usize) {
    let mut rules = crate::live::rules::Rules::default();
    let mut beyond = 0;
    for (right, names) in wanted.of(role).iter() {
        if ceiling.allows(right, names) { rules.add(right.clone(), names) } else { beyond += 1 }
    }
    let all = wanted.rules(role);
    let mut given = rules.render();
    if wanted.read_all() && role == SYNC {
        let everything = |verb: &str| Right { group: "*".to_owned(), resource: "*".to_owned(), verb: verb.to_owned() };
        if rights::READ.iter().all(|verb| ceiling.allows(&everything(verb), &Names::All)) {
            given.splice(0..0, all.into_iter().take(1));
        } else {
            beyond += 1;
        }
    }
    (given, beyond)
}

/// What one role was and is to be. Narrowing one comes before widening it: the API server refuses to narrow a role to what its writer does
/// not hold, so what stays must be held, too.
fn manage(grant: &Grant, wanted: &Roles, remote: &Remote, folded: &mut Folded) {
    let Some(ceiling) = &remote.ceiling else {
        folded.verdict = Some(Verdict::unknown(Reason::NotReadable, "it is not known what the operator's own identity holds in the remote cluster"));
        return;
    };
    let permissions = &grant.permissions;
    let needed = |role: &str| match role {
        LOGS => permissions.logs,
        EXEC => grant.may_exec(),
        SYNC_CLUSTER => !permissions.cluster_resources.is_empty(),
        _ => true,
    };
    let mut beyond = 0;
    for role in ROLES.into_iter().filter(|role| needed(role)) {
        let (rules, without) = within(wanted, role, ceiling);
        beyond += without;
        let target = Target::cluster(Kind::RemoteClusterRole, role);
        let there = remote.roles.get(role);
        if there.is_some_and(|there| !is_owned(&there.metadata, &grant.id.owner) && !is_bootstraps(there.metadata.labels.as_ref())) {
            folded.verdict = Some(Verdict::no(Reason::ForeignObject, format!("{target} is somebody else's; rename or remove it")));
            continue;
        }
        let now = there.map(|there| there.rules.clone().unwrap_or_default());
        if now.as_ref().is_some_and(|now| *now == rules) {
            continue;
        }
        let (old, new) = (Ceiling::of(now.clone().unwrap_or_default()), Ceiling::of(rules.clone()));
        let narrows = now.iter().flatten().any(|rule| !covers(&new, rule)) && now.is_some();
        let widens = rules.iter().any(|rule| !covers(&old, rule));
        // What stays of the former is written first, where some of it goes and something comes.
        let rules = if narrows && widens { common(&rules, &old) } else { rules };
        let version = there.and_then(|there| there.metadata.resource_version.clone());
        let mut metadata = json!({"name": role, "labels": {OWNER_LABEL: grant.id.owner}});
        if let (Some(version), Some(metadata)) = (version, metadata.as_object_mut()) {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
        let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules});
        let direction = if narrows { Direction::Narrow } else { Direction::Widen };
        let shown = |rules: &[PolicyRule]| serde_json::to_string(rules).ok();
        folded.wanted.changes.push(Change {
            object: target.to_string(),
            field: "rules".to_owned(),
            from: now.as_deref().and_then(shown),
            to: shown(&rules),
        });
        folded.wanted.writes.push(Write {
            target,
            layer: Layer::RemoteRights,
            direction,
            action: Action::Apply(body),
            why: "what the role is to hold",
        });
    }
    if beyond > 0 && folded.verdict.is_none() {
        let message = format!(
            "the operator's own identity does not hold {beyond} of the rights that are declared, so it cannot give them; make it anew with: {}",
            command(&grant.id.cluster, "<namespace>", false)
        );
        folded.verdict = Some(Verdict::no(Reason::BeyondCeiling, message));
    }
}

/// The bootstrap's own mark: whoever made the role by it lets the operator manage it.
fn is_bootstraps(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(bootstrap::LABEL))
}

fn covers(ceiling: &Ceiling, rule: &PolicyRule) -> bool {
    rule.resource_names.as_ref().is_none_or(Vec::is_empty) && rights_of(rule).all(|right| ceiling.allows(&right, &Names::All))
}

fn common(rules: &[PolicyRule], old: &Ceiling) -> Vec<PolicyRule> {
    let mut all = crate::live::rules::Rules::default();
    for right in rules.iter().flat_map(rights_of).filter(|right| old.allows(right, &Names::All)) {
        if let Some(right) = Right::new(&right.group, &right.resource, &right.verb) {
            all.add(right, &Names::All);
        }
    }
    all.render()
}
