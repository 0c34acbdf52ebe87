//! Many changes of objects in a rolling set: memory and open files stay level.
//!
//! `SOAK_CHANGES` says how many; what is printed are the medians of the fifths. The release build tells what an operator needs
//! (`make soak`); the check that it is level holds for both.

use std::path::PathBuf;
use std::time::Instant;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::bench::{Behind, spec};

/// As many objects are there at once.
const SET: usize = 30;
/// After so many changes a sample is taken.
const EVERY: usize = 50;

fn changes() -> usize {
    std::env::var("SOAK_CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// Resident memory in KiB, and the number of open files.
fn sample(process: u32) -> Option<(usize, usize)> {
    let folder = PathBuf::from(format!("/proc/{process}"));
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let memory = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((memory, std::fs::read_dir(folder.join("fd")).ok()?.count()))
}

fn median(samples: &[(usize, usize)], of: impl Fn(&(usize, usize)) -> usize) -> usize {
    let mut all: Vec<usize> = samples.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

#[tokio::test]
async fn after_many_changes_memory_and_open_files_are_as_they_were() {
    let (behind, changes) = (Behind::shared().await, changes());
    let team = &behind.team;
    let process = team.release.kubelet.operators()[0].id();
    let (mut samples, began) = (Vec::new(), Instant::now());
    let (mut done, mut turn) = (0, 0);
    while done < changes {
        // Each is created, changed, and deleted when the set is full.
        let name = format!("soak-{turn}");
        team.grant(&name, &spec(&name)).await;
        let patch = Patch::Merge(json!({"spec": {"reason": format!("change {done}")}}));
        team.accesses().patch(&name, &PatchParams::default(), &patch).await.unwrap();
        done += 2;
        if turn >= SET {
            team.accesses().delete(&format!("soak-{}", turn - SET), &DeleteParams::default()).await.unwrap();
            done += 1;
        }
        turn += 1;
        if turn % EVERY == 0 {
            samples.push(sample(process).expect("the operator runs on"));
        }
        if turn % 1000 == 0 {
            println!("{done} changes in {} s: {:?}", began.elapsed().as_secs(), samples.last());
        }
    }
    let fifths: Vec<&[(usize, usize)]> = samples.chunks(samples.len().div_ceil(5)).collect();
    for (index, fifth) in fifths.iter().enumerate() {
        println!("measured: fifth {}: {} KiB, {} open files (medians)", index + 1, median(fifth, |s| s.0), median(fifth, |s| s.1));
    }
    println!("measured: {done} changes in {} s", began.elapsed().as_secs());
    let (early, late) = (fifths[1], fifths[fifths.len() - 1]);
    let of = |fifth: &[(usize, usize)]| (median(fifth, |s| s.0), median(fifth, |s| s.1));
    let ((memory, files), (memory_later, files_later)) = (of(early), of(late));
    assert!(memory_later < memory + memory / 5 + 4096, "{memory} KiB, and {memory_later} KiB later");
    assert!(files_later <= files + 3, "{files} open files, and {files_later} later");
    let last = format!("soak-{}", turn - 1);
    behind.ready(&last).await;
    assert_eq!(behind.starts(), 1);
}
