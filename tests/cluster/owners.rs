//! argocd-cm under each of its owners, on the real API server: what is set, what is left, and that the owner goes on without a conflict.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::hands::{ARGOCD_CM, becomes};
use crate::support::{managers, manifests, process};
use crate::world::{SOON, Team, condition, message};

const SPEC: &str = "{subjects: [{kind: Group, name: g}], applications: [{project: shop, name: 'web-*'}]}";
const CONTROLLER: &str = "argocd-controller";

/// Who keeps argocd-cm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// `kubectl create`.
    Person,
    /// Server-side apply by some program.
    Program,
    Helm,
    /// An Application that has the key in Git.
    Git,
    /// One that leaves it to us.
    GitLeaves,
    /// One that does not have the key in Git.
    GitWithout,
}

impl Who {
    fn manager(self) -> &'static str {
        match self {
            Self::Person => "kubectl-create",
            Self::Program => "my-program",
            Self::Helm => "helm",
            Self::Git | Self::GitLeaves | Self::GitWithout => CONTROLLER,
        }
    }
}

/// What the owner declares.
fn declared(team: &Team, who: Who) -> Value {
    let (mut labels, mut annotations) = (json!({"app.kubernetes.io/part-of": "argocd"}), json!({}));
    match who {
        Who::Helm => {
            labels["app.kubernetes.io/managed-by"] = json!("Helm");
            annotations["meta.helm.sh/release-name"] = json!("cd");
        }
        Who::Git | Who::GitLeaves | Who::GitWithout => {
            annotations["argocd.argoproj.io/tracking-id"] = json!(format!("cd:/ConfigMap:{}/{ARGOCD_CM}", team.namespace));
        }
        Who::Person | Who::Program => {}
    }
    let mut data = json!({"url": "https://cd.example.com", "exec.enabled": "false"});
    if who == Who::GitWithout {
        data.as_object_mut().unwrap().remove("exec.enabled");
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ARGOCD_CM, "labels": labels, "annotations": annotations}, "data": data})
}

/// argocd-cm is made anew by this owner.
async fn owned(team: &Team, who: Who) {
    team.config_maps().delete(ARGOCD_CM, &DeleteParams::default()).await.unwrap();
    let leaves = json!({
        "ignoreDifferences": [{"group": "", "kind": "ConfigMap", "name": ARGOCD_CM, "managedFieldsManagers": ["argocd-access"]}],
        "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]},
    });
    let mut application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "cd", "namespace": team.namespace},
        "spec": {"project": "default", "source": {"repoURL": "https://example.invalid/x.git", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": team.namespace}},
    });
    if who == Who::GitLeaves {
        application["spec"].as_object_mut().unwrap().extend(leaves.as_object().unwrap().clone());
    }
    manifests::apply_one(&team.client(), &team.namespace, &serde_json::from_value(application).unwrap(), "test").await;
    if who == Who::Person {
        let object: ConfigMap = serde_json::from_value(declared(team, who)).unwrap();
        let params = PostParams { field_manager: Some(who.manager().to_owned()), ..PostParams::default() };
        team.config_maps().create(&params, &object).await.unwrap();
    } else {
        apply(team, who).await.unwrap();
    }
}

/// The owner's next apply, which forces nothing.
async fn apply(team: &Team, who: Who) -> Result<(), kube::Error> {
    team.config_maps().patch(ARGOCD_CM, &PatchParams::apply(who.manager()), &Patch::Apply(declared(team, who))).await.map(drop)
}

async fn flag(team: &Team) -> Option<String> {
    team.value(ARGOCD_CM, "exec.enabled").await
}

async fn our_entries(team: &Team) -> usize {
    managers(&team.config_map(ARGOCD_CM).await).iter().filter(|m| m.starts_with("argocd-access")).count()
}

/// One owner after the other, each with a grant that comes and goes. `sets`: whether the switch is set for it.
async fn under(policy: &str, owners: &[(Who, bool)]) {
    let team = Team::with_values(&format!("instance: {{conflictPolicy: {policy}}}")).await;
    team.application("web-1", "shop").await;
    for (who, sets) in owners {
        owned(&team, *who).await;
        let before = team.tree().await;
        team.grant("web", SPEC).await;
        if *sets {
            team.ready("web").await;
            assert_eq!(flag(&team).await.as_deref(), Some("true"), "{who:?}");
            let stays = usize::from(*who != Who::Helm);
            becomes(&format!("{who:?}: entries of ours"), SOON, stays, async || our_entries(&team).await).await;
            if *who == Who::Helm {
                apply(&team, *who).await.expect("an upgrade meets no conflict while access is granted");
                becomes("the switch is on again after an upgrade", SOON, Some("true".to_owned()), async || flag(&team).await).await;
            }
        } else {
            let status = team.condition("web", "ExecEnabled", "False", "OwnedByOther").await;
            let says = message(&status, "ExecEnabled");
            let change = if who.manager() == CONTROLLER { "in Git, set data.\"exec.enabled\"" } else { "exec" };
            assert!(
                says.contains(change) && says.contains(if who.manager() == CONTROLLER { "Application cd" } else { "belongs to" }),
                "{who:?}: {says}"
            );
            assert_eq!(condition(&status, "PolicyApplied"), ("True".to_owned(), "Applied".to_owned()), "the other layers go on");
            assert_eq!((flag(&team).await.as_deref(), our_entries(&team).await), (Some("false"), 0), "{who:?}");
        }
        team.delete("web").await;
        let after = team.config_map(ARGOCD_CM).await;
        assert_eq!(crate::hands::differences(&before, &team.tree().await), std::collections::BTreeSet::new(), "{who:?}: {after:#?}");
        assert_eq!(our_entries(&team).await, 0, "{who:?}");
        if *who != Who::Person {
            apply(&team, *who).await.unwrap_or_else(|error| panic!("{who:?}: the owner's next apply: {error}"));
        }
    }
}

#[tokio::test]
async fn by_default_each_owner_is_met_as_it_allows() {
    let owners = [(Who::Person, true), (Who::Program, true), (Who::Helm, true), (Who::Git, false), (Who::GitLeaves, true), (Who::GitWithout, true)];
    under("Auto", &owners).await;
}

#[tokio::test]
async fn with_force_it_is_taken_from_everybody() {
    under("Force", &[(Who::Program, true), (Who::Helm, true), (Who::Git, true)]).await;
}

#[tokio::test]
async fn with_defer_it_is_taken_from_nobody() {
    under(
        "Defer",
        &[(Who::Person, false), (Who::Program, false), (Who::Helm, false), (Who::Git, false), (Who::GitLeaves, false), (Who::GitWithout, true)],
    )
    .await;
}

#[tokio::test]
async fn what_the_message_says_is_what_helps() {
    let team = Team::with_values("instance: {conflictPolicy: Defer}").await;
    team.application("web-1", "shop").await;
    owned(&team, Who::Person).await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "ExecEnabled", "False", "OwnedByOther").await;
    team.run_what_it_says(&message(&status, "ExecEnabled")).await;
    team.ready("web").await;
    team.delete("web").await;
    assert_eq!(flag(&team).await.as_deref(), Some("true"), "what a person has set stays");
}

impl Team {
    /// Runs the `kubectl` command that a message names.
    pub async fn run_what_it_says(&self, message: &str) {
        let command = message.split_once("kubectl ").unwrap_or_else(|| panic!("no command: {message}")).1;
        let (words, rest) = command.split_once('\'').unwrap();
        let patch = rest.split_once('\'').unwrap().0;
        let arguments: Vec<&str> = words.split_whitespace().chain([patch]).collect();
        self.cp.kubectl(&arguments).await.success();
    }
}

/// Somebody who makes argocd-cm's data what they want, whatever was written there. Ends with the test.
pub struct Rewriter(JoinHandle<()>);

impl Drop for Rewriter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Rewriter {
    /// Rewrites all of the data each time that it differs from what `wants` says, as the given manager.
    pub fn start<W>(team: &Team, manager: &'static str, wants: impl Fn(Api<ConfigMap>) -> W + Send + 'static) -> Self
    where
        W: Future<Output = Option<Value>> + Send,
    {
        let api = team.config_maps();
        Self(tokio::spawn(async move {
            loop {
                if let (Ok(mut found), Some(data)) = (api.get(ARGOCD_CM).await, wants(api.clone()).await)
                    && json!(found.data) != data
                {
                    found.data = serde_json::from_value(data).unwrap();
                    let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
                    // A conflict means that somebody was quicker: it is tried again.
                    let _ = api.replace(ARGOCD_CM, &params, &found).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }))
    }
}

#[tokio::test]
async fn with_somebody_who_keeps_rewriting_it_the_operator_gives_up_and_names_them() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let data = json!({"url": "https://cd.example.com", "exec.enabled": "false"});
    let wanted = data.clone();
    let rewriter = Rewriter::start(&team, "rewriter", move |_| {
        let wanted = wanted.clone();
        async move { Some(wanted) }
    });
    becomes("the rewriter is there", SOON, data.clone(), async || json!(team.config_map(ARGOCD_CM).await.data)).await;
    let mark = team.cp.audit_mark().await;
    team.grant("web", SPEC).await;
    let status = team.condition("web", "Ready", "False", "Contended").await;
    assert_eq!(condition(&status, "ExecEnabled"), ("False".to_owned(), "Contended".to_owned()));
    assert!(message(&status, "ExecEnabled").starts_with("rewriter keeps rewriting"), "{}", message(&status, "ExecEnabled"));
    assert_eq!(condition(&status, "PolicyApplied").0, "True", "the other layers go on");
    let ours = async || team.writes(mark).await.iter().filter(|e| e.name == ARGOCD_CM).count();
    let written = ours().await;
    assert!(written <= 6, "{written} writes");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ours().await, written, "it has stopped");

    let events = Api::<Event>::namespaced(team.client(), &team.namespace);
    becomes("one warning", SOON, 1, async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        let warns = |e: &&Event| e.reason.as_deref() == Some("Contended") && e.type_.as_deref() == Some("Warning");
        all.items.iter().filter(warns).count()
    })
    .await;
    let (_, metrics) = process::get(&team.release.kubelet.metrics_url()).await.unwrap();
    let line = format!("argocd_access_contended_fields{{argocd_namespace=\"{}\",kind=\"ExecAccess\"}} 1", team.namespace);
    assert!(metrics.contains(&line), "{metrics}");

    // Taking away is not blocked by it.
    team.delete("web").await;
    assert_eq!(team.policy("web").await, None);
    let left = team.config_map(ARGOCD_CM).await;
    assert_eq!(json!(left.data), data);
    assert!(!json!(left.metadata).to_string().contains("argocd-access"), "{:?}", left.metadata);
    drop(rewriter);
}
