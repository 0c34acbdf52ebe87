//! Where the programs of the bench are: what `tests/tools/build` built into its cache.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

struct Tools {
    paths: BTreeMap<String, PathBuf>,
    complaint: String,
}

static TOOLS: LazyLock<Tools> = LazyLock::new(|| {
    let script = repository().join("tests/tools/build");
    let output = Command::new(&script).arg("paths").output().unwrap_or_else(|error| panic!("run {}: {error}", script.display()));
    let paths = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
        .collect();
    Tools { paths, complaint: String::from_utf8_lossy(&output.stderr).into_owned() }
});

/// The path of a program or folder of the bench, by the name that `tests/tools/build paths` gives it.
pub fn path(name: &str) -> PathBuf {
    TOOLS.paths.get(name).unwrap_or_else(|| panic!("the bench has no {name}: {}", TOOLS.complaint)).clone()
}

/// The path of a program of Debian's, where `tests/tools/debian` found or put it: nginx, haproxy, or what else it was told to fetch.
pub fn debian(name: &str) -> PathBuf {
    fetched("tests/tools/debian", &[name], name)
}

/// The Python that has the aws command line, moto, parliament, prometheus_client and kubernetes-validate, where `tests/tools/pypi` put it.
pub fn python() -> PathBuf {
    fetched("tests/tools/pypi", &[], "pypi-python")
}

fn fetched(script: &str, arguments: &[&str], name: &str) -> PathBuf {
    let script = repository().join(script);
    let output = Command::new(&script).arg("paths").args(arguments).output().unwrap_or_else(|error| panic!("run {}: {error}", script.display()));
    let paths = String::from_utf8_lossy(&output.stdout).into_owned();
    let path = paths.lines().filter_map(|line| line.split_once('=')).find(|(known, _)| *known == name);
    path.unwrap_or_else(|| panic!("the bench has no {name}: {}", String::from_utf8_lossy(&output.stderr))).1.into()
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
