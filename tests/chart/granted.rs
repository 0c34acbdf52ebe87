//! The chart's rules on a real API server, as the operator's own ServiceAccount: what it must do it can, and what it must not it cannot.

use std::time::Duration;

use kube::{
    Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    install::{RELEASE, install},
    rendering::{elements, strings},
    support::{ControlPlane, Kubernetes, eventually, eventually::that, manifests::api},
};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// What the server answers: `Ok`, or the code of its refusal.
fn code<T>(answer: kube::Result<T>) -> Result<(), u16> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(error) => panic!("ask the API server: {error}"),
    }
}

/// Applies a binding of argocd-server's ServiceAccount to a ClusterRole, as the operator does.
async fn bind(client: &Client, namespace: &str, kind: &str, name: &str, role: &str) -> Result<(), u16> {
    let binding = json!({
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "argocd-server", "namespace": namespace}],
    });
    code(api(client, namespace, RBAC, kind).patch(name, &PatchParams::apply("argocd-access"), &Patch::Apply(binding)).await)
}

/// A client with the operator's own rights, once the API server knows of them.
async fn operator(bench: &ControlPlane, namespace: &str) -> Client {
    let client = bench.client_for_service_account(namespace, RELEASE).await;
    let exec_accesses = api(&client, namespace, "argocd-access.dev/v1alpha1", "ExecAccess");
    let all = ListParams::default();
    eventually("the operator may list ExecAccess objects", Duration::from_secs(10), || exec_accesses.list(&all)).await;
    client
}

#[tokio::test]
async fn the_operator_hands_out_the_exec_role_and_no_other() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let (namespace, shop) = (bench.namespace("bind").await, bench.namespace("shop").await);
    install(bench, &namespace, &[]).await;
    let client = operator(bench, &namespace).await;
    let (ours, exec) = (format!("argocd-access-exec-{namespace}"), format!("{RELEASE}-{namespace}-exec"));

    assert_eq!(bind(&client, &shop, "RoleBinding", "another-name", &exec).await, Err(403));
    assert_eq!(bind(&client, &shop, "RoleBinding", &ours, "cluster-admin").await, Err(403));
    assert_eq!(bind(&client, &shop, "ClusterRoleBinding", &ours, "cluster-admin").await, Err(403));
    for kind in ["RoleBinding", "ClusterRoleBinding"] {
        assert_eq!(bind(&client, &shop, kind, &ours, &exec).await, Ok(()), "{kind}");
        assert_eq!(bind(&client, &shop, kind, &ours, &exec).await, Ok(()), "{kind}, a second time");
        let bindings = api(&client, &shop, RBAC, kind);
        assert_eq!(code(bindings.list(&ListParams::default().fields(&format!("metadata.name={ours}"))).await), Ok(()), "{kind}");
        assert_eq!(code(bindings.list(&ListParams::default()).await), Err(403), "{kind}: all of them are not its business");
        assert_eq!(code(bindings.delete(&ours, &DeleteParams::default()).await), Ok(()), "{kind}");
    }
}

#[tokio::test]
async fn without_cluster_scope_no_cluster_role_binding_can_be_written() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.namespace("scope").await;
    install(bench, &namespace, &["instance.limits.allowClusterScope=false"]).await;
    let client = operator(bench, &namespace).await;
    let (ours, exec) = (format!("argocd-access-exec-{namespace}"), format!("{RELEASE}-{namespace}-exec"));
    assert_eq!(bind(&client, &namespace, "ClusterRoleBinding", &ours, &exec).await, Err(403));
    assert_eq!(bind(&bench.client(), &namespace, "ClusterRoleBinding", &ours, &exec).await, Ok(()), "one left over from before");
    assert_eq!(code(api(&client, "", RBAC, "ClusterRoleBinding").delete(&ours, &DeleteParams::default()).await), Ok(()));
}

#[tokio::test]
async fn where_it_is_to_confine_the_operator_writes_its_one_admission_policy_and_elsewhere_it_only_removes_it() {
    const ADMISSION: &str = "admissionregistration.k8s.io/v1";
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let rules =
        json!({"resourceRules": [{"apiGroups": ["example.invalid"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}]});
    for confine in [true, false] {
        let namespace = bench.namespace("confine").await;
        install(bench, &namespace, &[&format!("instance.confine={confine}")]).await;
        let client = operator(bench, &namespace).await;
        let ours = format!("argocd-access-exec-{namespace}");
        let write = async |client: &Client, kind: &str, name: &str| {
            let spec = match kind {
                "ValidatingAdmissionPolicy" => json!({"matchConstraints": rules, "validations": [{"expression": "true"}]}),
                _ => json!({"policyName": name, "validationActions": ["Deny"]}),
            };
            let object = json!({"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": name}, "spec": spec});
            code(api(client, "", ADMISSION, kind).patch(name, &PatchParams::apply("argocd-access").force(), &Patch::Apply(object)).await)
        };
        for kind in ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] {
            assert_eq!(write(&client, kind, &format!("{ours}-else")).await, Err(403), "{kind} of another name");
            assert_eq!(write(&client, kind, &ours).await, if confine { Ok(()) } else { Err(403) }, "{kind}, confine: {confine}");
            assert_eq!(write(&bench.client(), kind, &ours).await, Ok(()), "one left over from before");
            let objects = api(&client, "", ADMISSION, kind);
            assert_eq!(code(objects.list(&ListParams::default().fields(&format!("metadata.name={ours}"))).await), Ok(()), "{kind}");
            assert_eq!(code(objects.list(&ListParams::default()).await), Err(403), "{kind}: all of them are not its business");
            assert_eq!(code(objects.delete(&ours, &DeleteParams::default()).await), Ok(()), "{kind}");
        }
    }
}

#[tokio::test]
async fn the_operator_works_on_its_instance_and_sees_no_secret() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("reads").await;
    install(bench, &namespace, &[]).await;
    let client = operator(bench, &namespace).await;

    let secrets = api(&client, &namespace, "v1", "Secret");
    assert_eq!(code(secrets.get("argocd-secret").await), Err(403));
    assert_eq!(code(secrets.list(&ListParams::default()).await), Err(403));

    let configmaps = api(&client, &namespace, "v1", "ConfigMap");
    for name in ["argocd-cm", "argocd-rbac-cm", "argocd-cmd-params-cm"] {
        assert_eq!(code(configmaps.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await), Ok(()), "{name}");
    }
    assert_eq!(code(configmaps.list(&ListParams::default()).await), Err(403));
    let write = async |name: &str| {
        let change = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"probe": "x"}});
        code(configmaps.patch(name, &PatchParams::apply("argocd-access"), &Patch::Apply(change)).await)
    };
    assert_eq!(write("argocd-cm").await, Ok(()));
    assert_eq!(write("argocd-rbac-cm").await, Ok(()));
    assert_eq!(write("argocd-cmd-params-cm").await, Err(403), "it only reads this one");
    api(&bench.client(), &namespace, "v1", "ConfigMap").delete("argocd-rbac-cm", &DeleteParams::default()).await.expect("delete it");
    assert_eq!(write("argocd-rbac-cm").await, Ok(()), "revoking creates it again");

    let reads = [
        ("apps/v1", "Deployment"),
        ("v1", "Pod"),
        ("v1", "Service"),
        ("networking.k8s.io/v1", "Ingress"),
        ("argoproj.io/v1alpha1", "AppProject"),
        ("argocd-access.dev/v1alpha1", "ExecAccess"),
        ("v1", "Namespace"),
        ("networking.k8s.io/v1", "IngressClass"),
    ];
    for (version, kind) in reads {
        assert_eq!(code(api(&client, &namespace, version, kind).list(&ListParams::default()).await), Ok(()), "{kind}");
    }
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "x"}}}}});
    let deployments = api(&client, &namespace, "apps/v1", "Deployment");
    let patched = deployments.patch("argocd-server", &PatchParams::default(), &Patch::Merge(restart)).await;
    assert_eq!(code(patched), Err(403), "restartServer is Never");
}

#[tokio::test]
async fn restoring_may_stop_the_operator_and_nothing_else() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("stop").await;
    install(bench, &namespace, &[]).await;
    let client = operator(bench, &namespace).await;
    let deployments = api(&client, &namespace, "apps/v1", "Deployment");
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    assert_eq!(code(deployments.patch_scale("argocd-server", &PatchParams::default(), &none).await), Err(403));
    assert_eq!(code(deployments.patch_scale(RELEASE, &PatchParams::default(), &none).await), Ok(()));
}

#[tokio::test]
async fn in_place_the_operator_may_add_the_exec_rules_to_argocd_servers_roles() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.instance("inplace").await;
    let cluster_role = bench.install_cluster_rbac(&namespace).await;
    let settings = ["instance.serverRoles=InPlace", &format!("instance.inPlace.clusterRole={cluster_role}")];
    install(bench, &namespace, &settings).await;
    let client = operator(bench, &namespace).await;

    let exec = json!({"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]});
    let nodes = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["create"]});
    for (kind, name) in [("Role", "argocd-server"), ("ClusterRole", &cluster_role)] {
        let roles = api(&client, &namespace, RBAC, kind);
        let before = roles.get(name).await.unwrap_or_else(|error| panic!("get the {kind} {name}: {error}"));
        let with = async |rule: Option<&Value>| {
            let wanted: Vec<&Value> = elements(&before.data["rules"]).iter().chain(rule).collect();
            code(roles.patch(name, &PatchParams::default(), &Patch::Merge(json!({"rules": wanted}))).await)
        };
        assert_eq!(with(Some(&nodes)).await, Err(403), "{kind}: a rule that argocd-server does not have");
        assert_eq!(with(Some(&exec)).await, Ok(()), "{kind}");
        assert_eq!(with(None).await, Ok(()), "{kind}: and out again");
    }
    let secret = api(&client, &namespace, "v1", "Secret").get("argocd-secret").await;
    assert_eq!(code(secret), Ok(()), "the notes warn of it: the operator is as powerful as argocd-server");
}

#[tokio::test]
async fn the_built_in_roles_learn_to_look_at_an_exec_access_but_not_to_write_one() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = bench.namespace("people").await;
    install(bench, &namespace, &[]).await;
    let cluster_roles = api(&bench.client(), "", RBAC, "ClusterRole");
    for role in ["view", "edit", "admin"] {
        let what = format!("the ClusterRole {role} knows execaccesses");
        let rules = eventually(&what, Duration::from_secs(20), async || {
            let found: DynamicObject = cluster_roles.get(role).await.map_err(|error| error.to_string())?;
            let ours: Vec<Value> =
                elements(&found.data["rules"]).iter().filter(|rule| strings(rule, "apiGroups").contains(&"argocd-access.dev")).cloned().collect();
            that(!ours.is_empty(), || found.data["rules"].to_string()).map(|()| ours)
        })
        .await;
        for rule in rules {
            assert_eq!(strings(&rule, "verbs"), ["get", "list", "watch"], "{role}: {rule}");
        }
    }
}
