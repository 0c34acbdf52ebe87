//! What the Events of a `ClusterAccess` say, and when its status is written. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::cluster_access::Scope;
use crate::api::{ClusterAccess, ClusterAccessStatus};
use crate::reconcile::told::{Told, timeless};

/// As many namespaces are named.
const NAMED: usize = 5;

impl Told for ClusterAccess {
    fn conditions(status: &ClusterAccessStatus) -> &[Condition] {
        &status.conditions
    }

    fn same(before: &ClusterAccessStatus, now: &ClusterAccessStatus) -> bool {
        let without_times = |status: &ClusterAccessStatus| {
            let mut status = status.clone();
            timeless(&mut status.conditions);
            status
        };
        without_times(before) == without_times(now)
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

    fn farewell() -> &'static str {
        "the rights in the remote cluster are withdrawn, its credential is revoked, and the cluster Secret is removed or as it was before"
    }
}
