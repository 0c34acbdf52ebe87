//! From a grant to policy lines that allow exactly that, in both of Argo CD's match modes. Pure.
//!
//! In glob mode `*` crosses `/`: `shop/web-*` also matches `shop/web-team/secret-app`. Where Applications may live in other namespaces
//! (three-part objects exist), a pattern is therefore written only when it cannot leak, and otherwise expanded to the live
//! Applications. In regex mode a line is anchored and its wildcards do not cross `/`, so that nothing has to be expanded.

use std::collections::BTreeSet;

use super::by_name::ByName;
use super::grant::Grant;
use super::world::World;
use crate::argocd::kinds::Application;
use crate::argocd::policy::{self, MatchMode, csv};
use crate::argocd::versions;
use crate::reconcile::selection::{AppNamespace, Applications};

/// What decides how a grant is written.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The instance's namespace.
    pub namespace: &'a str,
    /// How Argo CD compares.
    pub mode: MatchMode,
    /// Whether Applications may live in other namespaces.
    pub elsewhere: bool,
    /// The live Applications; `None`: they cannot be seen.
    pub applications: Option<&'a ByName<'a>>,
    /// Whether `*` is the only wildcard that may be written: so it is in a project's role.
    pub stars_only: bool,
}

impl<'a> Context<'a> {
    /// What decides in this world, under this policy.
    #[must_use]
    pub fn of(world: &'a World, sorted: &'a ByName<'a>, data: &policy::Data) -> Self {
        Self {
            namespace: world.namespace(),
            mode: policy::match_mode(data),
            elsewhere: world.applications_elsewhere(),
            applications: world.applications.is_ok().then_some(sorted),
            stars_only: false,
        }
    }
}

/// The lines of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// `p` lines, sorted, then `g` lines, sorted.
    pub lines: Vec<String>,
    /// No application is named by any line (yet).
    pub no_applications: bool,
    /// Something had to be expanded, and the Applications cannot be seen: what is here may be too little, never too much.
    pub blind: bool,
}

/// Whether an Application is one that the selector means.
#[must_use]
pub fn selects(selector: &Applications, app: &Application, own: &str) -> bool {
    let (namespace, name) = (app.metadata.namespace.as_deref(), app.metadata.name.as_deref());
    selector.selects(app.project(), namespace.unwrap_or_default(), name.unwrap_or_default(), own)
}

/// The applications as the objects of policy lines, and whether something could not be expanded because the Applications cannot be seen.
pub fn objects<'a>(selectors: impl IntoIterator<Item = &'a Applications>, context: Context<'_>) -> (BTreeSet<String>, bool) {
    let mut objects = BTreeSet::new();
    let mut blind = false;
    for selector in selectors {
        match context.mode {
            MatchMode::Regex => objects.extend(as_regex(selector, context)),
            MatchMode::Glob => match as_glob(selector, context) {
                Some(object) => {
                    objects.insert(object);
                }
                None => match context.applications {
                    Some(live) => objects.extend(live.meant(selector).into_iter().filter_map(|app| object_of(app, context.namespace))),
                    None => blind = true,
                },
            },
        }
    }
    (objects, blind)
}

/// The two rules by which `subject` may open a terminal in each of these: Argo CD asks for both.
pub fn rules<'a>(subject: &'a str, objects: &'a BTreeSet<String>, mode: MatchMode) -> impl Iterator<Item = String> + 'a {
    let exact = move |word: &str| if mode == MatchMode::Regex { format!("^{word}$") } else { word.to_owned() };
    let rule = move |resource: &str, action: &str, object: &str| csv::line(&["p", subject, &exact(resource), &exact(action), object, "allow"]);
    objects.iter().flat_map(move |object| [rule("applications", "get", object), rule("exec", "create", object)])
}

/// What is to be said of a grant that Argo CD's web interface does not show to those who have it; empty when there is nothing.
///
/// The short form by which it would be shown is not written: it grants an Application of that name in the instance's own namespace, and
/// such a one may be created while nobody looks.
#[must_use]
pub fn hidden(grant: &Grant, world: &World) -> &'static str {
    let named = grant.applications.iter().any(|selector| selector.namespace != AppNamespace::Own);
    // argocd-server is looked for only where that counts.
    let argocd = if named { world.server().ok().and_then(Result::ok) } else { None };
    let elsewhere = argocd.as_ref().is_some_and(|server| server.applications_elsewhere);
    if elsewhere && versions::hides_tabs(argocd.and_then(|server| server.version).as_deref()) {
        "; but before Argo CD 3.4.4 the web interface shows the Terminal tab of an Application in another namespace only to whoever may exec into one of the same project and name in the instance's own namespace: upgrade, or, if that is meant too, name it in spec.applications without a namespace"
    } else {
        ""
    }
}

/// Writes the lines of a grant.
#[must_use]
pub fn render(grant: &Grant, context: Context<'_>) -> Lines {
    let (objects, blind) = objects(&grant.applications, context);
    let members = grant.subjects.iter().map(|subject| csv::line(&["g", subject, &grant.role]));
    // A role without any application needs no members: then nothing is written at all.
    let lines = if objects.is_empty() { Vec::new() } else { rules(&grant.role, &objects, context.mode).chain(members).collect() };
    Lines { no_applications: objects.is_empty(), lines, blind }
}

/// The name that Argo CD's RBAC has for an Application. Names that Kubernetes would not admit are left out.
fn object_of(app: &Application, own: &str) -> Option<String> {
    let plain = |name: &str| policy::NamePattern::parse(name).is_ok_and(|n| n.is_literal());
    let (project, name) = (app.project(), app.metadata.name.as_deref()?);
    let namespace = app.metadata.namespace.as_deref()?;
    if ![project, name, namespace].into_iter().all(plain) {
        return None;
    }
    Some(if namespace == own { format!("{project}/{name}") } else { format!("{project}/{namespace}/{name}") })
}

/// The object as a glob, where that matches just what is meant; `None` where it must be expanded.
fn as_glob(selector: &Applications, context: Context<'_>) -> Option<String> {
    let (project, name) = (&selector.project, &selector.name);
    let literal = project.is_literal() && name.is_literal();
    if context.stars_only && [project, name].iter().any(|pattern| pattern.as_glob().contains('?')) {
        return None;
    }
    match &selector.namespace {
        // Without three-part objects there is nothing that a `*` could cross into.
        AppNamespace::Own | AppNamespace::Any if literal && selector.namespace == AppNamespace::Own || !context.elsewhere => {
            Some(format!("{}/{}", project.as_glob(), name.as_glob()))
        }
        AppNamespace::Own => None,
        // `shop/team/web-*` has three parts already, and a name holds no `/`.
        AppNamespace::Named(namespace) if project.is_literal() => Some(format!("{}/{namespace}/{}", project.as_glob(), name.as_glob())),
        AppNamespace::Named(_) => None,
        // Every application of the project wherever it lives: here the crossing is what is meant.
        AppNamespace::Any if name.is_any() && (project.is_literal() || project.is_any()) => Some(format!("{}/*", project.as_glob())),
        AppNamespace::Any => None,
    }
}

fn as_regex(selector: &Applications, context: Context<'_>) -> Vec<String> {
    let (project, name) = (selector.project.to_regex(), selector.name.to_regex());
    match &selector.namespace {
        AppNamespace::Named(namespace) => vec![format!("^{project}/{namespace}/{name}$")],
        AppNamespace::Any if context.elsewhere => vec![format!("^{project}/([^/]*/)?{name}$")],
        AppNamespace::Own | AppNamespace::Any => vec![format!("^{project}/{name}$")],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::fixtures::{app, grant};
    use super::*;

    fn objects(applications: &str, mode: MatchMode, elsewhere: bool, live: &[Arc<Application>]) -> Vec<String> {
        let grant = grant(&format!("{{subjects: [{{kind: Group, name: g}}], applications: {applications}}}"));
        let live = ByName::applications(live, "argocd");
        let context = Context { namespace: "argocd", mode, elsewhere, applications: Some(&live), stars_only: false };
        let lines = render(&grant, context).lines;
        let fields = lines.iter().map(|l| csv::fields(l).unwrap());
        fields.filter(|f| f[0] == "p" && f[2].contains("exec")).map(|f| f[4].clone()).collect()
    }

    #[test]
    fn a_wildcard_stays_a_wildcard_only_where_it_cannot_cross_a_slash() {
        let live = [app("argocd", "shop", "web-1"), app("web-team", "shop", "secret-app"), app("argocd", "other", "web-2")];
        let glob = |apps: &str, elsewhere| objects(apps, MatchMode::Glob, elsewhere, &live);
        assert_eq!(glob("[{project: shop, name: 'web-*'}]", false), ["shop/web-*"]);
        assert_eq!(glob("[{project: shop, name: 'web-*'}]", true), ["shop/web-1"]);
        assert_eq!(glob("[{project: shop}]", true), ["shop/web-1"]);
        assert_eq!(glob("[{project: '*'}]", true), ["other/web-2", "shop/web-1"]);
        assert_eq!(glob("[{project: shop, namespace: '*'}]", true), ["shop/*"]);
        assert_eq!(glob("[{project: '*', namespace: '*'}]", true), ["*/*"]);
        assert_eq!(glob("[{project: 's*', namespace: '*'}]", true), ["shop/web-1", "shop/web-team/secret-app"]);
        assert_eq!(glob("[{project: shop, name: 'web-*', namespace: '*'}]", true), ["shop/web-1"]);
        assert_eq!(glob("[{project: shop, name: 's*', namespace: web-team}]", true), ["shop/web-team/s*"]);
        assert_eq!(glob("[{project: shop, name: web-1}]", true), ["shop/web-1"]);
        assert_eq!(glob("[{project: shop, name: secret-app, namespace: '*'}]", true), ["shop/web-team/secret-app"]);
    }

    #[test]
    fn in_regex_mode_lines_are_anchored_and_do_not_cross_a_slash() {
        let regex = |apps: &str, elsewhere| objects(apps, MatchMode::Regex, elsewhere, &[]);
        assert_eq!(regex("[{project: shop, name: 'web.*'}]", true), ["^shop/web\\.[^/]*$"]);
        assert_eq!(regex("[{project: '*', namespace: '*'}]", true), ["^[^/]*/([^/]*/)?[^/]*$"]);
        assert_eq!(regex("[{project: shop, namespace: team}]", true), ["^shop/team/[^/]*$"]);
    }

    #[test]
    fn without_sight_of_applications_nothing_is_guessed() {
        let grant = grant("{subjects: [{kind: Group, name: g}], applications: [{project: shop}]}");
        let context = Context { namespace: "argocd", mode: MatchMode::Glob, elsewhere: true, applications: None, stars_only: false };
        let lines = render(&grant, context);
        assert!(lines.blind && lines.lines.is_empty());
    }

    #[test]
    fn where_only_stars_may_be_written_other_wildcards_become_names() {
        let live = [app("argocd", "shop", "web-1"), app("argocd", "shop", "web-22")];
        let live = ByName::applications(&live, "argocd");
        let of = |apps: &str| {
            let grant = grant(&format!("{{subjects: [{{kind: Group, name: g}}], applications: {apps}}}"));
            let context = Context { namespace: "argocd", mode: MatchMode::Glob, elsewhere: false, applications: Some(&live), stars_only: true };
            super::objects(&grant.applications, context).0.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(of("[{project: shop, name: 'web-?'}]"), ["shop/web-1"]);
        assert_eq!(of("[{project: shop, name: 'web-*'}]"), ["shop/web-*"]);
        assert_eq!(of("[{project: shop, name: 'w?b', namespace: team}]"), [""; 0]);
    }
}
