//! What is asked with a credential itself: that it may do what is declared, and that it may not do what nothing declares. Pure.
//!
//! Asked in three sorts of places: where something is granted, where nothing is (a protected namespace, one of which nothing is said), and
//! without a namespace, which also means: in all of them.

use std::collections::BTreeSet;

use super::{READ, Roles};
use crate::api::cluster_access::{DeploySecrets, Permissions, Read, Scope};
use crate::api::conditions::Reason;
use crate::clusters::names;
use crate::live::review::Question;

const RBAC: &str = "rbac.authorization.k8s.io";

/// A place to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The namespace; empty: without one, or in all.
    pub namespace: &'a str,
    /// Whether the permissions hold there. Without a namespace that is: whether they hold now at all; with scope `Namespaces` they are then
    /// those for `clusterResources` only.
    pub granted: bool,
    /// Whether a terminal is meant there.
    pub exec: bool,
}

/// What must be allowed in a place.
///
/// It is one question for each verb of each kind, a few hundred in a namespace. [`representative`] asks far less, where the roles were read
/// and are as wanted.
#[must_use]
pub fn positive(permissions: &Permissions, roles: &Roles, place: Place<'_>) -> BTreeSet<Question> {
    let rights = bound(permissions, place).into_iter().flat_map(|role| roles.of(role).iter());
    rights.map(|(right, _)| ask(place, &right.group, &right.resource, &right.verb)).chain(read_all(permissions, roles, place)).collect()
}

/// The same for one resource of each rule: what one rule gives is given by it together or not at all. It proves the bindings, where what
/// the roles say is known.
#[must_use]
pub fn representative(permissions: &Permissions, roles: &Roles, place: Place<'_>) -> BTreeSet<Question> {
    let rules = bound(permissions, place).into_iter().flat_map(|role| roles.of(role).render());
    let one = |rule: k8s_openapi::api::rbac::v1::PolicyRule| {
        let group = rule.api_groups.iter().flatten().next().cloned().unwrap_or_default();
        let resource = rule.resources.iter().flatten().next().cloned().unwrap_or_default();
        rule.verbs.into_iter().map(move |verb| ask(place, &group, &resource, &verb)).collect::<Vec<_>>()
    };
    rules.flat_map(one).chain(read_all(permissions, roles, place)).collect()
}

/// The roles that must be bound for a place, there or in the whole cluster.
fn bound(permissions: &Permissions, place: Place<'_>) -> Vec<&'static str> {
    let everywhere = place.namespace.is_empty();
    let mut roles = Vec::new();
    if everywhere && place.granted {
        roles.push(names::SYNC_CLUSTER);
    }
    // With scope Cluster they are bound once, and no namespace has anything of its own but the terminal.
    if everywhere == (permissions.scope == Scope::Cluster) && place.granted {
        roles.extend([names::SYNC, names::LOGS]);
    }
    if !everywhere && place.exec {
        roles.push(names::EXEC);
    }
    roles
}

fn read_all(permissions: &Permissions, roles: &Roles, place: Place<'_>) -> Vec<Question> {
    let meant = roles.read_all() && bound(permissions, place).contains(&names::SYNC);
    READ.iter().filter(|_| meant).map(|verb| ask(place, "*", "*", verb)).collect()
}

/// What must not be allowed in a place, the widest first, with what is said of one that is.
#[must_use]
pub fn negative(permissions: &Permissions, place: Place<'_>) -> Vec<(Question, Reason)> {
    let here = place.granted && (!place.namespace.is_empty() || permissions.scope == Scope::Cluster);
    let wildcard = here && permissions.read == Read::Wildcard;
    let secrets = here && permissions.secrets == DeploySecrets::Deploy;
    // The wildcard reads all there is, also what `get` opens or hands out below a resource.
    let reads = |verb: &str| wildcard && READ.contains(&verb);
    let mut all = Vec::new();
    let mut list = |reason: Reason, group: &str, resource: &str, verbs: &[&str]| {
        all.extend(verbs.iter().map(|verb| (ask(place, group, resource, verb), reason)));
    };
    let unread = |verbs: &[&'static str]| verbs.iter().copied().filter(|verb| !reads(verb)).collect::<Vec<_>>();

    // Literally `*`: only a rule with a wildcard allows that.
    list(Reason::HoldsWildcard, "*", "*", &unread(&["*", "get", "list", "watch", "create", "update", "patch", "delete"]));
    if !place.exec {
        list(Reason::HoldsExec, "", "pods/exec", &unread(&["get", "create"]));
    }
    list(Reason::HoldsExec, "", "pods/attach", &unread(&["get", "create"]));
    list(Reason::HoldsExec, "", "pods/ephemeralcontainers", &["update", "patch"]);
    if !secrets {
        // Whoever may update or patch one is answered with all of it; deleting a collection lists it.
        list(Reason::HoldsSecrets, "", "secrets", &unread(&["get", "list", "watch", "update", "patch", "deletecollection"]));
    }
    list(Reason::HoldsAccessGrants, RBAC, "roles", &["escalate", "bind", "create", "update", "patch"]);
    list(Reason::HoldsAccessGrants, RBAC, "rolebindings", &["create", "update", "patch"]);
    list(Reason::HoldsAccessGrants, "", "serviceaccounts", &["impersonate"]);
    list(Reason::HoldsAccessGrants, "", "serviceaccounts/token", &["create"]);
    if place.namespace.is_empty() {
        list(Reason::HoldsExec, "", "nodes/proxy", &unread(&["get", "create"]));
        list(Reason::HoldsAccessGrants, RBAC, "clusterroles", &["escalate", "bind", "create", "update", "patch"]);
        list(Reason::HoldsAccessGrants, RBAC, "clusterrolebindings", &["create", "update", "patch"]);
        list(Reason::HoldsAccessGrants, "", "users", &["impersonate"]);
        list(Reason::HoldsAccessGrants, "", "groups", &["impersonate"]);
    } else {
        // A role may also be bound by name from a namespace.
        list(Reason::HoldsAccessGrants, RBAC, "clusterroles", &["bind"]);
    }
    all
}

fn ask(place: Place<'_>, group: &str, resource: &str, verb: &str) -> Question {
    let owned = ToOwned::to_owned;
    Question { namespace: owned(place.namespace), group: owned(group), resource: owned(resource), verb: owned(verb), name: String::new() }
}
