//! Many objects at once. `BENCH_TIMELINE=1` shows what was answered when.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::log::{Event, events, milliseconds, timeline};
use crate::place::Place;
use crate::process::{Used, quiet};
use crate::report::Report;

pub async fn measure(report: &mut Report, place: &Place) {
    let count = place.applications;
    eprintln!("bench: a burst of {count}");
    let before = Used::by(place);
    let mark = place.cp.audit_mark().await;
    tokio::join!(place.declare(count), place.ready(count));
    quiet(place, Duration::from_secs(3)).await;
    let after = Used::by(place);
    let all = events(place.cp, mark);
    let created: Vec<&Event> = all.iter().filter(|e| e.verb == "create" && e.resource == "execaccesses" && e.code == 201).collect();
    let first = created.iter().map(|event| event.came).min().expect("a first one");
    let last = created.iter().map(|event| event.answered).max().expect("a last one");
    let writes: Vec<&Event> = all.iter().filter(|event| event.user == place.user && event.is_write()).collect();
    let ready = writes.iter().filter(|event| event.is_status()).map(|event| event.answered).max().expect("statuses");
    let of = |which: &dyn Fn(&Event) -> bool| writes.iter().filter(|event| which(event)).count();
    let own = |event: &Event| event.resource == "execaccesses";
    let shared = |event: &Event| !own(event) && !event.is_told();
    if std::env::var_os("BENCH_TIMELINE").is_some() {
        eprintln!("{}", timeline(&all, &place.user));
    }
    report.add(
        &format!("a burst of {count}"),
        &json!({
            "creating took s": milliseconds(first, last) / 1000.0,
            "first create to last Ready s": milliseconds(first, ready) / 1000.0,
            "last create to last Ready s": milliseconds(last, ready) / 1000.0,
            "writes": writes.len(), "refused writes": of(&|e| e.code >= 300),
            "writes of shared objects": of(&shared), "most to one shared object": most(writes.iter().filter(|e| shared(e)).copied()),
            "finalizers": of(&|e| own(e) && !e.is_status()), "statuses": of(&|e| e.is_status()),
            "most statuses of one object": most(writes.iter().filter(|e| e.is_status()).copied()),
            "Events": of(&|e| e.is_told()),
            "reviews": all.iter().filter(|e| e.user == place.user && e.resource.contains("reviews")).count(),
            "memory before MiB": before.memory, "of it without the program MiB": before.own,
            "peak memory MiB": after.peak, "memory after MiB": after.memory, "cpu s": after.cpu - before.cpu,
        }),
    );
}

/// How often the same object was written, at most.
fn most<'a>(writes: impl Iterator<Item = &'a Event>) -> usize {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for event in writes {
        let path = event.uri.split('?').next().unwrap_or_default();
        *times.entry(path.to_owned()).or_default() += 1;
    }
    times.into_values().max().unwrap_or_default()
}
