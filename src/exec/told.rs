//! What the Events of an `ExecAccess` say, and when its status is written. Pure.

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::debts::POLICY;
use crate::api::conditions::ConditionType;
use crate::api::{ApplicationSelector, ExecAccess, ExecAccessStatus, GrantInEffect, ServerScope, Subject, SubjectKind};
use crate::reconcile::audit::{Effect, NOT_DONE, Terms, places};
use crate::reconcile::told::{Told, find, timeless};

/// As many subjects and Applications are named.
const NAMED: usize = 5;

impl Told for ExecAccess {
    fn conditions(status: &ExecAccessStatus) -> &[Condition] {
        &status.conditions
    }

    fn drop_times(status: &mut ExecAccessStatus) {
        timeless(&mut status.conditions);
    }

    fn saying(generation: Option<i64>, conditions: Vec<Condition>) -> ExecAccessStatus {
        ExecAccessStatus { observed_generation: generation, conditions, ..ExecAccessStatus::default() }
    }

    fn gist(&self) -> String {
        let who: Vec<&str> = self.spec.subjects.iter().map(|s| s.name.as_str()).take(NAMED).collect();
        let what: Vec<String> = self.spec.applications.iter().map(|a| format!("{}/{}", a.project, a.name)).take(NAMED).collect();
        format!("Subjects: {}. Applications: {}.", who.join(", "), what.join(", "))
    }

    fn reason(&self) -> Option<&str> {
        self.spec.reason.as_deref()
    }

    fn end(&self) -> Option<jiff::Timestamp> {
        self.spec.validity.not_after.as_ref().map(|end| end.0)
    }

    fn grant(status: &ExecAccessStatus) -> Option<&GrantInEffect> {
        status.grant.as_ref()
    }

    fn set_grant(status: &mut ExecAccessStatus, grant: Option<GrantInEffect>) {
        status.grant = grant;
    }

    fn until(status: &ExecAccessStatus) -> Option<&Time> {
        status.next_transition.as_ref()
    }

    fn effect(status: &ExecAccessStatus) -> Effect {
        let stands = status.set.iter().any(|place| POLICY.contains(&place.as_str()));
        let written = find(&status.conditions, ConditionType::PolicyApplied).is_some_and(|c| !NOT_DONE.iter().any(|not| c.reason == not.as_str()));
        match (stands, written) {
            (true, true) => Effect::Given,
            (true, false) => Effect::Standing,
            (false, _) => Effect::Gone,
        }
    }

    fn terms(&self) -> Terms {
        let spec = &self.spec;
        let kind = |subject: &Subject| match subject.kind {
            SubjectKind::Group => "Group",
            SubjectKind::User => "User",
            SubjectKind::Role => "Role",
        };
        let of = |a: &ApplicationSelector| {
            let namespace = a.namespace.as_ref().map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
            format!("exec create {}/{}{namespace}", a.project, a.name)
        };
        let mut what: Vec<String> = spec.applications.iter().map(of).collect();
        what.push(match spec.server.scope {
            ServerScope::Cluster => "pods of every namespace".to_owned(),
            ServerScope::Namespaces => places(&spec.server.namespaces)
                .map_or_else(|| "pods of the Applications' namespaces".to_owned(), |places| format!("pods of {places}")),
        });
        Terms {
            whom: spec.subjects.iter().map(|subject| format!("{} {}", kind(subject), subject.name)).collect(),
            exactly: json!([spec.applications, spec.server, spec.policy_target, self.role()]),
            what,
        }
    }

    fn farewell() -> &'static str {
        "the access is withdrawn, and every setting that it needed has its former value back unless another object needs it"
    }
}
