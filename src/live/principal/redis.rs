//! `redis.server` of argocd-cmd-params-cm: by it argocd-server asks the principal's Redis proxy. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;

use super::admission::Case;
use super::basis::Basis;
use super::found::Source;
use super::grant::Address;
use super::restart::{self, Pods};
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::{ARGOCD_CMD_PARAMS_CM, REDIS_SERVER};
use crate::ingress::Want;
use crate::ownership::managed_fields;
use crate::reconcile::seen::data;
use crate::reconcile::shared::{self, Field, Object, Section};
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::{Direction, Kind, Layer, Target, Wanted};

/// What the objects that count want together: the oldest one's address.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The address that is to be set; `None`: none is.
    pub address: Option<Address>,
    /// The address by which the proxy is known.
    pub proxy: Option<Address>,
    /// Whether argocd-server may be restarted for it.
    pub restart: bool,
    /// Objects that ask for another address than the oldest, by their places.
    pub conflicts: BTreeSet<usize>,
}

impl Wish {
    /// Of these objects.
    #[must_use]
    pub fn of(cases: &[Case]) -> Self {
        let standing = || cases.iter().enumerate().filter(|(_, c)| c.standing).filter_map(|(i, c)| Some((i, c.grant.as_ref()?)));
        let decides = standing().find(|(_, grant)| grant.redis.is_some());
        let address = decides.and_then(|(_, grant)| grant.redis.clone());
        let conflicts = standing().filter(|(_, grant)| grant.redis.is_some() && grant.redis != address).map(|(i, _)| i).collect();
        // Of those that go the oldest says whether its end is worth a restart.
        let going = || cases.iter().filter_map(|c| c.grant.as_ref()).find(|grant| grant.redis.is_some());
        let restart = decides.map(|(_, grant)| grant).or_else(going).is_none_or(|grant| grant.restart);
        let proxy = address.clone().or_else(|| cases.iter().find_map(|c| Some(c.grant.as_ref()?.proxy.clone())));
        Self { address, proxy, restart, conflicts }
    }
}

/// What the layer wants, and what it says.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The writes.
    pub wanted: Wanted,
    /// The verdict of `RedisProxyConfigured`, of objects that count.
    pub verdict: Verdict,
}

/// Makes it. `at` is the time of a change, as a record keeps it.
#[must_use]
pub fn fold(world: &World, basis: &Basis, wish: &Wish, at: &str) -> Folded {
    let silent = |verdict| Folded { wanted: Wanted::default(), verdict };
    let config_map = match &world.params_cm {
        Err(not_seen) => return silent(Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
        Ok(None) => return Folded { wanted: without_config_map(world, basis, wish, at), verdict: no_config_map(world, basis, wish) },
        Ok(Some(config_map)) => config_map,
    };
    let target = Target::namespaced(Kind::ConfigMap, world.namespace(), ARGOCD_CMD_PARAMS_CM);
    let object = Object { target: &target, layer: Layer::Redis, meta: &config_map.metadata, data: config_map.data.as_ref() };
    let current = data(Some(config_map)).get(REDIS_SERVER).cloned();
    let record = object.before().fields.remove(&Section::Data.name(REDIS_SERVER)).filter(|record| current.as_ref() == Some(&record.ours));
    let stands = record.as_ref().map(|record| record.ours.clone());
    let by_argument = basis.server.as_ref().is_ok_and(|(_, redis)| matches!(redis.source, Source::Argument(_)));
    let want = match (&wish.address, &basis.blocked) {
        // What stands stays while it cannot be told whether it is right: each change of it costs a restart.
        (Some(_), Some(_)) => stands.clone(),
        (Some(_), None) if by_argument => stands.clone(),
        (Some(address), None) => Some(address.text.clone()),
        (None, _) => None,
    };
    let field = Field { section: Section::Data, key: REDIS_SERVER.to_owned(), want: want.map(Want::Text), telling: None };
    let shared::Folded { mut wanted, withheld, remarks } = shared::fold(world, object, &[field], at);
    // The template of argocd-server's pods follows what stands, once all of it is as it is to be.
    if wanted.writes.iter().all(|w| w.direction == Direction::Keep) {
        wanted.add(restart::fold(world, basis, wish, stands.as_deref(), record.as_ref().map(|r| r.at.as_str())));
    } else if let Some(address) = wish.address.as_ref().filter(|_| wanted.writes.iter().any(|w| w.direction == Direction::Widen)) {
        wanted.changes.extend(restart::announced(world, basis, wish, &address.text, at));
    }
    let mut verdict = match (&wish.address, &basis.blocked) {
        (Some(_), Some(blocked)) => blocked.clone(),
        (Some(address), None) => verdict(world, basis, wish, config_map, address, record.as_ref().map(|r| r.at.as_str()), Withheld::sum(&withheld)),
        (None, _) => left_alone(current.as_deref()),
    };
    if verdict.holds() {
        for remark in &remarks {
            verdict.message = format!("{}. {remark}", verdict.message);
        }
    }
    Folded { wanted, verdict }
}

/// Without the ConfigMap nothing of ours is in it; what argocd-server's pods were started with may still be there.
fn without_config_map(world: &World, basis: &Basis, wish: &Wish, at: &str) -> Wanted {
    restart::fold(world, basis, wish, None, Some(at))
}

fn no_config_map(world: &World, basis: &Basis, wish: &Wish) -> Verdict {
    let by_argument = basis.server.as_ref().is_ok_and(|(_, redis)| matches!(redis.source, Source::Argument(_)));
    match (&wish.address, &basis.blocked) {
        (Some(_), Some(blocked)) => blocked.clone(),
        (Some(address), None) if by_argument => set_by_argument(&address.text),
        _ => Verdict::no(
            Reason::ConfigMapMissing,
            format!("ConfigMap {ARGOCD_CMD_PARAMS_CM} does not exist in {}; create it, or install Argo CD's own", world.namespace()),
        ),
    }
}

fn left_alone(current: Option<&str>) -> Verdict {
    let value = current.map_or_else(|| "is not set".to_owned(), |value| format!("is {value}"));
    Verdict::unknown(
        Reason::NotManaged,
        format!("spec.principal.redisProxy is None, so it is left as it is: {ARGOCD_CMD_PARAMS_CM} {REDIS_SERVER} {value}"),
    )
}

fn set_by_argument(address: &str) -> Verdict {
    Verdict::yes(Reason::Set, format!("argocd-server has the argument --redis {address}"))
}

fn verdict(
    world: &World,
    basis: &Basis,
    wish: &Wish,
    config_map: &ConfigMap,
    address: &Address,
    changed: Option<&str>,
    withheld: Option<Verdict>,
) -> Verdict {
    if basis.server.as_ref().is_ok_and(|(_, redis)| matches!(redis.source, Source::Argument(_))) {
        return set_by_argument(&address.text);
    }
    if config_map.data.as_ref().and_then(|d| d.get(REDIS_SERVER)) != Some(&address.text) {
        return withheld
            .unwrap_or_else(|| Verdict::unknown(Reason::Pending, format!("{ARGOCD_CMD_PARAMS_CM} {REDIS_SERVER} is not {} yet", address.text)));
    }
    // Of a value of somebody else no more is known than when they wrote to the object last.
    let theirs = || managed_fields::last_writer(&config_map.metadata, &["data", REDIS_SERVER]).and_then(|writer| writer.at);
    let since = changed.and_then(|at| at.parse().ok()).or_else(theirs);
    match restart::pods(world, basis, &address.text, since) {
        Pods::Fresh => {
            Verdict::yes(Reason::Set, format!("{ARGOCD_CMD_PARAMS_CM} has {REDIS_SERVER} {}, and argocd-server has started since", address.text))
        }
        Pods::Unseen(why) => {
            Verdict::unknown(Reason::NotReadable, format!("whether argocd-server has started since {REDIS_SERVER} changed is not known: {why}"))
        }
        Pods::Old => restart::pending(world, basis, wish, address, changed.is_some()),
    }
}
