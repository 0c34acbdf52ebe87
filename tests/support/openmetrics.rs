//! What is served as metrics, as others read it: prometheus_client, which is strict about OpenMetrics, and Prometheus itself.

use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use super::{process::Finished, reaper, tools};

const READ: &str = r#"
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
found = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, f"{family.name} has no help"
    assert family.type != "unknown", f"{family.name} has no type"
    for sample in family.samples:
        labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
        key = sample.name + (f"{{{labels}}}" if labels else "")
        assert key not in found, f"{key} is there twice"
        found[key] = repr(sample.value)
print(json.dumps(found))
"#;

/// Every sample with its value, as prometheus_client reads it; it panics with what is wrong with the text.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut python = Command::new(tools::python());
    let said = fed(python.args(["-c", READ]), text).success();
    let found: BTreeMap<String, String> = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    found.into_iter().map(|(name, value)| (name, value.parse().unwrap_or_else(|error| panic!("{value}: {error}")))).collect()
}

/// Prometheus takes it in: its own parser of OpenMetrics reads every sample, each at a time.
pub fn prometheus_takes(text: &str) {
    let folder = reaper::folder("openmetrics");
    let at_a_time = |line: &str| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1700000000\n") };
    let file = folder.path().join("metrics");
    std::fs::write(&file, text.lines().map(at_a_time).collect::<String>()).unwrap();
    let mut promtool = Command::new(tools::path("promtool"));
    promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&file).arg(folder.path().join("blocks"));
    fed(&mut promtool, "").success();
}

/// Runs a program with something to read.
pub fn fed(command: &mut Command, input: &str) -> Finished {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program that needs nothing of it may have closed it.
    let _ = writer.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
