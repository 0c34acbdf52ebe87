//! Writes the pages of docs/reference/ from what the code says of itself.
//!
//! No test of the usual kind: `write FOLDER` (by `make generate`) writes the pages, `crds FOLDER` the CRDs, and without arguments it says whether those of the
//! repository are up to date. What a page says is never typed twice: fields come from the CRD, options from the command line's own
//! description, values and their meaning from the chart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a page that cannot be written is an error, with a message"
)]
#![allow(clippy::format_push_string, reason = "it reads like the page that it writes")]

mod aws;
mod cli;
mod compatibility;
mod conditions;
mod configuration;
mod ingress;
mod metrics;
mod resource;
mod table;
mod troubleshooting;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The name of a page, and what writes it.
type Page = (&'static str, fn() -> String);

const PAGES: [Page; 11] = [
    ("aws.md", aws::page),
    ("cli.md", cli::page),
    ("clusteraccess.md", resource::cluster_access),
    ("compatibility.md", compatibility::page),
    ("conditions.md", conditions::page),
    ("configuration.md", configuration::page),
    ("execaccess.md", resource::exec_access),
    ("ingress.md", ingress::page),
    ("liveresourceaccess.md", resource::live_resource_access),
    ("metrics.md", metrics::page),
    ("troubleshooting.md", troubleshooting::page),
];

/// The root of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands at the head of each page.
fn head(title: &str, source: &str) -> String {
    format!("<!-- Generated from {source} by `make generate`; do not edit. -->\n\n# {title}\n\n")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, folder] = arguments.as_slice()
        && verb == "write"
    {
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("make {}: {error}", folder.display()));
        for (name, page) in PAGES {
            std::fs::write(folder.join(name), page()).unwrap_or_else(|error| panic!("write {name}: {error}"));
        }
        return ExitCode::SUCCESS;
    }
    if let [verb, folder] = arguments.as_slice()
        && verb == "crds"
    {
        for (name, text) in argocd_access::cli::crds::files().unwrap_or_else(|error| panic!("write the CRDs: {error}")) {
            std::fs::write(PathBuf::from(folder).join(&name), text).unwrap_or_else(|error| panic!("write {name}: {error}"));
        }
        return ExitCode::SUCCESS;
    }
    let folder = repository().join("docs/reference");
    let stale = PAGES.iter().filter(|(name, page)| std::fs::read_to_string(folder.join(name)).ok() != Some(page()));
    let stale: Vec<&str> = stale.map(|(name, _)| *name).collect();
    if stale.is_empty() {
        println!("docs/reference is up to date");
        return ExitCode::SUCCESS;
    }
    eprintln!("docs/reference: {} not up to date: run 'make generate'", stale.join(", "));
    ExitCode::FAILURE
}
