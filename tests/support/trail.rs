//! The audit trail as it is read by others: the lines of the operator's log, and the Events that say the same.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use super::kubelet::Kubelet;
use super::{eventually, eventually::that};

/// So long it is waited for a line, and for an Event.
const SOON: Duration = Duration::from_secs(45);
/// So long it is looked whether more is told.
const MORE: Duration = Duration::from_secs(2);

/// That of the objects in one namespace.
pub struct Trail<'a> {
    /// Of the cluster in which the operator runs.
    pub client: Client,
    /// Where its log is.
    pub kubelet: &'a Kubelet,
    /// The Argo CD instance's namespace.
    pub namespace: &'a str,
}

impl Trail<'_> {
    /// The lines about an object, in the order in which they were written.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        let log = self.kubelet.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["target"] == "audit" && line["name"] == name && line["instance"] == self.namespace).collect()
    }

    /// The names of the Events about an object.
    async fn published(&self, name: &str) -> BTreeSet<String> {
        let all = Api::<Event>::namespaced(self.client.clone(), self.namespace).list(&ListParams::default()).await.unwrap().items;
        let of_it = |e: &&Event| e.action.as_deref() == Some("Audit") && e.regarding.as_ref().is_some_and(|r| r.name.as_deref() == Some(name));
        let of_it: Vec<&Event> = all.iter().filter(of_it).collect();
        for event in &of_it {
            assert!(event.note.as_ref().is_some_and(|note| note.len() <= 1000) && event.series.is_none(), "{event:#?}");
        }
        of_it.into_iter().filter_map(|e| e.metadata.name.clone()).collect()
    }

    /// Waits until it is told so often, looks whether more is told, and returns the lines.
    pub async fn told(&self, name: &str, events: &[&str]) -> Vec<Value> {
        let names = |lines: &[Value]| lines.iter().map(|line| line["event"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
        eventually("it is told", SOON, async || {
            let told = names(&self.lines(name));
            that(told.len() >= events.len(), || format!("{told:?}"))
        })
        .await;
        tokio::time::sleep(MORE).await;
        let lines = self.lines(name);
        assert_eq!(names(&lines), events, "{lines:#?}");
        let ids: BTreeSet<&str> = lines.iter().filter_map(|line| line["id"].as_str()).collect();
        assert_eq!(ids.len(), lines.len(), "each has an id of its own: {lines:#?}");
        // The Events say the same, and are found by the id. They come behind everything else.
        let expected: BTreeSet<String> = ids.iter().map(|id| format!("{name}.{id}")).collect();
        eventually("the Events say the same", SOON, async || {
            let published = self.published(name).await;
            that(published == expected, || format!("{published:?}"))
        })
        .await;
        lines
    }
}
