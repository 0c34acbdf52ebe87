//! Who may do a thing at all, on whatever object: everybody that a policy gives it to, with the line that does. Pure.
//!
//! A person, a group and a role are one kind of name in Argo CD's policy, so these are names. Where it cannot be told that a name has
//! nothing (a deny that covers only a part, a pattern that is not decided) it is listed. The cost is about that of reading the lines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::compose::Position;
use super::evaluate::{MOST_STEPS, Policy};
use super::table::{Rule, Table};
use super::{MatchMode, Matched};

/// One who may do it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Whether it is not every object there is.
    pub limited: bool,
    /// The name; empty: everybody, by a line without a subject.
    pub name: String,
    /// The objects, as the line names them.
    pub objects: String,
    /// The subject of that line, when the name has it by being a member.
    pub role: Option<String>,
    /// The line that names the holder: of a member the `g` line.
    pub at: Position,
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Right<'r> {
    resource: &'r str,
    action: &'r str,
}

/// From a role to its members, with the lines that say so.
type Members<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a Position)>>;

/// Lines that give or take it, the widest first: by subject.
type Lines<'a> = Vec<&'a Rule>;

fn members(table: &Table) -> Members<'_> {
    let mut all = Members::new();
    for (member, roles) in &table.roles {
        for (role, at) in roles {
            all.entry(role).or_default().push((member, at));
        }
    }
    all
}

impl Policy {
    /// All who may do this on some object, the widest first; each name once, with the widest of its lines.
    #[must_use]
    pub fn holders(&self, resource: &str, action: &str) -> Vec<Holder> {
        let right = Right { resource, action };
        let base = members(&self.base);
        let (given, taken) = (self.giving(&self.base, right), self.taking(&self.base, right));
        let (reached, refused) = (self.reach(&given, &[&base]), self.reach(&taken, &[&base]));
        let mut found: BTreeMap<&str, Holder> = BTreeMap::new();
        found.extend(reached.iter().filter(|(name, _)| !refused.contains_key(*name)).map(|(name, holder)| (*name, holder.clone())));
        for project in self.projects.values().flatten() {
            let mut given_here = self.giving(project, right);
            // The project's members may also get what the other lines give.
            if project.roles.values().flatten().any(|(role, _)| reached.contains_key(role.as_str())) {
                given_here.extend(&given);
            }
            if given_here.is_empty() {
                continue;
            }
            let own = members(project);
            let mut taken_here = self.taking(project, right);
            taken_here.extend(&taken);
            let refused = if taken_here.is_empty() { BTreeMap::new() } else { self.reach(&taken_here, &[&base, &own]) };
            let more = self.reach(&given_here, &[&base, &own]);
            for (name, holder) in more.into_iter().filter(|(name, _)| !refused.contains_key(name)) {
                found.entry(name).or_insert(holder);
            }
        }
        let mut all: Vec<Holder> = found.into_values().collect();
        all.sort();
        all
    }

    /// The rules of a table that may allow it.
    fn giving<'a>(&'a self, table: &'a Table, right: Right<'_>) -> Lines<'a> {
        let about = |rule: &Rule| matches!(self.is_about(rule, right.resource, right.action), Matched::Yes | Matched::Undecided);
        table.rules.iter().filter(|rule| rule.effect == Some(true) && about(rule)).collect()
    }

    /// The rules of a table that refuse it for every object: by a deny of everything, or by a pattern that ends every question with no.
    fn taking<'a>(&'a self, table: &'a Table, right: Right<'_>) -> Lines<'a> {
        let takes = |rule: &&Rule| match self.is_about(rule, right.resource, right.action) {
            Matched::Yes if rule.effect == Some(false) && self.is_everything(rule) => true,
            // A pattern that is no regular expression is none for every object.
            Matched::Yes => self.mode == MatchMode::Regex && self.object_of(rule).is_some_and(|p| p.matches("") == Matched::Fault),
            Matched::Fault => true,
            Matched::No | Matched::Undecided => false,
        };
        table.rules.iter().filter(takes).collect()
    }

    /// Whether a rule's object is every one that there can be: two or three parts.
    fn is_everything(&self, rule: &Rule) -> bool {
        let Some(pattern) = self.object_of(rule) else { return false };
        match self.mode {
            MatchMode::Glob => matches!(pattern.text.as_str(), "*" | "**" | "*/*" | "**/*" | "*/**" | "**/**"),
            MatchMode::Regex => matches!(pattern.text.as_str(), "" | ".*" | "^.*$" | ".*/.*" | "^.*/.*$" | "/" | ".+" | "^.+$"),
        }
    }

    /// Who is the subject of one of these rules, or becomes it by `g` lines, which are walked backwards.
    fn reach<'a>(&'a self, rules: &[&'a Rule], members: &[&Members<'a>]) -> BTreeMap<&'a str, Holder> {
        let mut found: BTreeMap<&'a str, Holder> = BTreeMap::new();
        // The widest first, so that it is the one that is shown.
        for limited in [false, true] {
            let mut seen: BTreeSet<&'a str> = BTreeSet::new();
            let mut open: VecDeque<(&'a str, &'a Rule, usize)> = VecDeque::new();
            for rule in rules.iter().filter(|rule| self.is_everything(rule) != limited) {
                let name = rule.subject();
                if seen.insert(name) {
                    found.entry(name).or_insert_with(|| self.holder(rule, limited, name, &rule.line.at));
                    open.push_back((name, rule, 0));
                }
            }
            while let Some((name, rule, steps)) = open.pop_front() {
                let of_name = members.iter().filter_map(|m| m.get(name)).flatten();
                for (member, at) in of_name.filter(|_| steps < MOST_STEPS) {
                    if seen.insert(member) {
                        found.entry(member).or_insert_with(|| self.holder(rule, limited, member, at));
                        open.push_back((member, rule, steps + 1));
                    }
                }
            }
        }
        found
    }

    fn holder(&self, rule: &Rule, limited: bool, name: &str, at: &Position) -> Holder {
        let objects = self.object_of(rule).map_or_else(String::new, |p| p.text.clone());
        let role = (rule.subject() != name).then(|| rule.subject().to_owned());
        Holder { limited, name: name.to_owned(), objects, role, at: at.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Data, Policy};
    use crate::argocd::kinds::AppProject;

    fn policy(csv: &str, mode: &str, projects: &[&str]) -> Policy {
        let data = Data::from([("policy.csv".to_owned(), csv.to_owned()), ("policy.matchMode".to_owned(), mode.to_owned())]);
        let projects: Vec<AppProject> = projects.iter().map(|p| serde_yaml::from_str(p).unwrap()).collect();
        Policy::new(&data, &projects).unwrap()
    }

    fn names(policy: &Policy) -> Vec<String> {
        policy.holders("exec", "create").into_iter().map(|h| format!("{} {}", h.name, h.objects)).collect()
    }

    #[test]
    fn members_of_members_are_found_with_the_line_that_names_them() {
        let policy = policy("g, ops, team\ng, team, role:admin\ng, readers, role:readonly", "", &[]);
        let all = policy.holders("exec", "create");
        let of = |name: &str| all.iter().find(|h| h.name == name);
        assert_eq!(of("ops").unwrap().at.to_string(), "argocd-rbac-cm key policy.csv, line 1");
        assert_eq!(of("ops").unwrap().role.as_deref(), Some("role:admin"));
        assert!(of("readers").is_none());
        assert_eq!(names(&policy), ["admin */*", "ops */*", "role:admin */*", "team */*"]);
    }

    #[test]
    fn wildcards_count_for_what_they_match_and_the_widest_line_is_shown() {
        let policy = policy(
            "p, a, *, *, shop/x, allow\np, a, exec, *, */*, allow\np, b, \"{exec,logs}\", c*, shop/*, allow\np, c, logs, *, */*, allow\np, d, exec, get, */*, allow\np, e, exec, create, */*, deny",
            "",
            &[],
        );
        assert_eq!(names(&policy), ["a */*", "admin */*", "role:admin */*", "b shop/*"]);
    }

    #[test]
    fn a_deny_of_everything_takes_it_and_one_of_a_part_does_not() {
        assert_eq!(names(&policy("p, role:admin, exec, create, */*, deny", "", &[])), Vec::<String>::new());
        assert_eq!(names(&policy("p, admin, exec, *, *, deny", "", &[])), ["role:admin */*"]);
        assert_eq!(names(&policy("p, role:admin, exec, create, shop/*, deny", "", &[])).len(), 2);
    }

    #[test]
    fn in_regex_mode_the_built_in_line_is_no_expression_and_gives_nobody_anything() {
        assert_eq!(names(&policy("p, x, exec, create, .*, allow\np, y, e, ^create$, shop/.*, allow", "regex", &[])), ["x .*", "y shop/.*"]);
    }

    #[test]
    fn roles_of_projects_are_found_and_count_only_with_their_project() {
        let shop =
            "{metadata: {name: shop}, spec: {roles: [{name: dev, policies: ['p, proj:shop:dev, exec, create, shop/*, allow'], groups: [devs]}]}}";
        let bank = "{metadata: {name: bank}, spec: {roles: [{name: ro, policies: ['p, proj:bank:ro, applications, get, bank/*, allow'], groups: [auditors]}]}}";
        let broken =
            "{metadata: {name: x}, spec: {roles: [{name: r, policies: ['p, proj:x:r, exec, create, x/*, allow', 'p, too, few'], groups: [lost]}]}}";
        assert_eq!(names(&policy("", "", &[shop, bank, broken])), ["admin */*", "role:admin */*", "devs shop/*", "proj:shop:dev shop/*"]);
        let smuggled = "{metadata: {name: y}, spec: {roles: [{name: r, policies: ['g, eve, role:admin']}]}}";
        assert!(names(&policy("", "", &[smuggled])).contains(&"eve */*".to_owned()));
    }

    #[test]
    fn beyond_ten_steps_nothing_is_reached() {
        let chain = (0..12).map(|i| format!("g, n{i}, n{}\n", i + 1)).collect::<Vec<_>>().concat();
        let all = names(&policy(&format!("{chain}p, n12, exec, create, a/b, allow"), "", &[]));
        assert!(all.contains(&"n2 a/b".to_owned()) && !all.contains(&"n1 a/b".to_owned()), "{all:?}");
    }
}
