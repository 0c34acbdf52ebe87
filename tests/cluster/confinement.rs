//! `confine: true`: an admission policy that refuses argocd-server's exec wherever no `ExecAccess` in effect says so.

use std::time::Duration;

use argocd_access::exec::confinement::rule::{self, Name, Rule};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::half_world::{TEAM_A, says};
use crate::hands::{becomes, granted_and_taken, short};
use crate::support::process::Finished;
use crate::support::{eventually, eventually::that, manifests};
use crate::world::{SOON, Team};

pub const CONFINED: &str = "{instance: {confine: true}}";

impl Team {
    pub fn admission_policies(&self) -> Api<ValidatingAdmissionPolicy> {
        Api::all(self.client())
    }

    pub fn admission_bindings(&self) -> Api<ValidatingAdmissionPolicyBinding> {
        Api::all(self.client())
    }

    /// Whether the policy and its binding are there.
    pub async fn confinement(&self) -> (bool, bool) {
        let name = self.binding_name();
        let policy = self.admission_policies().get_opt(&name).await.unwrap().is_some();
        (policy, self.admission_bindings().get_opt(&name).await.unwrap().is_some())
    }

    /// The expression that allows.
    pub async fn allowed(&self) -> String {
        let policy = self.admission_policies().get(&self.binding_name()).await.unwrap();
        policy.spec.unwrap().validations.unwrap()[0].expression.clone()
    }

    /// A running Pod `web`.
    async fn pod(&self, namespace: &str) {
        self.cp.with_kwok().await;
        let pod =
            "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {nodeName: kwok, containers: [{name: main, image: example.invalid/shell}]}}";
        manifests::apply_text(&self.client(), namespace, pod).await;
        let pods = Api::<Pod>::namespaced(self.client(), namespace);
        eventually("the Pod runs", Duration::from_secs(20), || async {
            let status = pods.get("web").await.map_err(|e| e.to_string())?.status.unwrap_or_default();
            that(status.phase.as_deref() == Some("Running"), || format!("{status:?}"))
        })
        .await;
    }

    /// `kubectl exec` into that Pod, as this ServiceAccount of the instance's namespace.
    async fn exec(&self, namespace: &str, account: Option<&str>) -> Finished {
        let user = account.map(|account| format!("--as=system:serviceaccount:{}:{account}", self.namespace));
        let mut arguments = vec!["exec", "--namespace", namespace, "web"];
        arguments.extend(user.as_deref());
        arguments.extend(["--", "echo", "hi"]);
        self.cp.kubectl(&arguments).await
    }

    /// The HTTP status of a request for exec without an upgrade: 400 where it is let through.
    async fn exec_status(&self, namespace: &str, account: &str) -> u16 {
        let client = self.cp.client_for_service_account(&self.namespace, account).await;
        let path = format!("/api/v1/namespaces/{namespace}/pods/web/exec?command=true&stdout=true");
        let request = hyper::Request::post(path).body(Vec::new()).unwrap();
        match client.request_text(request).await {
            Ok(_) => 200,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn argocd_server_execs_where_it_is_declared_and_nowhere_else_and_everybody_else_as_before() {
    let team = Team::with_values(CONFINED).await;
    let other = team.cp.namespace("other").await;
    for namespace in [&team.destination, &other] {
        team.pod(namespace).await;
    }
    // Somebody else lets argocd-server, and another ServiceAccount, exec in both.
    let role = format!("--clusterrole={}", team.exec_role().await);
    let accounts = ["argocd-server", "default"].map(|a| format!("--serviceaccount={}:{a}", team.namespace));
    for namespace in [&team.destination, &other] {
        let bind = ["create", "rolebinding", "by-hand", "--namespace", namespace, &role, &accounts[0], &accounts[1]];
        team.cp.kubectl(&bind).await.success();
    }
    assert_eq!(team.exec(&other, Some("argocd-server")).await.success().trim(), "hi", "before anything is declared nothing is confined");

    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    let status = team.ready("team-a").await;
    says(&status, "Confined", &["not per person", "attach"]);
    team.condition("team-a", "Confined", "True", "Enforced").await;
    assert_eq!(team.allowed().await, format!("request.namespace in ['{}']", team.destination));

    assert_eq!(team.exec(&team.destination, Some("argocd-server")).await.success().trim(), "hi");
    let refused = team.exec(&other, Some("argocd-server")).await;
    assert!(!refused.status.success() && refused.stderr.contains("no ExecAccess in effect lets the Argo CD of namespace"), "{}", refused.stderr);
    let may = format!("--as=system:serviceaccount:{}:argocd-server", team.namespace);
    let can_i = ["auth", "can-i", "create", "pods", "--subresource=exec", "--namespace", &other, &may];
    assert_eq!(team.cp.kubectl(&can_i).await.stdout.trim(), "yes", "its rights would allow it");
    assert_eq!(team.exec_status(&other, "argocd-server").await, 422);
    assert_eq!(team.exec_status(&team.destination, "argocd-server").await, 400);
    for namespace in [&team.destination, &other] {
        assert_eq!(team.exec(namespace, Some("default")).await.success().trim(), "hi", "another ServiceAccount");
        assert_eq!(team.exec(namespace, None).await.success().trim(), "hi", "a person");
    }

    // With nothing in effect it opens nowhere; with the object gone it is as it was before.
    team.change("team-a", json!({"suspend": true})).await;
    becomes("it denies all", SOON, "false".to_owned(), async || team.allowed().await).await;
    becomes("which holds", SOON, 422, async || team.exec_status(&team.destination, "argocd-server").await).await;
    team.delete("team-a").await;
    assert_eq!(team.confinement().await, (false, false));
    becomes("it is as before", SOON, 400, async || team.exec_status(&other, "argocd-server").await).await;
}

#[tokio::test]
async fn it_is_in_force_before_anything_is_given_and_goes_after_everything_is_taken() {
    let team = Team::with_values(CONFINED).await;
    team.application("web-1", "shop").await;
    let mark = team.cp.audit_mark().await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let writes = team.writes(mark).await;
    let name = team.binding_name();
    let given = granted_and_taken(&writes);
    let expected = [
        "patch execaccesses/team-a".to_owned(),
        format!("patch validatingadmissionpolicies/{name}"),
        format!("patch validatingadmissionpolicybindings/{name}"),
        format!("patch rolebindings/{name}"),
        "patch configmaps/argocd-cm".to_owned(),
    ];
    assert_eq!(given[..5], expected, "{given:#?}");
    let at = |resource: &str| -> Timestamp { writes.iter().find(|w| w.resource == resource).unwrap().at.parse().unwrap() };
    let waited = at("rolebindings").duration_since(at("validatingadmissionpolicybindings"));
    assert!(waited >= jiff::SignedDuration::from_millis(2500), "only {waited} between the policy and the first right");

    let mark = team.cp.audit_mark().await;
    team.delete("team-a").await;
    let taken = granted_and_taken(&team.writes(mark).await);
    let place = |what: &str| taken.iter().rposition(|w| w.contains(what)).unwrap_or_else(|| panic!("no {what} in {taken:#?}"));
    let gone = place("delete validatingadmissionpolicies");
    assert!(place("delete rolebindings") < gone && place("argocd-rbac-cm") < gone && gone < place("execaccesses"), "{taken:#?}");
}

#[tokio::test]
async fn a_change_by_hand_is_repaired_and_what_stands_costs_no_writes() {
    let team = Team::with_values(CONFINED).await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let name = team.binding_name();
    let specs = async || {
        let policy = team.admission_policies().get_opt(&name).await.unwrap().and_then(|p| p.spec);
        let binding = team.admission_bindings().get_opt(&name).await.unwrap().and_then(|b| b.spec);
        (json!(policy), json!(binding))
    };
    let good = specs().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mark = team.cp.audit_mark().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(short(&team.writes(mark).await), Vec::<String>::new());

    let by_hand = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let edits: [Value; 4] = [
        json!({"spec": {"failurePolicy": "Ignore"}}),
        json!({"spec": {"variables": [{"name": "x", "expression": "true"}]}}),
        json!({"spec": {"matchConstraints": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}}),
        json!({"spec": {"validations": [{"expression": "true"}]}}),
    ];
    for patch in edits {
        let edited = team.admission_policies().patch(&name, &by_hand, &Patch::Merge(&patch)).await.unwrap();
        assert_ne!(json!(edited.spec), good.0, "{patch}");
        becomes(&format!("{patch} is undone"), SOON, good.clone(), specs).await;
    }
    let audit = json!({"spec": {"validationActions": ["Audit"]}});
    team.admission_bindings().patch(&name, &by_hand, &Patch::Merge(&audit)).await.unwrap();
    becomes("the binding denies again", SOON, good.clone(), specs).await;
    team.admission_bindings().delete(&name, &DeleteParams::default()).await.unwrap();
    team.admission_policies().delete(&name, &DeleteParams::default()).await.unwrap();
    becomes("both are there again", SOON, good.clone(), specs).await;
    team.ready("team-a").await;
}

#[tokio::test]
async fn switched_off_it_goes_and_switched_on_it_comes_under_what_is_granted_already() {
    let team = Team::with_values(CONFINED).await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    assert_eq!(team.confinement().await, (true, true));
    team.release.upgrade("{instance: {confine: false}}", &[]).await;
    becomes("both are gone", SOON, (false, false), async || team.confinement().await).await;
    let status = team.condition("team-a", "Confined", "False", "NotConfined").await;
    says(&status, "Confined", &["wherever its rights allow"]);
    team.ready("team-a").await;
    team.release.upgrade(CONFINED, &[]).await;
    team.condition("team-a", "Confined", "True", "Enforced").await;
    team.ready("team-a").await;
    assert_eq!(team.bound().await.len(), 1);
}

#[tokio::test]
async fn a_policy_of_that_name_that_is_somebody_elses_is_left_alone_and_nothing_is_given() {
    let team = Team::with_values(CONFINED).await;
    team.application("web-1", "shop").await;
    let name = team.binding_name();
    team.has(&format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: {name} }}
spec:
  matchConstraints: {{ resourceRules: [{{ apiGroups: [example.invalid], apiVersions: [v1], operations: [CREATE], resources: [things] }}] }}
  validations: [{{ expression: 'true' }}]
"
    ))
    .await;
    // The controller-manager writes its status once.
    let observed = async || team.admission_policies().get(&name).await.unwrap().status.and_then(|s| s.observed_generation);
    becomes("Kubernetes has looked at it", SOON, Some(1), observed).await;
    let theirs = team.admission_policies().get(&name).await.unwrap();
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "Confined", "False", "OwnedByOther").await;
    says(&status, "Confined", &["somebody else's", &name]);
    says(&status, "PolicyApplied", &["waits for Confined"]);
    assert_eq!((team.bound().await.len(), team.policy("team-a").await), (0, None));
    team.delete("team-a").await;
    assert_eq!(team.admission_policies().get(&name).await.unwrap().resource_version(), theirs.resource_version());
    team.admission_policies().delete(&name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn rights_in_the_whole_cluster_are_refused_in_a_confined_instance() {
    let team = Team::with_values(CONFINED).await;
    team.grant("wide", "{subjects: [{kind: Group, name: g}], applications: [{project: shop}], server: {scope: Cluster}}").await;
    let status = team.condition("wide", "Accepted", "False", "LimitExceeded").await;
    says(&status, "Accepted", &["confine"]);
    assert!(team.cluster_binding().await.is_none());
}

#[tokio::test]
async fn an_expression_as_long_as_it_may_get_is_taken_and_enforced() {
    let team = Team::new().await;
    team.pod(&team.destination).await;
    let names = (0..2000).map(|i| Name::parse(&format!("{:-<59}{i:04}", "n")).unwrap());
    let (fitting, beyond) = rule::fit(names);
    assert!(!beyond.is_empty() && fitting.len() > 800);
    let accounts = [Name::parse("default").unwrap()].into();
    let name = format!("long-{}", team.namespace);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": Rule { accounts, namespaces: fitting }.spec(&team.namespace),
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": rule::binding_spec(&name),
    });
    team.has(&policy.to_string()).await;
    team.has(&binding.to_string()).await;
    let role = format!("--clusterrole={}", team.exec_role().await);
    let account = format!("--serviceaccount={}:default", team.namespace);
    team.cp.kubectl(&["create", "rolebinding", "by-hand", "--namespace", &team.destination, &role, &account]).await.success();
    becomes("it is enforced", SOON, 422, async || team.exec_status(&team.destination, "default").await).await;
    let status = team.admission_policies().get(&name).await.unwrap().status.unwrap_or_default();
    assert!(status.type_checking.and_then(|t| t.expression_warnings).unwrap_or_default().is_empty());
    team.admission_bindings().delete(&name, &DeleteParams::default()).await.unwrap();
    team.admission_policies().delete(&name, &DeleteParams::default()).await.unwrap();
}
