//! `LiveResourceAccess` of side Agent, on a real API server with the chart's own rules: what the agent's ServiceAccount may then do, asked
//! with its own token.

mod agents;
mod explained;
mod forged;
mod killed;
mod life;
mod many;
mod rights;
mod switched;

use std::collections::BTreeSet;

use argocd_access::api::{LiveResourceAccess, LiveResourceAccessStatus};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use crate::support::edge::{self, ACCOUNT, install, project};
use crate::support::{eventually, eventually::that, manifests};
use crate::world::{SOON, Team};

/// The values with which the resource is served.
pub const SERVED: &str = "live: {enabled: true}";
/// An agent as its own manifests install it, without rights of its own, in the namespace of an instance that the operator serves.
pub struct Edge {
    pub team: Team,
}

impl Edge {
    /// A managed agent, and the resource served.
    pub async fn new() -> Self {
        Self::with_values(SERVED).await
    }

    /// With these values of the chart.
    pub async fn with_values(values: &str) -> Self {
        let edge = Self { team: Team::with_values(values).await };
        edge.apply_text(&install("managed")).await;
        edge.apply_text(&project("default")).await;
        edge
    }

    pub async fn apply_text(&self, text: &str) {
        manifests::apply_text(&self.team.client(), &self.team.namespace, text).await;
    }

    pub fn accesses(&self) -> Api<LiveResourceAccess> {
        Api::namespaced(self.team.client(), &self.team.namespace)
    }

    /// The namespace in which the Applications' resources lie.
    pub fn shop(&self) -> &str {
        &self.team.destination
    }

    /// The name of the derived roles.
    pub fn name(&self) -> String {
        format!("argocd-access-live-{}", self.team.namespace)
    }

    /// An Application whose status names these resources, each as `group/Kind/namespace/name`.
    pub async fn application(&self, name: &str, resources: &[&str]) {
        self.application_of(name, "default", resources).await;
    }

    pub async fn application_of(&self, name: &str, project: &str, resources: &[&str]) {
        self.apply_text(&edge::application(name, project, resources)).await;
    }

    /// A web: a Deployment, its Service and its ConfigMap.
    pub async fn web(&self) {
        let shop = self.shop();
        let resources = [format!("apps/Deployment/{shop}/web"), format!("/Service/{shop}/web"), format!("/ConfigMap/{shop}/web")];
        self.application("web", &resources.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// Applies an object of side Agent with these grants, and more of its spec, both as YAML in flow style.
    pub async fn declare(&self, name: &str, grants: &str, more: &str) {
        let text = format!(
            "{{apiVersion: argocd-access.dev/v1alpha1, kind: LiveResourceAccess, metadata: {{name: {name}, namespace: {}}}, spec: {{side: Agent, agent: {{grants: {grants}}}{more}}}}}",
            self.team.namespace
        );
        let object: Value = serde_yaml::from_str(&text).unwrap();
        self.accesses().patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.unwrap();
    }

    /// Waits until a condition has this status and reason, for the present generation.
    pub async fn condition(&self, name: &str, kind: &str, status: &str, reason: &str) -> LiveResourceAccessStatus {
        eventually(&format!("{name}: {kind} is {status}/{reason}"), SOON, || async {
            let access = self.accesses().get(name).await.map_err(|e| e.to_string())?;
            let found = access.status.clone().unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            let said = found.conditions.iter().find(|c| c.type_ == kind);
            that(current && said.is_some_and(|c| c.status == status && c.reason == reason), || {
                let all: Vec<String> = found.conditions.iter().map(|c| format!("{} {}/{}: {}", c.type_, c.status, c.reason, c.message)).collect();
                format!("{all:#?}\n{:#?}\n{}", found.not_granted, self.team.release.kubelet.operator_log())
            })?;
            Ok::<_, String>(found)
        })
        .await
    }

    /// Waits until the object is Ready.
    pub async fn ready(&self, name: &str) -> LiveResourceAccessStatus {
        self.condition(name, "Ready", "True", "Ready").await
    }

    pub async fn delete(&self, name: &str) {
        self.accesses().delete(name, &DeleteParams::default()).await.unwrap();
        eventually(&format!("LiveResourceAccess {name} is gone"), SOON, || async {
            let left = self.accesses().get_opt(name).await.map_err(|e| e.to_string())?;
            that(left.is_none(), || format!("{left:#?}\n{}", self.team.release.kubelet.operator_log()))
        })
        .await;
    }

    /// A client with the agent's own token.
    pub async fn agent(&self) -> Client {
        self.team.cp.client_for_service_account(&self.team.namespace, ACCOUNT).await
    }

    /// Everything that a Role of ours says in a namespace, a line a right; empty without a binding to the agent.
    pub async fn rights(&self, namespace: &str) -> BTreeSet<String> {
        let bindings: Api<RoleBinding> = Api::namespaced(self.team.client(), namespace);
        let bound = bindings.get_opt(&self.name()).await.unwrap().is_some();
        let roles: Api<Role> = Api::namespaced(self.team.client(), namespace);
        let role = roles.get_opt(&self.name()).await.unwrap().filter(|_| bound);
        let mut all = BTreeSet::new();
        for rule in role.and_then(|role| role.rules).unwrap_or_default() {
            let names = rule.resource_names.map(|names| format!(" [{}]", names.join(" "))).unwrap_or_default();
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    let kind = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
                    all.extend(rule.verbs.iter().map(|verb| format!("{verb} {kind}{names}")));
                }
            }
        }
        all
    }

    /// Waits until the derived rights in a namespace are these.
    pub async fn has(&self, namespace: &str, rights: &[&str]) {
        let wanted: BTreeSet<String> = rights.iter().map(|right| (*right).to_owned()).collect();
        eventually("the rights are as declared", SOON * 2, || async {
            let found = self.rights(namespace).await;
            that(found == wanted, || format!("{found:#?}\n{}", self.team.release.kubelet.operator_log()))
        })
        .await;
    }

    /// Every role and binding of ours, by kind, namespace and name.
    pub async fn objects(&self) -> BTreeSet<String> {
        let client = self.team.client();
        let (roles, bindings) = (names_of::<Role>(&client).await, names_of::<RoleBinding>(&client).await);
        let (cluster_roles, cluster_bindings) = (names_of::<ClusterRole>(&client).await, names_of::<ClusterRoleBinding>(&client).await);
        let own = self.name();
        let ours = |name: &str| name == own || name.starts_with(&format!("{own}-"));
        let all = [roles, bindings, cluster_roles, cluster_bindings].concat();
        all.into_iter()
            .filter(|(_, _, name)| ours(name))
            .map(|(kind, namespace, name)| format!("{kind} {namespace}/{}", name.replace(&own, "live")))
            .collect()
    }
}

async fn names_of<K>(client: &Client) -> Vec<(String, String, String)>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let list = Api::<K>::all(client.clone()).list_metadata(&ListParams::default()).await.unwrap();
    list.iter().map(|o| (K::kind(&()).into_owned(), o.namespace().unwrap_or_default(), o.name_any())).collect()
}
