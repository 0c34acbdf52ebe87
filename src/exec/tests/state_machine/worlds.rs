//! The instances that sequences begin with.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use serde_json::json;

use super::fixtures::{app, config_map, ingress, namespace, object, server, world};
use super::place::{PROJECTS, Place, installed_project};
use crate::config::{ConflictPolicy, InPlace, RestartServer, ServerRoles};
use crate::exec::World;

/// What a sequence begins with; readable, as an operation is.
#[allow(clippy::struct_excessive_bools, reason = "each is one thing in which worlds differ")]
#[derive(Clone, Debug)]
pub struct Start {
    /// Who has installed argocd-cm.
    pub manager: &'static str,
    pub flag: Option<&'static str>,
    /// Whether Applications may live in other namespaces.
    pub elsewhere: bool,
    /// The class of the Ingress.
    pub class: &'static str,
    /// Rules in argocd-server's own roles.
    pub in_place: bool,
    pub shells: bool,
    /// What becomes of values that somebody else has.
    pub policy: ConflictPolicy,
    /// Whether an admission policy confines argocd-server.
    pub confine: bool,
    /// Whether argocd-server may be restarted.
    pub restarts: bool,
}

/// Any of them.
pub fn start() -> impl Strategy<Value = Start> {
    let flag = select(&[None, None, Some("false"), Some("true"), Some("")][..]);
    let of = (select(&["kubectl", "kubectl", "helm"][..]), flag, any::<bool>(), select(&["nginx", "nginx", "f5", "odd"][..]), 0..6_u8, 0..6_u8);
    let policy = select(&[ConflictPolicy::Auto, ConflictPolicy::Auto, ConflictPolicy::Auto, ConflictPolicy::Force, ConflictPolicy::Defer][..]);
    (of, policy, 0..3_u8, any::<bool>()).prop_map(|((manager, flag, elsewhere, class, in_place, shells), policy, confine, restarts)| Start {
        manager,
        flag,
        elsewhere,
        class,
        in_place: in_place == 5,
        shells: shells == 5,
        policy,
        confine: confine == 2,
        restarts,
    })
}

impl Start {
    pub fn world(&self) -> World {
        let mut w = world();
        let flag = self.flag.map_or(String::new(), |v| format!(", exec.enabled: '{v}'"));
        let mut cm = config_map("argocd-cm", self.manager, &format!("{{url: a{flag}}}"));
        if self.manager == "helm" {
            let labels = Arc::make_mut(&mut cm).metadata.labels.get_or_insert_default();
            labels.insert("app.kubernetes.io/managed-by".to_owned(), "Helm".to_owned());
        }
        w.argocd_cm = Ok(Some(cm));
        w.ingresses = Ok(vec![ingress("cd", self.class, "{example.com/kept: 'yes', nginx.org/websocket-services: other}")]);
        let argument = if self.elsewhere { "env: [{name: ARGOCD_APPLICATION_NAMESPACES, value: '*'}]" } else { "" };
        w.deployments = Ok(vec![server("argocd-server", argument)]);
        w.applications = Ok(vec![
            app("argocd", "shop", "web-1"),
            app("argocd", "shop", "api"),
            app("argocd", "bank", "ledger"),
            app("team", "shop", "web-1"),
            app("team", "bank", "web-2"),
        ]);
        let place = Place::simulated();
        let project = |name: &&str| {
            let mut object = installed_project(&place, name);
            object["metadata"]["uid"] = json!(format!("uid-{name}"));
            object["metadata"]["resourceVersion"] = json!("5");
            Arc::new(serde_json::from_value(object).unwrap())
        };
        w.projects = Ok(PROJECTS.iter().map(project).collect());
        w.namespaces = Ok(["argocd", "kube-system", "shop", "bank", "lab", "team"].iter().map(|n| namespace(n, &format!("{{name: {n}}}"))).collect());
        if self.in_place {
            w.settings.server_roles = ServerRoles::InPlace;
            w.settings.in_place = InPlace::default();
            let role = |kind: &str, namespace: &str| {
                format!(
                    "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: argocd-server{namespace}, uid: r, resourceVersion: '1'}}, rules: [{{apiGroups: ['*'], resources: ['*'], verbs: [get]}}]}}"
                )
            };
            w.own_role = Some(Ok(Some(object(&role("Role", ", namespace: argocd")))));
            w.own_cluster_role = Some(Ok(Some(object(&role("ClusterRole", "")))));
        }
        w.settings.conflict_policy = self.policy;
        w.settings.confine = self.confine;
        if self.restarts {
            w.settings.restart_server = RestartServer::WhenNeeded;
        }
        if self.shells {
            w.settings.shells = vec!["bash".to_owned(), "sh".to_owned()];
        }
        w
    }
}
