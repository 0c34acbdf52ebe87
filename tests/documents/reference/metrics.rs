//! The metrics, as the code describes them.

use argocd_access::metrics::ALL;

use crate::{
    head,
    table::{code, table},
};

pub fn page() -> String {
    let mut page = head("Metrics", "src/metrics.rs");
    page += "The operator serves them at `/metrics` of its port 8080 (`--listen`), in the OpenMetrics text format. Labels come from fixed sets: no name of\n";
    page += "a person, an application or an `ExecAccess` is one.\n\n";
    let labels = |all: &[(&str, &str)]| all.iter().map(|(name, values)| format!("{}: {values}", code(name))).collect::<Vec<_>>().join("; ");
    let rows: Vec<Vec<String>> = ALL
        .iter()
        .map(|metric| vec![code(&metric.scraped()), metric.kind.to_owned(), metric.help.to_owned(), labels(metric.labels), metric.watch.to_owned()])
        .collect();
    page += &table(&["metric", "type", "what it says", "labels", "when to look"], &rows);
    page.trim_end().to_owned() + "\n"
}
