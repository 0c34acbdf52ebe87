//! Which lines Argo CD's policy consists of, and where each one stands: its built-in policy, then argocd-rbac-cm, and for requests about
//! one project the roles of its AppProject (`ProjectPoliciesString`). Pure.

use std::fmt;

use super::{BrokenLine, Data, line_fields, texts};
use crate::api::conditions::shorten;
use crate::argocd::ARGOCD_RBAC_CM;
use crate::argocd::kinds::AppProject;

/// Argo CD's built-in policy. What it says of `exec` and of reading is the same in all versions that are served; other lines came and went.
pub const BUILT_IN: &str = include_str!("builtin.csv");

/// Where a line comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Argo CD itself.
    BuiltIn,
    /// A key of argocd-rbac-cm; the number is that of the line.
    Key(String),
    /// A role of an AppProject; the number is that of the policy, and 0 where the line is not written but follows from the role.
    Role {
        /// The project.
        project: String,
        /// The role's name.
        role: String,
    },
}

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// In what.
    pub source: Source,
    /// Which one, from 1.
    pub number: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::BuiltIn => write!(f, "Argo CD's built-in policy"),
            Source::Key(key) => write!(f, "{ARGOCD_RBAC_CM} key {key}, line {}", self.number),
            Source::Role { project, role } if self.number == 0 => write!(f, "AppProject {project}, role {role}"),
            Source::Role { project, role } => write!(f, "AppProject {project}, role {role}, policy {}", self.number),
        }
    }
}

/// A line that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it stands.
    pub at: Position,
    /// Its fields; 6 of a `p` line, 3 of a `g` line.
    pub fields: Vec<String>,
}

/// The lines, and the first one that Argo CD cannot load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Those that can be read.
    pub lines: Vec<Line>,
    /// One that cannot: because of it Argo CD loads none of them.
    pub broken: Option<BrokenLine>,
}

impl Lines {
    fn read(&mut self, source: &Source, number: usize, text: &str) {
        match line_fields(text) {
            Ok(None) => {}
            Ok(Some(fields)) => self.lines.push(Line { at: Position { source: source.clone(), number }, fields }),
            Err(why) => {
                let key = match source {
                    Source::Key(key) => key.clone(),
                    other => Position { source: other.clone(), number }.to_string(),
                };
                self.broken.get_or_insert(BrokenLine { key, number, why, text: shorten(text.trim(), 120) });
            }
        }
    }
}

/// The lines that count for every request: the built-in ones, and those of the keys that are `wanted`.
pub fn base(data: &Data, wanted: impl Fn(&str) -> bool) -> Lines {
    let mut lines = Lines::default();
    for (index, text) in BUILT_IN.split('\n').enumerate() {
        lines.read(&Source::BuiltIn, index + 1, text);
    }
    for (key, text) in texts(data).filter(|(key, _)| wanted(key)) {
        let source = Source::Key(key.to_owned());
        for (index, text) in text.split('\n').enumerate() {
            lines.read(&source, index + 1, text);
        }
    }
    lines
}

/// The lines that count for requests about one project: those of its roles that are `wanted`. Names are put into them as they are.
pub fn of_project(project: &AppProject, wanted: impl Fn(&str) -> bool) -> Lines {
    let name = project.metadata.name.clone().unwrap_or_default();
    let mut lines = Lines::default();
    for role in project.roles().iter().filter(|role| wanted(&role.name)) {
        let subject = format!("proj:{name}:{}", role.name);
        let source = Source::Role { project: name.clone(), role: role.name.clone() };
        lines.read_all(&source, 0, &format!("p, {subject}, projects, get, {name}, allow"));
        for (index, policy) in role.policies().iter().enumerate() {
            lines.read_all(&source, index + 1, policy);
        }
        for group in role.groups() {
            lines.read_all(&source, 0, &format!("g, {group}, {subject}"));
        }
    }
    lines
}

impl Lines {
    /// A text of a role may hold several lines, which all count.
    fn read_all(&mut self, source: &Source, number: usize, text: &str) {
        for text in text.split('\n') {
            self.read(source, number, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_knows_where_it_stands() {
        let data = Data::from([("policy.csv".to_owned(), "\n# x\ng, a, b".to_owned()), ("policy.z.csv".to_owned(), "g, c, d".to_owned())]);
        let all = base(&data, |_| true);
        let of = |i: usize| all.lines[all.lines.len() - i].at.to_string();
        assert_eq!((of(2).as_str(), of(1).as_str()), ("argocd-rbac-cm key policy.csv, line 3", "argocd-rbac-cm key policy.z.csv, line 1"));
        assert_eq!(base(&data, |key| key != "policy.z.csv").lines.len(), all.lines.len() - 1);
        assert!(all.broken.is_none() && all.lines[0].at.source == Source::BuiltIn);
    }

    #[test]
    fn a_projects_role_becomes_lines_as_argo_cd_writes_them() {
        let project: AppProject = serde_yaml::from_str(
            "{metadata: {name: shop}, spec: {roles: [{name: dev, policies: ['p, proj:shop:dev, exec, create, shop/*, allow'], groups: [ops, '\"a,b\"']}]}}",
        )
        .unwrap();
        let all = of_project(&project, |_| true);
        let lines: Vec<String> = all.lines.iter().map(|l| format!("{} <- {}", l.fields.join("|"), l.at)).collect();
        assert_eq!(
            lines,
            [
                "p|proj:shop:dev|projects|get|shop|allow <- AppProject shop, role dev",
                "p|proj:shop:dev|exec|create|shop/*|allow <- AppProject shop, role dev, policy 1",
                "g|ops|proj:shop:dev <- AppProject shop, role dev",
                "g|a,b|proj:shop:dev <- AppProject shop, role dev",
            ]
        );
        assert!(of_project(&project, |role| role != "dev").lines.is_empty());
    }
}
