//! Whose name a name in the policy can be: local accounts, tokens of projects' roles, people of an identity provider, and people who do not
//! log in at all (Argo CD `util/settings/accounts.go`). Pure.

use super::kinds::AppProject;
use super::policy::Data;

/// The local account that is in `role:admin` unless argocd-cm switches it off.
pub const ADMIN: &str = "admin";
/// Switches the local admin off.
pub const ADMIN_ENABLED: &str = "admin.enabled";
/// Lets people in who do not log in.
pub const ANONYMOUS_ENABLED: &str = "users.anonymous.enabled";

/// How a local account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// It may be used.
    On,
    /// It is switched off.
    Off,
    /// There is none of this name.
    None,
}

/// The local account of this name. The admin's own switch wins over the old one.
#[must_use]
pub fn local(settings: &Data, name: &str) -> Account {
    let declared = format!("accounts.{name}");
    let own = settings.get(&format!("{declared}.enabled"));
    let switch = if name == ADMIN { own.or_else(|| settings.get(ADMIN_ENABLED)) } else { own };
    // A name with a dot in it is no key of an account for Argo CD.
    let there = name == ADMIN || (!name.contains('.') && (own.is_some() || settings.contains_key(&declared)));
    match switch {
        _ if !there => Account::None,
        Some(value) if is_off(value) => Account::Off,
        _ => Account::On,
    }
}

/// A switch, read as Go reads one; what is none leaves it on.
fn is_off(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE")
}

/// Whether people come in who do not log in.
#[must_use]
pub fn anonymous(settings: &Data) -> bool {
    settings.get(ANONYMOUS_ENABLED).is_some_and(|value| value == "true")
}

/// Whether an identity provider is set up at all. Without one there are only local accounts and tokens.
#[must_use]
pub fn identity_provider(settings: &Data) -> bool {
    ["dex.config", "oidc.config"].iter().any(|key| settings.get(*key).is_some_and(|text| !text.trim().is_empty()))
}

/// Whether a name can be somebody's: a role is nobody, but for a role of a project that tokens were made for.
pub fn is_somebody<'a>(projects: impl IntoIterator<Item = &'a AppProject>, name: &str) -> bool {
    match token_of(name) {
        Some((project, role)) => projects.into_iter().any(|p| p.name() == project && has_tokens(p, role)),
        None => !name.starts_with("role:"),
    }
}

/// The project and the role whose token goes by this name.
#[must_use]
pub fn token_of(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("proj:").and_then(|rest| rest.split_once(':'))
}

fn has_tokens(project: &AppProject, role: &str) -> bool {
    let listed = |v: &serde_json::Value| v.as_array().map_or(!v.is_null(), |tokens| !tokens.is_empty());
    let in_spec = project.roles().iter().any(|r| r.name == role && r.rest.get("jwtTokens").is_some_and(listed));
    // Argo CD keeps an entry without tokens for every role.
    let in_status = |entry: &serde_json::Value| entry.get("items").map_or_else(|| listed(entry), listed);
    let empty = |entry: &serde_json::Value| entry.as_object().is_some_and(serde_json::Map::is_empty);
    in_spec || project.status.as_ref().and_then(|s| s.jwt_tokens_by_role.get(role)).is_some_and(|entry| !empty(entry) && in_status(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_admin_is_there_unless_one_of_its_two_switches_is_off_and_its_own_wins() {
        assert_eq!(local(&settings(&[]), "admin"), Account::On);
        assert_eq!(local(&settings(&[("admin.enabled", "False")]), "admin"), Account::Off);
        assert_eq!(local(&settings(&[("admin.enabled", "no")]), "admin"), Account::On, "Go takes this for no switch");
        assert_eq!(local(&settings(&[("admin.enabled", "false"), ("accounts.admin.enabled", "true")]), "admin"), Account::On);
    }

    #[test]
    fn other_accounts_are_there_when_they_are_declared() {
        let all = settings(&[("accounts.bob", "login"), ("accounts.eve", "apiKey"), ("accounts.eve.enabled", "0"), ("accounts.x.enabled", "true")]);
        assert_eq!(
            ["bob", "eve", "x", "ann", "eve.enabled"].map(|n| local(&all, n)),
            [Account::On, Account::Off, Account::On, Account::None, Account::None]
        );
    }
}
