//! Asks the API server what a ServiceAccount of an instance may do. Questions change nothing.

use std::collections::BTreeSet;

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{AT_ONCE, RequestError, request};
use crate::exec::status::{Review, Reviews};
use crate::live::review::{self as live, Question};
use crate::reconcile::plan::Answer;

/// Of one namespace three things are asked at once.
const NAMESPACES_AT_ONCE: usize = AT_ONCE.div_ceil(3);

/// The ServiceAccount that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its namespace: that of the instance.
    pub instance: &'a str,
    /// Its name.
    pub service_account: &'a str,
}

/// Asks about terminals in each namespace; the empty name asks about all at once.
pub async fn reviews(client: &Client, of: Asked<'_>, namespaces: BTreeSet<String>) -> Reviews {
    let ask = |namespace: String| async move {
        let answer = review(client, of, &namespace).await.map_err(|e| e.chain());
        (namespace, answer)
    };
    futures::stream::iter(namespaces).map(ask).buffer_unordered(NAMESPACES_AT_ONCE).collect().await
}

/// Asks about terminals in one namespace.
///
/// # Errors
/// When the question may not be asked, or there is no answer.
pub async fn review(client: &Client, of: Asked<'_>, namespace: &str) -> Result<Review, RequestError> {
    let question = |verb: &'static str, subresource: Option<&'static str>| {
        let attributes = ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            resource: Some("pods".to_owned()),
            subresource: subresource.map(ToOwned::to_owned),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        // In a box: three of them at once are large.
        Box::pin(ask(client, of, attributes))
    };
    let (pods_get, exec_get, exec_create) = tokio::try_join!(question("get", None), question("get", Some("exec")), question("create", Some("exec")))?;
    Ok(Review { pods_get, exec_get, exec_create })
}

/// Asks each question about live resources.
pub async fn questions(client: &Client, of: Asked<'_>, all: impl IntoIterator<Item = Question> + Send) -> live::Reviews {
    let one = |question: Question| async move {
        let Question { namespace, group, resource, verb, name } = &question;
        let answer = ask(client, of, attributes(namespace, (group, resource, verb), name)).await.map_err(|e| e.chain());
        (question, answer)
    };
    futures::stream::iter(all.into_iter().collect::<Vec<_>>()).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// One right, as a review asks for it. `namespace`, `name`: empty is everywhere, and any; `resource`: with its subresource, if any.
#[must_use]
pub fn attributes(namespace: &str, (group, resource, verb): (&str, &str, &str), name: &str) -> ResourceAttributes {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    ResourceAttributes {
        namespace: some(namespace),
        group: some(group),
        resource: some(resource),
        subresource: some(subresource),
        verb: some(verb),
        name: some(name),
        ..ResourceAttributes::default()
    }
}

async fn ask(client: &Client, of: Asked<'_>, attributes: ResourceAttributes) -> Result<Answer, RequestError> {
    let user = format!("system:serviceaccount:{}:{}", of.instance, of.service_account);
    let namespace = attributes.namespace.clone().unwrap_or_default();
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.clone()),
            // The groups that the API server gives to a ServiceAccount's token.
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", of.instance),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = request(format!("review what {user} may do in {namespace:?}"), api.create(&PostParams::default(), &review)).await?;
    let status = answer.status.unwrap_or_default();
    Ok(Answer { allowed: status.allowed && status.denied != Some(true), reason: status.reason.unwrap_or_default() })
}
