//! The operator starts where many objects are declared; beside it the lists alone that it asks for.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::place::Place;
use crate::process::Used;
use crate::report::{Report, median};
use crate::steady::rounds;
use crate::support::process::get;

const TIMES: usize = 5;

pub async fn measure(report: &mut Report, place: &Place) {
    eprintln!("bench: {TIMES} starts");
    let (mut ready, mut planned, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    let (mut writes, mut memory, mut own) = (0, Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let kill = place.release.kubelet.killer();
        kill();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mark = place.cp.audit_mark().await;
        place.release.kubelet.release();
        while place.release.kubelet.operators().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let began = Instant::now();
        let url = format!("{}/readyz", place.release.kubelet.url("metrics"));
        while !matches!(get(&url).await, Ok((200, _))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ready.push(began.elapsed().as_secs_f64() * 1000.0);
        while rounds(place).await < 1.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        planned.push(began.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let used = Used::by(place);
        memory.push(used.memory);
        own.push(used.own);
        let asked = place.operators(mark);
        writes += asked.iter().filter(|event| event.is_write()).count();
        let uris: Vec<String> = asked.into_iter().filter(|event| event.verb == "list" && event.code == 200).map(|event| event.uri).collect();
        let client = place.client();
        let alone = Instant::now();
        let answers = join_all(uris.iter().map(|uri| {
            let request = hyper::Request::get(uri.as_str()).body(Vec::new()).expect("a request");
            client.request::<Value>(request)
        }));
        let answers = answers.await;
        lists.push(alone.elapsed().as_secs_f64() * 1000.0);
        assert!(answers.iter().all(Result::is_ok), "the lists of the operator, by one that only lists");
    }
    for all in [&mut ready, &mut planned, &mut lists, &mut memory, &mut own] {
        all.sort_by(f64::total_cmp);
    }
    report.add(
        &format!("start, {} objects", place.applications),
        &json!({
            "ready ms": median(&ready), "first full plan ms": median(&planned), "the lists alone ms": median(&lists),
            "beyond the lists ms": median(&planned) - median(&lists), "writes": writes,
            "memory MiB": median(&memory), "of it without the program MiB": median(&own),
        }),
    );
}
