//! Counting what was written to the cluster, by whom, from the API server's audit log.

use std::{
    io::{Read, Seek, SeekFrom},
    time::Duration,
};

use serde_json::Value;

use super::ControlPlane;

/// One write that somebody asked the API server for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The plural name of the resource, such as `configmaps`.
    pub resource: String,
    /// The subresource, such as `status`, or empty.
    pub subresource: String,
    /// The namespace, or empty.
    pub namespace: String,
    /// The name of the object, or empty.
    pub name: String,
    /// Who asked, such as `system:serviceaccount:argocd:access`.
    pub user: String,
    /// The HTTP status of the answer: a refused write is listed too.
    pub code: u16,
    /// When the answer was complete, as the log has it (RFC 3339).
    pub at: String,
    /// The whole request address, in which `fieldManager` and `force` can be seen.
    pub uri: String,
}

/// A point in the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(pub u64);

impl Mark {
    /// Before everything.
    pub const BEGIN: Self = Self(0);
}

impl ControlPlane {
    /// The present end of the audit log.
    pub async fn audit_mark(&self) -> Mark {
        settle().await;
        Mark(std::fs::metadata(self.audit_log()).expect("the audit log").len())
    }

    /// The writes since then of the users whose name begins with `user_prefix`, in order.
    ///
    /// Left out is what changes nothing: reviews, token requests and dry runs; and the renewals of Leases, which go on for ever.
    pub async fn audit_writes(&self, since: Mark, user_prefix: &str) -> Vec<AuditEntry> {
        settle().await;
        self.audit_events(since).iter().filter_map(write_of).filter(|entry| entry.user.starts_with(user_prefix)).collect()
    }

    /// All events since then as the API server wrote them, reads included.
    pub fn audit_events(&self, since: Mark) -> Vec<Value> {
        let mut file = std::fs::File::open(self.audit_log()).expect("open the audit log");
        // From the byte before, which tells whether a line was being written just then.
        file.seek(SeekFrom::Start(since.0.saturating_sub(1))).expect("seek in the audit log");
        let mut text = Vec::new();
        file.read_to_end(&mut text).expect("read the audit log");
        whole_lines(&text, since).into_iter().map(|line| serde_json::from_slice(line).expect("an audit event is JSON")).collect()
    }
}

/// The lines that were begun at the mark or later and have their end. `text` begins one byte before the mark, if there is one.
///
/// A log is written in pieces: at a mark the last line may have no end yet, and that request came before.
pub fn whole_lines(text: &[u8], since: Mark) -> Vec<&[u8]> {
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    if since.0 > 0 && !lines.is_empty() {
        lines.remove(0);
    }
    lines.retain(|line| line.ends_with(b"\n"));
    lines
}

/// A request's line is written when its answer has been sent, which its sender may see a little earlier.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

fn write_of(event: &Value) -> Option<AuditEntry> {
    const REVIEWS: [&str; 6] = [
        "subjectaccessreviews",
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "selfsubjectreviews",
        "tokenreviews",
    ];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = &event["objectRef"];
    let entry = AuditEntry {
        verb: text(&event["verb"]),
        resource: text(&target["resource"]),
        subresource: text(&target["subresource"]),
        namespace: text(&target["namespace"]),
        name: text(&target["name"]),
        // An impersonated person counts as that person.
        user: event["impersonatedUser"]["username"].as_str().map_or_else(|| text(&event["user"]["username"]), ToOwned::to_owned),
        code: u16::try_from(event["responseStatus"]["code"].as_u64()?).ok()?,
        at: text(&event["stageTimestamp"]),
        uri: text(&event["requestURI"]),
    };
    let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&entry.verb.as_str());
    let persistent =
        !REVIEWS.contains(&entry.resource.as_str()) && entry.resource != "leases" && entry.subresource != "token" && !entry.uri.contains("dryRun=");
    (writes && persistent).then_some(entry)
}
