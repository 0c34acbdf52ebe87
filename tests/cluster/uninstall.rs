//! Removing the operator: `helm uninstall` takes everything back by its Job; without hooks, `argocd-access restore` does from anywhere.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use argocd_access::api::ExecAccess;
use argocd_access::cluster_io::lease::LEASE;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::confinement::CONFINED;
use crate::half_world::TEAM_A;
use crate::hands::{ARGOCD_CM, becomes, short};
use crate::support::process::{Finished, run};
use crate::support::snapshot::{managed_fields, shared_objects, shared_snapshot};
use crate::support::{ControlPlane, Kubernetes, chart, manifests, reaper};
use crate::world::{SOON, Team, condition, message};

const EVERYWHERE: &str = "{subjects: [{kind: Group, name: all}], applications: [{project: shop, name: 'web-*'}], server: {scope: Cluster}}";

/// Runs the program as the administrator on a laptop does.
pub async fn laptop(cp: &ControlPlane, arguments: &[&str]) -> Finished {
    let mut command: Command = reaper::command(PathBuf::from(env!("CARGO_BIN_EXE_argocd-access")));
    command.env("KUBECONFIG", cp.kubeconfig_admin()).args(arguments);
    run(command).await
}

impl Team {
    /// Declares two objects that set every layer, and waits until they do.
    async fn grants_everything(&self) {
        self.application("web-1", "shop").await;
        self.grant("team-a", TEAM_A).await;
        self.grant("everywhere", EVERYWHERE).await;
        for name in ["team-a", "everywhere"] {
            self.ready(name).await;
            self.condition(name, "IngressReady", "True", "Configured").await;
        }
        assert_eq!((self.bound().await.len(), self.cluster_binding().await.is_some()), (1, true));
    }

    /// No object of the instance, and no binding anywhere, shows that we were here.
    async fn has_no_trace(&self) {
        assert_eq!((self.bound().await.len(), self.cluster_binding().await.is_some()), (0, false));
        for (name, object) in shared_objects(&self.client(), &self.namespace).await {
            let ours: Vec<String> = managed_fields(&object).into_keys().filter(|m| m.starts_with("argocd-access")).collect();
            assert!(ours.is_empty(), "{name}: {ours:?}");
            let annotations: Vec<&String> = object.annotations().keys().filter(|k| k.starts_with("argocd-access.dev/")).collect();
            assert!(annotations.is_empty(), "{name}: {annotations:?}");
        }
    }

    /// The objects stay as records that say so and hold nothing up.
    async fn are_records(&self) {
        let all = self.accesses().list(&ListParams::default()).await.unwrap();
        assert_eq!(all.items.len(), 2);
        for access in all {
            let status = access.status.clone().unwrap_or_default();
            assert_eq!(access.metadata.finalizers.unwrap_or_default(), Vec::<String>::new());
            for kind in ["Ready", "Active"] {
                assert_eq!(condition(&status, kind), ("False".to_owned(), "Withdrawn".to_owned()), "{}", message(&status, kind));
            }
            assert!(message(&status, "Active").contains("the operator was removed"), "{}", message(&status, "Active"));
            assert!(status.policy.is_none(), "{status:#?}");
        }
    }
}

async fn prepared() -> (&'static ControlPlane, String) {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = cp.instance("team").await;
    (cp, namespace)
}

#[tokio::test]
async fn helm_uninstall_takes_everything_back_and_a_new_installation_grants_again() {
    let (cp, namespace) = prepared().await;
    let before = shared_snapshot(&cp.client(), &namespace).await;
    let mut team = Team::in_namespace(cp, namespace.clone(), "").await;
    team.nginx_ingress("argocd").await;
    let ingress = team.shared().await.remove("Ingress argocd").unwrap();
    team.grants_everything().await;
    let finished = team.release.uninstall(&[]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, team.release.kubelet.log());
    let mut expected = before.clone();
    expected.insert("Ingress argocd".to_owned(), ingress);
    let mut after = team.shared().await;
    expected.insert("Application web-1".to_owned(), after["Application web-1"].clone());
    assert_eq!(after.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert_eq!(after, expected);
    team.has_no_trace().await;
    team.are_records().await;
    let jobs = Api::<Job>::namespaced(cp.client(), &namespace).list(&ListParams::default()).await.unwrap();
    assert!(jobs.items.is_empty(), "{jobs:#?}");

    // The declarations were kept: the same operator finds them again.
    drop(std::mem::replace(&mut team.release, chart::install(cp, &namespace, "").await));
    for name in ["team-a", "everywhere"] {
        team.ready(name).await;
    }
    team.release.uninstall(&[]).await.success();
    after = team.shared().await;
    assert_eq!(after, expected, "the second time as the first");
    // Records are deleted like anything else, with nobody there to let go of them.
    cp.kubectl(&["delete", "exa", "--all", "--namespace", &namespace, "--timeout=10s"]).await.success();
}

#[tokio::test]
async fn after_an_uninstall_without_hooks_restore_takes_everything_back_from_a_laptop() {
    let (cp, namespace) = prepared().await;
    let team = Team::in_namespace(cp, namespace.clone(), "").await;
    team.nginx_ingress("argocd").await;
    let before = team.shared().await;
    team.grants_everything().await;
    team.release.uninstall(&["--no-hooks"]).await.success();
    assert!(team.policy("team-a").await.is_some(), "without the Job everything stays");
    assert!(team.access("team-a").await.metadata.finalizers.is_some_and(|f| !f.is_empty()));
    // One is being deleted already, and waits.
    team.accesses().delete("team-a", &DeleteParams::default()).await.unwrap();

    let refused = laptop(cp, &["restore", "--namespace", &namespace]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("--all") && refused.stderr.contains("every ExecAccess"), "{}", refused.stderr);
    assert!(team.policy("team-a").await.is_some(), "refused, and done all the same");

    // By the kubeconfig alone it would be another namespace's.
    let restored = laptop(cp, &["restore", "--all", "--namespace", &namespace]).await;
    assert!(restored.status.success(), "{}", restored.stderr);
    let after = team.shared().await;
    for (name, object) in before.iter().filter(|(name, _)| !name.contains("access") && !name.starts_with("Secret sh.helm")) {
        assert_eq!(after.get(name), Some(object), "{name}");
    }
    team.has_no_trace().await;
    let lease: Api<Lease> = Api::namespaced(cp.client(), &namespace);
    assert_eq!(lease.get_opt(LEASE).await.unwrap(), None, "no operator is left that would need it");
    let left: Vec<String> = team.accesses().list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["everywhere"], "the one that waited is gone");

    let mark = cp.audit_mark().await;
    laptop(cp, &["restore", "--all", "--namespace", &namespace]).await.success();
    let writes: Vec<_> = cp.audit_writes(mark, "kubernetes-admin").await.into_iter().filter(|w| w.namespace == namespace).collect();
    assert!(writes.is_empty(), "the second time there is nothing to do: {writes:#?}");
    cp.kubectl(&["delete", "exa", "--all", "--namespace", &namespace, "--timeout=10s"]).await.success();
}

#[tokio::test]
async fn restore_without_a_configuration_takes_back_rules_in_argocd_servers_own_roles_too() {
    let (cp, namespace) = prepared().await;
    let before = shared_snapshot(&cp.client(), &namespace).await;
    let values = "{instance: {serverRoles: InPlace, inPlace: {clusterRole: ''}, limits: {deniedNamespaces: []}}}";
    let team = Team::in_namespace(cp, namespace.clone(), values).await;
    team.application_in(&namespace, "web-1", "shop", &namespace).await;
    team.grant("own", TEAM_A).await;
    team.ready("own").await;
    assert_ne!(team.shared().await["Role argocd-server"], before["Role argocd-server"]);
    team.release.uninstall(&["--no-hooks"]).await.success();
    let restored = laptop(cp, &["restore", "--all", "--namespace", &namespace]).await;
    assert!(restored.status.success(), "{}", restored.stderr);
    assert_eq!(team.shared().await["Role argocd-server"], before["Role argocd-server"]);
}

#[tokio::test]
async fn restore_says_what_it_could_not_take_back_and_lets_go_of_what_is_abandoned() {
    let (cp, namespace) = prepared().await;
    let team = Team::in_namespace(cp, namespace.clone(), "").await;
    team.application("web-1", "shop").await;
    for name in ["first", "second"] {
        team.grant(name, TEAM_A).await;
        team.ready(name).await;
    }
    team.release.uninstall(&["--no-hooks"]).await.success();
    team.refuse("", "configmaps", ARGOCD_CM, None).await;
    for name in ["first", "second"] {
        team.accesses().delete(name, &DeleteParams::default()).await.unwrap();
    }
    let restore = ["restore", "--all", "--namespace", &namespace, "--wait", "--timeout", "4s"];
    let failed = laptop(cp, &restore).await;
    assert_eq!(failed.status.code(), Some(1), "{}", failed.stderr);
    for fragment in ["not everything could be taken back", "2 ExecAccess", "argocd-access.dev/abandon", "the change window is closed"] {
        assert!(failed.stderr.contains(fragment), "{fragment}: {}", failed.stderr);
    }
    assert_eq!((team.policy("first").await, team.bound().await.len()), (None, 0), "what can be taken back is");

    let abandon = json!({"metadata": {"annotations": {"argocd-access.dev/abandon": "true"}}});
    team.accesses().patch("first", &PatchParams::default(), &Patch::Merge(&abandon)).await.unwrap();
    let failed = laptop(cp, &restore).await;
    assert_eq!(failed.status.code(), Some(1), "one is still held: {}", failed.stderr);
    assert!(team.accesses().get_opt("first").await.unwrap().is_none(), "abandoned, and not let go");
    assert!(team.accesses().get_opt("second").await.unwrap().is_some());

    team.permit(ARGOCD_CM).await;
    becomes("restore works when it may", Duration::from_secs(30), true, async || laptop(cp, &restore).await.status.success()).await;
    assert!(team.accesses().get_opt("second").await.unwrap().is_none());
    assert_eq!(team.value(ARGOCD_CM, "exec.enabled").await, None);
}

#[tokio::test]
async fn uninstalling_one_of_two_instances_leaves_the_others_objects_alone() {
    let ((cp, one), (_, other)) = (prepared().await, prepared().await);
    let (going, staying) = tokio::join!(Team::in_namespace(cp, one, ""), Team::in_namespace(cp, other, ""));
    for team in [&going, &staying] {
        // Both deploy into the same namespace: their bindings meet there.
        team.application_in(&team.namespace, "web-1", "shop", &staying.destination).await;
        team.grant("team-a", TEAM_A).await;
        team.grant("everywhere", EVERYWHERE).await;
        for name in ["team-a", "everywhere"] {
            team.ready(name).await;
        }
    }
    let everything = async || {
        let accesses: Vec<ExecAccess> = staying.accesses().list(&ListParams::default()).await.unwrap().items;
        let versions: Vec<_> = accesses.iter().map(|a| (a.name_any(), a.metadata.generation, a.metadata.finalizers.clone())).collect();
        (staying.shared().await, staying.bound().await, staying.cluster_binding().await.map(|b| b.metadata.uid), versions)
    };
    let before = everything().await;
    let mark = cp.audit_mark().await;
    going.release.uninstall(&[]).await.success();
    assert_eq!((going.bound().await.len(), going.cluster_binding().await.is_some()), (0, false));
    assert_eq!(everything().await, before);
    let written: Vec<_> = cp.audit_writes(mark, "system:serviceaccount:").await.into_iter().filter(|w| w.namespace == staying.namespace).collect();
    assert!(written.is_empty(), "{written:#?}");
    staying.ready("team-a").await;
}

#[tokio::test]
async fn helm_uninstall_takes_what_confines_along() {
    let (cp, namespace) = prepared().await;
    let before = shared_snapshot(&cp.client(), &namespace).await;
    let team = Team::in_namespace(cp, namespace, CONFINED).await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    assert_eq!(team.confinement().await, (true, true));
    let finished = team.release.uninstall(&[]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, team.release.kubelet.log());
    assert_eq!(team.confinement().await, (false, false));
    team.has_no_trace().await;
    let mut after = team.shared().await;
    after.remove("Application web-1");
    assert_eq!(after, before);
    assert_eq!(team.access("team-a").await.metadata.finalizers.unwrap_or_default(), Vec::<String>::new());
}

#[tokio::test]
async fn restore_from_a_laptop_takes_what_confines_along_without_knowing_the_configuration() {
    let (cp, namespace) = prepared().await;
    let team = Team::in_namespace(cp, namespace.clone(), CONFINED).await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    team.release.uninstall(&["--no-hooks"]).await.success();
    assert_eq!(team.confinement().await, (true, true));
    let mark = cp.audit_mark().await;
    let restored = laptop(cp, &["restore", "--all", "--wait", "--namespace", &namespace]).await;
    assert!(restored.status.success(), "{}", restored.stderr);
    assert_eq!(team.confinement().await, (false, false));
    team.has_no_trace().await;
    let writes = short(&cp.audit_writes(mark, "kubernetes-admin").await);
    let place =
        |what: &str| writes.iter().position(|w| w.contains(what) && w.contains(&namespace)).unwrap_or_else(|| panic!("no {what} in {writes:#?}"));
    assert!(place("delete rolebindings") < place("delete validatingadmissionpolicies"), "{writes:#?}");
}

#[tokio::test]
async fn a_confined_instances_namespace_can_be_deleted_with_the_operator_in_it() {
    let team = Team::with_values(CONFINED).await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let finished = team.cp.kubectl(&["delete", "namespace", &team.namespace, "--timeout=40s"]).await;
    assert!(finished.status.success(), "{}{}\n{}", finished.stdout, finished.stderr, team.release.kubelet.operator_log());
    assert_eq!((team.bound().await.len(), team.confinement().await), (0, (false, false)), "{}", team.release.kubelet.operator_log());
}

#[tokio::test]
async fn what_an_instance_that_declares_nothing_any_more_has_left_in_the_cluster_is_swept_at_the_start() {
    let (cp, namespace) = prepared().await;
    let name = format!("argocd-access-exec-{namespace}");
    let labels = format!("{{argocd-access.dev/instance: {namespace}}}");
    let left = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{ name: {name}, labels: {labels} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }}
subjects: [{{ kind: ServiceAccount, name: argocd-server, namespace: {namespace} }}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: {name}, labels: {labels} }}
spec:
  matchConstraints: {{ resourceRules: [{{ apiGroups: [''], apiVersions: [v1], operations: [CONNECT], resources: [pods/exec] }}] }}
  matchConditions: [{{ name: nobody, expression: 'false' }}]
  validations: [{{ expression: 'false' }}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: {name}, labels: {labels} }}
spec: {{ policyName: {name}, validationActions: [Deny] }}
"
    );
    manifests::apply_text(&cp.client(), &namespace, &left).await;
    // Confined or not: with no object there is nothing to confine.
    let team = Team::in_namespace(cp, namespace, CONFINED).await;
    becomes("nothing is left", SOON, (false, (false, false)), async || (team.cluster_binding().await.is_some(), team.confinement().await)).await;
}
