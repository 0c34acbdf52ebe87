//! The operator's pure core by itself: what a plan costs, by how many objects are declared, and what it costs to read a policy and to ask it.
//!
//! A plan is measured where everything is still to be given, and where everything stands.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark that cannot measure ends with a message; what its macros make has no comments"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use argocd_access::api::ExecAccess;
use argocd_access::argocd::policy::{Data, Person, Policy, Request};
use argocd_access::config::InstanceConfig;
use argocd_access::exec::status::{Reviews, status};
use argocd_access::exec::{self, World};
use argocd_access::reconcile::declared::Plan;
use argocd_access::reconcile::{Action, Failures, Kind};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

// The operator's own (src/main.rs): a plan is made of many small texts. It is made as in a round, while what is free is kept.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

fn object<T: DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argocd", "uid": name, "resourceVersion": "1",
        "labels": {"app.kubernetes.io/part-of": "argocd"}}, "data": data})
}

/// An Argo CD with this many Applications, ten to a namespace, and an object for each; all hold their finalizer.
fn world(count: usize) -> World {
    let each = |index: usize| format!("shop-{}", index / 10);
    let application = |index: usize| {
        object(
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": format!("web-{index}"), "namespace": "argocd"},
            "spec": {"project": "shop", "destination": {"server": "https://kubernetes.default.svc", "namespace": each(index)}}}),
        )
    };
    let access = |index: usize| {
        object(json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": format!("access-{index}"),
            "namespace": "argocd", "uid": format!("uid-{index}"), "generation": 1, "resourceVersion": "1", "finalizers": [argocd_access::api::FINALIZER]},
            "spec": {"subjects": [{"kind": "Group", "name": format!("team-{index}")}], "applications": [{"project": "shop", "name": format!("web-{index}")}]}}))
    };
    let namespaces = (0..count.div_ceil(10)).map(|index| format!("shop-{index}")).chain(["argocd".to_owned()]);
    World {
        kubernetes_version: Some("v1.36.3".to_owned()),
        server_ahead: Some(jiff::SignedDuration::ZERO),
        accesses: (0..count).map(access).collect(),
        applications: Ok((0..count).map(application).collect()),
        namespaces: Ok(namespaces.map(|name| object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))).collect()),
        argocd_cm: Ok(Some(object(config_map("argocd-cm", &json!({"exec.enabled": "true"}))))),
        rbac_cm: Ok(Some(object(config_map("argocd-rbac-cm", &json!({"policy.default": "role:readonly"}))))),
        deployments: Ok(vec![object(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "argocd-server", "namespace": "argocd",
            "labels": {"app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/component": "server", "app.kubernetes.io/name": "argocd-server"}},
            "spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "argocd-server"}},
                "template": {"metadata": {"labels": {"app.kubernetes.io/name": "argocd-server"}}, "spec": {"serviceAccountName": "argocd-server",
                    "containers": [{"name": "argocd-server", "image": "quay.io/argoproj/argocd:v3.4.5", "args": ["/usr/local/bin/argocd-server"]}]}}}}),
        )]),
        ..World::empty(InstanceConfig::of("argocd"), "argocd-access-exec")
    }
}

/// The objects with the statuses that they have then.
fn told(world: &World, now: jiff::Timestamp) -> Vec<Arc<ExecAccess>> {
    let applied = exec::plan(world, now).applied();
    let told = |outlook: &exec::Outlook| {
        let status = status(outlook, &outlook.access, &applied.instance, &Reviews::new(), &Failures::new(), &Time(now));
        Arc::new(ExecAccess { status: Some(status), ..ExecAccess::clone(&outlook.access) })
    };
    applied.outlooks.iter().map(told).collect()
}

/// The same after everything has been written and told.
fn standing(count: usize, now: jiff::Timestamp) -> World {
    let mut world = world(count);
    let (mut bindings, mut policy) = (Vec::new(), json!({"policy.default": "role:readonly"}));
    world.role_bindings = Ok(Vec::new());
    // A plan never holds all of it: there is an end to what one round writes.
    loop {
        let writes = exec::plan(&world, now).writes;
        if writes.is_empty() {
            world.accesses = told(&world, now);
            return world;
        }
        for write in writes {
            let (Action::Merge(body) | Action::Apply(body)) = &write.action else { panic!("{:?}", write.action) };
            match (write.target.name.as_str(), write.target.kind) {
                (_, Kind::RoleBinding) => bindings.push(object(body.clone())),
                ("argocd-rbac-cm", _) => policy.as_object_mut().unwrap().extend(body["data"].as_object().unwrap().clone()),
                (name, _) => panic!("nothing else is to be written: {name}"),
            }
        }
        world.role_bindings = Ok(bindings.clone());
        world.rbac_cm = Ok(Some(object(config_map("argocd-rbac-cm", &policy))));
    }
}

fn plan(criterion: &mut Criterion) {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    let _kept = argocd_access::memory::keep();
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for count in SIZES {
        group.throughput(Throughput::Elements(count as u64));
        for (state, world) in [("to be given", world(count)), ("standing", standing(count, now))] {
            group.bench_with_input(BenchmarkId::new(state, count), &world, |bencher, world| bencher.iter(|| exec::plan(black_box(world), now)));
        }
    }
    group.finish();
}

/// The lines that the operator writes for this many objects.
fn lines(count: usize) -> Data {
    let one = |index: usize| {
        let role = format!("role:argocd-access:argocd:access-{index}");
        format!("p, {role}, applications, get, shop/web-{index}, allow\np, {role}, exec, create, shop/web-{index}, allow\ng, team-{index}, {role}\n")
    };
    Data::from([("policy.access.csv".to_owned(), (0..count).map(one).collect())])
}

fn policy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for count in SIZES {
        let data = lines(count);
        group.throughput(Throughput::Elements(3 * count as u64));
        group.bench_with_input(BenchmarkId::new("read", count), &data, |bencher, data| bencher.iter(|| Policy::new(black_box(data), []).unwrap()));
        let policy = Policy::new(&data, []).unwrap();
        let groups = [format!("team-{}", count / 2)];
        let object = format!("shop/web-{}", count / 2);
        let request = Request { person: Person::User { id: "alice", groups: &groups }, resource: "exec", action: "create", object: &object };
        assert!(policy.decide(&request).is_allowed());
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::new("ask", count), &policy, |bencher, policy| {
            bencher.iter(|| policy.decide(black_box(&request)).is_allowed());
        });
    }
    group.finish();
}

criterion_group!(core, plan, policy);
criterion_main!(core);
