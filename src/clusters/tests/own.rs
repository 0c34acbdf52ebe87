//! The operator's own token for a remote cluster: it renews itself, and never lets go of the one that works before the other does.

use std::sync::Arc;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::simulator::Simulator;
use crate::clusters::World;
use crate::clusters::claims::{Bound, Claims, user_of};
use crate::clusters::names::{MANAGER, NAMESPACE};
use crate::clusters::plan::{Plan, plan};
use crate::clusters::remote::Remote;
use crate::reconcile::write::{Action, Kind, Seal};

/// A cluster that is kept, in which nothing is to be done but for the operator's own token: issued this long ago, living for a day, bound
/// to the first of its anchors. `second`: the uid of the other anchor.
struct Own {
    all: Simulator,
    ago: SignedDuration,
    second: Option<&'static str>,
}

fn token(slot: &str, uid: &str, issued: jiff::Timestamp) -> Claims {
    let anchor = Some(Bound { name: format!("{MANAGER}-{slot}"), uid: uid.to_owned() });
    Claims { subject: user_of(NAMESPACE, MANAGER), issued_at: issued, expires_at: issued + SignedDuration::from_hours(24), anchor }
}

impl Own {
    fn issued(hours: i64) -> Self {
        let mut all = Simulator::new();
        all.declare("{permissions: {namespaces: {names: [shop]}}}");
        all.settle();
        Self { all, ago: SignedDuration::from_hours(hours), second: None }
    }

    fn world(&self) -> World {
        let mut world = self.all.world();
        let claims = token("a", "m1", self.all.now - self.ago);
        let mut manager = (**world.manager.as_ref().unwrap().as_ref().unwrap()).clone();
        (manager.expires_at, manager.claims) = (Some(claims.expires_at), Some(claims));
        manager.meta.resource_version = Some("7".to_owned());
        world.manager = Ok(Some(Arc::new(manager)));
        let meta = |uid: &str| ObjectMeta { uid: Some(uid.to_owned()), resource_version: Some("1".to_owned()), ..ObjectMeta::default() };
        let mut remote = Remote::clone(world.remote.as_ref().unwrap());
        remote.manager_anchors = [Some(meta("m1")), self.second.map(meta)];
        world.remote = Ok(Arc::new(remote));
        world
    }
}

fn targets(plan: &Plan) -> Vec<String> {
    plan.writes
        .iter()
        .map(|write| format!("{} {}", if matches!(write.action, Action::Delete { .. }) { "delete" } else { "write" }, write.target))
        .collect()
}

#[test]
fn before_half_of_its_life_nothing_is_done() {
    let own = Own::issued(9);
    let plan = plan(&own.world(), own.all.now);
    assert!(plan.writes.is_empty() && plan.own.is_none(), "{:?}", plan.writes);
}

#[test]
fn at_half_of_its_life_another_is_made_bound_to_the_free_anchor_and_written() {
    let mut own = Own::issued(13);
    let first = plan(&own.world(), own.all.now);
    assert_eq!(targets(&first), ["write Secret argocd-access/argocd-access-manager-b of the remote cluster"]);

    own.second = Some("m2");
    let mut world = own.world();
    let left = plan(&world, own.all.now);
    assert_eq!(
        targets(&left),
        ["delete Secret argocd-access/argocd-access-manager-b of the remote cluster"],
        "another process may have had a token of it"
    );
    world.own_fresh = Some("m2".to_owned());
    let second = plan(&world, own.all.now);
    let order = second.own.clone().unwrap();
    assert_eq!((order.service_account.as_str(), order.anchor.as_str(), order.uid.as_str()), (MANAGER, "argocd-access-manager-b", "m2"));
    assert!(second.writes.is_empty());

    world.own_minted = Some(token("b", "m2", own.all.now));
    let third = plan(&world, own.all.now);
    let [write] = third.writes.as_slice() else { panic!("{:?}", third.writes) };
    assert!(write.target.kind == Kind::Secret && write.target.name == "argocd-access-manager-prod", "{write:?}");
    assert!(matches!(&write.action, Action::Sealed(Seal::Manager, body) if body["metadata"]["resourceVersion"] == "7"), "{write:?}");
    assert!(third.own.is_none(), "one is enough");
}

#[test]
fn a_token_that_is_none_of_the_bootstrap_is_left_to_whoever_made_it() {
    let own = Own::issued(23);
    let mut world = own.world();
    let mut manager = (**world.manager.as_ref().unwrap().as_ref().unwrap()).clone();
    manager.claims.as_mut().unwrap().subject = user_of("kube-system", "somebody");
    world.manager = Ok(Some(Arc::new(manager)));
    let plan = plan(&world, own.all.now);
    assert!(plan.writes.is_empty() && plan.own.is_none(), "{:?}", plan.writes);
}
