//! A valid `LiveResourceAccess` of side Principal, parsed once. Pure.

use std::collections::BTreeSet;

use crate::api::live_resource_access::{Automatic, PrincipalAccess, ProbeMode, Restart};
use crate::api::{LiveResourceAccess, Side};
use crate::config::InstanceConfig;
use crate::reconcile::limits::{self, Refusal, invalid};
use crate::reconcile::time::Times;

/// What one object wants of the control plane.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where argocd-server is to find its Redis; `None`: that is left as it is.
    pub redis: Option<Address>,
    /// The address by which the proxy is known, whether it is set or not.
    pub proxy: Address,
    /// Whether argocd-server is restarted where that changes.
    pub restart: bool,
    /// Whether a NetworkPolicy is made where one is needed.
    pub network_policy: bool,
    /// The agents that are tried; `None`: none is meant to be.
    pub probe: Option<BTreeSet<String>>,
    /// When it is in effect.
    pub times: Times,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Both, as they are written.
    pub text: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Parses it. Nothing but the letters of a host name, so that nothing else gets into the setting.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let digits = !port.is_empty() && port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port > 0)?;
        let whole = host.chars().all(plain) && ends(host.chars().next()) && ends(host.chars().last()) && host.len() <= 253;
        whole.then(|| Self { text: text.to_owned(), host: host.to_owned(), port })
    }
}

/// Parses an object, within the limits of its instance. What the CRD's schema refuses already is checked again: the schema on the server
/// may be an older one.
///
/// # Errors
/// The verdict of `Accepted`, naming the field and what to do.
pub fn parse(access: &LiveResourceAccess, settings: &InstanceConfig) -> Result<Access, Refusal> {
    let spec = &access.spec;
    let PrincipalAccess { redis_proxy, redis_address, restart, network_policy, probe } = match (spec.side, &spec.agent, &spec.principal) {
        (Side::Principal, None, block) => block.clone().unwrap_or_default(),
        (Side::Principal, Some(_), _) => return Err(invalid("the block spec.agent has no meaning with side: Principal; remove it")),
        (Side::Agent, ..) => return Err(invalid("an object of side Agent sets nothing in the control plane")),
    };
    let Some(proxy) = Address::parse(&redis_address) else {
        return Err(invalid(format!("spec.principal.redisAddress {redis_address:?} is no host with a port, such as argocd-agent-redis-proxy:6379")));
    };
    let named = probe.agents.iter().find(|name| name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    if let Some(name) = named {
        return Err(invalid(format!("spec.principal.probe.agents: {name:?} cannot be the name of an agent")));
    }
    limits::reason(spec.reason.as_deref(), &settings.limits)?;
    Ok(Access {
        redis: (redis_proxy == Automatic::Auto).then(|| proxy.clone()),
        proxy,
        restart: restart == Restart::Auto,
        network_policy: network_policy == Automatic::Auto,
        probe: (probe.mode == ProbeMode::ClientCertificate).then(|| probe.agents.into_iter().collect()),
        times: limits::times(&access.metadata, &spec.validity, &spec.schedule, &settings.limits)?,
    })
}
