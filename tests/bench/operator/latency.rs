//! One object in an instance in which nothing is declared: every layer has to be written. Beside it, in turns, the floor.

use std::time::Duration;

use kube::api::{DeleteParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::json;

use argocd_access::api::ExecAccess;

use crate::floor::Floor;
use crate::log::{Event, events, milliseconds};
use crate::place::{Place, declared};
use crate::report::{Report, median, percentile};
use crate::support::audit::Mark;

/// So often.
const TIMES: usize = 100;

/// How long one took, from the answer to its creation.
struct Took {
    written: f64,
    ready: f64,
}

pub async fn measure(report: &mut Report) {
    let place = Place::new("one", 1).await;
    let floor = Floor::new(place.cp).await;
    eprintln!("bench: latency, {TIMES} times");
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    let mut sequence = (Vec::new(), Vec::new());
    for index in 0..TIMES + 3 {
        let (took, status, writes) = once(&place, index).await;
        let mark = place.cp.audit_mark().await;
        floor.once(index, &status).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        let all: Vec<Event> =
            events(place.cp, mark).into_iter().filter(|event| event.uri.contains(&floor.namespace) || event.name == "floor").collect();
        let (bare, floor_writes) = took_of(&all, |_| true);
        // The first few warm up connections and caches on both sides.
        if index >= 3 {
            ours.push(took);
            least.push(bare);
        }
        sequence = (writes, floor_writes);
    }
    let sorted = |of: &[Took], which: fn(&Took) -> f64| {
        let mut all: Vec<f64> = of.iter().map(which).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    for (what, which) in [("written", (|t: &Took| t.written) as fn(&Took) -> f64), ("Ready", |t| t.ready)] {
        let (ours, least) = (sorted(&ours, which), sorted(&least, which));
        report.add(
            &format!("one object, until {what}"),
            &json!({
                "median ms": median(&ours), "p99 ms": percentile(&ours, 99.0), "floor median ms": median(&least), "floor p99 ms": percentile(&least, 99.0),
                "times the floor, median": median(&ours) / median(&least), "times the floor, p99": percentile(&ours, 99.0) / percentile(&least, 99.0),
            }),
        );
    }
    report.add("one object, writes in their order", &json!({"operator": sequence.0, "floor": sequence.1}));
    // Otherwise it is no floor.
    let shared = |writes: &[String]| writes.iter().filter(|w| !w.contains("events")).cloned().collect::<Vec<_>>();
    assert_eq!(shared(&sequence.0), shared(&sequence.1), "the floor does the writes that the operator does");
}

/// Creates one, waits until it is Ready, deletes it. What the operator wrote comes back, too.
async fn once(place: &Place, index: usize) -> (Took, serde_json::Value, Vec<String>) {
    let (accesses, name) = (place.accesses(), format!("one-{index}"));
    let mark: Mark = place.cp.audit_mark().await;
    let created = accesses.create(&PostParams::default(), &declared(&name, 0)).await.expect("create the object");
    let ready = |object: Option<&ExecAccess>| {
        object.and_then(|o| o.status.as_ref()).is_some_and(|s| s.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), await_condition(accesses.clone(), &name, ready)).await;
    let object = waited.expect("Ready in time").expect("the API server answers").expect("it is there");
    let status = serde_json::to_value(&object.status).expect("a status");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (user, own) = (&place.user, &place.namespace);
    let all: Vec<Event> = events(place.cp, mark)
        .into_iter()
        .filter(|event| event.user == *user || (event.verb == "create" && event.name == name && event.uri.contains(own.as_str())))
        .collect();
    let (took, writes) = took_of(&all, |event| event.user == *user || event.resource == "execaccesses");
    accesses.delete(&name, &DeleteParams::default()).await.expect("delete the object");
    let uid = created.metadata.uid.unwrap_or_default();
    let gone = await_condition(accesses.clone(), &name, kube::runtime::conditions::is_deleted(&uid));
    let waited = tokio::time::timeout(Duration::from_secs(30), gone).await;
    waited.expect("gone in time").expect("the API server answers");
    tokio::time::sleep(Duration::from_millis(300)).await;
    (took, status, writes)
}

/// From the answer to the creation to the answers to the writes, until the first deletion or taking back.
fn took_of(all: &[Event], counts: impl Fn(&Event) -> bool) -> (Took, Vec<String>) {
    let created = all.iter().find(|event| event.verb == "create" && event.resource == "execaccesses").expect("it was created");
    let mut writes: Vec<&Event> = all.iter().filter(|e| e.is_write() && e.code < 300 && e.answered > created.answered && counts(e)).collect();
    writes.sort_by_key(|event| event.answered);
    let last = writes.iter().rposition(|event| event.is_status()).expect("a status was written");
    let (before, after) = writes.split_at(last);
    let layers = before.iter().rfind(|event| !event.is_status() && !event.is_told()).expect("layers were written");
    let took = Took { written: milliseconds(created.answered, layers.answered), ready: milliseconds(created.answered, after[0].answered) };
    (took, writes[..=last].iter().map(|event| event.what()).collect())
}
