//! What was measured, as a table and as JSON, with what the machine is.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::support::tools;

/// The result of one run.
pub struct Report {
    parts: Map<String, Value>,
}

impl Report {
    pub fn new() -> Self {
        Self { parts: Map::new() }
    }

    /// Adds a part, and shows it at once: a run takes minutes.
    pub fn add(&mut self, name: &str, figures: &Value) {
        println!("{}", table(name, figures));
        self.parts.insert(name.to_owned(), figures.clone());
        self.write();
    }

    /// Says where the whole is.
    pub fn finish(&self) {
        println!("bench: {}", self.write().display());
    }

    fn write(&self) -> PathBuf {
        let folder = tools::repository().join("target/bench");
        std::fs::create_dir_all(&folder).expect("make the folder of the result");
        let path = folder.join("operator.json");
        let machine = machine();
        let tables = std::iter::once(("machine", &machine)).chain(self.parts.iter().map(|(name, figures)| (name.as_str(), figures)));
        let tables: Vec<String> = tables.map(|(name, figures)| markdown(name, figures)).collect();
        std::fs::write(folder.join("operator.md"), tables.join("\n")).expect("write the tables");
        let whole = json!({"machine": machine, "parts": self.parts});
        std::fs::write(&path, serde_json::to_string_pretty(&whole).expect("JSON")).expect("write the result");
        path
    }
}

fn table(name: &str, figures: &Value) -> String {
    let rows = figures.as_object().into_iter().flatten().map(|(key, value)| format!("  {key:<34} {}", shown(value)));
    format!("\n{name}\n{}", rows.collect::<Vec<_>>().join("\n"))
}

/// For the documents.
fn markdown(name: &str, figures: &Value) -> String {
    let rows = figures.as_object().into_iter().flatten().map(|(key, value)| format!("| {key} | {} |\n", shown(value)));
    format!("| {name} | |\n|---|---|\n{}", rows.collect::<String>())
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => format!("{:.2}", number.as_f64().unwrap_or_default()),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, key: &str| {
        let found = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({
        "processor": line(&read("/proc/cpuinfo"), "model name"), "cores": cpus, "memory": line(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(), "load when it ended": read("/proc/loadavg").trim(),
        "kubernetes": "1.36", "version": env!("CARGO_PKG_VERSION"), "at": jiff::Timestamp::now().round(jiff::Unit::Second).map(|t| t.to_string()).unwrap_or_default(),
    })
}

/// Of sorted figures the one in the middle.
pub fn median(sorted: &[f64]) -> f64 {
    percentile(sorted, 50.0)
}

/// Of sorted figures the one that so many in a hundred do not exceed.
pub fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let index = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[index.saturating_sub(1).min(sorted.len() - 1)]
}
