//! The operator may not read one of the kinds that it needs: the condition that depends on it says which kind and which right, the other
//! layers go on, removal works, and it heals without a restart when the right is given back.

use std::time::Duration;

use argocd_access::api::ExecAccessStatus;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::half_world::{TEAM_A, says};
use crate::hands::becomes;
use crate::support::process::get;
use crate::support::{ControlPlane, Kubernetes, eventually, eventually::that};
use crate::world::{SOON, Team, condition, message};

/// A refused watch is tried again after 30 s at the latest.
const BACKOFF: Duration = Duration::from_secs(45);

/// The right to read something.
struct Right {
    resource: &'static str,
    /// Only the one of this name.
    name: Option<&'static str>,
}

/// The operator's roles, as the chart made them.
struct Roles {
    role: Role,
    cluster_role: ClusterRole,
}

impl Team {
    async fn roles(&self) -> Roles {
        self.roles_of("operator").await
    }

    /// Those of a component of the chart.
    async fn roles_of(&self, component: &str) -> Roles {
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/instance=access,app.kubernetes.io/component={component}"));
        let role = Api::<Role>::namespaced(self.client(), &self.namespace).list(&ours).await.unwrap().items.remove(0);
        let all = Api::<ClusterRole>::all(self.client()).list(&ours).await.unwrap();
        let cluster_role = all.items.into_iter().find(|r| r.name_any().contains(&self.namespace)).unwrap();
        Roles { role, cluster_role }
    }

    async fn put_rules(&self, roles: &Roles, change: impl Fn(Vec<PolicyRule>) -> Vec<PolicyRule>) {
        let patch = |rules: &Option<Vec<PolicyRule>>| Patch::Merge(json!({"rules": change(rules.clone().unwrap_or_default())}));
        let admin = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        let role = Api::<Role>::namespaced(self.client(), &self.namespace);
        role.patch(&roles.role.name_any(), &admin, &patch(&roles.role.rules)).await.unwrap();
        let cluster_role = Api::<ClusterRole>::all(self.client());
        cluster_role.patch(&roles.cluster_role.name_any(), &admin, &patch(&roles.cluster_role.rules)).await.unwrap();
    }

    /// Takes a right away and starts the operator anew: a watch that runs is not asked for its right again.
    async fn forbid(&self, roles: &Roles, right: &Right) {
        self.put_rules(roles, |rules| rules.into_iter().flat_map(|rule| without(rule, right)).collect()).await;
        self.release.kubelet.kill_operator();
    }

    async fn allow(&self, roles: &Roles) {
        self.put_rules(roles, |rules| rules).await;
    }

    /// Waits, as long as that may take, until an object is gone.
    async fn released(&self, name: &str) {
        becomes(&format!("{name} is gone"), BACKOFF, false, async || self.accesses().get_opt(name).await.unwrap().is_some()).await;
    }

    /// Waits, as long as a refused watch may take to be tried again.
    pub async fn heals(&self, name: &str) {
        becomes(&format!("{name} is ready again"), BACKOFF, ("True".to_owned(), "Ready".to_owned()), async || {
            condition(&self.status(name).await, "Ready")
        })
        .await;
    }
}

/// The rule without the reading of the resource; the writing stays.
fn without(mut rule: PolicyRule, right: &Right) -> Vec<PolicyRule> {
    if !rule.resources.iter().flatten().any(|r| r == right.resource) {
        return vec![rule];
    }
    let writing: Vec<String> = rule.verbs.iter().filter(|v| !is_reading(v)).cloned().collect();
    if let Some(name) = right.name {
        let (this, others): (Vec<String>, Vec<String>) = rule.resource_names.clone().unwrap_or_default().into_iter().partition(|n| n == name);
        let part = |names: Vec<String>, verbs: &[String]| {
            let some = !names.is_empty() && !verbs.is_empty();
            some.then(|| PolicyRule { resource_names: Some(names), verbs: verbs.to_vec(), ..rule.clone() })
        };
        return [part(others, &rule.verbs), part(this, &writing)].into_iter().flatten().collect();
    }
    rule.verbs = writing;
    if rule.verbs.is_empty() { Vec::new() } else { vec![rule] }
}

fn is_reading(verb: &str) -> bool {
    ["get", "list", "watch"].contains(&verb)
}

/// What comes of a right that is missing.
struct Case {
    right: Right,
    /// The condition that depends on it.
    condition: &'static str,
    /// Conditions that hold nevertheless.
    others: &'static [&'static str],
    /// Something is set there that cannot be handed back unseen: an object that has set it is kept until it can.
    owed: bool,
}

const fn case(resource: &'static str, condition: &'static str, others: &'static [&'static str], owed: bool) -> Case {
    Case { right: Right { resource, name: None }, condition, others, owed }
}

fn not_readable(status: &ExecAccessStatus, case: &Case) -> Result<(), String> {
    let found = condition(status, case.condition);
    that(found == ("Unknown".to_owned(), "NotReadable".to_owned()), || format!("{found:?}: {}", message(status, case.condition)))
}

/// Goes through a case with an object that was granted before, and with one that comes while the right is missing.
async fn survives(team: &Team, case: &Case) {
    let what = format!("{} {}", case.right.resource, case.right.name.unwrap_or_default());
    let roles = team.roles().await;
    team.grant("before", TEAM_A).await;
    team.ready("before").await;
    team.condition("before", "IngressReady", "True", "Configured").await;
    team.forbid(&roles, &case.right).await;
    team.grant("during", "{subjects: [{kind: Group, name: during}], applications: [{project: shop, name: 'web-*'}]}").await;
    for name in ["before", "during"] {
        eventually(&format!("{name}: {} is not readable, for want of {what}", case.condition), SOON, async || {
            let status = team.status(name).await;
            not_readable(&status, case).map_err(|seen| format!("{seen}\n{}", team.release.kubelet.operator_log()))
        })
        .await;
        let status = team.status(name).await;
        says(&status, case.condition, &[case.right.resource, "forbidden", "Role", "list"]);
        team.holds(name, case.others).await;
    }
    let starts = team.release.kubelet.operator_starts();
    team.delete("during").await;

    team.accesses().delete("before", &DeleteParams::default()).await.unwrap();
    if case.owed {
        eventually(&format!("the object says what it still has, for want of {what}"), SOON, async || {
            let status = team.status("before").await;
            let text = message(&status, "Active");
            that(text.contains("cannot be handed back") && text.contains(case.right.resource) && text.contains("argocd-access.dev/abandon"), || text)
        })
        .await;
        eventually("the layer that it is set in says so", SOON, async || not_readable(&team.status("before").await, case)).await;
        // It is not forgotten by being said.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(team.accesses().get_opt("before").await.unwrap().is_some(), "{what}: let go with something left behind");
    } else {
        team.gone("before").await;
    }
    if case.right.name != Some("argocd-rbac-cm") {
        assert_eq!(team.policy("before").await, None, "the policy lines go at once, whatever cannot be seen");
    }

    team.grant("after", TEAM_A).await;
    team.allow(&roles).await;
    team.heals("after").await;
    team.released("before").await;
    assert_eq!(team.release.kubelet.operator_starts(), starts, "healed by a restart");
    team.delete("after").await;
}

/// Each team goes through some kinds one after the other; in the end everything is as it was.
async fn survive(cases: &[Case]) {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.nginx_ingress("argocd").await;
    let before = team.shared().await;
    for case in cases {
        survives(&team, case).await;
    }
    let after = team.shared().await;
    for (name, object) in &before {
        // What the test did to the roles comes back in another order of rules at most.
        if !name.contains("Role access") {
            assert_eq!(after.get(name), Some(object), "{name}");
        }
    }
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_named_and_stop_nothing_else() {
    let flag = Right { resource: "configmaps", name: Some("argocd-cm") };
    let policy = Right { resource: "configmaps", name: Some("argocd-rbac-cm") };
    survive(&[
        // It is not known either whether everything is stopped: what is there stays, and no lines are added.
        Case { right: flag, condition: "ExecEnabled", others: &["ServerAuthorized", "IngressReady"], owed: true },
        Case { right: policy, condition: "PolicyApplied", others: &["ExecEnabled", "ServerAuthorized", "IngressReady"], owed: true },
    ])
    .await;
}

#[tokio::test]
async fn applications_and_projects_that_cannot_be_read_are_named_and_stop_nothing_else() {
    survive(&[
        case("appprojects", "PolicyApplied", &["ExecEnabled", "ServerAuthorized", "IngressReady"], false),
        case("applications", "ServerAuthorized", &["ExecEnabled", "PolicyApplied", "IngressReady"], false),
    ])
    .await;
}

#[tokio::test]
async fn what_leads_to_argocd_server_that_cannot_be_read_is_named_and_stops_nothing_else() {
    let others = &["PolicyApplied", "ExecEnabled", "ServerAuthorized", "Ready"];
    survive(&[case("ingresses", "IngressReady", others, true), case("services", "IngressReady", others, false)]).await;
}

#[tokio::test]
async fn argocd_server_and_its_bindings_that_cannot_be_read_are_named_and_stop_nothing_else() {
    let others = &["PolicyApplied", "ExecEnabled"];
    survive(&[case("deployments", "ServerAuthorized", others, false), case("rolebindings", "ServerAuthorized", others, true)]).await;
}

#[tokio::test]
async fn kinds_of_the_cluster_that_cannot_be_read_are_named_and_stop_nothing_else() {
    survive(&[
        case("ingressclasses", "IngressReady", &["PolicyApplied", "ExecEnabled", "ServerAuthorized", "Ready"], false),
        case("namespaces", "ServerAuthorized", &["PolicyApplied", "ExecEnabled", "IngressReady"], false),
    ])
    .await;
}

#[tokio::test]
async fn a_binding_of_the_cluster_that_cannot_be_read_concerns_only_whoever_declares_the_cluster() {
    const EVERYWHERE: &str = "{subjects: [{kind: Group, name: all}], applications: [{project: shop, name: 'web-*'}], server: {scope: Cluster}}";
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let (roles, right) = (team.roles().await, Right { resource: "clusterrolebindings", name: None });
    team.grant("narrow", TEAM_A).await;
    team.ready("narrow").await;
    team.forbid(&roles, &right).await;
    team.release.ready().await;
    team.grant("wide", EVERYWHERE).await;
    let status = team.condition("wide", "ServerAuthorized", "Unknown", "NotReadable").await;
    says(&status, "ServerAuthorized", &["clusterrolebindings", "forbidden"]);
    team.holds("wide", &["PolicyApplied", "ExecEnabled"]).await;
    team.ready("narrow").await;
    team.delete("wide").await;
    team.delete("narrow").await;
    assert_eq!(team.bound().await.len(), 0);
    team.grant("wide", EVERYWHERE).await;
    team.allow(&roles).await;
    team.heals("wide").await;
    // And what is there already is not left behind unseen.
    team.forbid(&roles, &right).await;
    team.condition("wide", "ServerAuthorized", "Unknown", "NotReadable").await;
    team.accesses().delete("wide", &DeleteParams::default()).await.unwrap();
    becomes("the lines are gone, the binding is owed", SOON, (None, true), async || {
        let owed =
            team.accesses().get_opt("wide").await.unwrap().and_then(|a| a.status).is_some_and(|s| message(&s, "Active").contains("handed back"));
        (team.policy("wide").await, owed)
    })
    .await;
    team.allow(&roles).await;
    becomes("the binding and the object are gone", BACKOFF, (false, false), async || {
        (team.cluster_binding().await.is_some(), team.accesses().get_opt("wide").await.unwrap().is_some())
    })
    .await;
}

#[tokio::test]
async fn argocd_servers_own_roles_that_cannot_be_read_are_named_and_owed() {
    let cp = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = cp.instance("team").await;
    let cluster_role = cp.install_cluster_rbac(&namespace).await;
    let values = format!("{{instance: {{serverRoles: InPlace, inPlace: {{clusterRole: {cluster_role}}}, limits: {{deniedNamespaces: []}}}}}}");
    let team = Team::in_namespace(cp, namespace, &values).await;
    team.application_in(&team.namespace, "web-1", "shop", &team.namespace).await;
    let before = team.shared().await;
    let roles = team.roles_of("in-place").await;
    for (resource, spec, object) in [
        ("roles", TEAM_A.to_owned(), "Role argocd-server".to_owned()),
        ("clusterroles", TEAM_A.replace("{subjects", "{server: {scope: Cluster}, subjects"), format!("ClusterRole {cluster_role}")),
    ] {
        team.grant("team-a", &spec).await;
        team.ready("team-a").await;
        assert_ne!(team.shared().await[&object], before[&object]);
        team.forbid(&roles, &Right { resource, name: None }).await;
        let status = team.condition("team-a", "ServerAuthorized", "Unknown", "NotReadable").await;
        says(&status, "ServerAuthorized", &[resource, "forbidden"]);
        team.holds("team-a", &["PolicyApplied", "ExecEnabled"]).await;
        team.accesses().delete("team-a", &DeleteParams::default()).await.unwrap();
        becomes("the lines are gone, the rules are owed", SOON, (None, true), async || {
            let status = team.accesses().get_opt("team-a").await.unwrap().and_then(|a| a.status);
            (team.policy("team-a").await, status.is_some_and(|s| message(&s, "Active").contains("handed back")))
        })
        .await;
        team.allow(&roles).await;
        team.released("team-a").await;
        assert_eq!(team.shared().await[&object], before[&object]);
    }
}

#[tokio::test]
async fn parameters_pods_and_reviews_that_cannot_be_had_are_named_and_hold_up_no_removal() {
    let team = Team::with_values("{instance: {shells: [bash, sh]}}").await;
    team.application("web-1", "shop").await;
    let before = team.shared().await;
    let roles = team.roles().await;

    // Whether people must log in at all is not known without these: nothing is opened.
    let right = Right { resource: "configmaps", name: Some("argocd-cmd-params-cm") };
    team.forbid(&roles, &right).await;
    team.grant("team-a", TEAM_A).await;
    for kind in ["ExecEnabled", "PolicyApplied"] {
        let status = team.condition("team-a", kind, "Unknown", "NotReadable").await;
        says(&status, kind, &["--disable-auth", "argocd-cmd-params-cm", "forbidden"]);
    }
    assert_eq!((team.policy("team-a").await, team.value("argocd-cm", "exec.enabled").await), (None, None));
    team.delete("team-a").await;
    team.grant("team-a", TEAM_A).await;
    team.allow(&roles).await;
    becomes("it is opened after all", BACKOFF, true, async || team.policy("team-a").await.is_some()).await;

    // Whether argocd-server is older than the change of its shells is not known without these.
    team.forbid(&roles, &Right { resource: "pods", name: None }).await;
    let status = team.condition("team-a", "ExecEnabled", "Unknown", "NotReadable").await;
    says(&status, "ExecEnabled", &["pods", "exec.shells"]);
    team.holds("team-a", &["PolicyApplied", "ServerAuthorized"]).await;
    team.allow(&roles).await;
    becomes("it is known again", BACKOFF, "True".to_owned(), async || condition(&team.status("team-a").await, "ExecEnabled").0).await;

    // The proof is asked for, not watched.
    team.put_rules(&roles, |rules| rules.into_iter().filter(|r| !r.resources.iter().flatten().any(|r| r == "subjectaccessreviews")).collect()).await;
    team.release.kubelet.kill_operator();
    let status = team.condition("team-a", "ServerAuthorized", "Unknown", "NotReadable").await;
    says(&status, "ServerAuthorized", &["subjectaccessreviews", "forbidden"]);
    team.holds("team-a", &["PolicyApplied", "ExecEnabled"]).await;
    team.allow(&roles).await;
    becomes("it is proven again", BACKOFF, "True".to_owned(), async || condition(&team.status("team-a").await, "ServerAuthorized").0).await;

    team.forbid(&roles, &right).await;
    team.delete("team-a").await;
    let after = team.shared().await;
    for name in ["ConfigMap argocd-cm", "ConfigMap argocd-rbac-cm"] {
        assert_eq!(after[name], before[name], "{name}");
    }
}

#[tokio::test]
async fn without_sight_of_the_objects_themselves_nothing_is_done_and_the_operator_is_not_ready() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let (before, roles) = (team.shared().await, team.roles().await);
    team.forbid(&roles, &Right { resource: "execaccesses", name: None }).await;
    eventually("the operator says that it is not ready, and why", SOON, async || {
        let operator = team.release.kubelet.operators().first().map(|o| o.ports.values().next().copied().unwrap()).ok_or("none runs")?;
        let (status, body) = get(&format!("http://127.0.0.1:{operator}/readyz")).await.map_err(|e| e.to_string())?;
        that(status == 503 && body.contains("execaccesses") && body.contains("forbidden"), || format!("{status} {body}"))
    })
    .await;
    let starts = team.release.kubelet.operator_starts();
    // For all that it sees, somebody may just have been given access: nothing is taken away.
    assert_eq!(grants(&before), grants(&team.shared().await));
    team.allow(&roles).await;
    team.accesses().delete("team-a", &DeleteParams::default()).await.unwrap();
    team.released("team-a").await;
    becomes("the operator is ready", SOON, 200, async || {
        get(&team.release.kubelet.metrics_url().replace("/metrics", "/readyz")).await.map_or(0, |(status, _)| status)
    })
    .await;
    assert_eq!(team.release.kubelet.operator_starts(), starts, "healed by a restart");
}

fn grants(shared: &std::collections::BTreeMap<String, Value>) -> Vec<&Value> {
    ["ConfigMap argocd-cm", "ConfigMap argocd-rbac-cm"].iter().map(|name| &shared[*name]).collect()
}
