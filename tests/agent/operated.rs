//! The operator beside the real agent, under the rights that its chart gives it: what people then get through the pair.

use std::collections::BTreeSet;
use std::time::Duration;

use argocd_access::api::LiveResourceAccess;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::shop::{Request, Shop, resources};
use crate::support::{Kubernetes, chart, eventually, eventually::that, manifests};
use crate::table::{Row, TABLE, terminal};

/// How long the operator may take, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// What may be handed on: everything that the table needs.
const VALUES: &str = "
live:
  enabled: true
  ceiling:
    edit: true
    delete: true
    extraRules:
    - {apiGroups: [''], resources: [secrets], resourceNames: [password], verbs: [get]}
    - {apiGroups: [batch], resources: [jobs], verbs: [create]}
";

const VIEW: [&str; 3] = ["view what is in Git", "view what an owner made", "view the Pod of a Deployment"];

struct Served {
    shop: Shop,
    release: chart::Release,
}

impl Served {
    /// An agent, an Application that the hub has sent it, and the operator.
    async fn new() -> Self {
        let shop = Shop::new(Kubernetes::V1_34).await;
        let agent = &shop.agent;
        agent.create_project(&[&shop.namespace]).await;
        agent.create_application("web", &shop.namespace, &resources(&shop.namespace)).await;
        let release = chart::install(agent.cluster, &agent.namespace, VALUES).await;
        Self { shop, release }
    }

    fn accesses(&self) -> Api<LiveResourceAccess> {
        Api::namespaced(self.shop.agent.cluster.client(), &self.shop.agent.namespace)
    }

    /// Declares one grant, as YAML in flow style, and more of the spec.
    async fn declare(&self, grant: &str, more: &str) {
        let spec = format!("{{side: Agent, agent: {{grants: [{grant}]}}{more}}}");
        let object = format!("{{apiVersion: argocd-access.dev/v1alpha1, kind: LiveResourceAccess, metadata: {{name: live}}, spec: {spec}}}");
        let object: Value = serde_yaml::from_str(&object).unwrap();
        self.accesses().patch("live", &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }

    /// Waits until a condition has this status and reason, for the present generation.
    async fn says(&self, kind: &str, status: &str, reason: &str) {
        eventually(&format!("{kind} is {status}/{reason}"), SOON, || async {
            let access = self.accesses().get("live").await.map_err(|error| error.to_string())?;
            let found = access.status.unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            let said = found.conditions.iter().any(|c| c.type_ == kind && c.status == status && c.reason == reason);
            that(current && said, || format!("{:#?}\n{:#?}\n{}", found.conditions, found.not_granted, self.last_words()))
        })
        .await;
    }

    fn last_words(&self) -> String {
        let log = self.release.kubelet.operator_log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Which rows of the table are answered now.
    async fn answered(&self) -> BTreeSet<&'static str> {
        let mut answered = BTreeSet::new();
        for Row { what, request, shows, .. } in TABLE.iter().chain([&terminal(Kubernetes::V1_34)]) {
            if let Ok(answer) = self.shop.ask(*request).await {
                assert!(answer.contains(shows), "{what}: {answer}");
                answered.insert(*what);
                if matches!(request, Request::Delete(_)) {
                    self.shop.deploy().await;
                }
            }
        }
        answered
    }

    /// Waits until exactly these rows are answered.
    async fn answers(&self, when: &str, rows: &[&'static str]) {
        let expected: BTreeSet<&str> = rows.iter().copied().collect();
        eventually(&format!("what is answered, {when}"), SOON, || async {
            let seen = self.answered().await;
            that(seen == expected, || format!("{seen:#?}\n{}", self.last_words()))
        })
        .await;
    }
}

#[tokio::test]
async fn each_feature_opens_its_rows_of_the_table_and_no_other_and_they_close_with_it() {
    let served = Served::new().await;
    served.answers("before anything is declared", &[]).await;
    let with_view = |more: &[&'static str]| [&VIEW[..], more].concat();
    for (grant, more) in [
        ("{features: [View]}", &[][..]),
        ("{features: [Events]}", &["read the events of one object"]),
        ("{features: [Logs]}", &["read logs"]),
        ("{features: [Terminal]}", &["open a terminal"]),
        ("{features: [Edit]}", &["edit, scale, restart"]),
        ("{features: [Actions]}", &["edit, scale, restart", "promote a Rollout", "note an action as an event"]),
        (
            "{features: [Actions], sensitive: [{group: batch, kind: Job}]}",
            &["edit, scale, restart", "promote a Rollout", "note an action as an event", "create a Job from a CronJob"],
        ),
        ("{features: [Delete]}", &["delete"]),
        ("{features: [View], secrets: Named}", &["view a Secret"]),
    ] {
        served.declare(grant, "").await;
        served.says("Ready", "True", "Ready").await;
        served.answers(grant, &with_view(more)).await;
    }
    served.declare("{features: [View, Logs, Terminal]}", ", suspend: true").await;
    served.says("Ready", "False", "Suspended").await;
    served.answers("while it is suspended", &[]).await;
    served.declare("{features: [View, Logs, Terminal]}", "").await;
    served.says("Ready", "True", "Ready").await;
    served.answers("after it was suspended", &with_view(&["read logs", "open a terminal"])).await;
    served.accesses().delete("live", &DeleteParams::default()).await.unwrap();
    served.answers("when it is deleted", &[]).await;
}

#[tokio::test]
async fn what_the_hub_takes_out_of_a_project_closes_and_comes_back_with_it() {
    let served = Served::new().await;
    let (shop, agent) = (&served.shop, &served.shop.agent);
    served.declare("{features: [View, Terminal]}", "").await;
    served.says("Ready", "True", "Ready").await;
    let open = [&VIEW[..], &["open a terminal"]].concat();
    served.answers("with the project", &open).await;
    agent.create_project(&["elsewhere"]).await;
    served.answers("when the project allows only another namespace", &[]).await;
    agent.create_project(&[&shop.namespace]).await;
    served.answers("when it allows this one again", &open).await;
}

#[tokio::test]
async fn a_forged_status_opens_nothing_through_the_pair() {
    let served = Served::new().await;
    let (shop, agent) = (&served.shop, &served.shop.agent);
    let elsewhere = agent.cluster.namespace("elsewhere").await;
    shop.deploy_to(&elsewhere).await;
    let mark = json!({"argocd.argoproj.io/tracking-id": "web:x/Y:z"});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "own", "annotations": mark}, "rules": []});
    manifests::apply(&agent.cluster.client(), &shop.namespace, &[serde_json::from_value(role).unwrap()]).await;
    let claim = |group: &str, kind: &str, namespace: &str, name: &str| json!({"group": group, "version": "v1", "kind": kind, "namespace": namespace, "name": name});
    let rbac = "rbac.authorization.k8s.io";
    let claims = [
        claim("", "Secret", &shop.namespace, "password"),
        claim(rbac, "Role", &shop.namespace, "own"),
        claim(rbac, "ClusterRoleBinding", "", "cluster-admin"),
        claim("", "Secret", &elsewhere, "password"),
        claim("apps", "Deployment", &elsewhere, "web"),
        claim("", "ConfigMap", "kube-system", "extension-apiserver-authentication"),
        claim("", "Secret", &agent.namespace, "argocd-secret"),
        claim("argocd-access.dev", "LiveResourceAccess", &agent.namespace, "live"),
        claim("*", "*", "*", "*"),
    ];
    let own = resources(&shop.namespace);
    agent.set_resources("web", &json!([own.as_array().unwrap().as_slice(), &claims].concat())).await;
    served.declare("{features: [View, Events, Logs, Terminal, Edit, Actions, Delete], clusterScoped: View}", "").await;
    served.says("Ready", "True", "Ready").await;

    let forged = [
        "/api/v1/namespaces/NS/secrets/password".to_owned(),
        format!("/apis/{rbac}/v1/namespaces/NS/roles/own"),
        format!("/apis/{rbac}/v1/clusterrolebindings/cluster-admin"),
        format!("/api/v1/namespaces/{elsewhere}/secrets/password"),
        format!("/apis/apps/v1/namespaces/{elsewhere}/deployments/web"),
        format!("/api/v1/namespaces/{elsewhere}/events"),
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication".to_owned(),
        format!("/api/v1/namespaces/{}/secrets/argocd-secret", agent.namespace),
        format!("/apis/argocd-access.dev/v1alpha1/namespaces/{}/liveresourceaccesses/live", agent.namespace),
    ];
    let all_refused = async || {
        for path in &forged {
            let answer = agent.resource_proxy().get(&path.replace("NS", &shop.namespace)).await;
            assert_eq!(answer.status, 403, "{path}: {}", answer.body);
        }
    };
    all_refused().await;
    shop.ask(Request::Get("/apis/apps/v1/namespaces/NS/deployments/web")).await.expect("what it really has is shown");

    // As many as fit into an object of the API server.
    let flood: Vec<Value> = (0..12_000).map(|n| claim("", "Secret", &shop.namespace, &format!("s{n}"))).collect();
    agent.create_application("flood", &shop.namespace, &json!(flood)).await;
    served.says("ResourcesResolved", "False", "TooMany").await;
    all_refused().await;
    shop.ask(Request::Get("/apis/apps/v1/namespaces/NS/deployments/web")).await.expect("the others keep what they have");
}
