//! Terminals that were opened before a withdrawal: Argo CD ends them when their person types next, or not at all. Since when there may be
//! such ones, and the restart of argocd-server that ends them. Pure: what was granted is known from the object's earlier status.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::admission::{Case, key_of};
use super::debts;
use super::grant::{Grant, Place, project_role_name};
use super::policy;
use super::project_outlook;
use super::restart;
use super::server::{Reach, ServerOutlook};
use super::world::World;
use crate::api::{ExecAccessStatus, OnRevoke, PolicyTarget};
use crate::argocd::policy::csv;
use crate::config::RestartServer;
use crate::reconcile::write::{Kind, Wanted};

/// Since when terminals from before a withdrawal may be open, by the object's index among the cases.
pub type Remaining = BTreeMap<usize, Timestamp>;

/// Looks at all objects.
#[must_use]
pub fn remaining(world: &World, cases: &[Case], servers: &BTreeMap<usize, ServerOutlook>, now: Timestamp) -> Remaining {
    let since = |(index, case): (usize, &Case)| Some((index, since(world, case, servers.get(&index).map(|s| &s.reach), now)?));
    cases.iter().enumerate().filter_map(since).collect()
}

fn since(world: &World, case: &Case, reach: Option<&Reach>, now: Timestamp) -> Option<Timestamp> {
    let before = case.access.status.as_ref()?;
    let was_withdrawn = if case.effective { narrowed(world, case, before, reach) } else { withdrawn(world, case) };
    let since = if was_withdrawn {
        // Whole seconds, as the API keeps them.
        Timestamp::from_second(now.as_second()).ok()?
    } else {
        before.sessions_may_remain.as_ref()?.0
    };
    // Only pods that are all younger cannot hold such a terminal.
    (restart::any_pod_from_before(world, since) != Some(false)).then_some(since)
}

/// The lines that stand there for an object, in argocd-rbac-cm or in projects; `None`: they cannot be seen.
fn lines(world: &World, case: &Case) -> Option<Vec<String>> {
    let metadata = &case.access.metadata;
    let data = world.policy().ok()?;
    let mut lines = data.get(&key_of(metadata.name.as_deref().unwrap_or_default())).map(|text| policy::written(text)).unwrap_or_default();
    if case.access.spec.policy_target == PolicyTarget::Project || debts::had_roles(case) {
        lines.extend(project_outlook::standing_lines(world, &project_role_name(metadata))?);
    }
    Some(lines)
}

/// Whether an object that grants nothing now had lines, and they are gone.
fn withdrawn(world: &World, case: &Case) -> bool {
    debts::had_lines(case) && lines(world, case).is_some_and(|lines| lines.is_empty())
}

/// Whether an object grants less than before because it is declared so. That an Application went is no such reason: nothing is left there
/// that somebody could not have had.
fn narrowed(world: &World, case: &Case, before: &ExecAccessStatus, reach: Option<&Reach>) -> bool {
    let Some(grant) = &case.grant else { return false };
    let changed = before.observed_generation != case.access.metadata.generation;
    let (had, all) = before.policy.as_ref().map_or((&[][..], true), |p| (p.lines.as_slice(), usize::try_from(p.line_count) == Ok(p.lines.len())));
    // A list that was cut does not say whether it was in the rest.
    let fewer = lines(world, case).is_some_and(|now| is_less(grant, had, &now) || (changed && !all));
    fewer || reach.is_some_and(|reach| fewer_namespaces(grant, before, reach, changed))
}

/// Whether a line is gone, and what it gave is not declared any more.
fn is_less(grant: &Grant, had: &[String], now: &[String]) -> bool {
    // Mostly nothing has changed, and no line has to be read to see it.
    if now == had {
        return false;
    }
    let kept: BTreeSet<_> = now.iter().filter_map(|line| meant(line)).collect();
    had.iter().filter_map(|line| meant(line)).any(|line| !kept.contains(&line) && !is_declared(grant, &line))
}

/// What a line gives: to whom, or into what. The role's name is no part of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Meant {
    Member(String),
    Object(String),
}

fn meant(line: &str) -> Option<Meant> {
    let fields = csv::fields(line).ok()?;
    match fields.as_slice() {
        [kind, subject, _] if kind == "g" => Some(Meant::Member(subject.clone())),
        [kind, _, _, _, object, _] if kind == "p" => Some(Meant::Object(object.clone())),
        _ => None,
    }
}

fn is_declared(grant: &Grant, line: &Meant) -> bool {
    match line {
        Meant::Member(subject) => grant.subjects.contains(subject),
        Meant::Object(object) => policy::is_declared(grant, object),
    }
}

fn fewer_namespaces(grant: &Grant, before: &ExecAccessStatus, reach: &Reach, changed: bool) -> bool {
    let had = before.server.iter().flat_map(|s| &s.namespaces).filter(|n| n.granted_by_us).map(|n| &n.name);
    let by_declaration = changed || matches!(grant.place, Place::Chosen(..));
    by_declaration && !reach.cluster && !reach.unsure && had.into_iter().any(|name| !reach.namespaces.contains(&**name))
}

/// The time from which the restart counts that an object asks for, when its status holds it already: what is not written down would be
/// another time in the next round, and need another restart.
fn asked_since(case: &Case, since: Option<&Timestamp>) -> Option<Timestamp> {
    let written = case.access.status.as_ref().and_then(|s| s.sessions_may_remain.as_ref()).map(|t| t.0);
    since.copied().filter(|since| case.access.spec.on_revoke == OnRevoke::RestartServer && written == Some(*since))
}

/// The restart that ends what is left open, where an object asks for it and the instance allows it: once for each withdrawal.
pub fn restart(world: &World, cases: &[Case], remaining: &Remaining, at: &str, wanted: &mut Wanted) {
    let since = cases.iter().enumerate().filter_map(|(index, case)| asked_since(case, remaining.get(&index))).max();
    // The one for `exec.shells` ends them as well.
    if !world.is_going(world.namespace()) && !wanted.writes.iter().any(|w| w.target.kind == Kind::Deployment) {
        wanted.writes.extend(
            since.and_then(|since| restart::write(world, since, at, "restart argocd-server: an access with onRevoke: RestartServer was withdrawn")),
        );
    }
}

/// Whether an object still has to wait for that restart before it may go.
#[must_use]
pub fn awaits_restart(world: &World, case: &Case, since: Option<&Timestamp>) -> bool {
    // A namespace that is being deleted takes argocd-server along.
    let going = world.is_going(world.namespace());
    let Some(time) = since.filter(|_| case.access.spec.on_revoke == OnRevoke::RestartServer && !going) else { return false };
    restart::is_due(world, asked_since(case, since).unwrap_or(*time))
}

/// What has to be said where the object asks for a restart and the instance does not allow it.
#[must_use]
pub fn remark(world: &World, case: &Case, since: Option<&Timestamp>) -> Option<String> {
    let since = since.filter(|_| case.access.spec.on_revoke == OnRevoke::RestartServer && world.settings.restart_server == RestartServer::Never)?;
    Some(format!(
        "terminals that were opened before {since} may still be open, and the operator may not restart argocd-server here (restartServer: Never): {}",
        restart::command(world)
    ))
}
