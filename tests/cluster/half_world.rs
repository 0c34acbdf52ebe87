//! Half a world: something that a terminal needs is not there, or not as it must be. It is named, with how to mend it; the other layers
//! go on; removal works all the while; and it heals by itself when what was missing comes, without a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use argocd_access::api::ExecAccessStatus;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::hands::{ARGOCD_CM, RBAC_CM, becomes, key};
use crate::support::{ControlPlane, eventually, eventually::that, managers};
use crate::world::{SOON, Team, condition, message};

/// What most of these tests declare.
pub const TEAM_A: &str = "{subjects: [{kind: Group, name: 'my-org:team-a'}], applications: [{project: shop, name: 'web-*'}]}";

/// The message of a condition holds all of these.
#[track_caller]
pub fn says(status: &ExecAccessStatus, kind: &str, fragments: &[&str]) {
    let text = message(status, kind);
    for fragment in fragments {
        assert!(text.contains(fragment), "{kind} does not say {fragment:?}: {text}");
    }
}

/// Does what the message of a condition tells a person to type.
async fn obey(cp: &ControlPlane, status: &ExecAccessStatus, kind: &str) {
    let text = message(status, kind);
    let command = text.split_once("kubectl ").unwrap_or_else(|| panic!("no command in {text:?}")).1;
    cp.kubectl(&command.split_whitespace().collect::<Vec<_>>()).await.success();
}

impl Team {
    /// Waits until each of these conditions is True.
    pub async fn holds(&self, name: &str, kinds: &[&str]) {
        let states = async || {
            let status = self.status(name).await;
            kinds.iter().map(|kind| ((*kind).to_owned(), condition(&status, kind).0)).collect::<BTreeMap<_, _>>()
        };
        let expected = kinds.iter().map(|kind| ((*kind).to_owned(), "True".to_owned())).collect();
        becomes(&format!("{name}: {kinds:?} hold"), SOON, expected, states).await;
    }

    /// An Ingress of the community's controller in front of argocd-server, with an IngressClass of its own.
    pub async fn nginx_ingress(&self, name: &str) {
        self.has(&format!(
            "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{ name: nginx-{ns} }}
spec: {{ controller: k8s.io/ingress-nginx }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: {name} }}
spec:
  ingressClassName: nginx-{ns}
  rules:
  - host: argocd.example.com
    http: {{ paths: [{{ path: /, pathType: Prefix, backend: {{ service: {{ name: argocd-server, port: {{ number: 80 }} }} }} }}] }}
",
            ns = self.namespace
        ))
        .await;
    }

    /// The ExecAccess objects as they are, readable to this version or not.
    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client(), &self.namespace)
    }
}

#[tokio::test]
async fn a_missing_argocd_cm_is_named_and_so_is_its_missing_label() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let before = team.config_map(ARGOCD_CM).await;
    team.config_maps().delete(ARGOCD_CM, &DeleteParams::default()).await.unwrap();

    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "ExecEnabled", "False", "ConfigMapMissing").await;
    says(&status, "ExecEnabled", &[ARGOCD_CM, &team.namespace, "app.kubernetes.io/part-of=argocd"]);
    says(&status, "Ready", &["ExecEnabled: ", ARGOCD_CM]);
    team.holds("team-a", &["Accepted", "Active", "PolicyApplied", "ServerAuthorized"]).await;
    team.delete("team-a").await;
    assert_eq!((team.lines("team-a").await.len(), team.bound().await.len()), (0, 0));

    team.grant("team-a", TEAM_A).await;
    team.condition("team-a", "ExecEnabled", "False", "ConfigMapMissing").await;
    let metadata = ObjectMeta { name: Some(ARGOCD_CM.to_owned()), ..ObjectMeta::default() };
    let bare = ConfigMap { metadata, data: before.data, ..ConfigMap::default() };
    team.config_maps().create(&PostParams::default(), &bare).await.unwrap();
    let status = team.condition("team-a", "ExecEnabled", "False", "LabelMissing").await;
    obey(team.cp, &status, "ExecEnabled").await;
    team.ready("team-a").await;

    // And once more away, with everything in place.
    team.config_maps().delete(ARGOCD_CM, &DeleteParams::default()).await.unwrap();
    team.condition("team-a", "ExecEnabled", "False", "ConfigMapMissing").await;
    assert!(team.config_maps().get_opt(ARGOCD_CM).await.unwrap().is_none(), "it is Argo CD's, and made by nobody else");
    team.delete("team-a").await;
    assert_eq!(team.release.kubelet.operator_starts(), 1, "healed by a restart");
}

#[tokio::test]
async fn a_missing_argocd_rbac_cm_is_created_and_never_deleted() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.config_maps().delete(RBAC_CM, &DeleteParams::default()).await.unwrap();
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let made = team.config_map(RBAC_CM).await;
    assert_eq!(made.metadata.labels.unwrap()["app.kubernetes.io/part-of"], "argocd", "else Argo CD would not see it");
    assert!(team.lines("team-a").await.contains(&"g, my-org:team-a, role:exec-access.team-a".to_owned()));

    team.delete("team-a").await;
    let left = team.config_map(RBAC_CM).await;
    assert!(left.data.clone().unwrap_or_default().is_empty(), "{left:#?}");
    assert!(managers(&left).iter().all(|m| !m.starts_with("argocd-access")), "{:?}", managers(&left));

    // Gone while the operator is not looking: the lines live on in Argo CD's memory until it sees a new one.
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    team.release.kubelet.signal_operator("STOP");
    team.config_maps().delete(RBAC_CM, &DeleteParams::default()).await.unwrap();
    team.accesses().delete("team-a", &DeleteParams::default()).await.unwrap();
    team.release.kubelet.signal_operator("CONT");
    team.gone("team-a").await;
    assert!(team.config_map(RBAC_CM).await.data.unwrap_or_default().is_empty());
}

#[tokio::test]
async fn no_argocd_server_and_two_of_them_are_named() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let server = team.deployments().get("argocd-server").await.unwrap();
    team.deployments().delete("argocd-server", &DeleteParams::background()).await.unwrap();
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "ServerAuthorized", "False", "ServerNotFound").await;
    says(&status, "ServerAuthorized", &[&team.namespace, "app.kubernetes.io/component=server", "app.kubernetes.io/part-of=argocd"]);
    team.holds("team-a", &["Accepted", "PolicyApplied", "ExecEnabled"]).await;
    assert_eq!(team.bound().await.len(), 0, "there is nobody to bind");
    team.delete("team-a").await;
    assert_eq!(team.lines("team-a").await.len(), 0);

    team.grant("team-a", TEAM_A).await;
    team.condition("team-a", "ServerAuthorized", "False", "ServerNotFound").await;
    let metadata = ObjectMeta { name: server.metadata.name, labels: server.metadata.labels, ..ObjectMeta::default() };
    team.deployments().create(&PostParams::default(), &Deployment { metadata, spec: server.spec, status: None }).await.unwrap();
    team.ready("team-a").await;

    team.has(
        "
apiVersion: apps/v1
kind: Deployment
metadata: { name: another, labels: { app.kubernetes.io/part-of: argocd, app.kubernetes.io/component: server } }
spec:
  selector: { matchLabels: { app: another } }
  template:
    metadata: { labels: { app: another } }
    spec: { serviceAccountName: another, containers: [{ name: main, image: example.invalid/another }] }
",
    )
    .await;
    let status = team.condition("team-a", "ServerAuthorized", "False", "ServerAmbiguous").await;
    says(&status, "ServerAuthorized", &["argocd-server", "another", "remove the label app.kubernetes.io/component=server"]);
    team.holds("team-a", &["PolicyApplied", "ExecEnabled"]).await;
    assert_eq!(team.bound().await.len(), 1, "what was granted is not taken away on a doubt");
    team.grant("team-b", "{subjects: [{kind: Group, name: b}], applications: [{project: shop, name: 'web-*'}]}").await;
    team.condition("team-b", "ServerAuthorized", "False", "ServerAmbiguous").await;
    team.delete("team-b").await;
    team.edit("apps/v1", "Deployment", "another", json!({"metadata": {"labels": {"app.kubernetes.io/component": null}}})).await;
    team.ready("team-a").await;
    assert_eq!(team.release.kubelet.operator_starts(), 1, "healed by a restart");
}

#[tokio::test]
async fn a_missing_destination_and_a_missing_ingress_are_named_and_heal_when_they_come() {
    let team = Team::new().await;
    let shop = format!("late-{}", team.namespace);
    team.application_in(&team.namespace, "web-1", "shop", &shop).await;
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "ServerAuthorized", "False", "NamespaceMissing").await;
    says(&status, "ServerAuthorized", &[&shop, "does not exist"]);
    let status = team.condition("team-a", "IngressReady", "Unknown", "NoIngress").await;
    says(&status, "IngressReady", &[&team.namespace, "spec.ingress.mode: None"]);
    team.holds("team-a", &["PolicyApplied", "ExecEnabled"]).await;
    team.delete("team-a").await;

    team.grant("team-a", TEAM_A).await;
    team.condition("team-a", "ServerAuthorized", "False", "NamespaceMissing").await;
    let namespaces = Api::<Namespace>::all(team.client());
    let metadata = ObjectMeta { name: Some(shop.clone()), ..ObjectMeta::default() };
    namespaces.create(&PostParams::default(), &Namespace { metadata, ..Namespace::default() }).await.unwrap();
    // A missing Ingress is no obstacle: people may come another way.
    let status = team.ready("team-a").await;
    says(&status, "Ready", &["IngressReady could not be verified"]);
    team.nginx_ingress("argocd").await;
    team.condition("team-a", "IngressReady", "True", "Configured").await;

    // The destination goes while it is granted: nothing holds it up.
    namespaces.delete(&shop, &DeleteParams::default()).await.unwrap();
    team.condition("team-a", "ServerAuthorized", "False", "NamespaceMissing").await;
    becomes("the destination is gone", Duration::from_secs(30), true, async || namespaces.get_opt(&shop).await.unwrap().is_none()).await;
    team.delete("team-a").await;
    assert_eq!(team.release.kubelet.operator_starts(), 1, "healed by a restart");
}

#[tokio::test]
async fn a_broken_line_of_somebody_else_is_named_and_stops_additions_but_no_removal() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let broken = "p, role:x, applications, get, shop/*, allow\n# a comment\np, role:x, exec, create\n";
    team.set(RBAC_CM, "policy.overlay.csv", Some(broken)).await;
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    says(&status, "PolicyApplied", &["policy.overlay.csv", "line 3", "Mend or remove"]);
    assert_eq!(team.policy("team-a").await, None, "added to a policy that does not load");
    team.holds("team-a", &["ServerAuthorized", "ExecEnabled"]).await;
    team.delete("team-a").await;

    let mended = "p, role:x, applications, get, shop/*, allow\n";
    team.grant("team-a", TEAM_A).await;
    team.condition("team-a", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    team.set(RBAC_CM, "policy.overlay.csv", Some(mended)).await;
    team.ready("team-a").await;

    // Broken once more, now with lines of ours beside it.
    team.set(RBAC_CM, "policy.overlay.csv", Some(broken)).await;
    team.condition("team-a", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    team.change("team-a", json!({"suspend": true})).await;
    becomes("suspending takes the lines", SOON, None, async || team.policy("team-a").await).await;
    team.set(RBAC_CM, "policy.overlay.csv", Some(mended)).await;
    team.change("team-a", json!({"suspend": false})).await;
    team.ready("team-a").await;
    team.set(RBAC_CM, "policy.overlay.csv", Some(broken)).await;
    team.condition("team-a", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    // A narrower declaration is a removal, too.
    team.change("team-a", json!({"subjects": [{"kind": "Group", "name": "other"}]})).await;
    becomes("the old group is out, the new one is not in", SOON, (false, false), async || {
        let text = team.policy("team-a").await.unwrap_or_default();
        (text.contains("my-org:team-a"), text.contains("g, other"))
    })
    .await;
    team.delete("team-a").await;
    let left = team.config_map(RBAC_CM).await.data.unwrap();
    assert_eq!((left.get(&key("team-a")), left["policy.overlay.csv"].as_str()), (None, broken));
    assert_eq!(team.release.kubelet.operator_starts(), 1, "healed by a restart");
}

#[tokio::test]
async fn an_object_that_cannot_be_parsed_keeps_what_it_has_gets_nothing_more_and_can_be_deleted() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let before = team.shared().await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let lines = team.lines("team-a").await;
    // The API server takes this for a time, and this version does not: it stands for a field of a later version.
    let unreadable = json!({"status": {"conditions": [{"type": "Later", "status": "True", "reason": "R", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00+99:00"}]}});
    team.accesses_raw().patch_status("team-a", &PatchParams::default(), &Patch::Merge(&unreadable)).await.unwrap();
    team.accesses_raw()
        .patch("team-a", &PatchParams::default(), &Patch::Merge(json!({"spec": {"subjects": [{"kind": "Group", "name": "more"}]}})))
        .await
        .unwrap();
    team.grant("team-b", "{subjects: [{kind: Group, name: b}], applications: [{project: shop, name: 'web-*'}]}").await;
    team.ready("team-b").await;
    let log = team.release.kubelet.operator_log();
    assert!(log.contains("cannot be read by this version"), "{log}");
    assert_eq!(team.lines("team-a").await, lines, "frozen: what it has stays, and no more");
    team.delete("team-b").await;
    assert_eq!(team.lines("team-a").await, lines);
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await.as_deref(), Some("true"));
    assert_eq!(team.bound().await.len(), 1);

    team.accesses_raw().delete("team-a", &DeleteParams::default()).await.unwrap();
    eventually("it is gone", SOON, async || {
        let left = team.accesses_raw().get_opt("team-a").await.map_err(|e| e.to_string())?;
        that(left.is_none(), || format!("{left:#?}\n{}", team.release.kubelet.operator_log()))
    })
    .await;
    assert_eq!(team.shared().await, before);
}

#[tokio::test]
async fn the_instances_own_namespace_can_be_deleted_with_the_operator_and_its_objects_in_it() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.grant("everywhere", "{subjects: [{kind: Group, name: b}], applications: [{project: shop}], server: {scope: Cluster}}").await;
    team.ready("team-a").await;
    team.ready("everywhere").await;
    assert_eq!((team.bound().await.len(), team.cluster_binding().await.is_some()), (1, true));
    let finished = team.cp.kubectl(&["delete", "namespace", &team.namespace, "--timeout=40s"]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, team.release.kubelet.operator_log());
    assert_eq!((team.bound().await.len(), team.cluster_binding().await.is_some()), (0, false), "argocd-server's rights went with it");
}
