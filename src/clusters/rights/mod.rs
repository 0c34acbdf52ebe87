//! What the four ClusterRoles of the bootstrap hold, from what is declared and the kinds that the remote cluster has. Pure.
//!
//! * [`refuse`] is what no declaration may ask for; [`wanted`] derives the rights; [`outdated`] compares them with the roles that are there;
//!   [`questions`] is what a credential must be allowed, and what it must not be.
//! * No right has a wildcard, but for `read: Wildcard`, which is kept apart.
//! * A kind that the cluster does not know gets no right: whether it lies in namespaces is not known either.
//!
//! What these rights do not keep from happening: whoever deploys Pods into a namespace, or what makes Pods, can have them run as any
//! ServiceAccount of that namespace and mount any of its Secrets, whatever `secrets` says. So a namespace is given as a whole.

mod kinds;
mod outdated;
pub mod questions;
mod refuse;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::names;
use crate::api::cluster_access::{DeploySecrets, Exec, GroupResources, Permissions, Profile, Read};
use crate::live::discovery::{Discovery, Known};
use crate::live::rules::{Names, Right, Rules};

pub use outdated::{Outdated, outdated};
pub use refuse::refuse;

/// What Argo CD does with a kind that it shows.
pub const READ: [&str; 3] = ["get", "list", "watch"];
/// What it does with one that it deploys, besides.
pub const DEPLOY: [&str; 4] = ["create", "update", "patch", "delete"];

/// What the four ClusterRoles hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    rules: BTreeMap<&'static str, Rules>,
    /// `read: Wildcard`: everything may be read where the role [`names::SYNC`] is bound.
    read_all: bool,
    /// What is declared and cannot be given.
    pub left_out: BTreeSet<LeftOut>,
}

/// Something that is declared and gets no right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The field, such as `deploy`.
    pub field: &'static str,
    /// The API group.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// Why.
    pub why: Why,
}

/// Why something gets no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The cluster has no such kind (now).
    Unknown,
    /// It lies in namespaces: it belongs to `deploy`.
    Namespaced,
    /// It has no namespace: it belongs to `clusterResources`.
    WithoutNamespace,
}

impl Roles {
    /// What a role holds; nothing, where it is none of the four.
    #[must_use]
    pub fn of(&self, role: &str) -> &Rules {
        static NOTHING: Rules = Rules::none();
        self.rules.get(role).unwrap_or(&NOTHING)
    }

    /// Whether everything may be read where [`names::SYNC`] is bound.
    #[must_use]
    pub fn read_all(&self) -> bool {
        self.read_all
    }

    /// The rules of a role, in a fixed order.
    #[must_use]
    pub fn rules(&self, role: &str) -> Vec<PolicyRule> {
        let everything = (self.read_all && role == names::SYNC).then(everything);
        everything.into_iter().chain(self.of(role).render()).collect()
    }

    /// Whether a role holds nothing, so that it need not be bound.
    #[must_use]
    pub fn is_empty(&self, role: &str) -> bool {
        self.of(role).is_empty() && !(self.read_all && role == names::SYNC)
    }
}

/// The one rule with wildcards.
fn everything() -> PolicyRule {
    let all = || Some(vec!["*".to_owned()]);
    PolicyRule { api_groups: all(), resources: all(), verbs: READ.map(ToOwned::to_owned).to_vec(), ..PolicyRule::default() }
}

/// Derives what the roles of the bootstrap hold. What [`refuse`] refuses must not get here; the kinds that are never deployed are left out
/// all the same.
#[must_use]
pub fn wanted(permissions: &Permissions, discovery: &Discovery) -> Roles {
    let mut roles = Roles { read_all: permissions.read == Read::Wildcard, ..Roles::default() };
    let secrets = permissions.secrets == DeploySecrets::Deploy;
    let mut sync = Rules::default();
    if !roles.read_all {
        for (group, known) in discovery.resources().filter(|(_, known)| known.namespaced) {
            let hidden = group == crate::api::GROUP || (kinds::is_secret(group, &known.plural) && !secrets);
            // Argo CD keeps what it can list and watch; everything else it would not look at.
            if !hidden && READ.iter().all(|verb| known.verbs.contains(*verb)) {
                give(&mut sync, group, known, &READ);
            }
        }
    }
    if permissions.profile == Profile::Workloads {
        for (group, resources) in kinds::WORKLOADS {
            for known in resources.iter().filter_map(|resource| discovery.resource(group, resource)).filter(|known| known.namespaced) {
                deploy(&mut sync, group, known);
            }
        }
        // The actions of a Rollout (promote, abort, retry) write its status.
        if let Some(rollouts) = discovery.resource("argoproj.io", "rollouts")
            && rollouts.below.get("status").is_some_and(|verbs| verbs.contains("patch"))
        {
            add(&mut sync, "argoproj.io", "rollouts/status", "patch");
        }
    }
    if secrets && let Some(known) = discovery.resource("", "secrets") {
        deploy(&mut sync, "", known);
    }
    roles.declared("deploy", &permissions.deploy, discovery, true, &mut sync);
    let mut sync_cluster = Rules::default();
    roles.declared("clusterResources", &permissions.cluster_resources, discovery, false, &mut sync_cluster);
    let mut logs = Rules::default();
    if permissions.logs {
        add(&mut logs, "", "pods/log", "get");
    }
    let mut exec = Rules::default();
    if permissions.exec == Exec::Auto {
        add(&mut exec, "", "pods", "get");
        // Which of the two opens a terminal depends on the version of Kubernetes.
        add(&mut exec, "", "pods/exec", "get");
        add(&mut exec, "", "pods/exec", "create");
    }
    roles.rules = BTreeMap::from([(names::SYNC, sync), (names::SYNC_CLUSTER, sync_cluster), (names::LOGS, logs), (names::EXEC, exec)]);
    roles
}

impl Roles {
    fn declared(&mut self, field: &'static str, declared: &[GroupResources], discovery: &Discovery, namespaced: bool, rules: &mut Rules) {
        for (group, resource) in declared.iter().flat_map(|one| one.resources.iter().map(|resource| (&one.group, resource))) {
            if kinds::never(group, resource).is_some() {
                continue;
            }
            let why = match discovery.resource(group, resource) {
                Some(known) if known.namespaced == namespaced => {
                    deploy(rules, group, known);
                    continue;
                }
                Some(_) if namespaced => Why::WithoutNamespace,
                Some(_) => Why::Namespaced,
                None => Why::Unknown,
            };
            self.left_out.insert(LeftOut { field, group: group.clone(), resource: resource.clone(), why });
        }
    }
}

fn deploy(rules: &mut Rules, group: &str, known: &Known) {
    give(rules, group, known, &READ);
    give(rules, group, known, &DEPLOY);
}

/// Gives those of the verbs that there are for the kind.
fn give(rules: &mut Rules, group: &str, known: &Known, verbs: &[&str]) {
    for verb in verbs.iter().filter(|verb| known.verbs.contains(**verb)) {
        add(rules, group, &known.plural, verb);
    }
}

fn add(rules: &mut Rules, group: &str, resource: &str, verb: &str) {
    if let Some(right) = Right::new(group, resource, verb) {
        rules.add(right, &Names::All);
    }
}
