//! Remote clusters: what serving `ClusterAccess` adds to what is rendered, whose rights these are, and what is refused.

use std::collections::BTreeSet;

use argocd_access::{
    cluster_io::lease::CLUSTERS_LEASE,
    clusters::names,
    config::{Config, clusters::is_no_cluster_secret},
};
use serde_json::{Value, json};

use crate::rendering::{Rendered, elements, name, refusal, render, strings};

const ON: &str = "clusterAccess.enabled=true";
/// A cluster with a Secret of the operator's own, and one whose Secret is there already.
const TWO: [&str; 3] = [ON, "clusterAccess.clusters={a}", "clusterAccess.clusters[1].name=b,clusterAccess.clusters[1].adoptSecret=old"];

/// Every rule on Secrets: where it stands, the names and the verbs.
fn on_secrets(rendered: &Rendered) -> Vec<(String, Vec<&str>, Vec<&str>)> {
    let roles = rendered.objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole");
    let rules = roles.flat_map(|role| elements(&role["rules"]).iter().map(move |rule| (role, rule)));
    rules
        .filter(|(_, rule)| strings(rule, "resources").iter().any(|resource| resource.contains("secret")))
        .map(|(role, rule)| {
            let place = format!("{} {}/{}", role["kind"].as_str().unwrap(), role["metadata"]["namespace"].as_str().unwrap_or("*"), name(role));
            (place, strings(rule, "resourceNames"), strings(rule, "verbs"))
        })
        .collect()
}

/// What an object is called.
fn key(object: &Value) -> String {
    format!("{} {}/{}", object["kind"], object["metadata"]["namespace"], name(object))
}

#[test]
fn while_it_is_off_nothing_of_it_is_rendered_whatever_is_listed() {
    let off = render(&[]);
    let listed = render(&[
        "clusterAccess.clusters={a}",
        "clusterAccess.aws.ack=true,clusterAccess.aws.crossplane=true,clusterAccess.aws.namespaces={aws}",
        "clusterAccess.replicas=2",
    ]);
    assert_eq!(listed.text, off.text);
    assert!(on_secrets(&off).is_empty());
    // Its definition is there in any case.
    let off = render(&["crds.enabled=false"]);
    assert!(!off.text.contains("clusteraccess") && !off.text.contains("-clusters") && !off.text.contains("clusterAccess"));
}

#[test]
fn while_it_is_on_the_rest_is_as_it_was_but_for_looking_at_it() {
    let (off, on) = (render(&[]), render(&TWO));
    // What `helm test` compares with is a copy of the roles.
    let compared = |object: &Value| name(object).ends_with("-test-rights");
    let changed: Vec<String> = off.objects.iter().filter(|object| !on.objects.contains(object) && !compared(object)).map(key).collect();
    let expected = ["ConfigMap", "ClusterRole", "Role", "Deployment"];
    assert_eq!(changed.len(), expected.len(), "{changed:?}");
    assert!(expected.iter().all(|kind| changed.iter().any(|object| object.starts_with(&format!("\"{kind}\"")))), "{changed:?}");
    let added = |kind: &str, ending: &str| {
        let rules = |rendered: &Rendered| elements(&rendered.object(kind, ending)["rules"]).to_vec();
        let before = rules(&off);
        rules(&on).into_iter().filter(|rule| !before.contains(rule)).collect::<Vec<Value>>()
    };
    let looks = |resources: Value| json!([{"apiGroups": ["argocd-access.dev"], "resources": resources, "verbs": ["get", "list", "watch"]}]);
    assert_eq!(json!(added("Role", "operator-argocd-access-operator")), looks(json!(["clusteraccesses"])), "the other process only looks");
    assert_eq!(json!(added("ClusterRole", "-view")), looks(json!(["clusteraccesses", "clusteraccesses/status"])), "and so do people");
}

#[test]
fn a_cluster_gives_exactly_two_secrets_by_name_in_the_namespace_of_its_instance() {
    let rendered = render(&[ON, "clusterAccess.clusters={a}"]);
    let role = "Role argocd/operator-argocd-access-operator-clusters".to_owned();
    assert_eq!(
        on_secrets(&rendered),
        [
            (role.clone(), vec!["argocd-access-cluster-a"], vec!["get", "create", "patch", "delete"]),
            (role, vec!["argocd-access-manager-a"], vec!["get", "patch"])
        ]
    );
    assert!(on_secrets(&render(&[ON])).is_empty(), "no cluster, no Secret");
}

#[test]
fn a_secret_that_is_taken_over_is_neither_made_nor_deleted() {
    let rendered = render(&TWO);
    let on_it: Vec<_> = on_secrets(&rendered).into_iter().filter(|(_, names, _)| names.contains(&"old")).collect();
    assert_eq!(on_it.len(), 1, "{on_it:?}");
    assert_eq!((&on_it[0].1, &on_it[0].2), (&vec!["old"], &vec!["get", "patch"]));
    let all: BTreeSet<&str> = on_secrets(&rendered).into_iter().flat_map(|(_, names, _)| names).collect();
    let expected = ["argocd-access-cluster-a", "argocd-access-manager-a", "argocd-access-manager-b", "old"];
    assert_eq!(all, BTreeSet::from(expected), "the one that is taken over stands for one of the operator's own");
}

#[test]
fn no_secret_is_listed_or_watched_and_none_is_without_a_name() {
    for rendered in [render(&TWO), render(&[ON, "live.enabled=true", "live.agents={edge}", "additionalInstances[0].namespace=two"])] {
        for (role, names, verbs) in on_secrets(&rendered) {
            assert!(!names.is_empty() && role.starts_with("Role "), "{role}");
            assert!(verbs.iter().all(|verb| ["get", "create", "patch", "delete"].contains(verb)), "{role}: {verbs:?}");
        }
    }
}

#[test]
fn the_chart_and_the_program_mean_the_same_names() {
    let rendered = render(&TWO);
    let config = Config::parse(rendered.configuration_text(), "argocd").unwrap();
    let access = &config.instances[0].cluster_access;
    assert_eq!((access.permits("a").unwrap(), access.permits("b").unwrap()), (names::cluster_secret("a"), "old".to_owned()));
    assert_eq!(access.permits("c"), None);

    let role = rendered.object("Role", "-clusters");
    let of = |resource: &str| -> BTreeSet<&str> {
        elements(&role["rules"])
            .iter()
            .filter(|rule| strings(rule, "resources") == [resource])
            .flat_map(|rule| strings(rule, "resourceNames"))
            .collect()
    };
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let is = |found: BTreeSet<&str>, expected: &[String]| assert_eq!(found.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), set(expected));
    is(of("secrets"), &[names::cluster_secret("a"), "old".to_owned(), names::manager_secret("a"), names::manager_secret("b")]);
    let settings = ["argocd-cm", "argocd-rbac-cm", "argocd-cmd-params-cm"].map(str::to_owned);
    is(of("configmaps"), &[&settings[..], &[names::aws_config_map("a"), names::aws_config_map("b")]].concat());
    is(of("leases"), &[CLUSTERS_LEASE.to_owned()]);
}

#[test]
fn each_instance_has_the_clusters_of_its_own_list_and_no_other() {
    let rendered = render(&[
        ON,
        "clusterAccess.clusters={a}",
        "additionalInstances[0].namespace=cd-two,additionalInstances[0].clusterAccess.clusters={x,a}",
        "additionalInstances[1].namespace=cd-three",
    ]);
    let in_namespace = |namespace: &str| -> BTreeSet<&str> {
        let place = format!("Role {namespace}/");
        on_secrets(&rendered).into_iter().filter(|(role, ..)| role.starts_with(&place)).flat_map(|(_, names, _)| names).collect()
    };
    assert_eq!(in_namespace("argocd"), BTreeSet::from(["argocd-access-cluster-a", "argocd-access-manager-a"]));
    let two = ["argocd-access-cluster-a", "argocd-access-cluster-x", "argocd-access-manager-a", "argocd-access-manager-x"];
    assert_eq!(in_namespace("cd-two"), BTreeSet::from(two));
    assert_eq!(in_namespace("cd-three"), BTreeSet::new());
    let configured = rendered.configuration()["instances"].as_array().unwrap().iter().map(|i| i["clusterAccess"].clone()).collect::<Vec<_>>();
    let expected = [json!(["a"]), json!(["x", "a"]), json!([])].map(|clusters| json!({"enabled": true, "clusters": clusters}));
    assert_eq!(configured, expected);
}

#[test]
fn a_list_that_the_program_would_refuse_is_refused_before() {
    let message = refusal(&[ON, "clusterAccess.cluster={a}"]);
    assert!(message.contains("at '/clusterAccess': additional properties 'cluster' not allowed"), "{message}");
    let message = refusal(&[ON, "clusterAccess.clusters[0].name=a,clusterAccess.clusters[0].adoptsecret=b"]);
    assert!(message.contains("'adoptsecret' not allowed"), "{message}");
    let message = refusal(&[ON, "additionalInstances[0].namespace=two,additionalInstances[0].clusterAccess.enabled=true"]);
    assert!(message.contains("'enabled' not allowed"), "{message}");
    let message = refusal(&["clusterAccess.aws.ak=true"]);
    assert!(message.contains("'ak' not allowed"), "{message}");
    for name in ["A", "a..b", "a_b", "-a"] {
        assert!(refusal(&[ON, &format!("clusterAccess.clusters={{{name}}}")]).contains("does not match pattern"), "{name}");
    }
    assert!(refusal(&[ON, "clusterAccess.clusters[0].name=a,clusterAccess.clusters[0].adoptSecret="]).contains("does not match pattern"));
    assert!(
        refusal(&[ON, "clusterAccess.clusters={a}", "clusterAccess.clusters[1].name=a"])
            .contains("the cluster a of the namespace argocd is listed twice")
    );
    let adopt = |at: usize, secret: &str| format!("clusterAccess.clusters[{at}].name=c{at},clusterAccess.clusters[{at}].adoptSecret={secret}");
    assert!(refusal(&[ON, &adopt(0, "old"), &adopt(1, "old")]).contains("the Secret old is that of another cluster too"));
}

#[test]
fn secrets_by_which_one_could_do_more_are_refused_by_the_chart_as_by_the_program() {
    let refused = [
        "argocd-secret",
        "argocd-initial-admin-secret",
        "argocd-redis",
        "argocd-redis-ha",
        "argocd-notifications-secret",
        "argocd-image-updater-secret",
        "argocd-server-tls",
        "argocd-repo-server-tls",
        "argocd-dex-server-tls",
        "argocd-cluster",
        "openshift-gitops-cluster",
        "argocd-ca",
        "argocd-tls",
        "openshift-gitops-tls",
        "repo-123",
        "creds-123",
        "argocd-repo-x",
        "argocd-agent-ca",
        "sh.helm.release.v1.argocd.v1",
        "argocd-access-manager-a",
        "x-default-cluster-config",
        "x-redis-initial-password",
    ];
    let adopt = |secret: &str| format!("clusterAccess.clusters[0].name=a,clusterAccess.clusters[0].adoptSecret={secret}");
    for secret in refused {
        assert!(is_no_cluster_secret(secret), "{secret}");
        let message = refusal(&[ON, &adopt(secret)]);
        assert!(message.contains(&format!("adoptSecret {secret} is no cluster Secret")), "{message}");
    }
    for secret in ["cluster-10.0.0.1-123", "prod-cluster", "repository"] {
        assert!(!is_no_cluster_secret(secret), "{secret}");
        render(&[ON, &adopt(secret)]);
    }
}

#[test]
fn a_process_of_its_own_serves_them_under_a_service_account_of_its_own() {
    let rendered = render(&[
        ON,
        "clusterAccess.replicas=2",
        "clusterAccess.resources.limits.memory=1Gi",
        "clusterAccess.extraEnv[0].name=HTTPS_PROXY,clusterAccess.extraEnv[0].value=http://proxy:3128",
    ]);
    let (access, clusters) = (rendered.deployment("operator"), rendered.deployment("clusters"));
    assert_eq!(name(clusters), format!("{}-clusters", name(access)));
    let pod = |deployment: &Value| deployment["spec"]["template"]["spec"].clone();
    let container = |deployment: &Value| pod(deployment)["containers"][0].clone();
    assert_eq!(container(clusters)["args"], json!(["run", "--serve=clusters", "--config=/etc/argocd-access/config.yaml", "--listen=0.0.0.0:8080"]));
    assert!(!container(access)["args"].to_string().contains("--serve"), "that is the default");
    assert_eq!((&clusters["spec"]["replicas"], &access["spec"]["replicas"]), (&json!(2), &json!(1)));
    assert_eq!(container(clusters)["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(container(access)["resources"]["limits"]["memory"], "256Mi");
    let proxied = |deployment: &Value| container(deployment)["env"].to_string().contains("HTTPS_PROXY");
    assert!(proxied(clusters) && !proxied(access));
    assert_eq!(container(clusters)["securityContext"], container(access)["securityContext"]);

    let account = pod(clusters)["serviceAccountName"].clone();
    assert_eq!((&account, pod(access)["serviceAccountName"] == account), (&json!(name(clusters)), false));
    assert_eq!(rendered.object("ServiceAccount", "-clusters")["automountServiceAccountToken"], false);
    let (its, others) = (rendered.roles_of("clusters"), rendered.roles_of("operator"));
    assert_eq!(its.len(), 3, "its Role, its ClusterRole and what restoring takes: {its:?}");
    assert!(its.iter().all(|role| !others.contains(role)), "{its:?} {others:?}");
    for selector in [&access["spec"]["selector"]["matchLabels"], &rendered.object("Service", "operator-metrics")["spec"]["selector"]] {
        let labels = &clusters["spec"]["template"]["metadata"]["labels"];
        assert!(selector.as_object().unwrap().iter().any(|(key, value)| labels[key] != *value), "one's pods are not the other's: {selector}");
    }
    let selector = rendered.object("Service", "-cla-metrics")["spec"]["selector"].clone();
    assert_eq!(selector, clusters["spec"]["selector"]["matchLabels"]);
}

#[test]
fn restoring_runs_for_remote_clusters_as_well_before_anything_is_deleted() {
    let rendered = render(&[ON, "restore.timeoutSeconds=90"]);
    let (job, deployment) = (rendered.object("Job", "-cla-restore"), rendered.deployment("clusters"));
    assert_eq!(job["metadata"]["annotations"], rendered.object("Job", "operator-restore")["metadata"]["annotations"]);
    assert_eq!(job["metadata"]["annotations"]["helm.sh/hook"], "pre-delete");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], deployment["spec"]["template"]["spec"]["serviceAccountName"]);
    let args = json!([
        "restore",
        "--serve=clusters",
        "--all",
        "--wait",
        "--config=/etc/argocd-access/config.yaml",
        "--namespace=argocd",
        format!("--operator-deployment={}", name(deployment)),
        "--timeout=90s",
    ]);
    assert_eq!(pod["containers"][0]["args"], args);
    let (selector, labels) = (&deployment["spec"]["selector"]["matchLabels"], &job["spec"]["template"]["metadata"]["labels"]);
    assert!(selector.as_object().unwrap().iter().any(|(key, value)| labels[key] != *value), "it does not wait for its own pod: {labels}");
    for rule in elements(&rendered.object("Role", "-cla-restore")["rules"]) {
        let names = strings(rule, "resourceNames");
        assert!(names == [name(deployment)] || strings(rule, "verbs") == ["list"], "it stops this process and no other: {rule}");
    }

    let without = render(&[ON, "restore.enabled=false"]);
    assert!(without.of_kind("Job").count() == 0 && !without.text.contains("deployments/scale"));
}

#[test]
fn objects_for_aws_are_written_only_where_that_is_said_and_only_of_that_controller() {
    let groups = |settings: &[&str]| -> BTreeSet<(String, String)> {
        let rendered = render(settings);
        let roles = rendered.of_kind("Role").chain(rendered.of_kind("ClusterRole"));
        let rules = roles.flat_map(|role| elements(&role["rules"]).iter().map(|rule| (role["metadata"]["namespace"].to_string(), rule)));
        let aws = rules.filter(|(_, rule)| rule["apiGroups"].to_string().contains("aws"));
        aws.map(|(namespace, rule)| (namespace.trim_matches('"').to_owned(), strings(rule, "apiGroups")[0].to_owned())).collect()
    };
    let set = |expected: &[(&str, &str)]| expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeSet<_>>();
    assert_eq!(groups(&[ON]), set(&[]));
    assert_eq!(groups(&["clusterAccess.aws.ack=true"]), set(&[]), "off is off");
    assert_eq!(groups(&[ON, "clusterAccess.aws.namespaces={aws}"]), set(&[]));
    let (iam, eks) = ("iam.services.k8s.aws", "eks.services.k8s.aws");
    assert_eq!(groups(&[ON, "clusterAccess.aws.ack=true"]), set(&[("argocd", iam), ("argocd", eks)]));
    let elsewhere = groups(&[ON, "clusterAccess.aws.crossplane=true", "clusterAccess.aws.namespaces={aws,argocd}"]);
    let (iam, eks) = ("iam.aws.m.upbound.io", "eks.aws.m.upbound.io");
    assert_eq!(elsewhere, set(&[("argocd", iam), ("argocd", eks), ("aws", iam), ("aws", eks)]));
}

#[test]
fn whoever_writes_terminals_does_not_thereby_write_clusters() {
    let rendered = render(&[ON]);
    let writers: Vec<&str> = rendered
        .rules()
        .into_iter()
        .filter(|(_, rule)| strings(rule, "resources").contains(&"clusteraccesses") && strings(rule, "verbs").contains(&"create"))
        .map(|(role, _)| role)
        .collect();
    let role = rendered.object("ClusterRole", "-edit-cla");
    assert_eq!(writers, [name(role)]);
    let labels = role["metadata"]["labels"].as_object().unwrap();
    assert!(!labels.keys().any(|label| label.contains("aggregate-to")), "it goes into no built-in role: {labels:?}");
    assert!(!rendered.roles_of("clusters").contains(&name(role)) && !rendered.roles_of("operator").contains(&name(role)));
}
