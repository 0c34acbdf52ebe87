//! What a policy allows. Here structurally, which is quick; other tests have Argo CD's own engine judge the same sequences.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::declared::{Access, Universe, matches};
use crate::argocd::policy::{self, Data};

/// Says who may open a terminal into what.
pub trait Judge {
    /// By the data of argocd-rbac-cm and the `AppProjects`.
    ///
    /// # Errors
    /// When Argo CD cannot load the policy.
    fn access(&mut self, universe: &Universe, data: &Data, projects: &[Value]) -> Result<Access, String>;
}

/// Reads the lines itself: globs whose `*` crosses `/`, roles, the default role. No regular expressions.
pub struct Structural;

#[derive(Default)]
struct Lines {
    roles: BTreeMap<String, BTreeSet<String>>,
    /// Subject, object, and whether it is denied.
    exec: Vec<(String, String, bool)>,
}

impl Lines {
    fn add(&mut self, line: &str) -> Result<(), String> {
        match policy::line_fields(line)?.as_deref() {
            Some([kind, member, role]) if kind == "g" => drop(self.roles.entry(member.clone()).or_default().insert(role.clone())),
            Some([_, subject, resource, action, object, effect]) if matches(resource, "exec") && matches(action, "create") => {
                self.exec.push((subject.clone(), object.clone(), effect != "allow"));
            }
            _ => {}
        }
        Ok(())
    }

    fn allow(&self, subject: &str, object: &str) -> bool {
        let (mut names, mut open) = (BTreeSet::from([subject]), vec![subject]);
        while let Some(name) = open.pop() {
            open.extend(self.roles.get(name).into_iter().flatten().map(String::as_str).filter(|role| names.insert(role)));
        }
        let mut lines = self.exec.iter().filter(|(s, o, _)| names.contains(s.as_str()) && matches(o, object)).peekable();
        lines.peek().is_some() && lines.all(|(_, _, denied)| !denied)
    }
}

impl Judge for Structural {
    fn access(&mut self, universe: &Universe, data: &Data, projects: &[Value]) -> Result<Access, String> {
        let mut lines = Lines::default();
        lines.add("p, role:admin, exec, create, */*, allow")?;
        lines.add("g, admin, role:admin")?;
        for line in policy::texts(data).flat_map(|(_, text)| text.split('\n')) {
            lines.add(line)?;
        }
        for project in projects {
            for role in project["spec"]["roles"].as_array().into_iter().flatten() {
                for line in role["policies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    lines.add(line)?;
                }
                for group in role["groups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    let name =
                        format!("proj:{}:{}", project["metadata"]["name"].as_str().unwrap_or_default(), role["name"].as_str().unwrap_or_default());
                    lines.roles.entry(group.to_owned()).or_default().insert(name);
                }
            }
        }
        let everybody = policy::default_role(data);
        let allowed = |(user, groups): &(String, Vec<String>), object: &str| {
            [Some(user.as_str()), everybody]
                .into_iter()
                .flatten()
                .chain(groups.iter().map(String::as_str))
                .any(|subject| lines.allow(subject, object))
        };
        let mut access = Access::new();
        for (p, person) in universe.people.iter().enumerate() {
            access.extend(universe.objects.iter().enumerate().filter(|(_, object)| allowed(person, object)).map(|(o, _)| (p, o)));
        }
        Ok(access)
    }
}
