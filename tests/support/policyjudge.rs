//! Argo CD's own policy engine as the judge of what a policy allows (the program `tests/tools/argocd/policyjudge`).

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{reaper, tools};

/// A running judge. Blocking, so that property tests can use it.
pub struct Judge {
    child: Child,
    questions: ChildStdin,
    verdicts: BufReader<ChildStdout>,
}

/// Whether this person may do this.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// The subject of the person's token.
    pub user: String,
    /// The groups of the person's token.
    pub groups: Vec<String>,
    /// Such as `exec`.
    pub resource: String,
    /// Such as `create`.
    pub action: String,
    /// Such as `shop/web` or `shop/team-a/web`.
    pub object: String,
    /// Somebody without a session instead.
    pub anonymous: bool,
}

/// One pattern on one text.
#[derive(Clone, Debug, Serialize)]
pub struct Match {
    /// `glob` or `regex`.
    pub mode: &'static str,
    /// The pattern.
    pub pattern: String,
    /// The text.
    pub text: String,
}

impl Request {
    /// A question about a person with these groups.
    pub fn new(user: &str, groups: &[&str], resource: &str, action: &str, object: &str) -> Self {
        Self {
            user: user.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
            resource: resource.to_owned(),
            action: action.to_owned(),
            object: object.to_owned(),
            anonymous: false,
        }
    }

    /// May a member of the group open a terminal into the object?
    pub fn exec(user: &str, groups: &[&str], object: &str) -> Self {
        Self::new(user, groups, "exec", "create", object)
    }
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    error: String,
    #[serde(default)]
    allowed: Option<Vec<bool>>,
    #[serde(default)]
    projects: Option<Vec<String>>,
    #[serde(default)]
    matches: Option<Vec<String>>,
}

impl Judge {
    /// Starts a judge.
    pub fn start() -> Self {
        // Argo CD warns of each nasty line that it is asked about; the verdicts say all that counts.
        let mut child = reaper::command(tools::path("policyjudge"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start policyjudge");
        let questions = child.stdin.take().expect("the judge's input is a pipe");
        let verdicts = BufReader::new(child.stdout.take().expect("the judge's output is a pipe"));
        Self { child, questions, verdicts }
    }

    /// What each request gets under this `data` of argocd-rbac-cm and these `AppProjects`; `Err` where Argo CD cannot load the policy.
    pub fn allowed(&mut self, data: &BTreeMap<String, String>, projects: &[Value], requests: &[Request]) -> Result<Vec<bool>, String> {
        let verdict = self.ask(&json!({ "data": data, "projects": projects, "requests": requests }));
        if verdict.error.is_empty() { Ok(verdict.allowed.unwrap_or_default()) } else { Err(verdict.error) }
    }

    /// What Argo CD's server would say to somebody who saves each of these `AppProjects` as it is; empty where it would save it.
    pub fn refusals(&mut self, projects: &[Value]) -> Vec<String> {
        self.ask(&json!({ "projects": projects })).projects.unwrap_or_default()
    }

    /// What Argo CD's matcher says of each: `yes`, `no` or `panic`.
    pub fn matches(&mut self, matches: &[Match]) -> Vec<String> {
        self.ask(&json!({ "matches": matches })).matches.unwrap_or_default()
    }

    fn ask(&mut self, question: &Value) -> Verdict {
        writeln!(self.questions, "{question}").expect("ask the judge");
        self.questions.flush().expect("ask the judge");
        let mut line = String::new();
        self.verdicts.read_line(&mut line).expect("hear the judge");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("a verdict: {error}: {line:?}"))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
