//! What the platform admin allows every object of an instance: how long, and with a reason. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::time::Times;
use crate::api::conditions::{Reason, Verdict};
use crate::api::{Validity, Window};
use crate::config::Limits;

/// Why an object is not accepted.
pub type Refusal = Verdict;

/// A field holds something that cannot be used.
pub fn invalid(message: impl Into<String>) -> Refusal {
    Verdict::no(Reason::Invalid, message)
}

/// More is asked for than the instance allows.
pub fn limit(message: impl Into<String>) -> Refusal {
    Verdict::no(Reason::LimitExceeded, message)
}

/// The reason, where one must be given.
///
/// # Errors
/// When there is none.
pub fn reason(reason: Option<&str>, limits: &Limits) -> Result<(), Refusal> {
    if limits.require_reason && reason.is_none_or(|r| r.trim().is_empty()) {
        return Err(limit("this instance requires spec.reason (limit requireReason): say why, for example by a ticket number"));
    }
    Ok(())
}

/// The time limits of an object.
///
/// # Errors
/// When they say nothing, or more than the instance allows.
pub fn times(metadata: &ObjectMeta, validity: &Validity, schedule: &[Window], limits: &Limits) -> Result<Times, Refusal> {
    let times = Times::parse(validity, schedule).map_err(invalid)?;
    let Some(end) = times.not_after() else {
        if limits.require_not_after {
            return Err(limit("this instance requires spec.validity.notAfter (limit requireNotAfter): say when the access ends"));
        }
        return match limits.max_duration {
            Some(longest) => Err(limit(format!(
                "spec.validity.notAfter is missing, and this instance allows an access of at most {} (limit maxDuration)",
                duration(longest)
            ))),
            None => Ok(times),
        };
    };
    // Without a beginning of its own it begins when it is made; before it is there, now is as good.
    let start = times.not_before().or(metadata.creation_timestamp.as_ref().map(|t| t.0));
    if let (Some(longest), Some(start)) = (limits.max_duration, start)
        && end.duration_since(start).unsigned_abs() > longest
        && end > start
    {
        let since = if times.not_before().is_some() { "spec.validity.notBefore" } else { "the object's creation" };
        return Err(limit(format!("spec.validity.notAfter {end} is more than {} after {since} {start} (limit maxDuration)", duration(longest))));
    }
    Ok(times)
}

/// A duration as it is written in a configuration.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect::<Vec<_>>().concat()
}
