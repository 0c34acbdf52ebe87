//! Who is named where in policy lines, structurally: for the question who might be meant, where nothing is to be evaluated. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::line_fields;

/// What a set of policy lines says about subjects and roles, structurally (nothing is evaluated).
#[derive(Debug, Default, Clone)]
pub struct Mentions {
    /// Every subject of a `p` line and both sides of every `g` line.
    names: BTreeSet<String>,
    /// From a member to what it inherits.
    inherits: BTreeMap<String, BTreeSet<String>>,
    /// From a role to the first, by its name, of those who inherit it.
    members: BTreeMap<String, String>,
}

impl Mentions {
    /// Collects what the readable lines of the given texts say, with Argo CD's built-in policy.
    pub fn collect<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        found.inherit("role:admin", "role:readonly");
        found.inherit("admin", "role:admin");
        for line in texts.into_iter().flat_map(|text| text.split('\n')) {
            if let Ok(Some(fields)) = line_fields(line) {
                found.add(&fields);
            }
        }
        found
    }

    fn add(&mut self, fields: &[String]) {
        match fields {
            [kind, member, role] if kind == "g" => {
                self.names.insert(member.clone());
                self.names.insert(role.clone());
                self.inherit(member, role);
            }
            [kind, subject, ..] if kind == "p" => {
                self.names.insert(subject.clone());
            }
            _ => {}
        }
    }

    fn inherit(&mut self, member: &str, role: &str) {
        self.inherits.entry(member.to_owned()).or_default().insert(role.to_owned());
        let first = self.members.entry(role.to_owned()).or_insert_with(|| member.to_owned());
        if member < first.as_str() {
            member.clone_into(first);
        }
    }

    /// Whether the lines name it at all, as a subject, a member or a role.
    #[must_use]
    pub fn name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// One of those who, by these lines, also count as `name`: somebody has made a role of it.
    #[must_use]
    pub fn member_of(&self, name: &str) -> Option<&str> {
        self.members.get(name).map(String::as_str)
    }

    /// Everything that whoever is `from` also is, `from` with it.
    #[must_use]
    pub fn inherited_by<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(name) = open.pop() {
            for next in self.inherits.get(name).into_iter().flatten() {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_follows_roles_through_roles_and_ends_in_circles() {
        let m = Mentions::collect(["g, role:default, role:a\ng, role:a, role:b\ng, role:b, role:a"]);
        assert!(m.inherited_by("role:default").contains("role:b"));
        assert!(!m.inherited_by("role:b").contains("role:default"));
        assert!(m.inherited_by("admin").contains("role:readonly"));
        assert_eq!(m.member_of("role:a"), Some("role:b"), "the first by its name");
        assert_eq!(m.member_of("role:default"), None);
    }
}
