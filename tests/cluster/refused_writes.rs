//! The API server refuses a write, as an admission policy of the cluster's owner may: it is reported with the reason given, the other
//! layers go on, it is made when it is allowed, and an object can be let go in spite of it.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::half_world::{TEAM_A, says};
use crate::hands::{ARGOCD_CM, becomes};
use crate::support::{eventually, manifests};
use crate::world::{SOON, Team, condition};

const SAYS: &str = "the change window is closed";

impl Team {
    /// Refuses every change of one object of the instance, by an admission policy; to this user or else to everybody. Waits until it
    /// bites.
    pub async fn refuse(&self, group: &str, resource: &str, name: &str, user: Option<&str>) {
        let policy = format!("{name}-{}", self.namespace);
        let matches = user
            .map_or_else(String::new, |user| format!("matchConditions: [{{ name: who, expression: \"request.userInfo.username == '{user}'\" }}]"));
        self.has(&format!(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: {policy} }}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{{ apiGroups: ['{group}'], apiVersions: [v1], operations: [UPDATE], resources: [{resource}], resourceNames: [{name}] }}]
  {matches}
  validations: [{{ expression: 'false', message: {SAYS} }}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: {policy} }}
spec:
  policyName: {policy}
  validationActions: [Deny]
  matchResources: {{ namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: {ns} }} }} }}
",
            ns = self.namespace
        ))
        .await;
        let client = if user.is_some() { self.release.client().await } else { self.client() };
        let kind = if resource == "ingresses" { ("networking.k8s.io/v1", "Ingress") } else { ("v1", "ConfigMap") };
        let api = manifests::api(&client, &self.namespace, kind.0, kind.1);
        let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
        let change = json!({"metadata": {"annotations": {"example.com/probe": "x"}}});
        eventually("the admission policy bites", SOON, async || match api.patch(name, &dry_run, &Patch::Merge(&change)).await {
            Err(error) if error.to_string().contains(SAYS) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }

    /// Takes that back.
    pub async fn permit(&self, name: &str) {
        for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
            let api = manifests::api(&self.client(), &self.namespace, "admissionregistration.k8s.io/v1", kind);
            api.delete(&format!("{name}-{}", self.namespace), &DeleteParams::default()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_refused_write_is_reported_with_its_reason_and_made_when_it_is_allowed() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.nginx_ingress("argocd").await;
    let (before, user) = (team.shared().await, team.release.user().await);

    team.refuse("networking.k8s.io", "ingresses", "argocd", Some(&user)).await;
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "IngressReady", "False", "WriteFailed").await;
    says(&status, "IngressReady", &["Ingress", "argocd", SAYS]);
    team.holds("team-a", &["PolicyApplied", "ServerAuthorized", "ExecEnabled"]).await;
    team.permit("argocd").await;
    eventually_true(&team, "IngressReady").await;
    team.delete("team-a").await;
    assert_eq!(team.shared().await, before);

    team.refuse("", "configmaps", ARGOCD_CM, Some(&user)).await;
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "ExecEnabled", "False", "WriteFailed").await;
    says(&status, "ExecEnabled", &["ConfigMap", ARGOCD_CM, SAYS]);
    team.holds("team-a", &["PolicyApplied", "ServerAuthorized", "IngressReady"]).await;
    // Nothing was set there, so nothing is to be handed back there.
    team.delete("team-a").await;
    team.grant("team-a", TEAM_A).await;
    team.condition("team-a", "ExecEnabled", "False", "WriteFailed").await;
    team.permit(ARGOCD_CM).await;
    eventually_true(&team, "ExecEnabled").await;
    assert_eq!(team.release.kubelet.operator_starts(), 1, "healed by a restart");
}

/// Later than soon: the waits between attempts grow.
async fn eventually_true(team: &Team, kind: &str) {
    let state = async || condition(&team.status("team-a").await, kind).0;
    becomes(&format!("{kind} holds after all"), Duration::from_secs(40), "True".to_owned(), state).await;
}

#[tokio::test]
async fn a_refused_hand_back_keeps_the_object_until_it_works_or_the_object_is_abandoned() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let (before, user) = (team.shared().await, team.release.user().await);
    for name in ["first", "second"] {
        team.grant(name, &TEAM_A.replace("team-a", name)).await;
        team.ready(name).await;
    }
    team.refuse("", "configmaps", ARGOCD_CM, Some(&user)).await;
    // Both before the operator looks: the first of two would leave what they share to the second.
    team.release.kubelet.signal_operator("STOP");
    for name in ["first", "second"] {
        team.accesses().delete(name, &DeleteParams::default()).await.unwrap();
    }
    team.release.kubelet.signal_operator("CONT");
    let status = team.condition("first", "ExecEnabled", "False", "WriteFailed").await;
    says(&status, "ExecEnabled", &[ARGOCD_CM, SAYS]);
    assert_eq!((team.policy("first").await, team.policy("second").await, team.bound().await.len()), (None, None, 0), "the access itself is gone");

    let abandon = json!({"metadata": {"annotations": {"argocd-access.dev/abandon": "true"}}});
    team.accesses().patch("first", &PatchParams::default(), &Patch::Merge(&abandon)).await.unwrap();
    team.gone("first").await;
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"), "left behind, as asked");
    assert!(team.accesses().get_opt("second").await.unwrap().is_some(), "the other was not abandoned");

    team.permit(ARGOCD_CM).await;
    becomes("the other goes when the hand-back works", Duration::from_secs(40), false, async || {
        team.accesses().get_opt("second").await.unwrap().is_some()
    })
    .await;
    assert_eq!(team.shared().await, before);
}
