//! What the lines that the operator writes cost Argo CD: the time of one check by Argo CD's own engine, by how many objects are declared; and
//! beside it the operator's own evaluation of the same lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use argocd_access::argocd::policy::{Data, Person, Policy, Request};
use serde_json::json;

use crate::report::Report;
use crate::support::policyjudge::{Judge, Request as Asked};

/// How one object becomes lines.
type Writing = fn(usize) -> String;

/// As the operator writes it: one role for each object.
fn by_role(index: usize) -> String {
    let role = format!("role:argocd-access:argocd:access-{index}");
    format!("p, {role}, applications, get, shop/web-{index}, allow\np, {role}, exec, create, shop/web-{index}, allow\ng, team-{index}, {role}\n")
}

/// With a role for each rule instead. Without any role nobody would have anything: Argo CD asks only for groups that a `g` line names.
fn by_rule(index: usize) -> String {
    let role = |rule: &str| format!("role:argocd-access:argocd:access-{index}-{rule}");
    let (get, exec) = (role("get"), role("exec"));
    format!(
        "p, {get}, applications, get, shop/web-{index}, allow\np, {exec}, exec, create, shop/web-{index}, allow\ng, team-{index}, {get}\ng, team-{index}, {exec}\n"
    )
}

fn data(count: usize, writing: Writing) -> Data {
    let mut data = Data::from([("policy.default".to_owned(), "role:readonly".to_owned())]);
    if count > 0 {
        data.insert("policy.access.csv".to_owned(), (0..count).map(writing).collect());
    }
    data
}

/// Microseconds that Argo CD takes for one check, apart from loading the lines; and milliseconds to load them.
fn argocd(judge: &mut Judge, data: &Data, count: usize) -> (f64, f64) {
    let data: BTreeMap<String, String> = data.clone();
    let ask = |judge: &mut Judge, times: usize| {
        // Each time another one: Argo CD remembers no answers, but a processor does.
        let requests: Vec<Asked> = (0..times)
            .map(|time| {
                let index = time * 7919 % count.max(1);
                let group = format!("team-{index}");
                Asked::exec("alice", &[group.as_str()], &format!("shop/web-{index}"))
            })
            .collect();
        let began = Instant::now();
        let allowed = judge.allowed(&data, &[], &requests).expect("Argo CD loads it");
        assert!(count == 0 || allowed.iter().all(|allowed| *allowed), "everybody who is declared may");
        began.elapsed()
    };
    let times = (400_000 / (count + 200)).max(20);
    let least = |judge: &mut Judge, times: usize| (0..3).map(|_| ask(judge, times)).min().unwrap_or_default();
    let (none, all) = (least(judge, 0), least(judge, times));
    (all.saturating_sub(none).as_secs_f64() * 1e6 / times as f64, none.as_secs_f64() * 1e3)
}

/// The same of the operator's own evaluation.
fn ours(data: &Data, count: usize) -> (f64, f64) {
    let began = Instant::now();
    let policy = Policy::new(data, []).expect("it can be read");
    let load = began.elapsed();
    let mut times = 0_usize;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        let index = times * 7919 % count.max(1);
        let groups = [format!("team-{index}")];
        let object = format!("shop/web-{index}");
        let request = Request { person: Person::User { id: "alice", groups: &groups }, resource: "exec", action: "create", object: &object };
        assert!(count == 0 || policy.decide(&request).is_allowed());
        times += 1;
    }
    (began.elapsed().as_secs_f64() * 1e6 / times as f64, load.as_secs_f64() * 1e3)
}

pub fn measure(report: &mut Report) {
    eprintln!("bench: what the lines cost Argo CD");
    let mut judge = Judge::start();
    let (nothing, _) = argocd(&mut judge, &data(0, by_role), 0);
    for count in [10, 100, 1_000, 3_334] {
        let (written, other) = (data(count, by_role), data(count, by_rule));
        let bytes: usize = written.values().map(String::len).sum();
        let ((check, load), (more_roles, _), (own, own_load)) =
            (argocd(&mut judge, &written, count), argocd(&mut judge, &other, count), ours(&written, count));
        report.add(
            &format!("the policy of {count} objects, {} lines", 3 * count),
            &json!({
                "Argo CD, one check us": check, "Argo CD without any of them us": nothing, "Argo CD, a role for each rule us": more_roles,
                "Argo CD, loading ms": load, "the operator, one check us": own, "the operator, reading ms": own_load,
                "bytes of an object": bytes / count, "objects in 512 KiB": 512 * 1024 / (bytes / count),
            }),
        );
    }
}
