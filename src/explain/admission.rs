//! What the API server admits: our own admission policy, and whatever else looks at `CONNECT pods/exec`. Pure.
//!
//! Ours is evaluated. Of others it is only said that they do not look at the request, where that is plain: what an expression or a webhook
//! answers cannot be told from here.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations, RuleWithOperations, ValidatingAdmissionPolicy};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};

use super::link::{Fix, Link, Name};
use super::observed::{Observed, pod_namespace};
use super::question::Question;
use super::{Cause, after, after_application, exec_access, not_readable};
use crate::argocd::instance::Server;
use crate::exec::confinement::rule::{self, Rule};
use crate::exec::remote::Cluster;
use crate::exec::world::binding_name;

const NAME: Name = Name::Admission;

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let Some(live) = observed.live() else { return after_application(NAME) };
    if Cluster::of(&live.application.spec.destination).is_some() {
        return after(NAME, "it depends on the admission of the other cluster");
    }
    let Some(namespace) = pod_namespace(question, Some(live)) else { return after(NAME, "it depends on the Pod's namespace") };
    let Some(server) = observed.server() else { return after(NAME, "it depends on argocd-server") };
    let at = At { observed, labels: labels(observed) };
    let (policies, bindings) = match (&observed.policies, &observed.bindings) {
        (Ok(policies), Ok(bindings)) => (policies, bindings),
        (Err(not_seen), _) | (_, Err(not_seen)) => return not_readable(NAME, not_seen),
    };
    let mut foreign = Vec::new();
    let mut own = None;
    for policy in policies {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        let of_policy = bindings.iter().filter_map(|b| b.spec.as_ref()).filter(|b| b.policy_name.as_deref() == Some(name));
        let denying: Vec<_> = of_policy
            .filter(|b| b.validation_actions.iter().flatten().any(|a| a == "Deny"))
            .filter(|b| b.match_resources.as_ref().is_none_or(|m| at.meets(m)))
            .collect();
        let constraints = policy.spec.as_ref().and_then(|s| s.match_constraints.as_ref());
        if denying.is_empty() || !constraints.is_some_and(|c| at.looks(c)) || is_of_another_instance(observed, policy) {
            continue;
        }
        match ours(observed, policy, &server, &namespace) {
            Some(true) => own = Some(name.to_owned()),
            Some(false) => return confined(question, observed, name, &namespace),
            None => foreign.push(format!("ValidatingAdmissionPolicy {name}")),
        }
    }
    match hooks(&at) {
        Ok(names) => foreign.extend(names),
        Err(not_seen) => return not_readable(NAME, &not_seen),
    }
    if !foreign.is_empty() {
        let fact = format!("{} looks at CONNECT pods/exec in {namespace}; what it says cannot be told from here", foreign.join(", "));
        return Link::unknown(NAME, Cause::AdmissionForeign, fact).mended_by(Fix::by_people(Cause::AdmissionForeign.mend()));
    }
    Link::open(
        NAME,
        match own {
            Some(name) => format!("the instance is confined, and ValidatingAdmissionPolicy {name} allows {namespace}"),
            None => format!("no admission policy and no webhook looks at CONNECT pods/exec in {namespace}"),
        },
    )
}

fn confined(question: &Question, observed: &Observed, policy: &str, namespace: &str) -> Link {
    let fact =
        format!("the instance is confined, and ValidatingAdmissionPolicy {policy} does not allow {namespace}: no ExecAccess in effect is for it");
    let fix = if observed.exec_access { exec_access::declare(question) } else { Some(Fix::by_people(Cause::Confined.mend())) };
    Link::closed(NAME, Cause::Confined, fact).mended_by(fix)
}

/// Whether our policy allows it; `None`: it is not ours, or somebody has changed it.
fn ours(observed: &Observed, policy: &ValidatingAdmissionPolicy, server: &Server, namespace: &str) -> Option<bool> {
    let world = &observed.world;
    if policy.metadata.name.as_deref() != Some(world.binding_name().as_str()) || !world.is_ours(&policy.metadata) {
        return None;
    }
    let rule = Rule::read(policy.spec.as_ref()?, world.namespace())?;
    let is = |names: &std::collections::BTreeSet<rule::Name>, name: &str| names.iter().any(|n| n.as_str() == name);
    Some(!is(&rule.accounts, &server.service_account) || is(&rule.namespaces, namespace))
}

/// Whether a policy confines the argocd-server of another instance, and nobody else: by its whole text, whoever wrote it.
fn is_of_another_instance(observed: &Observed, policy: &ValidatingAdmissionPolicy) -> bool {
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    let instance = name.strip_prefix(&binding_name("")).filter(|instance| *instance != observed.world.namespace());
    instance.zip(policy.spec.as_ref()).is_some_and(|(instance, spec)| Rule::read(spec, instance).is_some())
}

fn labels(observed: &Observed) -> Option<BTreeMap<String, String>> {
    let of = |namespace: &Namespace| namespace.metadata.labels.clone().unwrap_or_default();
    observed.namespace.as_ref().ok()?.as_ref().map(|namespace| of(namespace))
}

/// Where the request goes.
struct At<'a> {
    observed: &'a Observed,
    /// The namespace's labels; `None`: not known.
    labels: Option<BTreeMap<String, String>>,
}

impl At<'_> {
    /// Whether a selector may select the namespace.
    fn selected(&self, selector: Option<&LabelSelector>) -> bool {
        let (Some(selector), Some(labels)) = (selector, &self.labels) else { return true };
        Selector::try_from(selector.clone()).map_or(true, |s| s.matches(labels))
    }

    /// Whether a policy may look at the request.
    fn looks(&self, constraints: &MatchResources) -> bool {
        constraints.resource_rules.iter().flatten().any(is_exec_rule) && self.meets(constraints)
    }

    /// Whether the rest of what it is about may be met. Without rules of its own a binding is about everything.
    fn meets(&self, constraints: &MatchResources) -> bool {
        let ruled = constraints.resource_rules.as_ref().is_none_or(|rules| rules.is_empty() || rules.iter().any(is_exec_rule));
        // What is left out for certain Pods, or for another version of the API, is not left out for certain.
        let whole = |rule: &NamedRuleWithOperations| {
            rule.resource_names.iter().flatten().next().is_none() && rule.api_versions.iter().flatten().any(|v| v == "v1" || v == "*")
        };
        let excluded = constraints.exclude_resource_rules.iter().flatten().any(|rule| whole(rule) && is_exec_rule(rule));
        ruled && !excluded && self.selected(constraints.namespace_selector.as_ref())
    }

    fn hook(&self, rules: Option<&[RuleWithOperations]>, selector: Option<&LabelSelector>) -> bool {
        let is_it = |r: &RuleWithOperations| is_exec(r.operations.as_deref(), r.api_groups.as_deref(), r.resources.as_deref(), r.scope.as_deref());
        rules.into_iter().flatten().any(is_it) && self.selected(selector)
    }
}

fn is_exec_rule(rule: &NamedRuleWithOperations) -> bool {
    is_exec(rule.operations.as_deref(), rule.api_groups.as_deref(), rule.resources.as_deref(), rule.scope.as_deref())
}

fn is_exec(operations: Option<&[String]>, groups: Option<&[String]>, resources: Option<&[String]>, scope: Option<&str>) -> bool {
    let has = |list: Option<&[String]>, of: &[&str]| list.into_iter().flatten().any(|text| of.contains(&text.as_str()));
    has(operations, &["CONNECT", "*"])
        && has(groups, &["", "*"])
        && has(resources, &["pods/exec", "pods/*", "*/exec", "*/*"])
        && scope.is_none_or(|scope| scope != "Cluster")
}

/// The webhooks that look at it.
fn hooks(at: &At<'_>) -> crate::reconcile::Seen<Vec<String>> {
    let mut names = Vec::new();
    for config in at.observed.validating.as_ref().map_err(Clone::clone)? {
        let looks = config.webhooks.iter().flatten().any(|w| at.hook(w.rules.as_deref(), w.namespace_selector.as_ref()));
        names.extend(looks.then(|| format!("ValidatingWebhookConfiguration {}", config.metadata.name.as_deref().unwrap_or_default())));
    }
    for config in at.observed.mutating.as_ref().map_err(Clone::clone)? {
        let looks = config.webhooks.iter().flatten().any(|w| at.hook(w.rules.as_deref(), w.namespace_selector.as_ref()));
        names.extend(looks.then(|| format!("MutatingWebhookConfiguration {}", config.metadata.name.as_deref().unwrap_or_default())));
    }
    Ok(names)
}
