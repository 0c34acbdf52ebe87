//! An Argo CD that Helm installed, by the tests' own small chart, and its twin: the same release with the same history in a namespace
//! that the operator does not serve. What we leave behind is what differs between the two.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::hands::{ARGOCD_CM, becomes};
use crate::support::audit::{AuditEntry, Mark};
use crate::support::process::{Finished, random};
use crate::support::snapshot::{differences, shared_objects};
use crate::support::{ControlPlane, Kubernetes, manifests, tools};
use crate::world::{SOON, Team};

const CHART: &str = "tests/corpus/argo-cd-chart";
const CLASS: &str = "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}";

/// What Argo CD's own chart writes where nobody says otherwise, and a timeout of the admin's own that is too short for a terminal.
pub const BASE: &str = "server: {ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: '60'}}}";
/// Another value of a key that is no business of ours.
pub const UNRELATED: &str =
    "{configs: {cm: {timeout.reconciliation: 60s}}, server: {ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: '60'}}}}";
/// Another value of one that we set, too.
pub const LONGER: &str = "{server: {ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: '120'}}}}";
/// The line that ends it.
pub const ON: &str =
    "{configs: {cm: {exec.enabled: true}}, server: {ingress: {annotations: {nginx.ingress.kubernetes.io/proxy-read-timeout: '60'}}}}";
/// The timeout, as the operator finds it in the Ingress.
pub const TIMEOUT: &str = "nginx.ingress.kubernetes.io/proxy-read-timeout";
/// An `ExecAccess` that needs every layer.
pub const TEAM_A: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}]}";

/// Which helm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helm {
    /// Server-side apply.
    V4,
    /// Three-way merge by the client.
    V3,
}

/// One release of the chart, in a namespace of its own whose name it has.
pub struct Release {
    cp: &'static ControlPlane,
    /// The name of both.
    pub name: String,
}

/// The release that the operator serves, and the twin.
pub struct Pair {
    cp: &'static ControlPlane,
    /// The one that the operator serves.
    pub ours: Release,
    twin: Release,
}

impl Release {
    async fn new(cp: &'static ControlPlane) -> Self {
        Self { cp, name: cp.namespace("argocd").await }
    }

    /// Runs `helm VERB RELEASE ...`; with values also names the chart.
    pub async fn helm(&self, helm: Helm, verb: &str, values: Option<&str>, arguments: &[&str]) -> Finished {
        let file = self.cp.folder().join(format!("values-{}-{}.yaml", self.name, random())).display().to_string();
        let chart = tools::repository().join(CHART).display().to_string();
        let mut all = vec![verb, &self.name];
        if let Some(values) = values {
            std::fs::write(&file, values).expect("write the values");
            all.extend([&chart, "--values", &file]);
        }
        all.extend(["--namespace", &self.name]);
        all.extend(arguments);
        match helm {
            Helm::V4 => self.cp.helm(&all).await,
            Helm::V3 => self.cp.helm_3(&all).await,
        }
    }

    /// What the release made, as it is now, without what differs by nature; its own name is left out.
    pub async fn state(&self) -> BTreeMap<String, Value> {
        let objects = shared_objects(&self.cp.client(), &self.name).await;
        let made = objects.into_iter().filter(|(_, object)| object.labels().get("app.kubernetes.io/instance") == Some(&self.name));
        made.map(|(name, object)| (name.replace(&self.name, "NAME"), comparable(&object, &self.name))).collect()
    }

    /// The managers with fields in one of its objects, such as `helm/Apply`.
    pub async fn managers(&self, object: &str) -> Vec<String> {
        let state = self.state().await;
        state[object]["metadata"]["managedFields"].as_object().unwrap().keys().cloned().collect()
    }
}

/// Of `managedFields` the writers with what they own, without times and without the writers of the status.
fn comparable(object: &DynamicObject, name: &str) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    let entries = value["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let owned = entries.iter().filter(|entry| entry["subresource"] != "status");
    let owned =
        owned.map(|entry| (format!("{}/{}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap()), entry["fieldsV1"].clone()));
    value["metadata"]["managedFields"] = owned.collect::<serde_json::Map<_, _>>().into();
    for key in ["resourceVersion", "generation", "uid", "creationTimestamp"] {
        value["metadata"].as_object_mut().unwrap().remove(key);
    }
    value.as_object_mut().unwrap().remove("status");
    // Each Service has its own.
    for key in ["clusterIP", "clusterIPs"] {
        value["spec"].as_object_mut().map(|spec| spec.remove(key));
    }
    serde_json::from_str(&value.to_string().replace(name, "NAME")).unwrap()
}

/// `managedFields` by manager alone.
fn by_manager(mut state: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    fn merge(into: &mut Value, more: &Value) {
        for (key, value) in more.as_object().into_iter().flatten() {
            merge(&mut into[key], value);
        }
        if into.is_null() {
            *into = more.clone();
        }
    }
    for object in state.values_mut() {
        let mut merged = serde_json::json!({});
        for (name, fields) in object["metadata"]["managedFields"].as_object().unwrap() {
            merge(&mut merged[name.split('/').next().unwrap()], fields);
        }
        object["metadata"]["managedFields"] = merged;
    }
    state
}

impl Pair {
    /// Both, installed.
    pub async fn install(helm: Helm, values: &str) -> Self {
        Self::install_with(helm, values, &[]).await
    }

    /// With more arguments for helm.
    pub async fn install_with(helm: Helm, values: &str, arguments: &[&str]) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        cp.install_argocd_definitions().await;
        let (ours, twin) = tokio::join!(Release::new(cp), Release::new(cp));
        manifests::apply_text(&cp.client(), &ours.name, CLASS).await;
        let pair = Self { cp, ours, twin };
        pair.helm(helm, "install", Some(values), arguments).await;
        pair
    }

    /// The operator beside our release, with an Application to open terminals of.
    pub async fn operator(&self, values: &str) -> Team {
        let team = Team::in_namespace(self.cp, self.ours.name.clone(), values).await;
        team.application("web-1", "shop").await;
        team
    }

    /// Runs helm for both, one after the other; neither may fail.
    pub async fn helm(&self, helm: Helm, verb: &str, values: Option<&str>, arguments: &[&str]) {
        for release in [&self.ours, &self.twin] {
            let finished = release.helm(helm, verb, values, arguments).await;
            assert!(finished.status.success(), "{helm:?} {verb} {values:?} {arguments:?}: {}{}", finished.stdout, finished.stderr);
        }
    }

    /// An upgrade of both.
    pub async fn upgrade(&self, helm: Helm, values: &str) {
        self.helm(helm, "upgrade", Some(values), &[]).await;
    }

    /// In what our release differs from the twin.
    pub async fn differences(&self) -> Vec<String> {
        differences(&self.twin.state().await, &self.ours.state().await)
    }

    /// Nothing tells the two apart, `managedFields` included.
    pub async fn are_alike(&self, when: &str) {
        becomes(&format!("{when}: as if we had never been there"), SOON, Vec::new(), async || self.differences().await).await;
    }

    /// The same, but for which of Helm's two ways a field is on record: a patch by helm 3's way is sent only where the value differs, so a
    /// release that knows both ways has another record where we had set something.
    pub async fn are_alike_by_manager(&self, when: &str) {
        becomes(&format!("{when}: as if we had never been there"), SOON, Vec::new(), async || {
            differences(&by_manager(self.twin.state().await), &by_manager(self.ours.state().await))
        })
        .await;
    }

    /// The terminal is switched on, and no entry of ours is left in what Helm applies.
    pub async fn is_on(&self, team: &Team, when: &str) {
        becomes(&format!("{when}: on, and nobody can tell by whom"), SOON, (Some("true".to_owned()), Vec::new()), async || {
            let mut entries = Vec::new();
            for object in [format!("ConfigMap {ARGOCD_CM}"), "Ingress NAME-server".to_owned()] {
                entries.extend(self.ours.managers(&object).await.into_iter().filter(|m| m.starts_with("argocd-access")));
            }
            (team.value(ARGOCD_CM, "exec.enabled").await, entries)
        })
        .await;
    }

    /// What was written to argocd-cm of our release since then, by whomever.
    pub async fn writes(&self, since: Mark) -> Vec<AuditEntry> {
        let all = self.cp.audit_writes(since, "").await;
        all.into_iter().filter(|e| e.namespace == self.ours.name && e.resource == "configmaps" && e.name == ARGOCD_CM).collect()
    }

    /// A point in the audit log.
    pub async fn mark(&self) -> Mark {
        self.cp.audit_mark().await
    }
}

/// Between two entries of the audit log.
pub fn milliseconds(from: &AuditEntry, to: &AuditEntry) -> i64 {
    let at = |entry: &AuditEntry| entry.at.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    at(to) - at(from)
}
