//! What the kernel says of the running operator.

use std::time::Duration;

use crate::place::Place;

/// The kernel's clock tick; 100 a second on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// What one process has used.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Memory that it has now, in MiB (VmRSS).
    pub memory: f64,
    /// The part of it that nothing but the operator itself could need: without the pages of its program file (RssAnon).
    pub own: f64,
    /// The most that it ever had, in MiB (VmHWM).
    pub peak: f64,
    /// Processor time, in seconds.
    pub cpu: f64,
    /// Open descriptors.
    pub descriptors: usize,
}

impl Used {
    /// By the operator of this place.
    pub fn by(place: &Place) -> Self {
        Self::of(place.release.kubelet.operators().first().expect("the operator runs").id())
    }

    fn of(id: u32) -> Self {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{id}/{what}")).expect("the operator runs");
        let status = read("status");
        let mebibytes = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).expect("what the kernel says");
            line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).expect("a number") / 1024.0
        };
        let stat = read("stat");
        // Behind the name, which may hold blanks: utime and stime are the 14th and 15th.
        let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).expect("the operator runs").count();
        Self { memory: mebibytes("VmRSS:"), own: mebibytes("RssAnon:"), peak: mebibytes("VmHWM:"), cpu: (ticks(11) + ticks(12)) / TICKS, descriptors }
    }
}

/// Waits until the operator has had nothing to do for so long.
pub async fn quiet(place: &Place, long: Duration) {
    let mut last = Used::by(place).cpu;
    for _ in 0..60 {
        tokio::time::sleep(long).await;
        let now = Used::by(place).cpu;
        if now - last < 0.05 {
            return;
        }
        last = now;
    }
}
