//! The time limits of an access: from when until when, and in which windows of the week.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// RFC 3339 with an offset: the API server would take a time without one as well, and nobody could say which instant is meant.
const INSTANT: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// From when until when an access exists at all.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter").message("validity.notBefore must be earlier than notAfter"))]
pub struct Validity {
    /// The first instant at which the access exists (RFC 3339, such as `2026-06-01T08:00:00Z`); absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INSTANT))]
    pub not_before: Option<Time>,
    /// The first instant at which it does not exist any more; absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = INSTANT))]
    pub not_after: Option<Time>,
}

impl Validity {
    /// Neither a beginning nor an end.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        self.not_before.is_none() && self.not_after.is_none()
    }
}

/// A window that comes every week, as a clock on the wall of its time zone shows it: half open, so that it is open at `from` and not at `to`.
/// Where clocks change, a time that is skipped counts as the first instant after it, and an hour that comes twice counts twice.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.from != self.to").message("a window's from and to must differ; for a whole day write from '00:00' to '24:00'"))]
pub struct Window {
    /// The days on which the window begins. One that reaches over midnight belongs to the day on which it begins.
    #[schemars(length(min = 1, max = 7))]
    pub days: Vec<Day>,
    /// The time of day at which it begins, such as `08:00`.
    #[schemars(length(min = 5, max = 5), regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// The time of day at which it has ended, such as `18:00`, at most `24:00`. Before `from`: on the next day.
    #[schemars(length(min = 5, max = 5), regex(pattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub to: String,
    /// The time zone by its IANA name, such as `Europe/Paris`. Default `UTC`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z][A-Za-z0-9_+/-]*$"))]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A day of the week.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}
