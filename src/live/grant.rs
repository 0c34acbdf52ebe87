//! A valid `LiveResourceAccess` of side Agent, parsed once. Pure.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::children::Children;
use crate::api::live_resource_access::{ClusterScoped, LiveGrant, Precision, Secrets};
use crate::api::{Feature, GroupKind, LiveResourceAccess, Side};
use crate::config::InstanceConfig;
use crate::reconcile::limits::{self, Refusal, invalid};
use crate::reconcile::selection::{self, Applications};
use crate::reconcile::time::Times;

/// What one object grants.
#[derive(Clone, Debug)]
pub struct Access {
    /// The agent's Deployment, where it is named.
    pub deployment: Option<String>,
    /// The grants; they add up.
    pub grants: Vec<Grant>,
    /// What comes into being below what.
    pub children: Children,
    /// Where nothing is granted.
    pub protected: BTreeSet<String>,
    /// Projects whose Applications do not count.
    pub denied_projects: BTreeSet<String>,
    /// When it is in effect.
    pub times: Times,
}

/// One of its grants.
#[derive(Clone, Debug)]
pub struct Grant {
    /// What works; `View` always.
    pub features: BTreeSet<Feature>,
    /// With the resources of which Applications.
    pub applications: Vec<Applications>,
    /// In which of their namespaces.
    pub namespaces: Namespaces,
    /// Whether resources in Git are granted by their names.
    pub by_name: bool,
    /// Whether resources without a namespace are shown.
    pub cluster_scoped: bool,
    /// Whether Secrets are shown.
    pub secrets: Secrets,
    /// Released from the hard list.
    pub released: BTreeSet<GroupKind>,
}

/// A choice of namespaces.
#[derive(Clone, Debug)]
pub enum Namespaces {
    /// Each in which a resource lies.
    All,
    /// Only these, and those with such labels.
    Chosen(BTreeSet<String>, Option<LabelSelector>),
}

/// Parses an object, within the limits of its instance. What the CRD's schema refuses already is checked again: the schema on the server
/// may be an older one.
///
/// # Errors
/// The verdict of `Accepted`, naming the field and what to do.
pub fn parse(access: &LiveResourceAccess, settings: &InstanceConfig) -> Result<Access, Refusal> {
    let spec = &access.spec;
    let block = match (spec.side, &spec.agent, &spec.principal) {
        (Side::Agent, Some(block), None) => block,
        (Side::Agent, None, _) => return Err(invalid("side: Agent needs the block spec.agent: it says what is granted")),
        (Side::Agent, Some(_), Some(_)) => return Err(invalid("the block spec.principal has no meaning with side: Agent; remove it")),
        (Side::Principal, ..) => return Err(invalid("an object of side Principal grants an agent nothing")),
    };
    let grants = block.grants.iter().enumerate().map(|(index, one)| grant(index, one, &settings.namespace)).collect::<Result<Vec<_>, _>>()?;
    if grants.is_empty() {
        return Err(invalid("spec.agent.grants must have at least one"));
    }
    for kind in block.children.iter().flat_map(|pair| [&pair.parent, &pair.child]).chain(&block.exclude) {
        check(kind)?;
    }
    limits::reason(spec.reason.as_deref(), &settings.limits)?;
    let denied = settings.limits.denied_namespaces.iter();
    Ok(Access {
        deployment: block.deployment.clone().filter(|name| !name.is_empty()),
        grants,
        children: Children::new(&block.children, &block.exclude),
        protected: block.protected_namespaces.iter().chain(denied).chain([&settings.namespace]).cloned().collect(),
        denied_projects: settings.limits.denied_projects.clone(),
        times: limits::times(&access.metadata, &spec.validity, &spec.schedule, &settings.limits)?,
    })
}

fn grant(index: usize, grant: &LiveGrant, own: &str) -> Result<Grant, Refusal> {
    let at = format!("spec.agent.grants[{index}]");
    let selector = |(n, selector)| Applications::parse(&format!("{at}.applications[{n}]"), selector, own).map_err(invalid);
    let applications = grant.applications.iter().enumerate().map(selector).collect::<Result<Vec<_>, _>>()?;
    if applications.is_empty() || grant.features.is_empty() {
        return Err(invalid(format!("{at}.applications and {at}.features must each name at least one")));
    }
    grant.sensitive.iter().try_for_each(check)?;
    let (names, labels) = (&grant.namespaces.names, &grant.namespaces.selector);
    if labels.as_ref().is_some_and(selection::is_empty) {
        return Err(invalid(format!("{at}.namespaces.selector is empty and would select every namespace; leave it out")));
    }
    let everywhere = names.is_empty() && labels.is_none();
    Ok(Grant {
        features: grant.features.iter().copied().chain([Feature::View]).collect(),
        applications,
        namespaces: if everywhere { Namespaces::All } else { Namespaces::Chosen(names.iter().cloned().collect(), labels.clone()) },
        by_name: grant.precision == Precision::Name,
        cluster_scoped: grant.cluster_scoped == ClusterScoped::View,
        secrets: grant.secrets,
        released: grant.sensitive.iter().cloned().collect(),
    })
}

fn check(kind: &GroupKind) -> Result<(), Refusal> {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    if plain(&kind.group) && plain(&kind.kind) && !kind.kind.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("{kind:?} is no kind; a group and a kind are named without wildcards")))
}
