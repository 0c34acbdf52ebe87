//! What every derivation of an instance rests on: the agent and all that has to be seen, or why not. Pure.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;

use super::admission::Case;
use super::agent::{self, Agent, NoAgent};
use super::ceiling::Ceiling;
use super::derive::Sight;
use super::discovery::Discovery;
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::argocd::deployed::Deployed;
use crate::argocd::kinds::AppProject;

/// It.
#[derive(Clone, Debug)]
pub struct Basis<'a> {
    /// The agent, as far as it is known.
    pub agent: Option<Agent>,
    /// The verdict of `InstanceReady`.
    pub instance: Verdict,
    /// What is seen; `Err`: why something is not, and so nothing is given and no more than sure is taken away.
    pub seen: Result<Parts<'a>, Verdict>,
}

/// What has to be seen.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    own: &'a str,
    managed: bool,
    applications: &'a [Arc<Deployed>],
    projects: &'a [Arc<AppProject>],
    namespaces: &'a [Arc<Namespace>],
    discovery: &'a Discovery,
    ceiling: &'a Ceiling,
}

impl<'a> Parts<'a> {
    /// As a derivation takes it.
    #[must_use]
    pub fn sight(&self) -> Sight<'a> {
        let Self { own, managed, applications, projects, namespaces, discovery, ceiling } = *self;
        Sight { own, managed, applications, projects, namespaces, discovery, ceiling }
    }
}

impl<'a> Basis<'a> {
    /// Finds out. All of an instance have one agent: the one that the oldest object means that finds any. An object that means another one
    /// gives nothing to anybody: what it declares is not for this one.
    #[must_use]
    pub fn of(world: &'a World, cases: &mut [Case]) -> Self {
        let (agent, instance) = match &world.deployments {
            Err(not_seen) => (None, Verdict::unknown(Reason::SettingsUnreadable, not_seen.to_string())),
            Ok(deployments) => {
                let find = |case: &Case| Some(agent::find(case.grant.as_ref()?.deployment.as_deref(), deployments, &world.config_maps));
                let meant: Vec<Option<Result<Agent, NoAgent>>> = cases.iter().map(find).collect();
                // Those that stand decide first: one that is over or only looks is not to keep another from being served.
                let of = |standing: bool| {
                    let mut among = cases.iter().zip(&meant).filter(move |(case, _)| case.standing == standing);
                    among.find_map(|(_, found)| found.as_ref()?.as_ref().ok()).cloned()
                };
                let first = of(true).or_else(|| of(false));
                match first {
                    Some(agent) => {
                        apart(cases, &meant, &agent, world.namespace());
                        let verdict = verdict(&agent, world);
                        (Some(agent), verdict)
                    }
                    None => {
                        let missing = meant.into_iter().flatten().find_map(Result::err).unwrap_or(NoAgent::Missing);
                        (None, missing_agent(&missing, world.namespace()))
                    }
                }
            }
        };
        let seen = Self::parts(world, agent.as_ref(), &instance);
        Self { agent, instance, seen }
    }

    fn parts(world: &'a World, agent: Option<&Agent>, instance: &Verdict) -> Result<Parts<'a>, Verdict> {
        let unseen = |not_seen: &crate::reconcile::NotSeen| Verdict::unknown(Reason::SettingsUnreadable, not_seen.to_string());
        let Some(managed) = agent.and_then(|agent| agent.managed).filter(|_| instance.reason != Reason::SettingsUnreadable) else {
            return Err(instance.clone());
        };
        Ok(Parts {
            own: world.namespace(),
            managed,
            applications: world.applications.as_ref().map_err(unseen)?,
            projects: world.projects.as_ref().map_err(unseen)?,
            namespaces: world.namespaces.as_ref().map_err(unseen)?,
            discovery: world.discovery.as_ref().map_err(unseen)?,
            ceiling: world.ceiling.as_ref().map_err(unseen)?,
        })
    }

    /// Whether there is an agent that would use a right: where there is none, or its resource proxy is off, none is given.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.resource_proxy != Some(false))
    }

    /// Whether there is an agent, or may be one, and what its rights should be cannot be told.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.seen.is_err() && !self.is_idle()
    }

    /// Whether it is known that there is none, so that what stands is taken away.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_served() && self.instance.reason != Reason::SettingsUnreadable
    }
}

/// Takes out the objects that mean another agent, or one that is not there.
fn apart(cases: &mut [Case], meant: &[Option<Result<Agent, NoAgent>>], agent: &Agent, namespace: &str) {
    for (case, meant) in cases.iter_mut().zip(meant) {
        let verdict = match meant {
            Some(Ok(other)) if other.deployment != agent.deployment => Verdict::no(
                Reason::Conflict,
                format!(
                    "it means the agent {}, and an older object the agent {}: the objects of a namespace serve one agent, so this one grants nothing",
                    other.deployment, agent.deployment
                ),
            ),
            Some(Err(missing)) => missing_agent(missing, namespace),
            Some(Ok(_)) | None => continue,
        };
        if case.standing {
            case.active = Verdict::no(verdict.reason, "nothing is granted, since the agent that it means is not the one that is served here");
        }
        (case.standing, case.effective, case.instance) = (false, false, Some(verdict));
    }
}

fn verdict(agent: &Agent, world: &World) -> Verdict {
    let why = || {
        world.config_maps.as_ref().err().map_or_else(
            || "they are taken from a ConfigMap that the operator does not read; name it in the chart value live.configMaps".to_owned(),
            ToString::to_string,
        )
    };
    match (agent.resource_proxy, agent.managed) {
        (Some(false), _) => Verdict::no(
            Reason::ResourceProxyDisabled,
            format!("the resource proxy of {} is switched off; set {} to \"true\" and restart it", agent.deployment, agent.resource_proxy_switch),
        ),
        (Some(true), Some(managed)) => {
            let mode = if managed { "managed" } else { "autonomous" };
            Verdict::yes(Reason::Found, format!("the {mode} agent {} runs as ServiceAccount {}", agent.deployment, agent.service_account))
        }
        (None, _) | (_, None) => {
            Verdict::unknown(Reason::SettingsUnreadable, format!("the settings of {} cannot be decided: {}", agent.deployment, why()))
        }
    }
}

fn missing_agent(missing: &NoAgent, namespace: &str) -> Verdict {
    match missing {
        NoAgent::Missing => Verdict::no(
            Reason::NotFound,
            format!(
                "no Deployment in {namespace} is an argocd-agent (labels app.kubernetes.io/part-of=argocd-agent and app.kubernetes.io/component=agent); install it here, or name it in spec.agent.deployment"
            ),
        ),
        NoAgent::NotNamed(name) => {
            Verdict::no(Reason::NotFound, format!("there is no Deployment {namespace}/{name}, as spec.agent.deployment names it"))
        }
        NoAgent::NotThis(name) => Verdict::no(
            Reason::NotFound,
            format!("the Deployment {namespace}/{name}, which spec.agent.deployment names, is no argocd-agent by its labels and by what it runs"),
        ),
        NoAgent::Ambiguous(names) => Verdict::no(
            Reason::Ambiguous,
            format!("more than one Deployment in {namespace} looks like an argocd-agent: {}; name one in spec.agent.deployment", names.join(", ")),
        ),
    }
}
