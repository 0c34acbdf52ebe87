//! Ends every process and removes every folder of this test binary, however the binary ends: normally, by a panic, or by SIGKILL.
//!
//! All processes of the bench are put into one process group, which an idle anchor process keeps in being. A small shell outside
//! that group waits for the end of its standard input, whose only writer is this test binary: the kernel closes it when the binary
//! is gone. The shell then ends the group and removes the folders that it was told. Nothing depends on destructors.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{LazyLock, Mutex},
};

use tempfile::TempDir;

const WATCH: &str = r#"
trap '' HUP INT QUIT TERM PIPE
group=$1; shift
while IFS= read -r folder; do set -- "$@" "$folder"; done
kill -s KILL -- "-$group" 2>/dev/null
for round in 1 2 3 4 5; do
    [ $# -eq 0 ] || rm -rf -- "$@" 2>/dev/null && exit 0
    sleep 0.2
done
"#;

struct Reaper {
    group: i32,
    folders: Mutex<ChildStdin>,
}

static REAPER: LazyLock<Reaper> = LazyLock::new(start);

#[allow(clippy::zombie_processes, reason = "both outlive this binary, that is what they are for")]
fn start() -> Reaper {
    let anchor = Command::new("tail")
        .args(["-f", "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("start the anchor of the bench's process group (tail)");
    let group = i32::try_from(anchor.id()).expect("a process id fits");
    // The outputs must be null: a reader of the test binary's output would otherwise wait for this shell too.
    let mut shell = Command::new("sh")
        .args(["-c", WATCH, "reaper", &group.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("start the bench's reaper (sh)");
    let folders = Mutex::new(shell.stdin.take().expect("the reaper's input is a pipe"));
    Reaper { group, folders }
}

/// The process group of everything that the bench starts.
pub fn group() -> i32 {
    REAPER.group
}

/// A command whose process, once started, ends at the latest with this test binary.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.process_group(REAPER.group).stdin(Stdio::null());
    command
}

/// A new folder that is removed at the latest after this test binary has ended; dropping it removes it at once.
pub fn folder(purpose: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("argocd-access-{purpose}-")).tempdir().expect("make a folder for the bench");
    let mut line = folder.path().as_os_str().as_encoded_bytes().to_vec();
    line.push(b'\n');
    REAPER.folders.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write_all(&line).expect("tell the reaper of a folder");
    folder
}
