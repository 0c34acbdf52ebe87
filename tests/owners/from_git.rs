//! An Argo CD that manages itself: a real Application, with self-heal, keeps argocd-cm and the Ingress as they are in Git. Whoever is
//! wrong about the other would be seen here by a fight that never ends.

use std::time::Duration;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{ARGOCD_CM, becomes};
use crate::release::{TEAM_A, TIMEOUT};
use crate::support::argocd::{ArgoCd, Options};
use crate::support::audit::{AuditEntry, Mark};
use crate::support::eventually::{eventually, that};
use crate::support::{ControlPlane, Kubernetes, managers, manifests};
use crate::world::{Team, condition, message};

/// Longer than self-heal waits, some times over.
const LONG: Duration = Duration::from_secs(32);
const SELF: &str = "self";

/// An Argo CD, the operator beside it, and the Application `self`.
struct Managed {
    argocd: ArgoCd,
    team: Team,
}

/// What is in Git.
fn git(exec: Option<&str>, timeout: Option<&str>) -> String {
    let exec = exec.map(|value| format!("\n  exec.enabled: '{value}'")).unwrap_or_default();
    let timeout = timeout.map(|value| format!("{TIMEOUT}: '{value}'")).unwrap_or_default();
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  labels: {{ app.kubernetes.io/name: argocd-cm, app.kubernetes.io/part-of: argocd }}
data:
  help.chatText: ask us{exec}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: argocd
  annotations: {{ {timeout} }}
spec:
  ingressClassName: nginx
  rules:
  - host: argocd.example.com
    http: {{ paths: [{{ path: /, pathType: Prefix, backend: {{ service: {{ name: argocd-server, port: {{ name: https }} }} }} }}] }}
"
    )
}

impl Managed {
    async fn start(options: &[&str]) -> Self {
        let cp = ControlPlane::shared(Kubernetes::V1_36).await;
        let argocd = ArgoCd::start(cp, Options::default()).await;
        let class = "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}";
        manifests::apply_text(&cp.client(), &argocd.namespace, class).await;
        let team = Team::in_namespace(cp, argocd.namespace.clone(), "").await;
        team.application("web-1", "shop").await;
        let managed = Self { argocd, team };
        let repository = managed.argocd.commit(&managed.team.namespace, SELF, &git(None, None)).await;
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": SELF, "namespace": managed.team.namespace},
            "spec": {
                "project": "default",
                "source": {"repoURL": repository, "path": ".", "targetRevision": "HEAD"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": managed.team.namespace},
                "syncPolicy": {"automated": {"selfHeal": true}, "syncOptions": options},
            },
        });
        managed.team.has(&application.to_string()).await;
        managed.is_synced("begun").await;
        managed
    }

    fn application(&self) -> Api<DynamicObject> {
        manifests::api(&self.team.client(), &self.team.namespace, "argoproj.io/v1alpha1", "Application")
    }

    async fn edit(&self, patch: Value) {
        let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        self.application().patch(SELF, &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// Git says something else, Argo CD is told to look, and what it says arrives.
    async fn push(&self, exec: Option<&str>, timeout: Option<&str>) {
        self.argocd.commit(&self.team.namespace, SELF, &git(exec, timeout)).await;
        self.is_synced(&format!("pushed {exec:?} {timeout:?}")).await;
    }

    /// Argo CD has looked just now, and what it sees is what is in Git.
    async fn is_synced(&self, when: &str) {
        self.edit(json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}})).await;
        eventually(&format!("{when}: {SELF} is synced"), Duration::from_secs(60), || async {
            let found = self.application().get(SELF).await.map_err(|error| error.to_string())?;
            let status = &found.data["status"];
            let looked = found.metadata.annotations.as_ref().is_none_or(|a| !a.contains_key("argocd.argoproj.io/refresh"));
            let done = status["operationState"]["phase"] == "Succeeded";
            that(looked && done && status["sync"]["status"] == "Synced", || format!("{status:#}"))
        })
        .await;
    }

    /// The writes to what Git keeps, by whomever.
    async fn writes(&self, since: Mark) -> Vec<AuditEntry> {
        let all = self.team.cp.audit_writes(since, "").await;
        let kept = |e: &AuditEntry| (e.resource == "configmaps" && e.name == ARGOCD_CM) || (e.resource == "ingresses" && e.subresource.is_empty());
        all.into_iter().filter(|e| e.namespace == self.team.namespace && kept(e)).collect()
    }

    /// Nobody writes for a long time, and Argo CD is content.
    async fn is_quiet(&self, when: &str) {
        self.is_synced(when).await;
        let mark = self.team.cp.audit_mark().await;
        tokio::time::sleep(LONG).await;
        let writes = self.writes(mark).await;
        assert!(writes.is_empty(), "{when}: a fight: {writes:#?}");
        self.is_synced(when).await;
    }

    /// The values in question, as they are.
    async fn values(&self) -> (Option<String>, Option<String>) {
        (self.team.value(ARGOCD_CM, "exec.enabled").await, self.team.annotations("argocd").await.remove(TIMEOUT))
    }

    /// Nothing of ours is left in what Git keeps.
    async fn has_no_trace(&self, when: &str) {
        let ours = async || {
            let ingress = self.team.ingresses().get("argocd").await.unwrap();
            let cm = self.team.config_map(ARGOCD_CM).await;
            let entries = managers(&ingress).into_iter().chain(managers(&cm)).filter(|m| m.starts_with("argocd-access"));
            let annotations =
                [ingress.metadata.annotations, cm.metadata.annotations].into_iter().flatten().flat_map(std::collections::BTreeMap::into_keys);
            entries.chain(annotations.filter(|key| key.starts_with("argocd-access.dev/"))).collect::<Vec<_>>()
        };
        becomes(&format!("{when}: no trace of ours"), crate::world::SOON, Vec::new(), ours).await;
    }
}

fn some(exec: &str, timeout: &str) -> (Option<String>, Option<String>) {
    let value = |text: &str| (text != "-").then(|| text.to_owned());
    (value(exec), value(timeout))
}

async fn story(options: &[&str]) {
    let managed = Managed::start(options).await;
    let team = &managed.team;

    // Git says nothing of it: it is ours to set.
    let before = managed.values().await;
    assert_eq!(before, some("-", "-"));
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    assert_eq!(managed.values().await, some("true", "3600"));
    managed.is_quiet("Git without the keys").await;
    assert_eq!(managed.values().await, some("true", "3600"));
    team.delete("team-a").await;
    assert_eq!(managed.values().await, before);
    managed.has_no_trace("Git without the keys").await;
    managed.is_synced("Git without the keys, given back").await;

    // Git says otherwise: it is Git's, and the status says what to change there.
    managed.push(Some("false"), Some("60")).await;
    let mark = team.cp.audit_mark().await;
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "ExecEnabled", "False", "OwnedByOther").await;
    let said = message(&status, "ExecEnabled");
    for fragment in
        ["Application self", "set data.\"exec.enabled\" of ConfigMap argocd-cm to \"true\"", "ignoreDifferences", "RespectIgnoreDifferences=true"]
    {
        assert!(said.contains(fragment), "{fragment}: {said}");
    }
    let status = team.condition("team-a", "IngressReady", "False", "OwnedByOther").await;
    assert!(message(&status, "IngressReady").contains(TIMEOUT), "{}", message(&status, "IngressReady"));
    assert_eq!(condition(&status, "PolicyApplied").0, "True", "the other layers go on");
    managed.is_synced("Git with the keys").await;
    let user = team.release.user().await;
    let ours: Vec<_> = managed.writes(mark).await.into_iter().filter(|w| w.user == user && w.name == ARGOCD_CM).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    assert_eq!(managed.values().await, some("false", "60"));

    // The first way: Git says what is wanted.
    managed.push(Some("true"), Some("3600")).await;
    team.ready("team-a").await;
    team.delete("team-a").await;
    assert_eq!(managed.values().await, some("true", "3600"), "it is Git's");
    managed.has_no_trace("Git with what is wanted").await;

    // The second way: the Application leaves it to us.
    managed.push(Some("false"), Some("60")).await;
    let mut all: Vec<&str> = options.to_vec();
    all.push("RespectIgnoreDifferences=true");
    managed
        .edit(json!({"spec": {
            "ignoreDifferences": [
                {"group": "", "kind": "ConfigMap", "name": ARGOCD_CM, "managedFieldsManagers": ["argocd-access"]},
                {"group": "networking.k8s.io", "kind": "Ingress", "managedFieldsManagers": ["argocd-access"]},
            ],
            "syncPolicy": {"syncOptions": all},
        }}))
        .await;
    managed.is_synced("ignoring").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    managed.is_quiet("ignored").await;
    assert_eq!(managed.values().await, some("true", "3600"));
    // A sync for another reason goes past it.
    managed.argocd.commit(&team.namespace, SELF, &git(Some("false"), Some("60")).replace("ask us", "ask them")).await;
    managed.is_synced("another change").await;
    becomes("it arrived", crate::world::SOON, Some("ask them".to_owned()), async || team.value(ARGOCD_CM, "help.chatText").await).await;
    assert_eq!(managed.values().await, some("true", "3600"));
    managed.is_quiet("after another change").await;
    team.delete("team-a").await;
    assert_eq!(managed.values().await, some("false", "60"));
    managed.has_no_trace("ignored").await;
    managed.is_synced("given back").await;

    // And Git is obeyed again, by its next change.
    managed.push(Some("true"), Some("120")).await;
    becomes("what Git says", crate::world::SOON, some("true", "120"), async || managed.values().await).await;
}

#[tokio::test]
async fn an_application_that_heals_itself_and_the_operator_do_not_fight() {
    story(&[]).await;
}

#[tokio::test]
async fn nor_do_they_when_it_applies_server_side() {
    story(&["ServerSideApply=true"]).await;
}
