//! What is wrong with a principal, and what follows from it.

use serde_json::json;

use super::simulator::{PROXY, Sim, principal, said, server, unseen};
use crate::reconcile::{Kind, Target};

fn declared(change: impl FnOnce(&mut Sim)) -> Sim {
    let mut sim = Sim::new();
    change(&mut sim);
    sim.declare("hub", "{}", &json!({}));
    for _ in 0..6 {
        sim.step();
    }
    sim
}

fn container(sim: &mut Sim, target: &Target, patch: impl FnOnce(&mut serde_json::Value)) {
    let mut object = sim.objects[target].clone();
    patch(&mut object["spec"]["template"]["spec"]["containers"][0]);
    sim.put(target, object);
}

#[test]
fn each_fault_is_named_and_where_argocd_server_would_lose_its_redis_nothing_is_set() {
    type Spoil = fn(&mut Sim);
    let faults: [(&str, &str, bool, Spoil); 10] = [
        ("False", "NotFound", false, |sim| drop(sim.objects.remove(&principal()))),
        ("False", "Ambiguous", false, |sim| {
            let two = sim.objects[&principal()].clone();
            sim.put(&Target::namespaced(Kind::Deployment, "argocd", "two"), {
                let mut two = two;
                two["metadata"]["name"] = json!("two");
                two
            });
        }),
        ("False", "ResourceProxyDisabled", true, |sim| {
            sim.settings(&json!({"principal.resource-proxy.enable": "false", "principal.redis.tls.enabled": "false"}));
        }),
        ("False", "ListensOnLoopback", true, |sim| {
            sim.settings(&json!({"principal.listen.host": "127.0.0.1", "principal.redis.tls.enabled": "false"}));
        }),
        ("False", "RedisTLSMismatch", false, |sim| sim.settings(&json!({"principal.redis.tls.enabled": "true"}))),
        ("False", "RedisLoop", false, |sim| {
            sim.settings(&json!({"principal.redis.tls.enabled": "false", "principal.redis.server.address": PROXY}));
        }),
        ("False", "RedisLoop", false, |sim| {
            let address = "argocd-agent-redis-proxy.argocd.svc.cluster.local:6379";
            sim.settings(&json!({"principal.redis.tls.enabled": "false", "principal.redis.server.address": address}));
        }),
        ("False", "ApplicationControllerOnHub", true, |sim| {
            let set = json!({"metadata": {"name": "argocd-application-controller",
                "labels": {"app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/component": "application-controller"}}, "spec": {"replicas": 1}});
            sim.world.stateful_sets = Ok(vec![std::sync::Arc::new(serde_json::from_value(set).unwrap())]);
        }),
        ("Unknown", "SettingsUnreadable", false, |sim| sim.settings(&json!({}))),
        ("Unknown", "SettingsUnreadable", false, |sim| sim.world.config_maps = unseen()),
    ];
    for (status, reason, is_set, spoil) in faults {
        let sim = declared(spoil);
        assert_eq!(sim.condition("hub", "InstanceReady"), said(status, reason), "{}", sim.message("hub", "InstanceReady"));
        assert_eq!(sim.redis().is_some(), is_set, "{reason}");
        assert_eq!(sim.ready("hub"), reason);
    }
}

#[test]
fn a_message_prints_where_to_change_it() {
    let off = |sim: &mut Sim| sim.settings(&json!({"principal.resource-proxy.enable": "false"}));
    let message = declared(off).message("hub", "InstanceReady");
    assert!(message.contains("data.\"principal.resource-proxy.enable\" of ConfigMap argocd-agent-params"), "{message}");
}

#[test]
fn an_application_controller_is_right_where_argo_cd_can_leave_the_agents_clusters_alone() {
    let set = |replicas: i32| {
        move |sim: &mut Sim| {
            let set = json!({"metadata": {"name": "argocd-application-controller",
                "labels": {"app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/component": "application-controller"}}, "spec": {"replicas": replicas}});
            sim.world.stateful_sets = Ok(vec![std::sync::Arc::new(serde_json::from_value(set).unwrap())]);
        }
    };
    assert_eq!(declared(set(0)).ready("hub"), "Ready", "one that is scaled to none does not run");
    let sim = declared(|sim| {
        set(1)(sim);
        container(sim, &server(), |c| c["image"] = json!("quay.io/argoproj/argocd:v3.4.5"));
    });
    assert_eq!(sim.ready("hub"), "Ready");
    assert!(sim.message("hub", "InstanceReady").contains("skip-reconcile"));
}

#[test]
fn installs_of_other_names_are_recognised() {
    // argocd-operator: literal values, one command line, names after the ArgoCD.
    let sim = declared(|sim| {
        let mut object = sim.objects.remove(&principal()).unwrap();
        object["metadata"]["name"] = json!("cd-agent-principal");
        object["metadata"]["ownerReferences"] = json!([{"apiVersion": "argoproj.io/v1beta1", "kind": "ArgoCD", "name": "cd", "uid": "u"}]);
        object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "ARGOCD_PRINCIPAL_REDIS_TLS_ENABLED", "value": "false"}]);
        sim.put(&Target::namespaced(Kind::Deployment, "argocd", "cd-agent-principal"), object);
    });
    let instance = sim.statuses["hub"].instance.clone().unwrap();
    assert_eq!((instance.installer.as_deref(), instance.deployment.as_deref()), (Some("Operator"), Some("cd-agent-principal")));
    assert_eq!((instance.agent_version.as_deref(), instance.mapping.as_deref()), (Some("0.9.0"), Some("Namespace")));
    // By what it runs, where no label says it.
    let sim = declared(|sim| {
        let mut object = sim.objects[&principal()].clone();
        object["metadata"]["labels"] = json!({});
        object["spec"]["template"]["metadata"]["labels"] = json!({"app.kubernetes.io/name": "argocd-agent-principal"});
        sim.put(&principal(), object);
    });
    assert_eq!(sim.ready("hub"), "Ready");
}

#[test]
fn where_argocd_server_reads_something_else_the_key_is_not_set() {
    let otherwise: [(&str, serde_json::Value, serde_json::Value); 4] = [
        ("--redis", json!(["argocd-server", "--redis", "argocd-redis:6379"]), json!([])),
        ("Sentinel", json!(["argocd-server", "--sentinel=a:26379"]), json!([])),
        ("not taken from a ConfigMap", json!(["argocd-server"]), json!([{"name": "REDIS_SERVER", "value": "x:1"}])),
        ("no variable", json!(["argocd-server"]), json!([])),
    ];
    for (told, args, env) in otherwise {
        let sim = declared(|sim| {
            container(sim, &server(), |c| {
                c["args"] = args.clone();
                if env != json!([]) || told == "no variable" {
                    c["env"] = env.clone();
                }
            });
        });
        assert_eq!((sim.redis(), sim.condition("hub", "RedisProxyConfigured")), (None, said("False", "OwnedByOther")), "{told}");
        assert!(sim.message("hub", "RedisProxyConfigured").contains(told), "{}", sim.message("hub", "RedisProxyConfigured"));
    }
    let sim = declared(|sim| container(sim, &server(), |c| c["args"] = json!(["argocd-server", "--redis", PROXY])));
    assert_eq!((sim.redis(), sim.ready("hub").as_str()), (None, "Ready"), "argocd-operator sets it by an argument, and right");
}

#[test]
fn a_redis_proxy_that_is_switched_off_is_not_what_argocd_server_is_led_to() {
    let sim = declared(|sim| {
        container(sim, &principal(), |c| {
            c["env"].as_array_mut().unwrap().push(json!({"name": "ARGOCD_PRINCIPAL_DISABLE_REDIS_PROXY", "value": "true"}));
        });
    });
    assert_eq!((sim.redis(), sim.condition("hub", "RedisProxyConfigured")), (None, said("False", "RedisProxyDisabled")));
}

#[test]
fn an_address_is_a_host_and_a_port_and_nothing_else() {
    use crate::live::principal::grant::Address;
    for good in ["a:1", "argocd-agent-redis-proxy:6379", "a.b.svc:65535"] {
        assert_eq!(Address::parse(good).unwrap().text, good);
    }
    for bad in ["a", "a:", ":1", "a:0", "a:65536", "a:+1", "A:1", "a b:1", "a:1\n", "-a:1", "a.:1", "a,b:1", "a:1:2", "[::1]:1", "a/b:1"] {
        assert_eq!(Address::parse(bad), None, "{bad:?}");
    }
}
