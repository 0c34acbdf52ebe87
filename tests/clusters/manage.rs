//! The wider declarations: the operator writes the rules of the roles, permissions hold in the whole cluster, the way leads through a
//! proxy, a credential is only verified, and an identity of AWS is bound and mapped.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, PodTemplate, Secret};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::{Bench, SOON, becomes, config, value};
use crate::support::audit::Mark;
use crate::support::process::{free_port, random};
use crate::support::{eventually, eventually::that, manifests};

/// A cache of the API server takes a moment to know a right that is new or gone.
const SHORTLY: Duration = Duration::from_secs(10);
const SERVES: &str = "--serve=clusters";
const AWS_AUTH: &str = "# by hand, and kept so\n-   rolearn:  arn:aws:iam::222222222222:role/nodes   # the nodes\n    username: 'system:node:{{EC2PrivateDNSName}}'\n    groups: [ system:nodes,\n      system:bootstrappers ]\n";

impl Bench {
    /// Has the operator know nothing any more, so that it looks at everything at once.
    fn restart(&self) {
        self.release.kubelet.killer_of(SERVES)();
        self.release.kubelet.release();
    }

    /// The writes of the operator here and there.
    async fn written(&self, marks: (Mark, Mark)) -> Vec<String> {
        let mut all = self.hub.audit_writes(marks.0, &format!("system:serviceaccount:{}:access", self.namespace)).await;
        all.extend(self.remote.audit_writes(marks.1, "system:serviceaccount:argocd-access:").await);
        all.into_iter().map(|w| format!("{} {}/{} {}", w.verb, w.resource, w.subresource, w.name)).collect()
    }
}

/// What an attempt comes to.
fn code<T>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Ok(_) => 201,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

async fn limit_range(client: &Client, namespace: &str) -> u16 {
    let object = json!({"metadata": {"generateName": "a-"}, "spec": {"limits": []}});
    code(Api::<LimitRange>::namespaced(client.clone(), namespace).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await)
}

async fn deployment(client: &Client, namespace: &str) -> u16 {
    let pod = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let spec = json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": pod});
    let object = serde_json::from_value(json!({"metadata": {"generateName": "a-"}, "spec": spec})).unwrap();
    code(Api::<Deployment>::namespaced(client.clone(), namespace).create(&PostParams::default(), &object).await)
}

#[tokio::test]
async fn the_roles_follow_the_declaration_as_far_as_the_operator_holds_it_itself() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let spec = |deploy: &[&str]| {
        let mut spec = bench.spec();
        spec["remote"] = json!({"authority": "Manage"});
        spec["permissions"]["deploy"] = json!([{"group": "", "resources": deploy}]);
        if deploy.is_empty() {
            spec["permissions"]["deploy"] = json!([]);
        }
        spec
    };
    bench.bootstrap(&spec(&["limitranges"])).await;
    bench.declare(&spec(&[])).await;
    bench.ready().await;
    let (argocd, shop) = (bench.argocd().await, bench.shop.as_str());
    becomes("what is not declared is not held", SHORTLY, 403, async || limit_range(&argocd, shop).await).await;
    assert_eq!(deployment(&argocd, shop).await, 201);

    bench.declare(&spec(&["limitranges"])).await;
    bench.ready().await;
    becomes("what is declared now is held", SHORTLY, 201, async || limit_range(&argocd, shop).await).await;
    bench.declare(&spec(&[])).await;
    bench.ready().await;
    becomes("what is not declared any more is not held", SHORTLY, 403, async || limit_range(&argocd, shop).await).await;
    assert_eq!(deployment(&argocd, shop).await, 201);

    // A namespace that is declared later is looked for at once.
    let mut more = spec(&[]);
    more["permissions"]["namespaces"] = json!({"names": [shop, bench.remote.namespace("more").await]});
    bench.declare(&more).await;
    bench.condition_within(SHORTLY, "Ready", "True", "Ready").await;

    // Of what it does not hold itself it can give nothing, and all the rest stays.
    bench.declare(&spec(&["podtemplates"])).await;
    let status = bench.condition("RemoteRBACApplied", "False", "BeyondCeiling").await;
    assert!(status.missing.iter().all(|right| right.resource == "podtemplates"), "{:?}", status.missing);
    let object: PodTemplate = serde_json::from_value(json!({"metadata": {"name": "a"}, "template": {}})).unwrap();
    let templates = Api::<PodTemplate>::namespaced(argocd.clone(), shop);
    assert_eq!(code(templates.create(&PostParams::default(), &object).await), 403);
    assert_eq!(deployment(&argocd, shop).await, 201);

    // What somebody else gives by these roles is taken out again.
    bench.declare(&spec(&[])).await;
    bench.ready().await;
    let roles: Api<ClusterRole> = Api::all(bench.remote.client());
    let declared = roles.get("argocd-access-logs").await.unwrap().rules;
    let more = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    roles.patch("argocd-access-logs", &PatchParams::default(), &Patch::Merge(&more)).await.unwrap();
    bench.restart();
    becomes("the role is as declared", SOON, declared, async || roles.get("argocd-access-logs").await.unwrap().rules).await;
    bench.ready().await;

    let written = bench.remote.audit_events(Mark::BEGIN);
    let manager = "system:serviceaccount:argocd-access:argocd-access-manager";
    let patched: Vec<&Value> = written.iter().filter(|e| e["user"]["username"] == manager && e["objectRef"]["resource"] == "clusterroles").collect();
    let names = ["argocd-access-sync", "argocd-access-sync-cluster", "argocd-access-logs", "argocd-access-exec"];
    assert!(patched.iter().all(|e| names.iter().any(|name| e["objectRef"]["name"] == *name)), "{patched:#?}");
    bench.delete().await;
    bench.gone().await;
    assert_eq!(bench.there().await, Vec::<String>::new());
}

/// A proxy that knows CONNECT, and leads to one server whatever it is asked for.
struct Tunnel {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Tunnel {
    async fn to(server: &str) -> Self {
        let (port, server) = (free_port(), server.trim_start_matches("https://").to_owned());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                let (server, heard) = (server.clone(), Arc::clone(&heard));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(here.read_u8().await.ok()?);
                    }
                    heard.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                    let mut there = TcpStream::connect(&server).await.ok()?;
                    here.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
                    copy_bidirectional(&mut here, &mut there).await.ok()
                });
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), asked, task }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn through_a_proxy_argo_cd_deploys_in_the_whole_cluster_but_for_what_is_protected() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let tunnel = Tunnel::to(&bench.remote.server).await;
    // Nothing leads to this address but the proxy.
    let server = "https://10.0.0.1:6443";
    let permissions = json!({"scope": "Cluster", "clusterResources": [{"group": "", "resources": ["namespaces"]}]});
    let spec = json!({"name": "prod", "server": server, "proxyURL": tunnel.url, "permissions": permissions});
    bench.bootstrap_elsewhere(&spec).await;
    bench.declare(&spec).await;
    let status = bench.ready().await;
    let secret = bench.cluster_secret().await.unwrap();
    assert_eq!((value(&secret, "namespaces"), value(&secret, "clusterResources"), value(&secret, "server")), (None, None, Some(server.to_owned())));
    assert_eq!(config(&secret)["proxyUrl"], tunnel.url.as_str());
    assert!(status.namespaces.iter().any(|n| n.name == "*" && n.deploy == Some(true)), "{:?}", status.namespaces);
    assert_eq!(
        bench.there().await,
        [
            "ClusterRoleBinding argocd-access-logs",
            "ClusterRoleBinding argocd-access-sync",
            "ClusterRoleBinding argocd-access-sync-cluster",
            "Secret argocd-access/argocd-managed-a"
        ]
    );
    let asked = tunnel.asked.lock().unwrap().clone();
    assert!(!asked.is_empty() && asked.iter().all(|head| head.starts_with("CONNECT 10.0.0.1:6443 ")), "{asked:?}");
    assert!(!asked.iter().any(|head| head.to_lowercase().contains("authorization")), "no credential is for the proxy");

    let argocd = bench.argocd().await;
    let later = format!("later-{}", random());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": later}})).unwrap();
    assert_eq!(code(Api::<Namespace>::all(argocd.clone()).create(&PostParams::default(), &namespace).await), 201);
    assert_eq!((deployment(&argocd, &later).await, deployment(&argocd, &bench.shop).await), (201, 201));
    for protected in ["kube-system", "argocd-access"] {
        assert_ne!(deployment(&argocd, protected).await, 201, "{protected}");
    }
    bench.delete().await;
    bench.gone().await;
    assert_eq!(bench.there().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_credential_of_others_is_verified_and_nothing_is_written_anywhere_but_what_is_found() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [{name: prod, adoptSecret: theirs}]}").await;
    let mut spec = bench.spec();
    spec["adoptSecret"] = json!("theirs");
    spec["credentials"] = json!({"type": "Existing"});
    spec["remote"] = json!({"authority": "None"});
    spec["permissions"]["logs"] = json!(false);
    bench.bootstrap(&spec).await;
    let (namespace, shop) = (bench.namespace.as_str(), bench.shop.as_str());
    let bind = |kind: &str, name: &str, role: &str| {
        let subject = json!({"kind": "ServiceAccount", "name": "default", "namespace": "default"});
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        })
    };
    manifests::apply_text(&bench.remote.client(), shop, &bind("RoleBinding", "by-others", "argocd-access-sync").to_string()).await;
    let ca = std::fs::read_to_string(bench.remote.folder().join("ca.crt")).unwrap();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, ca);
    let config = json!({"bearerToken": bench.remote.token("default", "default").await, "tlsClientConfig": {"caData": encoded}});
    let data = json!({"name": "prod", "server": bench.remote.server, "namespaces": shop, "config": config.to_string()});
    let metadata = json!({"name": "theirs", "labels": {"argocd.argoproj.io/secret-type": "cluster"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
    let secrets = Api::<Secret>::namespaced(bench.hub.client(), namespace);
    let before = secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    let marks = (bench.hub.audit_mark().await, bench.remote.audit_mark().await);

    bench.declare(&spec).await;
    let status = bench.ready().await;
    let reason = |kind: &str| status.conditions.iter().find(|c| c.type_ == kind).unwrap().reason.clone();
    let reasons = ["RemoteRBACApplied", "CredentialReady", "SecretApplied", "PermissionsProven", "Confined"].map(reason);
    assert_eq!(reasons, ["External", "External", "Adopted", "Proven", "OnlyDeclared"]);
    manifests::apply_text(&bench.remote.client(), shop, &bind("ClusterRoleBinding", "too-much", "cluster-admin").to_string()).await;
    bench.restart();
    let status = bench.condition("Confined", "False", "HoldsWildcard").await;
    assert!(status.excess.iter().any(|right| right.by.contains("too-much")), "it is named by whom: {:?}", status.excess);
    bench.delete().await;
    bench.gone().await;
    let written = bench.written(marks).await;
    let ours = ["patch clusteraccesses/ prod", "patch clusteraccesses/status prod"];
    let others: Vec<&String> = written.iter().filter(|w| !ours.contains(&w.as_str()) && !w.contains("events")).collect();
    assert!(!written.is_empty() && others.is_empty(), "{others:#?}");
    assert_eq!(secrets.get("theirs").await.unwrap().metadata.resource_version, before.metadata.resource_version);
    assert_eq!(bench.there().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_identity_of_aws_is_bound_by_its_group_and_its_entry_in_aws_auth_comes_and_goes_among_others() {
    let bench = Bench::bare("clusterAccess: {enabled: true, clusters: [prod]}").await;
    let account = |id: &str, cluster: &str, role: &str| json!({"accountID": id, "region": "eu-west-1", "clusterName": cluster, "role": role});
    let mut spec = bench.spec();
    spec["credentials"] = json!({"type": "EKS"});
    spec["aws"] = json!({
        "hub": account("111111111111", "hub", "argocd-mgmt"), "spoke": account("222222222222", "prod", "argocd-spoke-prod"),
        "mapping": "AwsAuth", "group": "argocd-access:prod",
    });
    let auth: Api<ConfigMap> = Api::namespaced(bench.remote.client(), "kube-system");
    let data = json!({"mapRoles": AWS_AUTH, "mapUsers": "# none\n"});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-auth"}, "data": data});
    let before = auth.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap().data;
    let roles = async || auth.get("aws-auth").await.unwrap().data.unwrap()["mapRoles"].clone();
    bench.bootstrap(&spec).await;
    bench.declare(&spec).await;

    // Everything that can be known from here is; that AWS gives a token cannot.
    let status = bench.condition("PermissionsProven", "True", "Proven").await;
    let said = |kind: &str| status.conditions.iter().find(|c| c.type_ == kind).map(|c| format!("{}/{}", c.status, c.reason)).unwrap();
    assert_eq!(
        ["RemoteRBACApplied", "SecretApplied", "AWSReady", "CredentialReady", "Confined", "Ready"].map(said),
        ["True/Applied", "True/Applied", "True/Rendered", "Unknown/NotProvable", "True/OnlyDeclared", "Unknown/NotProvable"],
        "{status:#?}"
    );
    let secret = bench.cluster_secret().await.unwrap();
    let aws = json!({"clusterName": "prod", "roleARN": "arn:aws:iam::222222222222:role/argocd-spoke-prod"});
    assert_eq!(config(&secret)["awsAuthConfig"], aws);
    let documents: Api<ConfigMap> = Api::namespaced(bench.hub.client(), &bench.namespace);
    let keys: Vec<String> = documents.get("argocd-access-aws-prod").await.unwrap().data.unwrap().into_keys().collect();
    assert!(keys.len() > 2, "{keys:?}");
    let with = roles().await;
    assert!(with.starts_with(AWS_AUTH) && with.contains("argocd-access:prod") && with.contains("role/argocd-spoke-prod"), "{with}");
    assert_eq!(bench.there().await, ["RoleBinding shop/argocd-access-logs", "RoleBinding shop/argocd-access-sync"]);
    let argocd = bench.remote.client_as("arn:aws:iam::222222222222:role/argocd-spoke-prod", &["argocd-access:prod", "system:authenticated"]);
    assert_eq!((deployment(&argocd, &bench.shop).await, deployment(&argocd, "default").await), (201, 403));

    // Where another way of mapping is declared, the entry goes; what was changed beside it meanwhile stays.
    let people = format!("{with}- rolearn: arn:aws:iam::222222222222:role/people # new\n  username: people\n");
    auth.patch("aws-auth", &PatchParams::default(), &Patch::Merge(json!({"data": {"mapRoles": people}}))).await.unwrap();
    let expected = people.replace(&with[AWS_AUTH.len()..], "");
    let mut other = spec.clone();
    other["aws"]["mapping"] = json!("AccessEntry");
    bench.declare(&other).await;
    becomes("our entry is gone", SOON, expected.clone(), roles).await;
    bench.declare(&spec).await;
    eventually("our entry is there again", SOON, async || {
        let now = roles().await;
        that(now.contains("argocd-access:prod"), || format!("{now}\n{}", bench.log()))
    })
    .await;

    bench.delete().await;
    bench.gone().await;
    let after = auth.get("aws-auth").await.unwrap().data.unwrap();
    assert_eq!((&after["mapRoles"], &after["mapUsers"]), (&expected, &before.unwrap()["mapUsers"]));
    assert!(bench.cluster_secret().await.is_none() && documents.get_opt("argocd-access-aws-prod").await.unwrap().is_none());
    assert_eq!(bench.there().await, Vec::<String>::new());
}
