//! Asks the API server what argocd-server's ServiceAccount may do. Questions change nothing.

use std::collections::BTreeSet;

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::{RequestError, request};
use crate::exec::status::{Answer, Review, Reviews};

/// As many questions at once; each takes about half a millisecond.
const AT_ONCE: usize = 8;

/// Asks about each namespace; the empty name asks about all at once.
pub async fn reviews(client: &Client, instance: &str, service_account: &str, namespaces: BTreeSet<String>) -> Reviews {
    let ask = |namespace: String| async move {
        let answer = review(client, instance, service_account, &namespace).await.map_err(|e| e.chain());
        (namespace, answer)
    };
    futures::stream::iter(namespaces).map(ask).buffer_unordered(AT_ONCE).collect().await
}

/// Asks about one namespace.
///
/// # Errors
/// When the question may not be asked, or there is no answer.
pub async fn review(client: &Client, instance: &str, service_account: &str, namespace: &str) -> Result<Review, RequestError> {
    let question = |verb: &'static str, subresource: Option<&'static str>| ask(client, instance, service_account, namespace, verb, subresource);
    Ok(Review {
        pods_get: question("get", None).await?,
        exec_get: question("get", Some("exec")).await?,
        exec_create: question("create", Some("exec")).await?,
    })
}

async fn ask(
    client: &Client,
    instance: &str,
    service_account: &str,
    namespace: &str,
    verb: &str,
    subresource: Option<&str>,
) -> Result<Answer, RequestError> {
    let user = format!("system:serviceaccount:{instance}:{service_account}");
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.clone()),
            // The groups that the API server gives to a ServiceAccount's token.
            groups: Some(vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{instance}"), "system:authenticated".to_owned()]),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                resource: Some("pods".to_owned()),
                subresource: subresource.map(ToOwned::to_owned),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = request(format!("review what {user} may do in {namespace:?}"), api.create(&PostParams::default(), &review)).await?;
    let status = answer.status.unwrap_or_default();
    Ok(Answer { allowed: status.allowed && status.denied != Some(true), reason: status.reason.unwrap_or_default() })
}
