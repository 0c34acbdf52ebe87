//! `make demo` and `make demo-down`, with a folder of their own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::support::{
    eventually,
    eventually::that,
    process::{Finished, run},
    reaper, tools,
};

/// The processes that have to do with the folder.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let read =
            |name: &str| std::fs::read(entry.path().join(name)).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).unwrap_or_default();
        let command = read("cmdline");
        // The scripts and make themselves are what the test starts; those that they leave are meant.
        if command.contains(&folder) || read("environ").contains(&format!("TMPDIR={folder}")) {
            found.push(format!("{}: {command}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

async fn nothing_is_left(folder: &Path) {
    eventually("no process and no folder is left", Duration::from_secs(15), || async {
        let left = processes(folder);
        that(left.is_empty() && !folder.exists(), || format!("the folder is there: {}; {left:#?}", folder.exists()))
    })
    .await;
}

fn command(folder: &Path, program: &str, arguments: &[&str]) -> Command {
    let script = tools::repository().join(program);
    let mut command = reaper::command(if script.exists() { script } else { program.into() });
    command.args(arguments).current_dir(tools::repository()).env("ARGOCD_ACCESS_DEMO", folder);
    command
}

async fn make(folder: &Path, target: &str) -> Finished {
    run(command(folder, "make", &[target])).await
}

/// Starts tests/demo/run and waits until it says this. It goes on speaking into the pipe that is returned.
async fn run_until(folder: &Path, line: &'static str) -> (Child, BufReader<ChildStdout>) {
    let mut script = command(folder, "tests/demo/run", &[]);
    let mut child = script.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let listening = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        while !said.contains(line) {
            said.clear();
            assert!(output.read_line(&mut said).unwrap() > 0, "it does not say {line:?}");
        }
        output
    });
    (child, listening.await.unwrap())
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn the_demo_shows_a_real_terminal_and_goes_without_a_trace() {
    let place = reaper::folder("demo");
    let folder = &place.path().join("demo");

    let shown = make(folder, "demo").await.success();
    for said in [
        "team-a   True    Ready    exec-access.team-a   Enforce",
        "ServerAuthorized  True     Proven",
        "IngressReady      True     Configured",
        "hello from a shell",
        "alice, of my-org:team-a, into billing: refused (HTTP 401",
        "bob, of my-org:team-b, into web-1: refused (HTTP 401",
        "make demo-down",
    ] {
        assert!(shown.contains(said), "no {said:?} in\n{shown}");
    }
    let alice = run(command(folder, "tests/demo/terminal", &["alice", "echo", "still", "here"])).await;
    assert_eq!(alice.success(), "still here\n");
    let bob = run(command(folder, "tests/demo/terminal", &["bob", "true"])).await;
    assert!(!bob.status.success() && bob.stderr.contains("HTTP 401"), "{}", bob.stderr);

    // Another one replaces it, and ctrl-C in the middle of that leaves nothing of either.
    let (mut second, _output) = run_until(folder, "[2/6").await;
    assert!(!processes(folder).is_empty());
    signal(&second, "INT");
    assert_eq!(second.wait().unwrap().code(), Some(130));
    nothing_is_left(folder).await;

    // Where even the script is killed, demo-down ends what it had started.
    let (mut third, _output) = run_until(folder, "[1/6").await;
    third.kill().unwrap();
    third.wait().unwrap();
    assert!(make(folder, "demo-down").await.success().contains("is removed"));
    nothing_is_left(folder).await;
    assert!(make(folder, "demo-down").await.success().contains("none is running"));
}

#[tokio::test]
async fn demo_down_removes_no_folder_that_is_not_a_demos() {
    let place = reaper::folder("not-a-demo");
    std::fs::write(place.path().join("precious"), "").unwrap();
    assert!(!make(place.path(), "demo-down").await.status.success());
    assert!(place.path().join("precious").exists());
}
