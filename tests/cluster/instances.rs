//! Several Argo CD instances of one cluster under one operator: what is declared in one reaches no other.

use std::collections::BTreeSet;

use argocd_access::api::{ExecAccess, ExecAccessStatus};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::hands::{PARAMS_CM, becomes};
use crate::support::snapshot::shared_snapshot;
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests, process::get};
use crate::world::{SOON, Team, condition, message};

const SPEC: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}";

/// The second instance, which the operator of the first serves.
struct Second<'a> {
    team: &'a Team,
    namespace: String,
    destination: String,
}

impl Second<'_> {
    fn accesses(&self) -> Api<ExecAccess> {
        Api::namespaced(self.team.client(), &self.namespace)
    }

    async fn grant(&self, name: &str, spec: &str) {
        let yaml = format!("{{apiVersion: argocd-access.dev/v1alpha1, kind: ExecAccess, metadata: {{name: {name}}}, spec: {spec}}}");
        let object: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
        self.accesses().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }

    async fn condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> ExecAccessStatus {
        eventually(&format!("{name}: {kind} is {status}/{reason}"), SOON, || async {
            let access = self.accesses().get(name).await.map_err(|e| e.to_string())?;
            let found = access.status.clone().unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            that(current && condition(&found, kind) == (status.to_owned(), reason.to_owned()), || {
                format!("{:#?}\n{}", found.conditions, self.team.release.kubelet.operator_log())
            })?;
            Ok::<_, String>(found)
        })
        .await
    }

    async fn value(&self, config_map: &str, key: &str) -> Option<String> {
        Api::<ConfigMap>::namespaced(self.team.client(), &self.namespace).get(config_map).await.unwrap().data?.remove(key)
    }

    /// Where argocd-server of this instance is bound, and which ServiceAccounts are.
    async fn bound(&self) -> BTreeSet<(String, String)> {
        let named = ListParams::default().fields(&format!("metadata.name=argocd-access-exec-{}", self.namespace));
        let list = Api::<RoleBinding>::all(self.team.client()).list(&named).await.unwrap();
        let one = |b: RoleBinding| (b.metadata.namespace.unwrap(), b.subjects.unwrap()[0].namespace.clone().unwrap());
        list.items.into_iter().map(one).collect()
    }
}

#[tokio::test]
async fn what_is_declared_in_one_instance_reaches_no_other_and_uninstalling_restores_all() {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    let (first, namespace) = (cp.instance("first").await, cp.instance("second").await);
    let before = (shared_snapshot(&cp.client(), &first).await, shared_snapshot(&cp.client(), &namespace).await);
    let values = format!("additionalInstances: [{{namespace: {namespace}, limits: {{requireReason: true}}}}]");
    let team = Team::in_namespace(cp, first, &values).await;
    let second = Second { team: &team, namespace, destination: cp.namespace("other").await };
    team.application("web-1", "shop").await;
    team.application_in(&second.namespace, "web-2", "shop", &second.destination).await;
    let untouched = shared_snapshot(&team.client(), &second.namespace).await;

    team.grant("team", SPEC).await;
    team.ready("team").await;
    assert_eq!(shared_snapshot(&team.client(), &second.namespace).await, untouched, "the other instance is as it was");
    assert_eq!((team.bound().await, second.bound().await), (BTreeSet::from([team.destination.clone()]), BTreeSet::new()));

    // The second instance has limits of its own, an argocd-server of its own, and may use the same names.
    second.grant("team", SPEC).await;
    let status = second.condition("team", "Accepted", "False", "LimitExceeded").await;
    assert!(message(&status, "Accepted").contains("requireReason"));
    let first_version = team.access("team").await.metadata.resource_version;
    second.grant("team", &SPEC.replace("{subjects", "{reason: INC-1, subjects")).await;
    let status = second.condition("team", "Ready", "True", "Ready").await;
    assert_eq!(status.server.unwrap().namespaces.len(), 1);
    assert_eq!(second.bound().await, BTreeSet::from([(second.destination.clone(), second.namespace.clone())]));
    assert_eq!(team.access("team").await.metadata.resource_version, first_version, "nothing is to be said in the first");

    // Where the first Argo CD serves further namespaces, that of the second is not among them.
    team.set(PARAMS_CM, "application.namespaces", Some("nobody-*")).await;
    team.grant("everywhere", "{subjects: [{kind: Group, name: h}], applications: [{project: shop, namespace: '*'}]}").await;
    team.ready("everywhere").await;
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone()]), "its Applications lead to no right of the first");
    team.delete("everywhere").await;
    team.set(PARAMS_CM, "application.namespaces", None).await;

    // One goes, and the other stays.
    team.delete("team").await;
    assert_eq!(team.bound().await, BTreeSet::new());
    second.condition("team", "Ready", "True", "Ready").await;
    assert_eq!(second.value("argocd-cm", "exec.enabled").await.as_deref(), Some("true"));
    team.grant("team", SPEC).await;
    team.ready("team").await;

    // An object that is elsewhere belongs to none; and uninstalling takes back what both have.
    let finished = team.release.uninstall(&[]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, team.release.kubelet.log());
    assert_eq!((team.bound().await, second.bound().await), (BTreeSet::new(), BTreeSet::new()));
    team.accesses().delete("team", &DeleteParams::default()).await.unwrap();
    second.accesses().delete("team", &DeleteParams::default()).await.unwrap();
    becomes("the records hold nothing up", SOON, (true, true), async || {
        (team.accesses().get_opt("team").await.unwrap().is_none(), second.accesses().get_opt("team").await.unwrap().is_none())
    })
    .await;
    for (namespace, name) in [(&team.namespace, "web-1"), (&second.namespace, "web-2")] {
        let applications: Api<DynamicObject> = manifests::api(&team.client(), namespace, "argoproj.io/v1alpha1", "Application");
        applications.delete(name, &DeleteParams::default()).await.unwrap();
    }
    assert_eq!(shared_snapshot(&team.client(), &team.namespace).await, before.0);
    assert_eq!(shared_snapshot(&team.client(), &second.namespace).await, before.1);
}

#[tokio::test]
async fn an_instance_that_cannot_be_served_keeps_no_other_from_being() {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    let (first, namespace) = (cp.instance("first").await, cp.instance("broken").await);
    let team = Team::in_namespace(cp, first, &format!("additionalInstances: [{{namespace: {namespace}}}]")).await;
    let second = Second { team: &team, namespace, destination: team.destination.clone() };
    team.application("web-1", "shop").await;
    team.application_in(&second.namespace, "web-1", "shop", &second.destination).await;
    // argocd-rbac-cm of the second does not load, its argocd-server is gone.
    let broken = json!({"data": {"policy.csv": "p, broken"}});
    Api::<ConfigMap>::namespaced(team.client(), &second.namespace)
        .patch("argocd-rbac-cm", &PatchParams::default(), &Patch::Merge(broken))
        .await
        .unwrap();
    second.grant("team", SPEC).await;
    second.condition("team", "PolicyApplied", "False", "ForeignPolicyBroken").await;
    team.grant("team", SPEC).await;
    team.ready("team").await;
    // In one destination there are now two bindings, each for the argocd-server of its own instance.
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone()]));
    assert_eq!(second.bound().await, BTreeSet::from([(team.destination.clone(), second.namespace.clone())]));
    second.accesses().delete("team", &DeleteParams::default()).await.unwrap();
    becomes("the second's binding goes alone", SOON, BTreeSet::new(), async || second.bound().await).await;
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone()]));
    // The metrics tell them apart.
    let (_, text) = get(&team.release.kubelet.metrics_url()).await.unwrap();
    for instance in [&team.namespace, &second.namespace] {
        assert!(text.contains(&format!("argocd_namespace=\"{instance}\"")), "{text}");
    }
}
