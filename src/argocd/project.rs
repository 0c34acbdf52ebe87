//! An AppProject's roles as Argo CD's own server accepts them. Pure.
//!
//! Kubernetes does not check them, and Argo CD's server checks the whole project with every later edit in its UI or CLI: one role that it
//! would refuse stops all of them. Sources: Argo CD `pkg/apis/application/v1alpha1/types.go` (`validatePolicy`, `validateRoleName`,
//! `validateGroupName`, `isValidObject`) and `app_project_types.go` (`ValidateProject`, `ProjectPoliciesString`).

use std::collections::BTreeSet;

use super::kinds::{AppProject, ProjectRole};
use super::policy::{self, csv};

/// Resources that a project's policy may speak of (`util/rbac/rbac.go`, `ProjectScoped`).
const RESOURCES: &[&str] = &["applications", "applicationsets", "logs", "exec", "clusters", "repositories"];

/// How Argo CD's policy names a project's role.
#[must_use]
pub fn subject(project: &str, role: &str) -> String {
    format!("proj:{project}:{role}")
}

/// How a group is written in a role: with a comma in it, in quotes. `None`: Argo CD accepts no way to write it.
#[must_use]
pub fn group(name: &str) -> Option<String> {
    if name.contains('"') {
        return None;
    }
    let written = if name.contains(',') { format!("\"{name}\"") } else { name.to_owned() };
    group_is_valid(&written).then_some(written)
}

/// The group that a role's entry means.
#[must_use]
pub fn group_name(written: &str) -> &str {
    let trimmed = written.trim_matches(csv::is_go_space);
    trimmed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(trimmed)
}

/// Checks a role that is to be written.
///
/// # Errors
/// What Argo CD would say of it.
pub fn validate(project: &str, role: &ProjectRole) -> Result<(), String> {
    if !role_name_is_valid(&role.name) {
        return Err(format!("the role name {:?} is none for Argo CD", role.name));
    }
    let mut seen = BTreeSet::new();
    for line in role.policies() {
        if !seen.insert(line) {
            return Err(format!("the policy {line:?} stands there twice"));
        }
        validate_policy(project, &role.name, line).map_err(|why| format!("the policy {line:?}: {why}"))?;
    }
    let mut seen = BTreeSet::new();
    for group in role.groups() {
        if !seen.insert(group) || !group_is_valid(group) {
            return Err(format!("the group {group:?} stands there twice, or is none for Argo CD"));
        }
    }
    Ok(())
}

/// Checks that Argo CD can load what a project adds to the policy. Where it cannot, it goes on without any of the project's roles.
///
/// # Errors
/// The role, and what is wrong in it.
pub fn loads(project: &AppProject) -> Result<(), (String, String)> {
    for role in project.roles() {
        let name = subject(project.name(), &role.name);
        let own = std::iter::once(format!("p, {name}, projects, get, {}, allow", project.name()));
        let groups = role.groups().iter().map(|group| format!("g, {group}, {name}"));
        for text in own.chain(role.policies().iter().cloned()).chain(groups) {
            for line in text.split('\n') {
                policy::line_fields(line).map_err(|why| (role.name.clone(), why))?;
            }
        }
    }
    Ok(())
}

fn role_name_is_valid(name: &str) -> bool {
    let alnum = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(alnum) && name.ends_with(alnum) && name.chars().all(|c| alnum(c) || matches!(c, '-' | '_'))
}

fn validate_policy(project: &str, role: &str, line: &str) -> Result<(), &'static str> {
    // Argo CD splits at every comma here, quoted or not.
    let parts: Vec<&str> = line.split(',').map(|part| part.trim_matches(' ')).collect();
    let [kind, who, resource, action, object, effect] = parts.as_slice() else { return Err("it must have six parts") };
    if *kind != "p" || *who != subject(project, role) {
        return Err("it must be a p line of this very role");
    }
    if !RESOURCES.contains(resource) || !matches!(*action, "get" | "create" | "update" | "delete" | "sync" | "override" | "*") {
        return Err("its resource or action is none of a project");
    }
    if !object_is_valid(project, object) {
        return Err("its object must be project/application or project/namespace/application, of letters, digits, '_', '-', '.' and '*'");
    }
    if !matches!(*effect, "allow" | "deny") {
        return Err("its effect must be allow or deny");
    }
    Ok(())
}

fn object_is_valid(project: &str, object: &str) -> bool {
    let part = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*'));
    let Some(rest) = object.strip_prefix(project).and_then(|rest| rest.strip_prefix('/')) else { return false };
    match rest.split_once('/') {
        Some((namespace, name)) => part(namespace) && part(name),
        None => part(rest),
    }
}

fn group_is_valid(written: &str) -> bool {
    let trimmed = written.trim_matches(csv::is_go_space);
    let quoted = trimmed.len() > 1 && trimmed.starts_with('"') && trimmed.ends_with('"');
    let inner = if quoted { group_name(trimmed) } else { trimmed };
    let spaced = written.chars().count() > 1 && (written.starts_with(csv::is_go_space) || written.ends_with(csv::is_go_space));
    !inner.is_empty() && (quoted || !inner.contains(',')) && !inner.contains(['"', '\n', '\r', '\t']) && !spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, policies: &[&str], groups: &[&str]) -> ProjectRole {
        let owned = |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect());
        ProjectRole { name: name.to_owned(), policies: owned(policies), groups: owned(groups), ..ProjectRole::default() }
    }

    #[test]
    fn what_argo_cd_would_refuse_is_refused() {
        let line = |object: &str| format!("p, proj:a.b:r, exec, create, {object}, allow");
        let valid = |line: &str| validate("a.b", &role("r", &[line], &[])).is_ok();
        for object in ["a.b/*", "a.b/web-*", "a.b/team/web", "a.b/w_1.x"] {
            assert!(valid(&line(object)), "{object}");
        }
        for object in ["axb/web", "a.b", "a.b/", "a.b//x", "a.b/x/y/z", "a.b/w?b", "^a.b/x$", "a.b/[ab]", "other/x", "*/*"] {
            assert!(!valid(&line(object)), "{object}");
        }
        assert!(!valid("p, proj:a.b:other, exec, create, a.b/x, allow") && !valid("g, eve, proj:a.b:r"));
        assert!(!valid("p, proj:a.b:r, accounts, get, a.b/x, allow") && !valid("p, proj:a.b:r, exec, create, a.b/x, maybe"));
        for (name, good) in [("exec-access-a-0f0f0f0f", true), ("a.b", false), ("-a", false), ("a_", false), ("", false)] {
            assert_eq!(validate("p", &role(name, &[], &[])).is_ok(), good, "{name:?}");
        }
        assert!(validate("p", &role("r", &[], &["g", "g"])).is_err());
    }

    #[test]
    fn a_group_with_a_comma_is_quoted_and_one_with_a_quote_cannot_be_written() {
        assert_eq!(group("CN=dev,OU=eng").as_deref(), Some("\"CN=dev,OU=eng\""));
        assert_eq!(group("my-org:team a").as_deref(), Some("my-org:team a"));
        assert_eq!(group_name("\"CN=dev,OU=eng\""), "CN=dev,OU=eng");
        for name in ["a\"b", "\"", "\"a\"", "a\tb", "a\nb", " a", "a ", ""] {
            assert_eq!(group(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_project_whose_roles_do_not_load_is_found() {
        let project = |role: ProjectRole| {
            let mut project = AppProject::new("shop", super::super::kinds::AppProjectSpec { roles: Some(vec![role]), ..Default::default() });
            project.metadata.namespace = Some("argocd".to_owned());
            project
        };
        assert_eq!(loads(&project(role("ci", &["p, proj:shop:ci, applications, sync, shop/*, allow"], &["g"]))), Ok(()));
        let (name, why) = loads(&project(role("bad", &["p, proj:shop:bad, applications"], &[]))).unwrap_err();
        assert!(name == "bad" && why.contains("6 fields"), "{name} {why}");
        assert!(loads(&project(role("bad", &[], &["CN=a,OU=b"]))).is_err(), "an unquoted comma makes a third field too many");
    }
}
