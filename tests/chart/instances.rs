//! Several Argo CD instances in one release of the chart, and one instance in two releases.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    install::install,
    rendering::{Rendered, chart, name, refusal, render, strings},
    support::{ControlPlane, Kubernetes},
};

/// Two further instances: one that says everything otherwise, and one that says nothing.
const THREE: [&str; 9] = [
    "instance.confine=true",
    "instance.shells={bash}",
    "instance.limits.requireReason=true",
    "additionalInstances[0].namespace=cd-two",
    "additionalInstances[0].confine=false",
    "additionalInstances[0].limits.requireReason=false",
    "additionalInstances[0].limits.deniedNamespaces={vault}",
    "additionalInstances[0].limits.allowClusterScope=false",
    "additionalInstances[1].namespace=cd-three",
];

fn of<'a>(configuration: &'a Value, namespace: &str) -> &'a Value {
    let instances = configuration["instances"].as_array().unwrap();
    instances.iter().find(|i| i["namespace"] == namespace).unwrap_or_else(|| panic!("no {namespace} in {configuration}"))
}

/// The names that a rule of the operator's ClusterRole holds, for a verb on a resource.
fn names<'a>(rendered: &'a Rendered, resource: &str, verb: &str) -> Vec<&'a str> {
    let rules = rendered.rules().into_iter();
    rules
        .filter(|(_, r)| strings(r, "resources").contains(&resource) && strings(r, "verbs").contains(&verb))
        .flat_map(|(_, r)| strings(r, "resourceNames"))
        .collect()
}

#[test]
fn each_instance_has_its_settings_and_what_it_leaves_out_is_as_in_the_first() {
    let configuration = render(&THREE).configuration();
    let (first, two, three) = (of(&configuration, "argocd"), of(&configuration, "cd-two"), of(&configuration, "cd-three"));
    assert_eq!((&first["confine"], &two["confine"], &three["confine"]), (&json!(true), &json!(false), &json!(true)), "a false replaces a true");
    assert_eq!((&two["limits"]["requireReason"], &three["limits"]["requireReason"]), (&json!(false), &json!(true)));
    assert_eq!((&two["shells"], &three["shells"]), (&json!(["bash"]), &json!(["bash"])));
    assert_eq!(two["limits"]["deniedNamespaces"], json!(["vault"]), "a list replaces the default");
    let all = json!(["kube-system", "argocd", "cd-two", "cd-three"]);
    assert_eq!((&first["limits"]["deniedNamespaces"], &three["limits"]["deniedNamespaces"]), (&all, &all), "no instance execs into another");
    assert_eq!(two["limits"]["allowAllProjects"], true);
}

#[test]
fn each_instance_has_a_role_of_its_own_and_the_names_in_the_cluster_are_those_of_its_limits() {
    let rendered = render(&THREE);
    let namespaces: BTreeSet<&str> =
        rendered.of_kind("Role").filter(|r| !name(r).ends_with("-restore")).map(|r| r["metadata"]["namespace"].as_str().unwrap()).collect();
    assert_eq!(namespaces, BTreeSet::from(["argocd", "cd-two", "cd-three"]));
    let bound: BTreeSet<&str> = rendered.of_kind("RoleBinding").map(|b| b["metadata"]["namespace"].as_str().unwrap()).collect();
    assert_eq!(bound, namespaces);
    let all = ["argocd-access-exec-argocd", "argocd-access-exec-cd-two", "argocd-access-exec-cd-three"];
    assert_eq!(names(&rendered, "rolebindings", "create"), all);
    let live = all.map(|name| name.replace("exec", "live"));
    let removable = all.iter().map(|name| (*name).to_owned()).chain(live);
    assert_eq!(names(&rendered, "clusterrolebindings", "delete"), removable.collect::<Vec<_>>());
    assert_eq!(names(&rendered, "clusterrolebindings", "create"), [all[0], all[2]], "cd-two allows no cluster scope");
    assert_eq!(names(&rendered, "validatingadmissionpolicies", "create"), [all[0], all[2]], "cd-two is not confined");
}

#[test]
fn no_two_objects_have_one_name_however_long_the_namespaces_are() {
    let long = "n".repeat(62);
    let in_place = |at: usize, namespace: &str, role: &str| {
        format!(
            "additionalInstances[{at}].namespace={namespace},additionalInstances[{at}].serverRoles=InPlace,additionalInstances[{at}].inPlace.clusterRole={role}"
        )
    };
    let clusters = "clusterAccess.enabled=true,clusterAccess.aws.ack=true";
    let rendered =
        render(&[clusters, "instance.serverRoles=InPlace", &in_place(0, &format!("{long}a"), "a"), &in_place(1, &format!("{long}b"), "b")]);
    let mut seen = BTreeSet::new();
    for object in &rendered.objects {
        let key = (object["kind"].to_string(), object["metadata"]["namespace"].to_string(), name(object));
        assert!(name(object).len() <= 63 && seen.insert(key), "{} {}", object["kind"], name(object));
    }
}

#[test]
fn an_instance_is_named_once_and_two_do_not_edit_one_cluster_role() {
    for settings in
        [&["additionalInstances[0].namespace=argocd"][..], &["additionalInstances[0].namespace=two", "additionalInstances[1].namespace=two"]]
    {
        assert!(refusal(settings).contains("is named twice"), "{settings:?}");
    }
    let message = refusal(&["instance.serverRoles=InPlace", "additionalInstances[0].namespace=two"]);
    assert!(message.contains("name the same ClusterRole argocd-server"), "{message}");
    let message = refusal(&["additionalInstances[0].namespac=two"]);
    assert!(message.contains("'namespac' not allowed") && message.contains("namespace"), "{message}");
    let message = refusal(&["additionalInstances[0].namespace=two", "additionalInstances[0].limits.x=1"]);
    assert!(message.contains("'x' not allowed"), "{message}");
}

#[test]
fn a_further_instance_may_have_every_setting_of_the_first() {
    let schema = std::fs::read_to_string(format!("{}/values.schema.json", chart())).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let keys = |pointer: &str| schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut first = keys("/properties/instance/properties");
    // A remote cluster belongs to one instance; those of the first are beside it, with what holds for all of them.
    first.extend(["namespace", "clusterAccess"].map(str::to_owned));
    assert_eq!(keys("/properties/additionalInstances/items/properties"), first);
    let rendered = render(&["additionalInstances[0].namespace=two", "additionalInstances[0].argocdOperator=true"]);
    let patches = rendered.of_kind("Role").filter(|role| role.to_string().contains("argocds") && role["rules"].to_string().contains("patch"));
    let may = |role: &&Value| {
        role["rules"].as_array().unwrap().iter().any(|r| strings(r, "resources") == ["argocds"] && strings(r, "verbs").contains(&"patch"))
    };
    assert_eq!(patches.filter(may).map(|role| role["metadata"]["namespace"].as_str().unwrap()).collect::<Vec<_>>(), ["two"]);
}

#[tokio::test]
async fn one_argo_cd_is_not_served_by_two_releases() {
    let bench = ControlPlane::shared(Kubernetes::V1_36).await;
    let (one, other) = (bench.instance("one").await, bench.instance("other").await);
    install(bench, &one, &[&format!("additionalInstances[0].namespace={other}")]).await;
    let chart = chart();
    let try_it = async |release: &str, namespace: &str, settings: &[&str]| {
        let mut arguments = vec!["install", release, &chart, "--namespace", namespace];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        bench.helm(&arguments).await
    };
    for (release, namespace) in [("second", one.as_str()), ("second", other.as_str())] {
        let refused = try_it(release, namespace, &[]).await;
        let said = format!("{}{}", refused.stdout, refused.stderr);
        let expected = format!(
            "the Argo CD in the namespace {namespace} is served by the release argocd-access-operator of this chart in the namespace {one} already"
        );
        assert!(!refused.status.success() && said.contains(&expected), "{said}");
    }
    let third = bench.instance("third").await;
    let refused = try_it("second", &third, &[&format!("additionalInstances[0].namespace={other}")]).await;
    assert!(refused.stderr.contains("is served by the release"), "{}", refused.stderr);
    // An upgrade of the release itself is not another release; and one that serves another Argo CD may stand beside it.
    bench.helm(&["upgrade", "argocd-access-operator", &chart, "--namespace", &one, "--reuse-values"]).await.success();
    try_it("second", &third, &[]).await.success();
}
