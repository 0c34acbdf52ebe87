//! Long-running programs of the bench: their output goes to a file, and dropping one ends it. Also free ports and waiting for them.

use std::{
    collections::{BTreeSet, hash_map::RandomState},
    ffi::OsStr,
    fs::{File, OpenOptions},
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use super::reaper;

/// A started program. Dropping it kills it.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Process {
    /// Starts a program with its standard output and error appended to `log`.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let mut command = reaper::command(program);
        command.args(arguments).envs(environment.iter().copied());
        Self::start_command(name, command, log)
    }

    /// Starts a command made by [`reaper::command`], with its output appended to `log`.
    pub fn start_command(name: &str, mut command: Command, log: &Path) -> Self {
        let output = append(log);
        let errors = output.try_clone().expect("share a log file");
        let child = command.stdout(output).stderr(errors).spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        Self { name: name.to_owned(), log: log.to_owned(), child: Mutex::new(child) }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.lock().id()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.lock().try_wait().expect("ask after a process of the bench")
    }

    /// Sends a signal by its name, such as `TERM`, `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) {
        if self.ended().is_none() {
            // The shell's own `kill`: the bench needs no package for it.
            let status = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", signal, &self.id().to_string()]).status();
            assert!(status.expect("run kill").success(), "send {signal} to {}", self.name);
        }
    }

    /// Kills it, waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.lock();
        let _gone_already = child.kill();
        let _reaped = child.wait();
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Fails when the program has ended, with the end of its log.
    pub fn check(&self) -> Result<(), String> {
        match self.ended() {
            None => Ok(()),
            Some(status) => Err(format!("{} ended with {status}; the end of its log:\n{}", self.name, tail(&self.log))),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Opens a log file for appending.
pub fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap_or_else(|error| panic!("open the log {}: {error}", path.display()))
}

/// The last lines of a file.
pub fn tail(path: &Path) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// What a finished program said, as text.
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// The standard output of a success; a failure panics with everything that the program said.
    pub fn success(self) -> String {
        assert!(self.status.success(), "{}:\n{}{}", self.status, self.stdout, self.stderr);
        self.stdout
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end without blocking the test's runtime.
pub async fn run(mut command: Command) -> Finished {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    tokio::task::spawn_blocking(move || {
        let name = command.get_program().to_string_lossy().into_owned();
        command.output().unwrap_or_else(|error| panic!("run {name}: {error}")).into()
    })
    .await
    .expect("a program of the bench")
}

/// Random letters and digits for names.
pub fn random() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())[..8].to_owned()
}

/// A port of 127.0.0.1 that nobody uses and that this test binary gives out once.
///
/// Outside the range that the kernel uses for outgoing connections, one of which could otherwise take the port before its server does.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for _attempt in 0..10_000 {
        let port = 11_000 + u16::try_from(RandomState::new().build_hasher().finish() % 20_000).expect("a small number");
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
    panic!("no free port between 11000 and 31000");
}

/// Blocks until something listens on the port, the process ends, or the time is over.
pub fn wait_for_port(process: &Process, port: u16, limit: Duration) -> Result<(), String> {
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        process.check()?;
        if began.elapsed() > limit {
            return Err(format!("{} does not listen after {limit:?}; the end of its log:\n{}", process.name, tail(&process.log)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The status and the body of an HTTP GET of `http://HOST:PORT/PATH`.
pub async fn get(url: &str) -> std::io::Result<(u16, String)> {
    get_with(url, &[]).await
}

/// The same with headers.
pub async fn get_with(url: &str, headers: &[(&str, &str)]) -> std::io::Result<(u16, String)> {
    send("GET", url, headers, "").await
}

/// The same with another method and a body.
pub async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<(u16, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let wrong = |what: &str| std::io::Error::other(format!("{what}: {url}"));
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or_else(|| wrong("not an address"))?;
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    // HTTP/1.0: no chunks, and the end of the answer is the end of the stream.
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    let length = body.len();
    stream.write_all(format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| wrong("no HTTP answer"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| wrong("no HTTP status"))?;
    Ok((status, body.to_owned()))
}
