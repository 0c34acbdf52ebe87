//! By which `g` lines a name is also a role: the shortest way, as people want to see why somebody has a right. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::compose::Position;
use super::evaluate::{MOST_STEPS, Policy};

/// One `g` line on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Who becomes something.
    pub member: &'a str,
    /// What.
    pub role: &'a str,
    /// Where the line stands.
    pub at: &'a Position,
}

impl Policy {
    /// The shortest way from a name to a role, by all lines and those of one project; empty where they are the same, or where none leads
    /// there.
    #[must_use]
    pub fn way<'a>(&'a self, from: &'a str, to: &str, project: &str) -> Vec<Step<'a>> {
        let tables = [Some(&self.base), self.projects.get(project).and_then(Option::as_ref)];
        let mut came: BTreeMap<&'a str, Step<'a>> = BTreeMap::new();
        let mut open = VecDeque::from([(from, 0)]);
        while let Some((member, steps)) = open.pop_front().filter(|(name, _)| *name != to) {
            let roles = tables.iter().flatten().filter_map(|table| table.roles.get(member)).flatten();
            for (role, at) in roles.filter(|_| steps < MOST_STEPS) {
                if role != from && !came.contains_key(role.as_str()) {
                    came.insert(role, Step { member, role, at });
                    open.push_back((role, steps + 1));
                }
            }
        }
        let mut way = Vec::new();
        let mut name = to;
        while let Some(step) = came.get(name) {
            way.push(*step);
            name = step.member;
        }
        way.reverse();
        way
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Policy};

    #[test]
    fn the_shortest_way_is_told_line_by_line_and_circles_end() {
        let csv = "g, ops, team\ng, team, ops\ng, team, role:admin\ng, role:admin, role:x\ng, ops, a\ng, a, b\ng, b, role:x";
        let policy = Policy::new(&Data::from([("policy.csv".to_owned(), csv.to_owned())]), []).unwrap();
        let way = |from, to| policy.way(from, to, "").iter().map(|s| format!("{} {} {}", s.member, s.role, s.at.number)).collect::<Vec<_>>();
        assert_eq!(way("ops", "role:admin"), ["ops team 1", "team role:admin 3"]);
        assert_eq!(way("ops", "role:x").len(), 3);
        assert!(way("ops", "ops").is_empty() && way("nobody", "role:x").is_empty() && way("role:x", "ops").is_empty());
    }
}
