//! What the Events of an `ExecAccess` say, and when its status is written. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ExecAccess, ExecAccessStatus};
use crate::reconcile::told::{Told, timeless};

/// As many subjects and Applications are named.
const NAMED: usize = 5;

impl Told for ExecAccess {
    fn conditions(status: &ExecAccessStatus) -> &[Condition] {
        &status.conditions
    }

    fn same(before: &ExecAccessStatus, now: &ExecAccessStatus) -> bool {
        let without_times = |status: &ExecAccessStatus| {
            let mut status = status.clone();
            timeless(&mut status.conditions);
            status
        };
        without_times(before) == without_times(now)
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

    fn farewell() -> &'static str {
        "the access is withdrawn, and every setting that it needed has its former value back unless another object needs it"
    }
}
