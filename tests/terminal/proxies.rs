//! Real proxies in front of the real argocd-server, configured as their Ingress controllers would from what the operator sets on the
//! Ingress: without it a terminal does not open, or does not last; with it it does.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::instance::{Instance, Place, Shared, WITHIN};
use crate::support::{
    eventually,
    eventually::that,
    fronts::Proxy,
    managers,
    process::random,
    terminal::{Refused, Terminal},
};

/// The Ingress of these tests.
const NAME: &str = "by-proxy";
const NOTHING: &str = "{subjects: [{kind: Group, name: team-a}], applications: [{project: shop, name: web}], ingress: {mode: None}}";
/// What argocd-server says to a request that does not ask for a WebSocket any more.
const BAD_REQUEST: u16 = 400;
/// Longer than Argo CD's ping, which comes every five seconds.
const SILENCE: Duration = Duration::from_secs(8);

/// What a person gets on the way by a proxy.
trait Way {
    async fn open(&self, instance: &Instance, token: &str, place: &Place) -> Result<Terminal, Refused>;
    async fn shell(&self, instance: &Instance, token: &str, place: &Place) -> Terminal;
}

impl Way for Proxy {
    async fn open(&self, instance: &Instance, token: &str, place: &Place) -> Result<Terminal, Refused> {
        let (project, application) = (&place.project, &place.application);
        instance.argocd.terminal_by(self.port(), token, application, &place.namespace, project, &place.pod, &place.destination).await
    }

    /// A terminal with a shell in it.
    async fn shell(&self, instance: &Instance, token: &str, place: &Place) -> Terminal {
        eventually("a shell through the proxy", WITHIN, || async {
            let mut terminal = self.open(instance, token, place).await.map_err(|refused| refused.to_string())?;
            let printed = terminal.run("echo $((1 + 1))").await?;
            that(printed == "2", || printed).map(|()| terminal)
        })
        .await
    }
}

/// An Ingress of a class of this test's own, while it lasts.
struct Front<'a> {
    instance: &'a Instance,
    class: String,
}

impl<'a> Front<'a> {
    async fn make(instance: &'a Instance, controller: &str, annotations: Value) -> Self {
        // Whose controller a class is cannot be changed afterwards.
        let class = format!("{NAME}-{}", random());
        let text = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": class}, "spec": {"controller": controller},
        });
        let backend = json!({"service": {"name": "argocd-server", "port": {"number": 80}}});
        let ingress = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": NAME, "annotations": annotations},
            "spec": {"ingressClassName": class, "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
        });
        let front = Self { instance, class };
        for object in [text, ingress] {
            crate::support::manifests::apply_text(&instance.team.client(), &instance.team.namespace, &object.to_string()).await;
        }
        front
    }

    fn api(&self) -> Api<Ingress> {
        Api::namespaced(self.instance.team.client(), &self.instance.team.namespace)
    }

    async fn annotations(&self) -> BTreeMap<String, String> {
        self.api().get(NAME).await.unwrap().metadata.annotations.unwrap_or_default()
    }

    async fn gone(self) {
        self.api().delete(NAME, &DeleteParams::default()).await.unwrap();
        Api::<IngressClass>::all(self.instance.team.client()).delete(&self.class, &DeleteParams::default()).await.unwrap();
    }
}

/// Lets the operator see to the Ingress, and waits until it has.
async fn managed(instance: &Instance, name: &str) {
    let patch = Patch::Merge(json!({"spec": {"ingress": {"mode": "Auto"}}}));
    instance.team.accesses().patch(name, &PatchParams::default(), &patch).await.unwrap();
    instance.team.condition(name, "IngressReady", "True", "Configured").await;
}

#[tokio::test]
async fn nginx_as_f5_configures_it_opens_a_terminal_with_what_we_set_and_none_without() {
    let (_guard, shared) = Shared::take().await;
    let (instance, web) = (&shared.instance, &shared.web);
    let alice = instance.argocd.person_token("alice", &["team-a"]);
    let front = Front::make(instance, "nginx.org/ingress-controller", json!({"nginx.org/proxy-read-timeout": "3s"})).await;
    let before = front.annotations().await;
    let name = instance.team.grant("by-nginx", NOTHING).await;
    instance.team.ready(&name).await;
    instance.shell(&alice, web).await;

    let without = Proxy::nginx(&before, instance.argocd.port());
    let refused = without.open(instance, &alice, web).await.expect_err("no terminal without the Upgrade header");
    assert_eq!(refused.status, BAD_REQUEST, "{refused}");
    // The header alone is not enough either: after three silent seconds it is over.
    let mut half = before.clone();
    half.insert("nginx.org/websocket-services".to_owned(), "argocd-server".to_owned());
    let short = Proxy::nginx(&half, instance.argocd.port());
    let mut terminal = short.shell(instance, &alice, web).await;
    terminal.closed(SILENCE).await.expect("nginx ends it");

    managed(instance, &name).await;
    let with = Proxy::nginx(&front.annotations().await, instance.argocd.port());
    let mut terminal = with.shell(instance, &alice, web).await;
    terminal.closed(SILENCE).await.expect_err("it lasts");
    assert_eq!(terminal.run("echo still here").await.unwrap(), "still here");

    instance.team.delete(&name).await;
    assert_eq!(front.annotations().await, before);
    assert!(!managers(&front.api().get(NAME).await.unwrap()).iter().any(|m| m.starts_with("argocd-access")));
    front.gone().await;
}

#[tokio::test]
async fn haproxy_ends_a_silent_terminal_early_and_with_what_we_set_it_does_not() {
    let (_guard, shared) = Shared::take().await;
    let (instance, web) = (&shared.instance, &shared.web);
    let alice = instance.argocd.person_token("alice", &["team-a"]);
    // What somebody may take for three seconds, as nginx would: to HAProxy a bare number is milliseconds.
    for short in ["3s", "3000"] {
        let front = Front::make(instance, "haproxy-ingress.github.io/controller", json!({"haproxy-ingress.github.io/timeout-tunnel": short})).await;
        let before = front.annotations().await;
        let name = instance.team.grant("by-haproxy", NOTHING).await;
        instance.team.ready(&name).await;

        let without = Proxy::haproxy(&before, instance.argocd.port());
        let mut terminal = without.shell(instance, &alice, web).await;
        terminal.closed(SILENCE).await.expect("haproxy ends it");

        managed(instance, &name).await;
        let with = Proxy::haproxy(&front.annotations().await, instance.argocd.port());
        let mut terminal = with.shell(instance, &alice, web).await;
        terminal.closed(SILENCE).await.expect_err("it lasts");
        assert_eq!(terminal.run("echo still here").await.unwrap(), "still here");

        instance.team.delete(&name).await;
        assert_eq!(front.annotations().await, before);
        front.gone().await;
    }
}
