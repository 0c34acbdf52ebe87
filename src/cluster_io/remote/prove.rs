//! Sees what a credential can do in a remote cluster, by the credential itself; or, for an identity that cannot be had here, by reviews.

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::api::RemoteRight;
use crate::cluster_io::own_rules::{NOWHERE, may, own_name, own_rules};
use crate::cluster_io::review::attributes;
use crate::cluster_io::{AT_ONCE, RequestError, request};
use crate::clusters::plan::Ask;
use crate::clusters::proof::{Asked, Place, Proof, WIDE};
use crate::live::rules::Right;

/// As many single questions where an authorizer does not list its rules, and to find out who allows what is too much.
const SINGLE: usize = 256;
/// As many reviews of an identity that cannot be had here.
const REVIEWS: usize = 4000;

/// Why it is not known.
#[derive(Debug)]
pub enum Unproven {
    /// The remote cluster does not accept the credential.
    Refused(String),
    /// It did not answer, or not so that it can be used.
    Failed(String),
}

impl Unproven {
    fn of(error: &RequestError) -> Self {
        if error.code() == Some(401) { Self::Refused(error.chain()) } else { Self::Failed(error.chain()) }
    }
}

/// Sees what the credential of this client can do.
///
/// # Errors
/// When that could not be seen as a whole.
pub async fn prove(client: &Client, ask: &Ask) -> Result<Proof, Unproven> {
    let failed = |error: RequestError| Unproven::of(&error);
    let subject = own_name(client, "ask the remote cluster who the credential is").await.map_err(failed)?;
    let one = |(place, asked): (String, Asked)| async move {
        let mut seen = rules(client, &place).await?;
        if seen.incomplete.is_some() {
            let open: Vec<Right> = rights(&asked).filter(|right| seen.holds(right).is_none()).take(SINGLE).collect();
            for right in open {
                let (allowed, _) = single(client, &place, &right).await?;
                seen.single.insert(right, allowed);
            }
        }
        Ok::<_, RequestError>((place, seen))
    };
    let answers: Vec<Result<(String, Place), RequestError>> =
        futures::stream::iter(ask.places.clone()).map(one).buffer_unordered(AT_ONCE).collect().await;
    let places = answers.into_iter().collect::<Result<BTreeMap<String, Place>, RequestError>>().map_err(failed)?;
    let mut proof = Proof { subject, places, by: BTreeMap::new() };
    proof.by = by(client, ask, &proof).await;
    Ok(proof)
}

/// Everything that is asked of a place.
fn rights(asked: &Asked) -> impl Iterator<Item = Right> + '_ {
    asked.must.iter().chain(asked.must_not.iter().map(|(right, _)| right)).cloned()
}

async fn rules(client: &Client, place: &str) -> Result<Place, RequestError> {
    let namespace = if place == WIDE { NOWHERE } else { place };
    let seen = own_rules(client, namespace, format!("ask the remote cluster what the credential may do in {namespace}")).await?;
    Ok(Place { rules: seen.rules, incomplete: seen.incomplete, single: BTreeMap::new() })
}

async fn single(client: &Client, place: &str, right: &Right) -> Result<(bool, String), RequestError> {
    may(client, "ask the remote cluster whether the credential may do something", asked_for(place, right)).await
}

fn asked_for(place: &str, right: &Right) -> ResourceAttributes {
    attributes(place, (&right.group, &right.resource, &right.verb), "")
}

/// What is held and must not be; some of it, where it is much.
fn excessive(ask: &Ask, proof: &Proof) -> Vec<(String, Right)> {
    let must_not = ask.places.iter().flat_map(|(name, asked)| asked.must_not.iter().map(move |(right, _)| (name, right)));
    let held = must_not.filter(|(name, right)| proof.places.get(*name).is_some_and(|place| place.holds(right) == Some(true)));
    held.take(SINGLE / 8).map(|(name, right)| (name.clone(), right.clone())).collect()
}

/// Who allows what must not be allowed: the API server names the binding. A failure leaves it unnamed.
async fn by(client: &Client, ask: &Ask, proof: &Proof) -> BTreeMap<RemoteRight, String> {
    let mut all = BTreeMap::new();
    for (place, right) in excessive(ask, proof) {
        if let Ok((true, reason)) = single(client, &place, &right).await {
            let shown = RemoteRight { verb: right.verb, group: right.group, resource: right.resource, namespace: place, by: String::new() };
            all.insert(shown, reason);
        }
    }
    all
}

/// Reviews what a user with a group may do, by the operator's own credential there.
///
/// # Errors
/// When that could not be seen as a whole.
pub async fn review(client: &Client, ask: &Ask, (user, group): (&str, &str)) -> Result<Proof, Unproven> {
    let questions: Vec<(String, Right)> =
        ask.places.iter().flat_map(|(place, asked)| rights(asked).map(move |right| (place.clone(), right))).collect();
    if questions.len() > REVIEWS {
        return Err(Unproven::Failed(format!(
            "{} questions would have to be asked, and {REVIEWS} are: declare fewer namespaces in one object",
            questions.len()
        )));
    }
    let one = |(place, right): (String, Right)| async move {
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(vec![group.to_owned(), "system:authenticated".to_owned()]),
            resource_attributes: Some(asked_for(&place, &right)),
            ..SubjectAccessReviewSpec::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(client.clone());
        let question = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = request("review what a group of the remote cluster may do", api.create(&PostParams::default(), &question)).await?;
        let status = answer.status.unwrap_or_default();
        Ok::<_, RequestError>((place, right, status.allowed && status.denied != Some(true), status.reason.unwrap_or_default()))
    };
    let answers: Vec<_> = futures::stream::iter(questions).map(one).buffer_unordered(AT_ONCE).collect().await;
    let mut proof = Proof { subject: user.to_owned(), ..Proof::default() };
    for answer in answers {
        let (place, right, allowed, reason) = answer.map_err(|error| Unproven::Failed(error.chain()))?;
        let shown = RemoteRight {
            verb: right.verb.clone(),
            group: right.group.clone(),
            resource: right.resource.clone(),
            namespace: place.clone(),
            by: String::new(),
        };
        if allowed && ask.places.get(&place).is_some_and(|asked| asked.must_not.iter().any(|(one, _)| *one == right)) {
            proof.by.insert(shown, reason);
        }
        let seen = proof.places.entry(place).or_insert_with(|| Place { incomplete: Some("reviewed one by one".to_owned()), ..Place::default() });
        seen.single.insert(right, allowed);
    }
    Ok(proof)
}
