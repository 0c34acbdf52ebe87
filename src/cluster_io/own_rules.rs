//! What the identity of a client may do, as the API server lists it to itself.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::{Api, Client};

use super::{RequestError, request};
use crate::live::ceiling::Ceiling;

/// What is allowed here is allowed in the whole cluster: no namespace can have such a name, so nobody can have bound anything in it.
pub const NOWHERE: &str = "no.namespace";

/// What was listed.
pub struct OwnRules {
    /// The rules.
    pub rules: Ceiling,
    /// Why they are not all; `None`: they are.
    pub incomplete: Option<String>,
}

/// Asks for the rules in a namespace. `what`: what is asked for, as an error names it.
///
/// # Errors
/// When the API server does not say.
pub async fn own_rules(client: &Client, namespace: &str, what: impl Into<String>) -> Result<OwnRules, RequestError> {
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.to_owned()) };
    let question = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    let api: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let status = request(what, api.create(&PostParams::default(), &question)).await?.status.unwrap_or_default();
    let incomplete =
        status.incomplete.then(|| status.evaluation_error.unwrap_or_else(|| "an authorizer of the cluster does not list its rules".to_owned()));
    Ok(OwnRules { rules: Ceiling::of(status.resource_rules.into_iter().map(rule).collect()), incomplete })
}

/// Who the client is to the API server. `what`: what is asked for, as an error names it.
///
/// # Errors
/// When the API server does not say.
pub async fn own_name(client: &Client, what: &str) -> Result<String, RequestError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let answer = request(what, api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
    Ok(answer.status.and_then(|status| status.user_info?.username).unwrap_or_default())
}

/// Asks for one right, and why it is there or not. Where an authorizer does not list its rules, this is the only answer there is. `what`: what
/// is asked for, as an error names it.
///
/// # Errors
/// When the API server does not say.
pub async fn may(client: &Client, what: &str, attributes: ResourceAttributes) -> Result<(bool, String), RequestError> {
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let question = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let status = request(what, api.create(&PostParams::default(), &question)).await?.status.unwrap_or_default();
    Ok((status.allowed && status.denied != Some(true), status.reason.unwrap_or_default()))
}

/// As much of a rule as a review tells.
fn rule(rule: ResourceRule) -> PolicyRule {
    PolicyRule {
        api_groups: rule.api_groups,
        resources: rule.resources,
        resource_names: rule.resource_names,
        verbs: rule.verbs,
        non_resource_urls: None,
    }
}
