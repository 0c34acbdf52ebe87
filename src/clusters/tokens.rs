//! Tokens in a plan: the anchors that are made and deleted, the token that is to be made, and what is said of the one that is there. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::claims::{Claims, user_of};
use super::credential::{self, Left, Life, RENEW_MANAGER, Sight, State, Terms, life};
use super::grant::{Grant, Identity, Token};
use super::names::{MANAGER, NAMESPACE, anchors};
use super::remote::{Failure, Remote, is_owned};
use super::secret::Held;
use super::world::World;
use crate::api::OWNER_LABEL;
use crate::api::conditions::{Reason, Verdict};
use crate::reconcile::write::{Action, Direction, Kind, Layer, Seal, Target, Wanted, Write};
use jiff::SignedDuration;

/// A token that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// The ServiceAccount.
    pub service_account: String,
    /// The Secret to which it is bound.
    pub anchor: String,
    /// The uid of that.
    pub uid: String,
    /// How long it is to live, in seconds.
    pub lifetime: i64,
}

/// What the layer wants, and what it says.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The writes.
    pub wanted: Wanted,
    /// The token that is to be made now.
    pub mint: Option<Order>,
    /// How the credential stands.
    pub life: Life,
    /// The verdict of `CredentialReady`.
    pub verdict: Verdict,
}

/// What the token of the cluster Secret says of itself.
#[must_use]
pub fn current(world: &World) -> Option<&Claims> {
    match &world.secret.as_ref().ok()?.as_deref()?.config.held {
        Held::Token(claims) => claims.as_ref(),
        _ => None,
    }
}

/// What it takes to keep a token for Argo CD.
#[must_use]
pub fn keep(world: &World, grant: &Grant, token: &Token, remote: &Remote, now: Timestamp) -> Folded {
    let owner = &grant.id.owner;
    let current = current(world).filter(|_| is_ours(world, &grant.id));
    let foreign = remote.anchors.iter().zip(&token.terms.anchors).find(|(meta, _)| meta.as_ref().is_some_and(|meta| !is_owned(meta, owner)));
    let uids = uids(&remote.anchors);
    let sight = Sight { current, anchors: uids, fresh: world.fresh.as_deref(), refused: world.refused || is_wrong(world, grant), now };
    let life = life(&token.terms, sight);
    if let Some((_, name)) = foreign {
        let message =
            format!("Secret {}/{name} of the remote cluster is somebody else's; tokens of ours are bound to it: remove it", token.namespace);
        let verdict = Verdict::no(Reason::ForeignObject, message);
        return Folded { wanted: Wanted::default(), mint: None, life: Life { make: None, mint: None, retire: Vec::new(), ..life }, verdict };
    }
    let mut wanted = Wanted::default();
    let place = |slot: usize| token.terms.anchors.get(slot).map(|name| Target::namespaced(Kind::RemoteSecret, &token.namespace, name));
    for (target, meta) in life.retire.iter().filter_map(|slot| Some((place(*slot)?, remote.anchors.get(*slot)?.as_ref()?))) {
        wanted.writes.push(Write::delete(&target, meta, Layer::Anchor, Direction::Narrow, "a former credential dies"));
    }
    wanted.writes.extend(life.make.and_then(place).map(|target| make(target, Some(owner))));
    // The one that was made last and is not written yet is as good as a new one.
    let made = minted(world, &life, remote).is_some();
    let mint = life.mint.filter(|_| !made).and_then(|slot| {
        Some(Order {
            namespace: token.namespace.clone(),
            service_account: token.service_account.clone(),
            anchor: token.terms.anchors.get(slot)?.clone(),
            uid: uids.get(slot).copied().flatten()?.to_owned(),
            lifetime: token.lifetime,
        })
    });
    let verdict = verdict(&life, current, token, world.failure.as_ref(), now);
    Folded { wanted, mint, life, verdict }
}

/// The token that was made last, where it is bound to the anchor that is to be used next.
#[must_use]
pub fn minted<'a>(world: &'a World, life: &Life, remote: &Remote) -> Option<&'a Claims> {
    let minted = world.minted.as_ref()?;
    let uid = remote.anchors.get(life.mint?)?.as_ref()?.uid.as_deref()?;
    minted.claims.anchor.as_ref().is_some_and(|bound| bound.uid == uid).then_some(&minted.claims)
}

fn is_ours(world: &World, id: &Identity) -> bool {
    world.secret.as_ref().is_ok_and(|view| view.as_deref().is_some_and(|view| is_owned(&view.meta, &id.owner)))
}

/// Whether the credential goes together with something else than is declared: then a new one is written with that.
fn is_wrong(world: &World, grant: &Grant) -> bool {
    let (Ok(Some(view)), Ok(Some(manager))) = (&world.secret, &world.manager) else { return false };
    let config = &view.config;
    config.insecure || config.more || config.proxy != grant.proxy || config.ca_sha256.as_ref() != Some(&manager.ca_sha256)
}

fn uids(anchors: &[Option<ObjectMeta>; 2]) -> [Option<&str>; 2] {
    anchors.each_ref().map(|meta| meta.as_ref().and_then(|meta| meta.uid.as_deref()))
}

/// An anchor: an empty Secret. It gives nobody anything.
fn make(target: Target, owner: Option<&str>) -> Write {
    let labels = owner.map_or_else(|| json!({}), |owner| json!({OWNER_LABEL: owner}));
    let body = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": target.name, "namespace": target.namespace, "labels": labels},
    });
    Write { target, layer: Layer::Anchor, direction: Direction::Keep, action: Action::Apply(body), why: "a credential is bound to it" }
}

fn verdict(life: &Life, current: Option<&Claims>, token: &Token, failure: Option<&Failure>, now: Timestamp) -> Verdict {
    let Some(claims) = current else {
        return match failure {
            Some(failure) => Verdict::no(Reason::RotationFailed, format!("no credential could be made: {}; it is tried again", failure.why)),
            None => Verdict::unknown(Reason::Pending, "the first credential is not made yet"),
        };
    };
    let until = claims.expires_at;
    let failing = failure.map(|failure| format!("; it could not be replaced: {}", failure.why)).unwrap_or_default();
    match life.state {
        State::None | State::Other => Verdict::no(
            Reason::OtherIdentity,
            format!("the credential is that of {}, and {} is declared{failing}", claims.subject, token.terms.subject),
        ),
        State::Expired => Verdict::no(Reason::Expired, format!("the credential expired at {until}{failing}")),
        State::Revoked => {
            Verdict::no(Reason::RotationFailed, format!("the remote cluster does not accept the credential any more{failing}; it is replaced"))
        }
        State::Valid | State::Overlap(_) if failure.is_some() && credential::left(claims, now) <= Left::Half => {
            let hours = claims.expires_at.duration_since(now).as_secs() / 3600;
            Verdict::no(Reason::RotationFailed, format!("the credential is valid for {hours} h more, until {until}{failing}"))
        }
        State::Overlap(end) => Verdict::yes(Reason::Rotating, format!("valid until {until}; the former one dies at {end}")),
        State::Valid if claims.life() < token.lifetime => {
            let message = format!(
                "valid until {until}: the remote cluster gives tokens {} s, and {} s were asked for; what it gives counts{failing}",
                claims.life(),
                token.lifetime
            );
            Verdict::yes(Reason::LifetimeShortened, message)
        }
        State::Valid => Verdict::yes(Reason::Valid, format!("valid until {until}{failing}")),
    }
}

/// The anchors that are deleted when nothing uses them any more.
#[must_use]
pub fn withdraw(id: &Identity, remote: &Remote) -> Vec<Write> {
    let ours =
        remote.anchors.iter().zip(&id.anchors).filter_map(|(meta, name)| Some((meta.as_ref().filter(|meta| is_owned(meta, &id.owner))?, name)));
    let gone = ours.map(|(meta, name)| {
        let target = Target::namespaced(Kind::RemoteSecret, &id.namespace, name);
        Write::delete(&target, meta, Layer::Anchor, Direction::Narrow, "the credential dies")
    });
    gone.collect()
}

/// What it takes to keep the operator's own token.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The writes.
    pub writes: Vec<Write>,
    /// The token that is to be made now.
    pub mint: Option<Order>,
    /// When something follows.
    pub next: Option<Timestamp>,
}

/// How the operator's own token is kept, where it is one of the bootstrap's.
#[must_use]
pub fn own(world: &World, id: &Identity, remote: &Remote, now: Timestamp) -> Own {
    let Ok(Some(manager)) = &world.manager else { return Own::default() };
    let Some(claims) = manager.renewable() else { return Own::default() };
    let terms = Terms {
        subject: user_of(NAMESPACE, MANAGER),
        overlap: SignedDuration::from_mins(10),
        rotate_after: None,
        seed: id.owner.clone(),
        anchors: anchors(MANAGER),
        renew: RENEW_MANAGER,
    };
    let uids = uids(&remote.manager_anchors);
    let life = life(&terms, Sight { current: Some(claims), anchors: uids, fresh: world.own_fresh.as_deref(), refused: false, now });
    let mut own = Own { next: life.next, ..Own::default() };
    let place = |slot: usize| terms.anchors.get(slot).map(|name| Target::namespaced(Kind::RemoteSecret, NAMESPACE, name));
    for (target, meta) in life.retire.iter().filter_map(|slot| Some((place(*slot)?, remote.manager_anchors.get(*slot)?.as_ref()?))) {
        own.writes.push(Write::delete(&target, meta, Layer::Anchor, Direction::Narrow, "a former credential of the operator dies"));
    }
    own.writes.extend(life.make.and_then(place).map(|target| make(target, None)));
    let Some(slot) = life.mint else { return own };
    let (Some(anchor), Some(uid)) = (terms.anchors.get(slot), uids.get(slot).copied().flatten()) else { return own };
    match &world.own_minted {
        Some(minted) if minted.anchor.as_ref().is_some_and(|bound| bound.uid == uid) => {
            let target = Target::namespaced(Kind::Secret, world.namespace(), &super::names::manager_secret(&id.cluster));
            let body = json!({"metadata": {"resourceVersion": manager.meta.resource_version}});
            let (direction, why) = (Direction::Keep, "the operator's own new credential");
            own.writes.push(Write { target, layer: Layer::Manager, direction, action: Action::Sealed(Seal::Manager, body), why });
        }
        _ => {
            let lifetime = claims.life();
            let (anchor, uid) = (anchor.clone(), uid.to_owned());
            own.mint = Some(Order { namespace: NAMESPACE.to_owned(), service_account: MANAGER.to_owned(), anchor, uid, lifetime });
        }
    }
    own
}
