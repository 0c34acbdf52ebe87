//! Grants follow the live Applications: where their pods are, where they may live, and how Argo CD compares their names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::hands::{PARAMS_CM, RBAC_CM, becomes};
use crate::support::manifests;
use crate::support::policyjudge::{Judge, Request};
use crate::world::{SOON, Team, condition, message};

impl Team {
    fn applications(&self, namespace: &str) -> Api<DynamicObject> {
        manifests::api(&self.client(), namespace, "argoproj.io/v1alpha1", "Application")
    }

    async fn application_goes(&self, name: &str) {
        self.applications(&self.namespace).delete(name, &DeleteParams::default()).await.unwrap();
    }

    fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client())
    }

    async fn are_bound(&self, what: &str, namespaces: &[&str]) {
        let expected: BTreeSet<String> = namespaces.iter().map(ToString::to_string).collect();
        becomes(what, SOON, expected, async || self.bound().await).await;
    }

    async fn grant_objects(&self, what: &str, name: &str, objects: &[&str]) {
        let expected: Vec<String> = objects.iter().map(ToString::to_string).collect();
        becomes(what, SOON, expected, async || self.objects(name).await).await;
    }
}

const SHOP: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}";

#[tokio::test]
async fn destination_namespaces_follow_the_applications() {
    let team = Team::new().await;
    let (first, second) = (team.destination.clone(), team.cp.namespace("second").await);
    team.grant("web", SHOP).await;
    let status = team.condition("web", "ServerAuthorized", "Unknown", "NoApplications").await;
    assert_eq!(condition(&status, "PolicyApplied").0, "True", "the wildcard stands, whatever lives now");
    team.application("web-1", "shop").await;
    team.are_bound("the first Application's namespace", &[&first]).await;
    team.ready("web").await;
    team.application_in(&team.namespace, "web-2", "shop", &second).await;
    team.are_bound("a second Application's as well", &[&first, &second]).await;
    team.application_in(&team.namespace, "web-1", "other", &first).await;
    team.are_bound("an Application that changes its project leaves", &[&second]).await;
    team.application_in(&team.namespace, "web-2", "shop", &first).await;
    team.are_bound("one that moves takes the right along", &[&first]).await;
    team.application_goes("web-2").await;
    team.are_bound("none is left", &[]).await;
    team.condition("web", "ServerAuthorized", "Unknown", "NoApplications").await;
}

#[tokio::test]
async fn an_application_where_argo_cd_does_not_look_leads_to_no_right() {
    let team = Team::new().await;
    let (elsewhere, victim) = (team.cp.namespace("elsewhere").await, team.cp.namespace("victim").await);
    // A project of its own: what other tests have in the same cluster would count as well.
    let project = team.namespace.as_str();
    team.application("web-1", project).await;
    team.application_in(&elsewhere, "web-9", project, &victim).await;
    team.grant("web", &format!("{{subjects: [{{kind: Group, name: g}}], applications: [{{project: {project}, namespace: '*'}}]}}")).await;
    team.ready("web").await;
    assert_eq!(team.bound().await, BTreeSet::from([team.destination.clone()]));
    team.set(PARAMS_CM, "application.namespaces", Some("*")).await;
    team.are_bound("now that Argo CD looks there, it counts", &[&team.destination, &victim]).await;
}

#[tokio::test]
async fn where_applications_may_live_elsewhere_a_wildcard_becomes_the_names_of_the_live_ones() {
    let team = Team::new().await;
    // The glob `shop/web-*` would match everything in this namespace.
    let teams = team.cp.namespace("web-team").await;
    team.application("web-1", "shop").await;
    team.application_in(&teams, "secret", "shop", &team.destination).await;
    team.application_in(&teams, "web-7", "shop", &team.destination).await;
    team.grant("web", SHOP).await;
    team.ready("web").await;
    assert_eq!(team.objects("web").await, ["shop/web-*"]);

    team.set(PARAMS_CM, "application.namespaces", Some("web-*")).await;
    team.grant_objects("the wildcard is expanded", "web", &["shop/web-1"]).await;
    let data: BTreeMap<String, String> = team.config_map(RBAC_CM).await.data.unwrap();
    let asked = ["shop/web-1".to_owned(), format!("shop/{teams}/secret"), format!("shop/{teams}/web-7")];
    let allowed = tokio::task::spawn_blocking(move || {
        let requests: Vec<Request> = asked.iter().map(|object| Request::exec("alice", &["g"], object)).collect();
        Judge::start().allowed(&data, &[], &requests).unwrap()
    });
    assert_eq!(allowed.await.unwrap(), [true, false, false], "judged by Argo CD's own code");
    team.application("web-2", "shop").await;
    team.grant_objects("a new Application is granted", "web", &["shop/web-1", "shop/web-2"]).await;
    team.application_goes("web-1").await;
    team.grant_objects("one that went is not", "web", &["shop/web-2"]).await;
    team.application_goes("web-2").await;
    becomes("nothing to grant, nothing written", SOON, None, async || team.policy("web").await).await;
    team.condition("web", "PolicyApplied", "False", "NoApplications").await;

    team.set(PARAMS_CM, "application.namespaces", None).await;
    team.grant_objects("the wildcard stands again", "web", &["shop/web-*"]).await;
}

#[tokio::test]
async fn a_flip_of_the_match_mode_rewrites_the_lines() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant("web", SHOP).await;
    team.ready("web").await;
    team.set(RBAC_CM, "policy.matchMode", Some("regex")).await;
    team.grant_objects("anchored, and not over a slash", "web", &["^shop/web-[^/]*$"]).await;
    team.ready("web").await;
    let lines = team.lines("web").await;
    assert_eq!(lines[1], "p, role:exec-access.web, ^exec$, ^create$, ^shop/web-[^/]*$, allow");
    let data: BTreeMap<String, String> = team.config_map(RBAC_CM).await.data.unwrap();
    let allowed = tokio::task::spawn_blocking(move || {
        let ask = |object: &str| Request::exec("alice", &["g"], object);
        Judge::start().allowed(&data, &[], &[ask("shop/web-1"), ask("workshop/web-1"), ask("shop/web-1/x"), ask("shop/api")]).unwrap()
    });
    assert_eq!(allowed.await.unwrap(), [true, false, false, false], "judged by Argo CD's own code");
    team.set(RBAC_CM, "policy.matchMode", Some("glob")).await;
    team.grant_objects("as before", "web", &["shop/web-*"]).await;
    team.delete("web").await;
    assert_eq!(team.value(RBAC_CM, "policy.matchMode").await.as_deref(), Some("glob"));
}

#[tokio::test]
async fn destinations_that_get_no_right_are_named_with_the_reason() {
    let team = Team::new().await;
    let one = |name: &str| format!("{{subjects: [{{kind: Group, name: g}}], applications: [{{project: shop, name: {name}}}]}}");
    // Another cluster: the identity in its cluster Secret counts.
    let remote = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "remote"},
        "spec": {"project": "shop", "source": {"repoURL": "https://example.invalid/x.git", "path": "."},
            "destination": {"name": "production", "namespace": "kube-public"}},
    });
    team.has(&remote.to_string()).await;
    team.grant("remote", &one("remote")).await;
    let status = team.condition("remote", "ServerAuthorized", "Unknown", "RemoteCluster").await;
    assert!(message(&status, "ServerAuthorized").contains("production"), "{status:#?}");
    let there = status.server.unwrap().remote.remove(0);
    assert_eq!((there.cluster.as_str(), there.namespaces.as_slice()), ("production", ["kube-public".to_owned()].as_slice()));
    assert!(there.identity.contains(&team.namespace) && there.identity.contains("data.name is \"production\""), "{there:#?}");
    the_rule_is_enough(&team, &there.rule).await;

    // The instance's own namespace and kube-system are denied unless the admin says otherwise.
    team.application_in(&team.namespace, "own", "shop", &team.namespace).await;
    team.grant("own", &one("own")).await;
    let status = team.condition("own", "ServerAuthorized", "False", "Denied").await;
    assert!(message(&status, "ServerAuthorized").contains("deniedNamespaces"), "{status:#?}");

    let missing = format!("not-yet-{}", team.namespace);
    team.application_in(&team.namespace, "missing", "shop", &missing).await;
    team.grant("missing", &one("missing")).await;
    team.condition("missing", "ServerAuthorized", "False", "NamespaceMissing").await;
    assert_eq!(team.bound().await, BTreeSet::new(), "no binding for any of them");

    team.has(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {missing}}}}}")).await;
    team.are_bound("a namespace that comes is bound", &[&missing]).await;
    team.ready("missing").await;
}

/// The rule of the status, applied as it stands: here to this cluster, in which it names the namespace kube-public.
async fn the_rule_is_enough(team: &Team, rule: &str) {
    let file = team.cp.folder().join(format!("rule-{}.yaml", team.namespace));
    std::fs::write(&file, rule).unwrap();
    team.cp.kubectl(&["apply", "-f", &file.display().to_string()]).await.success();
    let may = async |verb: &str, subresource: &str, namespace: &str| {
        let (subject, subresource) = ("--as=system:serviceaccount:kube-system:argocd-manager", format!("--subresource={subresource}"));
        team.cp.kubectl(&["auth", "can-i", verb, "pods", &subresource, "--namespace", namespace, subject]).await.stdout.trim().to_owned()
    };
    for (verb, subresource) in [("get", ""), ("get", "exec"), ("create", "exec")] {
        becomes(&format!("{verb} pods/{subresource}"), SOON, "yes".to_owned(), async || may(verb, subresource, "kube-public").await).await;
        assert_eq!(may(verb, subresource, "default").await, "no", "{verb} pods/{subresource} elsewhere");
    }
    team.cp.kubectl(&["delete", "-f", &file.display().to_string()]).await.success();
}

#[tokio::test]
async fn nothing_is_bound_in_a_namespace_that_is_being_deleted() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant("web", SHOP).await;
    team.ready("web").await;
    // Something in it holds it back, for as long as the test wants.
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "namespace": team.destination, "finalizers": ["example.invalid/hold"]}});
    team.has(&held.to_string()).await;
    team.namespaces().delete(&team.destination, &DeleteParams::default()).await.unwrap();
    team.condition("web", "ServerAuthorized", "False", "NamespaceMissing").await;
    team.are_bound("the binding went with the rest", &[]).await;
    let mark = team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(team.writes(mark).await, [], "and nobody tries to make it again");
    // A grant that can only go is not held up by it.
    team.delete("web").await;
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(team.client(), &team.destination);
    maps.patch("held", &PatchParams::default(), &release).await.unwrap();
}

#[tokio::test]
async fn named_and_selected_namespaces_take_the_place_of_destinations() {
    let team = Team::new().await;
    let (named, selected, later) = (team.cp.namespace("named").await, team.cp.namespace("selected").await, team.cp.namespace("later").await);
    let label = async |namespace: &str, value: Option<&str>| {
        let labels = Patch::Merge(json!({"metadata": {"labels": {"terminals": value}}}));
        team.namespaces().patch(namespace, &PatchParams::default(), &labels).await.unwrap();
    };
    label(&selected, Some(&team.namespace)).await;
    team.application("web-1", "shop").await;
    let choice = format!("{{names: [{named}], selector: {{matchLabels: {{terminals: {}}}}}}}", team.namespace);
    let spec = format!("{{subjects: [{{kind: Group, name: g}}], applications: [{{project: shop}}], server: {{namespaces: {choice}}}}}");
    team.grant("web", &spec).await;
    team.ready("web").await;
    assert_eq!(team.bound().await, BTreeSet::from([named.clone(), selected.clone()]), "not the destination of web-1");
    label(&later, Some(&team.namespace)).await;
    team.are_bound("a namespace that is labelled later", &[&named, &selected, &later]).await;
    label(&selected, None).await;
    team.are_bound("one whose label goes is left", &[&named, &later]).await;
    team.change("web", json!({"server": {"namespaces": {"selector": null}}})).await;
    team.are_bound("only the named one", &[&named]).await;
    team.delete("web").await;
    assert_eq!(team.bound().await, BTreeSet::new());
}
