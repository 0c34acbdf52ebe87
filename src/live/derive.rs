//! From Applications to rights. Pure: the same input gives the same output, in whatever order it comes.
//!
//! What an Application's status says is written by whoever may edit it. So each resource counts only within what the Application's project
//! allows, in a namespace that exists and is not protected, as a kind that the API server knows; by default no Secret counts, and nothing
//! of the hard list; and the operator gives nothing that it does not hold itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;

use super::ceiling::Ceiling;
use super::discovery::{Discovery, Known};
use super::grant::{Access, Grant, Namespaces};
use super::rules::{Names, Right, Rules};
use super::sensitive;
use super::wanted::{TooMany, Wanted};
use crate::api::live_resource_access::Secrets;
use crate::api::live_status::Ungranted;
use crate::api::{Feature, GroupKind};
use crate::argocd::deployed::{Deployed, DeployedResource};
use crate::argocd::kinds::AppProject;
use crate::argocd::project_scope::Scope;
use crate::reconcile::selection;

/// More kinds in namespaces than this are too many for one object.
pub const MOST_PAIRS: usize = 2000;
/// As are more bytes of names in one role: it has to fit into an object.
pub const MOST_NAMES: usize = 512 * 1024;
/// An Application that claims more resources than this counts for nothing; one that has so many cannot be shown anyway.
pub const MOST_CLAIMED: usize = 5000;

/// What a derivation rests on, besides the object itself.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The namespace of the instance and of the agent.
    pub own: &'a str,
    /// Whether the agent takes its Applications from the control plane; only such a one opens terminals.
    pub managed: bool,
    /// The Applications of the cluster.
    pub applications: &'a [Arc<Deployed>],
    /// The projects of the instance.
    pub projects: &'a [Arc<AppProject>],
    /// The namespaces of the cluster.
    pub namespaces: &'a [Arc<Namespace>],
    /// The kinds that the API server knows.
    pub discovery: &'a Discovery,
    /// What the operator may give.
    pub ceiling: &'a Ceiling,
}

/// Where a kind was found in a namespace.
#[derive(Debug, Default)]
struct Origin<'a> {
    /// The names that are in Git.
    names: BTreeSet<&'a str>,
    /// It comes into being below something.
    generated: bool,
}

/// What the Applications of one grant have.
#[derive(Debug, Default)]
struct Found<'a> {
    namespaced: BTreeMap<&'a str, BTreeMap<GroupKind, Origin<'a>>>,
    cluster: BTreeMap<GroupKind, BTreeSet<&'a str>>,
}

/// Derives what one object grants.
#[must_use]
pub fn derive(access: &Access, sight: Sight<'_>) -> Wanted {
    let scopes: BTreeMap<&str, Option<Scope>> = sight.projects.iter().map(|p| (p.name(), Scope::of(p).ok())).collect();
    let there = sight.namespaces.iter().filter(|n| n.metadata.deletion_timestamp.is_none());
    let there: BTreeMap<&str, &Namespace> = there.filter_map(|n| Some((n.metadata.name.as_deref()?, n.as_ref()))).collect();
    let derivation = Derivation { access, sight, scopes, there };
    let mut wanted = Wanted::default();
    let (mut selected, mut pairs) = (BTreeSet::new(), BTreeSet::new());
    for grant in &access.grants {
        let found = derivation.find(grant, &mut selected, &mut wanted);
        derivation.give(grant, &found, &mut pairs, &mut wanted);
    }
    wanted.selected = selected.len();
    wanted.without_resources = sight.applications.iter().filter(|a| a.resources().is_empty() && selected.contains(&id(a))).count();
    let roles = wanted.namespaces.iter().map(|(namespace, place)| (namespace.as_str(), &place.rules)).chain([("", &wanted.cluster)]);
    let crammed = roles.into_iter().find(|(_, rules)| rules.bytes_of_names() > MOST_NAMES);
    let crammed = crammed.map(|(namespace, _)| TooMany::Names(namespace.to_owned()));
    wanted.too_many = if pairs.len() > MOST_PAIRS { Some(TooMany::Pairs(pairs.len())) } else { crammed };
    if wanted.too_many.is_some() {
        wanted.namespaces.clear();
        wanted.cluster = Rules::default();
    }
    wanted
}

fn id(app: &Deployed) -> (&str, &str) {
    (app.metadata.namespace.as_deref().unwrap_or_default(), app.metadata.name.as_deref().unwrap_or_default())
}

/// Whether there can be such a resource: what has other words or longer ones, the API server would not find, and a status must not hold.
fn can_be(resource: &DeployedResource) -> bool {
    let plain =
        |text: &str, longest: usize| text.len() <= longest && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':'));
    let DeployedResource { group, kind, namespace, name } = resource;
    plain(group, 253) && plain(kind, 63) && plain(namespace, 63) && plain(name, 253) && !kind.is_empty() && !name.is_empty()
}

struct Derivation<'a> {
    access: &'a Access,
    sight: Sight<'a>,
    scopes: BTreeMap<&'a str, Option<Scope>>,
    there: BTreeMap<&'a str, &'a Namespace>,
}

impl<'a> Derivation<'a> {
    /// What the Applications of a grant have, within their projects.
    fn find(&self, grant: &Grant, selected: &mut BTreeSet<(&'a str, &'a str)>, wanted: &mut Wanted) -> Found<'a> {
        let mut found = Found::default();
        for app in self.sight.applications {
            let (namespace, name) = id(app);
            let meant = grant.applications.iter().any(|s| s.selects(app.project(), namespace, name, self.sight.own));
            // What is deployed elsewhere is none of this agent's; an Application that is going may still have everything.
            if !meant || !app.spec.destination.is_in_cluster() || self.access.denied_projects.contains(app.project()) {
                continue;
            }
            selected.insert((namespace, name));
            let resources = app.resources();
            if resources.len() > MOST_CLAIMED {
                wanted.crowded.insert(format!("{namespace}/{name}"));
                continue;
            }
            // Argo CD does not serve an Application whose project does not take it from where it lies.
            let scope = self.scopes.get(app.project()).and_then(Option::as_ref).filter(|s| namespace == self.sight.own || s.takes_from(namespace));
            // Where the kind has a namespace and the resource names none, it lies where the Application deploys to.
            let home = app.spec.destination.namespace.as_deref().unwrap_or_default();
            for resource in resources.iter().filter(|r| can_be(r)) {
                self.take(grant, scope, home, resource, &mut found, wanted);
            }
        }
        for kinds in found.namespaced.values_mut() {
            let below: BTreeSet<GroupKind> =
                kinds.keys().filter(|kind| !self.access.children.excludes(kind)).flat_map(|kind| self.access.children.below(kind)).collect();
            for kind in below {
                kinds.entry(kind).or_default().generated = true;
            }
        }
        found
    }

    fn take(&self, grant: &Grant, scope: Option<&Scope>, home: &'a str, resource: &'a DeployedResource, found: &mut Found<'a>, wanted: &mut Wanted) {
        let (group, kind, name) = (resource.group.as_str(), resource.kind.as_str(), resource.name.as_str());
        let whole = || GroupKind::new(group, kind);
        let Some(known) = self.sight.discovery.get(group, kind) else {
            if !self.access.children.excludes(&whole()) {
                wanted.leave_out(&whole(), &resource.namespace, Feature::View, Ungranted::KindUnknown);
            }
            return;
        };
        if !known.namespaced {
            if scope.is_some_and(|s| s.allows_cluster(group, kind, name)) {
                found.cluster.entry(whole()).or_default().insert(name);
            } else {
                wanted.leave_out(&whole(), "", Feature::View, Ungranted::OutsideProject);
            }
            return;
        }
        let namespace = if resource.namespace.is_empty() { home } else { resource.namespace.as_str() };
        if self.access.protected.contains(namespace) {
            wanted.leave_out(&whole(), namespace, Feature::View, Ungranted::ProtectedNamespace);
        } else if !scope.is_some_and(|s| s.allows_namespace(namespace) && s.allows_namespaced(group, kind, name)) {
            wanted.leave_out(&whole(), namespace, Feature::View, Ungranted::OutsideProject);
        } else if let Some(there) = self.there.get(namespace) {
            if chosen(&grant.namespaces, namespace, there) {
                found.namespaced.entry(namespace).or_default().entry(whole()).or_default().names.insert(name);
            }
        } else {
            wanted.miss(namespace);
        }
    }

    /// What a grant gives of what was found.
    fn give(&self, grant: &Grant, found: &Found<'a>, pairs: &mut BTreeSet<(GroupKind, &'a str)>, wanted: &mut Wanted) {
        for (namespace, kinds) in &found.namespaced {
            let mut shown = BTreeSet::new();
            for (kind, origin) in kinds.iter().filter(|(kind, _)| !self.access.children.excludes(kind)) {
                if self.give_kind(grant, namespace, kind, origin, wanted) {
                    shown.insert(kind);
                    pairs.insert((kind.clone(), namespace));
                }
            }
            self.give_place(grant, namespace, &shown, wanted);
        }
        for (kind, names) in found.cluster.iter().filter(|(kind, _)| !self.access.children.excludes(kind)) {
            if self.give_cluster(grant, kind, names, wanted) {
                pairs.insert((kind.clone(), ""));
            }
        }
    }

    /// Whether the kind is shown at all.
    fn give_kind(&self, grant: &Grant, namespace: &str, kind: &GroupKind, origin: &Origin<'_>, wanted: &mut Wanted) -> bool {
        let Some(known) = self.sight.discovery.of(kind).filter(|known| known.namespaced) else {
            // What may come into being below another kind need not exist here.
            if self.access.children.declares(kind) {
                wanted.leave_out(kind, namespace, Feature::View, Ungranted::KindUnknown);
            }
            return false;
        };
        let released = grant.released.contains(kind);
        let by_name = || Names::Only(origin.names.iter().map(|name| (*name).to_owned()).collect());
        let refusal = match grant.secrets {
            _ if sensitive::is_never_proxied(kind) => Some(Ungranted::NeverProxied),
            _ if sensitive::is_hidden(kind) && !released => Some(Ungranted::SensitiveKind),
            Secrets::None if sensitive::is_secret(kind) => Some(Ungranted::Secret),
            Secrets::Named if sensitive::is_secret(kind) && origin.names.is_empty() => Some(Ungranted::Secret),
            _ => None,
        };
        if let Some(reason) = refusal {
            wanted.leave_out(kind, namespace, Feature::View, reason);
            return false;
        }
        let all = if sensitive::is_secret(kind) { grant.secrets == Secrets::All } else { !grant.by_name || origin.generated };
        let names = if all { Names::All } else { by_name() };
        if !self.give_verbs(namespace, kind, Feature::View, &[(known.plural.clone(), "get", &known.verbs)], &names, wanted) {
            return false;
        }
        for feature in grant.features.iter().copied() {
            let verb = match feature {
                Feature::Edit | Feature::Actions => "patch",
                Feature::Delete => "delete",
                Feature::View | Feature::Events | Feature::Logs | Feature::Terminal => continue,
            };
            if sensitive::is_sensitive(kind) && !released {
                wanted.leave_out(kind, namespace, feature, Ungranted::SensitiveKind);
                continue;
            }
            let mut verbs = vec![(known.plural.clone(), verb, &known.verbs)];
            if feature == Feature::Actions
                && let Some(status) = known.below.get("status")
                && self.actions_write_status(kind, known)
            {
                verbs.push((format!("{}/status", known.plural), verb, status));
            }
            if self.give_verbs(namespace, kind, feature, &verbs, &names, wanted) && feature == Feature::Actions {
                self.give_made(grant, namespace, kind, wanted);
            }
        }
        true
    }

    /// Of the actions that Argo CD brings along, only those of Argo's own kinds write a status (promoting or aborting a Rollout; its
    /// `resource_customizations`). For another kind it is given where the ceiling names it: somebody has an action that needs it.
    fn actions_write_status(&self, kind: &GroupKind, known: &Known) -> bool {
        let held =
            || Right::new(&kind.group, &format!("{}/status", known.plural), "patch").is_some_and(|r| self.sight.ceiling.allows(&r, &Names::All));
        kind.group == "argoproj.io" || (kind.group.contains('.') && !kind.group.ends_with(".k8s.io") && held())
    }

    /// What an action on the kind makes: the agent does not compare such a request with the Applications, so somebody has to release it.
    fn give_made(&self, grant: &Grant, namespace: &str, kind: &GroupKind, wanted: &mut Wanted) {
        let Some(made) = sensitive::made_by_actions(kind) else { return };
        let Some(known) = self.sight.discovery.of(&made).filter(|known| known.namespaced) else { return };
        if grant.released.contains(&made) {
            self.give_verbs(namespace, &made, Feature::Actions, &[(known.plural.clone(), "create", &known.verbs)], &Names::All, wanted);
        } else {
            wanted.leave_out(&made, namespace, Feature::Actions, Ungranted::SensitiveKind);
        }
    }

    /// Gives the verbs that the API server offers and the operator holds; whether it was all.
    #[allow(clippy::too_many_arguments, reason = "one right has as many parts")]
    fn give_verbs(
        &self,
        namespace: &str,
        kind: &GroupKind,
        feature: Feature,
        verbs: &[(String, &str, &BTreeSet<String>)],
        names: &Names,
        wanted: &mut Wanted,
    ) -> bool {
        let mut rights = Vec::new();
        for (resource, verb, offered) in verbs {
            let right = Right::new(&kind.group, resource, verb).filter(|_| offered.contains(*verb));
            // An action that writes no status needs none of its rights.
            let optional = resource.contains('/');
            match right {
                Some(right) if self.sight.ceiling.allows(&right, names) => rights.push(right),
                Some(_) => {
                    wanted.leave_out(kind, namespace, feature, Ungranted::BeyondCeiling);
                    return false;
                }
                None if optional => {}
                None => {
                    wanted.leave_out(kind, namespace, feature, Ungranted::VerbUnsupported);
                    return false;
                }
            }
        }
        let place = wanted.namespaces.entry(namespace.to_owned()).or_default();
        place.features.insert(feature);
        for right in rights {
            place.rules.add(right, names);
        }
        true
    }

    /// What is given for all that is shown in a namespace.
    fn give_place(&self, grant: &Grant, namespace: &str, shown: &BTreeSet<&GroupKind>, wanted: &mut Wanted) {
        let pod = GroupKind::new("", "Pod");
        if shown.is_empty() {
            return;
        }
        let pods = shown.contains(&pod);
        if grant.features.contains(&Feature::Terminal) && pods && !self.sight.managed {
            wanted.leave_out(&pod, namespace, Feature::Terminal, Ungranted::AutonomousAgent);
        }
        let Some(place) = wanted.namespaces.get_mut(namespace) else { return };
        let works = |feature: &Feature| match feature {
            Feature::Events => true,
            Feature::Logs => pods,
            Feature::Terminal => pods && self.sight.managed,
            Feature::View | Feature::Edit | Feature::Actions | Feature::Delete => false,
        };
        place.features.extend(grant.features.iter().copied().filter(works));
        // Argo CD tells of an action by an Event in the cluster where it was; that it cannot is only logged.
        if grant.features.contains(&Feature::Actions)
            && place.features.contains(&Feature::Actions)
            && let Some(tell) = Right::new("", "events", "create").filter(|right| self.sight.ceiling.allows(right, &Names::All))
        {
            place.rules.add(tell, &Names::All);
        }
    }

    fn give_cluster(&self, grant: &Grant, kind: &GroupKind, names: &BTreeSet<&str>, wanted: &mut Wanted) -> bool {
        let offered = |known: &&Known| known.verbs.contains("get");
        let names = Names::Only(names.iter().map(|name| (*name).to_owned()).collect());
        let right = self.sight.discovery.of(kind).filter(offered).and_then(|known| Right::new(&kind.group, &known.plural, "get"));
        let refusal = match right {
            _ if sensitive::is_never_proxied(kind) => Ungranted::NeverProxied,
            _ if !grant.cluster_scoped => Ungranted::ClusterScoped,
            _ if sensitive::is_hidden(kind) && !grant.released.contains(kind) => Ungranted::SensitiveKind,
            None => Ungranted::VerbUnsupported,
            Some(right) if self.sight.ceiling.allows(&right, &names) => {
                wanted.cluster.add(right, &names);
                for feature in grant.features.iter().copied().filter(|f| matches!(f, Feature::Edit | Feature::Actions | Feature::Delete)) {
                    wanted.leave_out(kind, "", feature, Ungranted::ClusterScoped);
                }
                return true;
            }
            Some(_) => Ungranted::BeyondCeiling,
        };
        wanted.leave_out(kind, "", Feature::View, refusal);
        false
    }
}

fn chosen(namespaces: &Namespaces, name: &str, namespace: &Namespace) -> bool {
    match namespaces {
        Namespaces::All => true,
        Namespaces::Chosen(names, labels) => names.contains(name) || labels.as_ref().is_some_and(|labels| selection::matches(labels, namespace)),
    }
}
