//! Whether there is an Argo CD in a namespace that is served, or an argocd-agent, which a cluster has instead of argocd-server. Whether its
//! terminals are switched on is no question: without an ExecAccess they may be off. Pure.

use super::{Instance, not_readable};
use crate::argocd::instance::NoServer;
use crate::argocd::{ARGOCD_CM, versions};
use crate::explain::link::{Fix, Link, Name};
use crate::explain::{Cause as Terminal, InstallationCause as Cause, settings};
use crate::live::deployment::{NoAgent, Part};

const NAME: Name = Name::Argocd;

/// How it stands.
#[must_use]
pub fn look(instance: &Instance) -> Link {
    let world = &instance.world;
    let namespace = world.namespace();
    let server = match world.server() {
        Err(not_seen) => return not_readable(NAME, &not_seen),
        Ok(Ok(server)) => server,
        Ok(Err(NoServer::Ambiguous(names))) => {
            let fact = format!("{} in {namespace} look like argocd-server", names.join(" and "));
            return Link::unknown(NAME, Terminal::ServerAmbiguous, fact);
        }
        Ok(Err(NoServer::Missing)) if has_agent(instance) => {
            return Link::open(
                NAME,
                format!("{namespace} has an argocd-agent and no argocd-server, so that only LiveResourceAccess is of use there"),
            );
        }
        Ok(Err(NoServer::Missing)) => {
            return Link::closed(NAME, Cause::ArgocdMissing, format!("no Deployment in {namespace} is argocd-server"));
        }
    };
    let config_map = match &world.argocd_cm {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => return Link::closed(NAME, Cause::ArgocdMissing, format!("there is no ConfigMap {ARGOCD_CM} in {namespace}")),
        Ok(Some(config_map)) => config_map,
    };
    if let Some(link) = settings::label(world, config_map) {
        return Link { name: NAME, ..link };
    }
    if let Some(why) = versions::unsupported(server.version.as_deref(), world.kubernetes_version.as_deref()) {
        return Link::closed(NAME, Cause::VersionsUnsupported, format!("{namespace}: {why}")).mended_by(Fix::by_people(why));
    }
    let version = server.version.map_or_else(|| "of an unknown version".to_owned(), |version| format!("of version {version}"));
    Link::open(NAME, format!("{namespace} has an argocd-server (Deployment {}) {version}", server.deployment))
}

fn has_agent(instance: &Instance) -> bool {
    let live = instance.world.settings.live.enabled;
    let found = |deployments: &Vec<_>| !matches!(Part::Agent.find(None, deployments), Err(NoAgent::Missing));
    live && instance.world.deployments.as_ref().is_ok_and(found)
}
