//! The test bench itself: a terminal opens through Argo CD when everything is set by hand, and only then.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    ControlPlane, Kubernetes,
    argocd::{ArgoCd, Options},
    eventually,
    eventually::that,
    manifests,
};

#[tokio::test]
async fn a_terminal_opens_when_flag_policy_and_rights_are_set_by_hand() {
    let control_plane = ControlPlane::shared(Kubernetes::V1_36).await;
    let argocd = ArgoCd::start(control_plane, Options { cluster_rbac: false, ..Options::default() }).await;
    let instance = argocd.namespace.clone();
    let destination = control_plane.namespace("shop").await;
    argocd.create_project("shop").await;
    let pod = argocd.create_application("web", "shop", &instance, &destination).await;

    let (alice, bob) = (argocd.person_token("alice", &["my-org:team-a"]), argocd.person_token("bob", &["others"]));
    let open = async |token: &str| argocd.terminal(token, "web", &instance, "shop", &pod, &destination).await;
    let status = async |token: &str| open(token).await.map_or_else(|refused| refused.status, |_terminal| 101);
    let seen_as = |expected: u16, seen: u16| that(seen == expected, || format!("HTTP {seen}"));
    assert_eq!(status(&alice).await, 404, "terminals are off");

    let set = async |name: &str, data: Value| {
        let maps = Api::<ConfigMap>::namespaced(control_plane.client(), &instance);
        maps.patch(name, &PatchParams::default(), &Patch::Merge(json!({ "data": data }))).await.unwrap();
    };
    set("argocd-cm", json!({ "exec.enabled": "true" })).await;
    eventually("terminals are on, without permission", Duration::from_secs(10), || async { seen_as(401, status(&alice).await) }).await;

    let rights = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: exec }}
rules:
- {{ apiGroups: [''], resources: [pods], verbs: [get] }}
- {{ apiGroups: [''], resources: [pods/exec], verbs: [get, create] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: exec }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: exec }}
subjects: [{{ kind: ServiceAccount, name: argocd-server, namespace: {instance} }}]
"
    );
    manifests::apply_text(&control_plane.client(), &destination, &rights).await;
    let policy = "p, role:shell, applications, get, shop/web, allow\n\
                  p, role:shell, exec, create, shop/web, allow\n\
                  g, my-org:team-a, role:shell\n";
    set("argocd-rbac-cm", json!({ "policy.bench.csv": policy })).await;
    let mut terminal = eventually("a terminal opens", Duration::from_secs(10), || open(&alice)).await;
    assert_eq!(terminal.run("echo hi; echo there").await.unwrap(), "hi\nthere");
    assert_eq!(status(&bob).await, 401, "another group");

    set("argocd-rbac-cm", json!({ "policy.bench.csv": null })).await;
    eventually("refused again", Duration::from_secs(10), || async { seen_as(401, status(&alice).await) }).await;
    // Argo CD looks again after the next message, and then types an end-of-transmission, which ends a shell that waits at its prompt.
    terminal.send("").await.unwrap();
    terminal.closed(Duration::from_secs(20)).await.unwrap();
}
