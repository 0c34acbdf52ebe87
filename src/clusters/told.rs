//! What the Events of a `ClusterAccess` say, and when its status is written. Pure.

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::api::cluster_access::{CredentialType, Scope};
use crate::api::conditions::ConditionType;
use crate::api::{ClusterAccess, ClusterAccessStatus, GrantInEffect};
use crate::reconcile::audit::{Effect, Terms, effect_of, places};
use crate::reconcile::told::{Told, find, timeless};

/// As many namespaces are named.
const NAMED: usize = 5;

impl Told for ClusterAccess {
    fn conditions(status: &ClusterAccessStatus) -> &[Condition] {
        &status.conditions
    }

    fn drop_times(status: &mut ClusterAccessStatus) {
        timeless(&mut status.conditions);
    }

    fn saying(generation: Option<i64>, conditions: Vec<Condition>) -> ClusterAccessStatus {
        ClusterAccessStatus { observed_generation: generation, conditions, ..ClusterAccessStatus::default() }
    }

    fn gist(&self) -> String {
        let permissions = &self.spec.permissions;
        let names = &permissions.namespaces.names;
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        let chosen = if permissions.namespaces.selector.is_some() { ", and those that labels choose" } else { "" };
        let where_ = match permissions.scope {
            Scope::Cluster => "the whole cluster".to_owned(),
            Scope::Namespaces => format!("{}{more}{chosen}", names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        format!("Cluster: {} ({}). Namespaces: {where_}.", self.cluster(), self.spec.server)
    }

    fn reason(&self) -> Option<&str> {
        self.spec.reason.as_deref()
    }

    fn end(&self) -> Option<jiff::Timestamp> {
        self.spec.validity.not_after.as_ref().map(|end| end.0)
    }

    fn grant(status: &ClusterAccessStatus) -> Option<&GrantInEffect> {
        status.grant.as_ref()
    }

    fn set_grant(status: &mut ClusterAccessStatus, grant: Option<GrantInEffect>) {
        status.grant = grant;
    }

    fn until(status: &ClusterAccessStatus) -> Option<&Time> {
        status.next_transition.as_ref()
    }

    fn effect(status: &ClusterAccessStatus) -> Effect {
        let proven = status.namespaces.iter().any(|namespace| namespace.deploy == Some(true) || namespace.exec == Some(true));
        let effect = effect_of(&status.conditions, ConditionType::RemoteRBACApplied, proven);
        // What nobody can look at is not known to be gone.
        let seen = find(&status.conditions, ConditionType::RemoteReachable).is_some_and(|condition| condition.status == "True");
        if effect == Effect::Gone && !(seen && status.pending_remote.is_empty()) { Effect::Unsure } else { effect }
    }

    fn credential(status: &ClusterAccessStatus) -> Option<&Time> {
        status.credential.as_ref().and_then(|credential| credential.issued_at.as_ref())
    }

    fn terms(&self) -> Terms {
        let (spec, permissions) = (&self.spec, &self.spec.permissions);
        let account = &spec.credentials.service_account;
        let whom = match spec.credentials.kind {
            CredentialType::ServiceAccountToken => format!("ServiceAccount {}/{} of the remote cluster", account.namespace, account.name),
            CredentialType::Eks => "an identity of AWS".to_owned(),
            CredentialType::Existing => "the credential that the Secret holds".to_owned(),
        };
        let place = match permissions.scope {
            Scope::Cluster => "every namespace".to_owned(),
            Scope::Namespaces => places(&permissions.namespaces).unwrap_or_else(|| "no namespace".to_owned()),
        };
        let what = format!("{} ({}): {place}", self.cluster(), spec.server);
        Terms { whom: vec![whom], what: vec![what], exactly: json!([spec.server, permissions, spec.remote, spec.aws]) }
    }

    fn farewell() -> &'static str {
        "the rights in the remote cluster are withdrawn, its credential is revoked, and the cluster Secret is removed or as it was before"
    }
}
