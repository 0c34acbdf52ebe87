//! Where terminals of a remote cluster are needed: by the `ExecAccess` objects in effect, judged as their own operator judges them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::grant::Grant;
use super::names::PROTECTED;
use crate::exec::by_name::ByName;
use crate::exec::exclusive::Others;
use crate::exec::remote::Cluster;
use crate::exec::{self, admission, server};
use crate::reconcile::clock::Clock;

/// Where, and because of whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The namespaces of the remote cluster, with the names of the objects.
    pub namespaces: BTreeMap<String, BTreeSet<String>>,
    /// There may be more: something cannot be seen.
    pub unsure: bool,
    /// When it may be otherwise, if nothing but time passes.
    pub next: Option<jiff::Timestamp>,
}

/// Finds them. `seen`: as much of the instance as decides over an `ExecAccess`.
#[must_use]
pub fn needs(seen: &exec::World, grant: &Grant, clock: Clock) -> Needs {
    let seen = &*seen.at(clock);
    let cases = admission::judge(seen, &Others::of(seen), clock);
    let mut needs = Needs { unsure: seen.frozen().next().is_some() || seen.applications.is_err(), ..Needs::default() };
    needs.next = cases.iter().filter_map(|case| case.grant.as_ref()?.times.next_look(clock)).min();
    let denied = &seen.settings.limits.denied_namespaces;
    for (index, reach) in server::reaches(seen, &ByName::of(seen), &cases) {
        let Some(case) = cases.get(index) else { continue };
        for (cluster, namespaces) in &reach.remote {
            let is_meant = match cluster {
                Cluster::Name(name) => *name == grant.id.cluster,
                Cluster::Server(server) => *server == grant.id.server,
            };
            let allowed = namespaces.iter().filter(|n| is_meant && !denied.contains(*n) && !PROTECTED.contains(&n.as_str()));
            for namespace in allowed {
                let because = needs.namespaces.entry(namespace.clone()).or_default();
                because.extend(case.access.metadata.name.clone());
            }
        }
    }
    needs
}
