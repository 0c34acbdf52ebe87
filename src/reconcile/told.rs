//! What a round needs to know of any object of ours to tell what became of it: its conditions, and what its Events say. Pure.

use crate::api::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::object::HasStatus;

use super::audit::{Effect, Terms};
use crate::api::GrantInEffect;
use crate::api::conditions::{ConditionType, Reason};

/// A resource of ours, by whose objects something is declared.
pub trait Told: HasStatus {
    /// What a status of it says.
    fn conditions(status: &Self::Status) -> &[Condition];

    /// Drops from a status when it said what it says: that alone is no news.
    fn drop_times(status: &mut Self::Status);

    /// Whether two statuses say the same, apart from when they said it.
    fn same(before: &Self::Status, now: &Self::Status) -> bool
    where
        Self::Status: Clone + PartialEq,
    {
        let without_times = |status: &Self::Status| {
            let mut status = status.clone();
            Self::drop_times(&mut status);
            status
        };
        // Mostly they are, and nothing has to be copied to see it.
        before == now || without_times(before) == without_times(now)
    }

    /// The status of an object of which only its conditions can be said.
    fn saying(generation: Option<i64>, conditions: Vec<Condition>) -> Self::Status;

    /// What it declares, in some words.
    fn gist(&self) -> String;

    /// Why, as its author says it.
    fn reason(&self) -> Option<&str>;

    /// When it ends for good, as it declares; the end of a window is none.
    fn end(&self) -> Option<jiff::Timestamp>;

    /// The grant that a status says is in effect.
    fn grant(status: &Self::Status) -> Option<&GrantInEffect>;

    /// Says it in a status.
    fn set_grant(status: &mut Self::Status, grant: Option<GrantInEffect>);

    /// What a status says of what is declared, apart from that.
    fn effect(status: &Self::Status) -> Effect;

    /// When what is in effect ends next, as a status says it.
    fn until(status: &Self::Status) -> Option<&Time>;

    /// When the credential was issued that is part of it, where one is.
    #[must_use]
    fn credential(_: &Self::Status) -> Option<&Time> {
        None
    }

    /// Whom it is for, and what it allows.
    fn terms(&self) -> Terms;

    /// What is said when it was let go.
    fn farewell() -> &'static str;

    /// Whether its status says already that it does not take effect.
    fn is_told(&self) -> bool {
        let inactive = |c: &Condition| c.type_ == ConditionType::Active.as_str() && c.status == "False";
        self.status().is_some_and(|status| Self::conditions(status).iter().any(inactive))
    }
}

/// A condition of a status.
#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == kind.as_str())
}

/// Conditions without their times.
pub fn timeless(conditions: &mut [Condition]) {
    for condition in conditions {
        condition.last_transition_time = Time(jiff::Timestamp::UNIX_EPOCH);
    }
}

/// Whether an object that is not ready is so because somebody declares it.
#[must_use]
pub fn is_meant(reason: &str) -> bool {
    const MEANT: [Reason; 9] = [
        Reason::Suspended,
        Reason::Observing,
        Reason::Deleting,
        Reason::Withdrawn,
        Reason::Pending,
        Reason::BeforeStart,
        Reason::Expired,
        Reason::OutsideSchedule,
        Reason::NotEnabled,
    ];
    MEANT.iter().any(|meant| meant.as_str() == reason)
}
