//! What everything rests on: the principal and argocd-server, and what is wrong with them. Pure.

use super::found::{self, Principal, ServerRedis, Source};
use super::grant::Address;
use super::services;
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::instance::{NoServer, Server, parse_version};
use crate::argocd::{ARGOCD_CMD_PARAMS_CM, REDIS_SERVER};
use crate::live::deployment::NoAgent;

/// From this version of Argo CD on an application controller may run beside agents: it leaves alone what is marked so.
const SKIPS: (u32, u32) = (3, 4);

/// It.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The principal, when there is one.
    pub principal: Option<Principal>,
    /// argocd-server with what decides over its Redis, when there is one.
    pub server: Result<(Server, ServerRedis), Verdict>,
    /// The verdict of `InstanceReady`.
    pub instance: Verdict,
    /// Why `redis.server` is not set now, or not changed: argocd-server would lose its Redis, or would not read it.
    pub blocked: Option<Verdict>,
}

impl Basis {
    /// Finds out. `proxy`: the address of the principal's Redis proxy.
    #[must_use]
    pub fn of(world: &World, proxy: &Address) -> Self {
        let principal = match &world.deployments {
            Err(not_seen) => Err(Verdict::unknown(Reason::SettingsUnreadable, not_seen.to_string())),
            Ok(deployments) => found::principal(deployments, &world.config_maps).map_err(|missing| no_principal(&missing, world.namespace())),
        };
        let server = server(world);
        let instance = match &principal {
            Ok(principal) => instance(world, principal, server.as_ref().ok(), proxy),
            Err(missing) => missing.clone(),
        };
        let blocked = match &principal {
            Err(missing) => Some(missing.clone()),
            Ok(principal) => blocked(world, principal, server.as_ref().map(|(server, redis)| (server, redis)), &instance, proxy),
        };
        Self { principal: principal.ok(), server, instance, blocked }
    }
}

fn no_principal(missing: &NoAgent, namespace: &str) -> Verdict {
    match missing {
        NoAgent::Ambiguous(names) => Verdict::no(
            Reason::Ambiguous,
            format!("more than one Deployment in {namespace} looks like the principal of argocd-agent: {}", names.join(", ")),
        ),
        NoAgent::Missing | NoAgent::NotNamed(_) | NoAgent::NotThis(_) => Verdict::no(
            Reason::NotFound,
            format!(
                "no Deployment in {namespace} is the principal of argocd-agent (labels app.kubernetes.io/part-of=argocd-agent and app.kubernetes.io/component=principal); install it here, or create the object in its namespace"
            ),
        ),
    }
}

fn server(world: &World) -> Result<(Server, ServerRedis), Verdict> {
    match world.server() {
        Err(not_seen) => Err(Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
        Ok(Err(NoServer::Missing)) => Err(Verdict::no(Reason::ServerNotFound, format!("no Deployment in {} is argocd-server", world.namespace()))),
        Ok(Err(NoServer::Ambiguous(names))) => {
            Err(Verdict::no(Reason::ServerAmbiguous, format!("more than one Deployment looks like argocd-server: {}", names.join(", "))))
        }
        Ok(Ok(server)) => match world.deployment(&server.deployment).map(found::server_redis) {
            Some(redis) => Ok((server, redis)),
            None => Err(Verdict::no(Reason::ServerNotFound, "argocd-server is gone")),
        },
    }
}

/// What is surely wrong comes before what is not known.
fn instance(world: &World, principal: &Principal, server: Option<&(Server, ServerRedis)>, proxy: &Address) -> Verdict {
    let settings = &principal.settings;
    if settings.resource_proxy == Some(false) {
        return Verdict::no(
            Reason::ResourceProxyDisabled,
            format!(
                "the resource proxy of {} is switched off; set {} to \"true\" and restart it",
                principal.deployment, settings.places.resource_proxy
            ),
        );
    }
    if let Some(host) = settings.listen_host.as_deref().filter(|host| is_loopback(host)) {
        return Verdict::no(
            Reason::ListensOnLoopback,
            format!(
                "{} listens on {host}, where no agent can reach it; set {} to \"\" (every address) and restart it",
                principal.deployment, settings.places.listen_host
            ),
        );
    }
    if let Some(own) = settings.redis_address.as_deref().filter(|own| is_loop(world, principal, own, proxy)) {
        return Verdict::no(
            Reason::RedisLoop,
            format!(
                "{} takes {own} for its Redis, which is its own Redis proxy; set {} to Argo CD's Redis, such as argocd-redis:6379",
                principal.deployment, settings.places.redis_address
            ),
        );
    }
    if let (Some(tls), Some((server, redis))) = (settings.redis_tls, server)
        && tls != redis.tls
    {
        let speaks = |tls: bool| if tls { "speaks TLS" } else { "speaks no TLS" };
        return Verdict::no(
            Reason::RedisTLSMismatch,
            format!(
                "the Redis proxy of {} {} ({}), and {} {} with its Redis (argument --redis-use-tls); make both the same",
                principal.deployment,
                speaks(tls),
                settings.places.redis_tls,
                server.deployment,
                speaks(redis.tls)
            ),
        );
    }
    match controller(world, server.map(|(server, _)| server)) {
        Err(verdict) => verdict,
        Ok(remark) => unreadable(world, principal).unwrap_or_else(|| {
            Verdict::yes(
                Reason::Found,
                format!("the principal {} runs as ServiceAccount {}{remark}", principal.deployment, principal.service_account),
            )
        }),
    }
}

fn unreadable(world: &World, principal: &Principal) -> Option<Verdict> {
    let settings = &principal.settings;
    let unknown = [
        (settings.resource_proxy.is_none(), &settings.places.resource_proxy),
        (settings.redis_proxy.is_none(), &settings.places.redis_proxy),
        (settings.redis_address.is_none(), &settings.places.redis_address),
        (settings.redis_tls.is_none(), &settings.places.redis_tls),
        (settings.listen_host.is_none(), &settings.places.listen_host),
    ];
    let (_, place) = unknown.iter().find(|(is_unknown, _)| *is_unknown)?;
    let why = world.config_maps.as_ref().err().map_or_else(
        || "it is set nowhere that the operator can see; name its ConfigMap in the chart value live.configMaps, or set it there".to_owned(),
        ToString::to_string,
    );
    Some(Verdict::unknown(Reason::SettingsUnreadable, format!("{place} of {} cannot be decided: {why}", principal.deployment)))
}

/// Whether a host name or an address is this machine's own.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether what the principal takes for its Redis is its own proxy.
fn is_loop(world: &World, principal: &Principal, own: &str, proxy: &Address) -> bool {
    let Some((host, _)) = own.rsplit_once(':') else { return false };
    let same = services::name_of(host, world.namespace()).is_some_and(|name| Some(name) == services::name_of(&proxy.host, world.namespace()));
    let leads_back = || {
        let services = world.services.as_deref().unwrap_or_default();
        services::of_host(services, host, world.namespace()).is_some_and(|s| services::leads_to(s, &principal.pod_labels))
    };
    same || host == proxy.host || leads_back()
}

/// `Ok`: what is to be added to a good message.
fn controller(world: &World, server: Option<&Server>) -> Result<String, Verdict> {
    let (deployments, stateful_sets) = match (&world.deployments, &world.stateful_sets) {
        (Ok(deployments), Ok(stateful_sets)) => (deployments, stateful_sets),
        (Err(not_seen), _) | (_, Err(not_seen)) => return Err(Verdict::unknown(Reason::SettingsUnreadable, not_seen.to_string())),
    };
    let of_sets = stateful_sets.iter().map(|s| (&s.metadata, s.spec.as_ref().and_then(|s| s.replicas)));
    let of_deployments = deployments.iter().map(|d| (&d.metadata, d.spec.as_ref().and_then(|s| s.replicas)));
    let all = of_sets.chain(of_deployments).map(|(meta, replicas)| (meta.name.as_deref(), meta.labels.as_ref(), replicas));
    let running = found::application_controllers(all);
    let Some(name) = running.first() else { return Ok(String::new()) };
    let version = server.and_then(|s| parse_version(s.version.as_deref()?));
    if version.is_some_and(|version| version >= SKIPS) {
        return Ok(format!(
            "; the application controller {name} runs here, which is right only where the cluster Secret of every agent has the annotation argocd.argoproj.io/skip-reconcile=\"true\": the operator does not read them"
        ));
    }
    let message = format!(
        "the application controller {name} runs beside the principal and works on the agents' Applications as well, which Argo CD before 3.4 cannot keep it from; scale it to 0"
    );
    Err(if version.is_some() {
        Verdict::no(Reason::ApplicationControllerOnHub, message)
    } else {
        Verdict::unknown(Reason::ApplicationControllerOnHub, message)
    })
}

fn blocked(
    world: &World,
    principal: &Principal,
    server: Result<(&Server, &ServerRedis), &Verdict>,
    instance: &Verdict,
    proxy: &Address,
) -> Option<Verdict> {
    let (server, redis) = match server {
        Ok(found) => found,
        Err(verdict) => return Some(verdict.clone()),
    };
    match &redis.source {
        Source::Params => {}
        Source::Argument(value) if *value == proxy.text => {}
        Source::Argument(value) => {
            return Some(Verdict::no(
                Reason::OwnedByOther,
                format!(
                    "{} has its Redis from the argument --redis {value}, which counts more than data.\"{REDIS_SERVER}\" of ConfigMap {ARGOCD_CMD_PARAMS_CM}; set the argument to {}",
                    server.deployment, proxy.text
                ),
            ));
        }
        Source::Elsewhere(why) => {
            return Some(Verdict::no(
                Reason::OwnedByOther,
                format!(
                    "{} does not read data.\"{REDIS_SERVER}\" of ConfigMap {ARGOCD_CMD_PARAMS_CM}: {why}; have REDIS_SERVER taken from there",
                    server.deployment
                ),
            ));
        }
    }
    match principal.settings.redis_proxy {
        Some(false) => {
            return Some(Verdict::no(
                Reason::RedisProxyDisabled,
                format!(
                    "the Redis proxy of {} is switched off; set {} to \"false\" and restart it",
                    principal.deployment, principal.settings.places.redis_proxy
                ),
            ));
        }
        None => return Some(instance.clone()),
        Some(true) => {}
    }
    if matches!(instance.reason, Reason::RedisLoop | Reason::RedisTLSMismatch | Reason::SettingsUnreadable) {
        return Some(instance.clone());
    }
    // An instance that has a graver fault may still have one of these.
    if principal.settings.redis_tls != Some(redis.tls) {
        return Some(Verdict::unknown(
            Reason::SettingsUnreadable,
            format!("whether the Redis proxy of {} speaks TLS as argocd-server does is not known", principal.deployment),
        ));
    }
    if principal.settings.redis_address.as_deref().is_none_or(|own| is_loop(world, principal, own, proxy)) {
        return Some(Verdict::no(Reason::RedisLoop, format!("the Redis of {} is its own proxy, or not known", principal.deployment)));
    }
    service(world, principal, proxy)
}

/// Why the address leads nowhere: then argocd-server would lose its Redis.
fn service(world: &World, principal: &Principal, proxy: &Address) -> Option<Verdict> {
    let services = match &world.services {
        Err(not_seen) => return Some(Verdict::unknown(Reason::NotReadable, not_seen.to_string())),
        Ok(services) => services,
    };
    let namespace = world.namespace();
    let missing = |why: String| Some(Verdict::no(Reason::ServiceMissing, format!("{why}, so argocd-server would lose its Redis and nothing is set")));
    let Some(service) = services::of_host(services, &proxy.host, namespace) else {
        return missing(format!("redisAddress {} is no Service of {namespace}", proxy.text));
    };
    if services::port(service, proxy.port).is_none() {
        return missing(format!("the Service of redisAddress {} has no such port", proxy.text));
    }
    if !services::leads_to(service, &principal.pod_labels) {
        return missing(format!("the Service of redisAddress {} does not lead to the pods of {}", proxy.text, principal.deployment));
    }
    None
}
