//! The definition of `ClusterAccess` on a real API server: what it refuses and how it says so, what it fills in, what stays as it is, how
//! it reads.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::schema::Server;

/// A good spec with one part replaced, or added, at a path such as `/permissions/deploy`.
fn with(path: &str, value: Value) -> Value {
    let mut spec = json!({"server": "https://10.0.0.1:6443", "permissions": {"namespaces": {"names": ["shop"]}}});
    put(&mut spec, path, value);
    spec
}

/// The same of one whose credential is an identity of AWS.
fn eks(path: &str, value: Value) -> Value {
    let hub = json!({"accountID": "111111111111", "region": "eu-west-1", "clusterName": "hub", "role": "argocd"});
    let spoke = json!({"accountID": "222222222222", "region": "eu-west-1", "clusterName": "prod", "role": "argocd-spoke"});
    let mut spec = with("/credentials", json!({"type": "EKS"}));
    spec["aws"] = json!({"hub": hub, "spoke": spoke, "group": "argocd-access:prod"});
    put(&mut spec, path, value);
    spec
}

fn existing() -> Value {
    json!({"server": "https://10.0.0.1:6443", "adoptSecret": "cluster-a", "credentials": {"type": "Existing"}, "remote": {"authority": "None"},
        "permissions": {"scope": "Cluster"}})
}

fn put(spec: &mut Value, path: &str, value: Value) {
    let mut at = spec;
    for part in path.trim_start_matches('/').split('/') {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
}

async fn server() -> Server {
    Server::of("ClusterAccess").await
}

/// What, and what the refusal must say.
fn bad() -> Vec<(Value, &'static str)> {
    const FORM: &str = "server must be https:// with a host in lower case";
    let permissions = |field: &str, value: Value| with(&format!("/permissions/{field}"), value);
    let credentials = |field: &str, value: &str| with(&format!("/credentials/{field}"), json!(value));
    let kinds = |count: usize| -> Value { vec![json!({"group": "apps", "resources": ["deployments"]}); count].into() };
    let labels = |count: usize| -> Value { (0..count).map(|i| (format!("l{i}"), json!("a"))).collect::<serde_json::Map<_, _>>().into() };
    vec![
        (json!({"permissions": {"namespaces": {"names": ["shop"]}}}), "spec.server: Required value"),
        (json!({"server": "https://10.0.0.1"}), "spec.permissions: Required value"),
        (with("/server", json!("http://10.0.0.1:6443")), FORM),
        (with("/server", json!("https://10.0.0.1/api")), FORM),
        (with("/server", json!("https://admin@10.0.0.1")), FORM),
        (with("/server", json!("https://a\nb")), FORM),
        (with("/server", json!(format!("https://{}", "a".repeat(250)))), "may not be more than 253"),
        (with("/name", json!("Prod")), "spec.name"),
        (with("/name", json!("")), "spec.name"),
        (with("/labels", labels(33)), "must have at most 32 items"),
        (with("/labels", json!({"env": "e".repeat(64)})), "may not be more than 63"),
        (with("/labels", json!({"env": "a b"})), "labels must have values that Kubernetes takes"),
        (with("/labels", json!({"a b": "c"})), "labels must have names that Kubernetes takes"),
        (with("/labels", json!({"argocd.argoproj.io/secret-type": "repository"})), "labels of Argo CD (argoproj) and of this operator"),
        (with("/labels", json!({"argocd-access.dev/owner": "x"})), "labels of Argo CD (argoproj) and of this operator"),
        (with("/shard", json!(-1)), "should be greater than or equal to 0"),
        (with("/shard", json!("one")), "must be of type integer"),
        (with("/proxyURL", json!("https://proxy:3128")), "proxyURL must be http:// with a host and perhaps a port"),
        (with("/adoptSecret", json!("a/b")), "spec.adoptSecret"),
        (credentials("type", "Token"), "supported values: \"ServiceAccountToken\", \"EKS\", \"Existing\""),
        (credentials("lifetime", "soon"), "spec.credentials.lifetime"),
        (credentials("lifetime", "30m"), "credentials.lifetime must be between 1h and 8760h: Argo CD reads the whole cluster again"),
        (credentials("lifetime", "9000h"), "credentials.lifetime must be between 1h and 8760h"),
        (credentials("lifetime", "999999999999999h"), "spec.credentials.lifetime"),
        (credentials("lifetime", "99999h999999m"), "credentials.lifetime must be between 1h and 8760h"),
        (credentials("overlap", "30s"), "credentials.overlap must be between 1m and 1h"),
        (credentials("overlap", "2h"), "credentials.overlap must be between 1m and 1h"),
        (with("/credentials/serviceAccount", json!({"name": "a.b"})), "spec.credentials.serviceAccount.name"),
        (with("/credentials", json!({"type": "EKS"})), "the block aws belongs to credentials.type: EKS, and that type needs it"),
        (eks("/credentials/type", json!("ServiceAccountToken")), "the block aws belongs to credentials.type: EKS"),
        (with("/credentials", json!({"type": "Existing"})), "credentials.type: Existing needs adoptSecret"),
        (with("/credentials", json!({"type": "Existing"})), "credentials.type: Existing verifies only, so remote.authority must be None"),
        (with("/remote", json!({"authority": "All"})), "supported values: \"None\", \"Bind\", \"Manage\""),
        (with("/permissions", json!({})), "scope: Namespaces needs namespaces.names or namespaces.selector: they say where"),
        (permissions("namespaces", json!({"names": []})), "scope: Namespaces needs namespaces.names or namespaces.selector"),
        (permissions("namespaces", json!({"selector": {}})), "an empty selector would select every namespace"),
        (permissions("namespaces", json!({"names": ["A_b"]})), "spec.permissions.namespaces.names[0]"),
        (permissions("namespaces", json!({"names": vec!["a"; 129]})), "namespaces.names may have at most 128 entries"),
        (permissions("scope", json!("Cluster")), "namespaces has no meaning with scope: Cluster; remove it"),
        (permissions("scope", json!("Everything")), "supported values: \"Namespaces\", \"Cluster\""),
        (permissions("clusterResources", kinds(33)), "must have at most 32 items"),
        (permissions("deploy", kinds(65)), "must have at most 64 items"),
        (permissions("deploy", json!([{"group": "apps"}])), "resources: Required value"),
        (permissions("deploy", json!([{"group": "apps", "resources": []}])), "should have at least 1 items"),
        (permissions("deploy", json!([{"group": "*", "resources": ["deployments"]}])), "deploy[0].group"),
        (permissions("deploy", json!([{"group": "apps", "resources": ["*"]}])), "deploy[0].resources[0]"),
        (permissions("deploy", json!([{"group": "", "resources": ["pods/exec"]}])), "deploy[0].resources[0]"),
        (permissions("read", json!("Wildcard")), "read: Wildcard reads every Secret too; say secrets: Deploy, or leave it"),
        (permissions("read", json!("All")), "supported values: \"Enumerated\", \"Wildcard\""),
        (permissions("profile", json!("All")), "supported values: \"None\", \"Workloads\""),
        (permissions("secrets", json!("Read")), "supported values: \"None\", \"Deploy\""),
        (permissions("exec", json!("Always")), "supported values: \"Auto\", \"Never\""),
        (permissions("logs", json!("yes")), "must be of type boolean"),
        (with("/validity", json!({"notBefore": "2026-06-02T00:00:00Z", "notAfter": "2026-06-01T00:00:00Z"})), "must be earlier than notAfter"),
        (with("/schedule", json!([{"days": ["Mon"], "from": "08:00", "to": "08:00"}])), "from and to must differ"),
        (with("/mode", json!("DryRun")), "supported values: \"Enforce\", \"Observe\""),
        (with("/reason", json!("a\nb")), "reason must be one line without control characters"),
        (eks("/aws/group", json!("system:masters")), "group must not be one of Kubernetes' own (system:)"),
        (eks("/aws/group", json!("a'b")), "group may have letters, digits"),
        (eks("/aws/hub/accountID", json!("1")), "spec.aws.hub.accountID"),
        (eks("/aws/hub/region", json!("europe")), "spec.aws.hub.region"),
        (eks("/aws/hub/partition", json!("aws-us")), "supported values: \"aws\", \"aws-cn\", \"aws-us-gov\""),
        (eks("/aws/hub/identity", json!("IRSA")), "oidcIssuer belongs to identity: IRSA, and that needs it"),
        (eks("/aws/hub/oidcIssuer", json!("https://oidc.example/id/A")), "oidcIssuer belongs to identity: IRSA"),
        (eks("/aws/hub/role", json!("path/argocd")), "spec.aws.hub.role"),
        (eks("/aws/spoke/clusterName", Value::Null), "spec.aws.spoke.clusterName"),
        (eks("/aws/mapping", json!("All")), "supported values: \"AccessEntry\", \"AwsAuth\", \"None\""),
        (eks("/aws/output", json!("Terraform")), "supported values: \"Text\", \"ACK\", \"Crossplane\""),
        (eks("/aws/permissionsBoundary", json!("arn:aws:iam::aws:role/a")), "spec.aws.permissionsBoundary"),
    ]
}

#[tokio::test]
async fn every_bad_value_of_a_cluster_access_is_refused_with_a_message_that_a_person_understands() {
    let server = server().await;
    for (spec, says) in bad() {
        let Err(refusal) = server.try_create("bad", &spec).await else { panic!("{spec} was accepted") };
        assert!(refusal.contains(says), "{spec}: {refusal}");
        assert!(!refusal.contains("no such key") && !refusal.contains("evaluation error"), "a rule stumbled over {spec}: {refusal}");
    }
    let long = server.try_create(&"n".repeat(64), &with("/suspend", json!(false))).await.unwrap_err();
    assert!(long.contains("metadata.name must be at most 63 characters"), "{long}");
}

#[tokio::test]
async fn the_smallest_cluster_access_is_filled_in_with_the_least() {
    let server = server().await;
    let small = server.try_create("prod", &with("/permissions/namespaces", json!({"names": ["shop"]}))).await.unwrap();
    let account = json!({"namespace": "argocd-access", "name": "argocd-managed"});
    let permissions = json!({"scope": "Namespaces", "namespaces": {"names": ["shop"]}, "read": "Enumerated", "profile": "Workloads",
        "secrets": "None", "logs": true, "exec": "Auto"});
    let expected = json!({
        "server": "https://10.0.0.1:6443", "mode": "Enforce", "suspend": false, "remote": {"authority": "Bind"}, "permissions": permissions,
        "credentials": {"type": "ServiceAccountToken", "serviceAccount": account, "lifetime": "24h", "overlap": "10m"},
    });
    assert_eq!(small.data["spec"], expected);
    let cloud = server.try_create("prod", &eks("/mode", json!("Observe"))).await.unwrap();
    let aws = &cloud.data["spec"]["aws"];
    assert_eq!((&aws["output"], &aws["mapping"]), (&json!("Text"), &json!("AccessEntry")));
    assert_eq!((&aws["hub"]["partition"], &aws["hub"]["identity"]), (&json!("aws"), &json!("PodIdentity")));
    assert!(server.try_create("prod", &existing()).await.is_ok());
    // Said to be nothing is as good as not said.
    for nothing in ["name", "adoptSecret", "aws", "project", "shard", "proxyURL", "reason"] {
        let said = server.try_create("prod", &with(&format!("/{nothing}"), Value::Null)).await;
        assert!(said.is_ok(), "{nothing}: null: {}", said.unwrap_err());
    }
    assert!(server.try_create("prod", &with("/permissions", json!({"scope": "Cluster", "namespaces": {"names": []}}))).await.is_ok());
}

#[tokio::test]
async fn what_everything_of_a_cluster_is_known_by_stays_and_the_rest_may_change() {
    let server = server().await;
    let create = async |name: &str, spec: &Value| {
        let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess", "metadata": {"name": name}, "spec": spec});
        server.api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    };
    let change = async |name: &str, spec: Value| {
        let answer = server.api.patch(name, &PatchParams::default(), &Patch::Merge(json!({"spec": spec}))).await;
        answer.map(drop).map_err(|error| error.to_string())
    };
    create("plain", &with("/suspend", json!(true))).await;
    let mut named = with("/name", json!("eu"));
    named["adoptSecret"] = json!("cluster-a");
    create("named", &named).await;
    create("existing", &existing()).await;
    let aws = eks("/mode", json!("Observe"))["aws"].clone();
    for (name, spec, says) in [
        ("plain", json!({"name": "other"}), "name cannot be changed"),
        ("named", json!({"name": null}), "name cannot be changed"),
        ("named", json!({"name": "us"}), "name cannot be changed"),
        ("plain", json!({"server": "https://10.0.0.2:6443"}), "server cannot be changed"),
        ("plain", json!({"adoptSecret": "cluster-a"}), "adoptSecret cannot be changed"),
        ("named", json!({"adoptSecret": null}), "adoptSecret cannot be changed"),
        ("plain", json!({"credentials": {"type": "EKS"}, "aws": aws}), "credentials.type cannot be changed"),
        ("existing", json!({"credentials": null, "remote": null}), "credentials.type cannot be changed"),
        ("plain", json!({"credentials": {"serviceAccount": {"name": "deployer"}}}), "credentials.serviceAccount cannot be changed"),
    ] {
        let Err(refusal) = change(name, spec.clone()).await else { panic!("{name}: {spec} was accepted") };
        assert!(refusal.contains(says), "{spec}: {refusal}");
    }
    let more = json!({"labels": {"env": "prod"}, "suspend": false, "credentials": {"lifetime": "2h"}, "remote": {"authority": "Manage"},
        "permissions": {"scope": "Cluster", "namespaces": {"names": null}}});
    change("plain", more).await.unwrap();
    // What fills in what is left out changes nothing of what stays.
    change("plain", json!({"credentials": null, "remote": null, "name": null})).await.unwrap();
}

#[tokio::test]
async fn a_cluster_access_reads_well_in_a_terminal() {
    let server = server().await;
    let spec = with("/server", json!("https://0123456789abcdef0123456789abcdef.gr7.eu-central-1.eks.amazonaws.com"));
    let object = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ClusterAccess", "metadata": {"name": "prod-eu"}, "spec": spec});
    server.api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let ready =
        json!({"type": "Ready", "status": "False", "reason": "IdentityNotAttached", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {"conditions": [ready], "credential": {"expiresAt": "2026-06-01T08:00:00Z"}}});
    server.api.patch_status("prod-eu", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let kubectl = async |arguments: &[&str]| server.cp.kubectl(arguments).await.success();
    let table = kubectl(&["get", "cla", "--namespace", &server.namespace]).await;
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["NAME", "READY", "REASON", "CREDENTIAL", "EXPIRES", "MODE", "AGE"], "{table}");
    assert_eq!(words[1][..6], ["prod-eu", "False", "IdentityNotAttached", "ServiceAccountToken", "2026-06-01T08:00:00Z", "Enforce"], "{table}");
    assert!(table.lines().all(|line| line.len() <= 120), "{table}");
    let wide = kubectl(&["get", "clusteraccesses", "--namespace", &server.namespace, "-o", "wide"]).await;
    assert!(wide.contains("SERVER") && wide.contains("https://0123456789abcdef"), "{wide}");
    let names = kubectl(&["get", "argocd", "--namespace", &server.namespace, "-o", "name"]).await;
    assert!(names.contains("clusteraccess.argocd-access.dev/prod-eu"), "{names}");
}
