//! Who may open terminals in the instance without any `ExecAccess`: Argo CD's admins, whoever somebody else's policy lines or a project's
//! role allows it, or everybody by the default role. They are listed, and refused where the instance requires that there are none. Pure.
//!
//! A policy names people, groups and roles alike. A name that may be nobody's is listed all the same: it cannot be told from here.

use std::cell::OnceCell;
use std::sync::Arc;

use super::admission::is_our_key;
use super::project::Ours;
use super::world::World;
use crate::api::conditions::{Reason, Verdict, shorten};
use crate::api::status::UndeclaredGrant;
use crate::argocd::ARGOCD_CM;
use crate::argocd::accounts::{self, ADMIN, ADMIN_ENABLED, Account};
use crate::argocd::kinds::AppProject;
use crate::argocd::policy::{Holder, Policy};
use crate::reconcile::seen::data;

/// So many are shown in a status.
const SHOWN: usize = 50;
/// So many are named in a message.
const NAMED: usize = 3;
/// So many bytes of each word are shown.
const LONGEST: usize = 256;

/// What is known of it.
#[derive(Clone, Debug)]
pub struct Exclusive {
    /// `Exclusive`.
    pub verdict: Verdict,
    /// Some of those who may, the widest first, and how many there are in all; `None`: not known.
    pub undeclared: Option<(Arc<[UndeclaredGrant]>, usize)>,
}

/// What others have written, without what is ours.
fn foreign(world: &World, projects: &[Arc<AppProject>]) -> Result<(Policy, Option<String>), String> {
    let data = world.policy().map_err(|e| e.to_string())?;
    let ours = Ours::of(world);
    let is_theirs = |project: &str, role: &str| {
        let found = projects.iter().find(|p| p.name() == project);
        found.is_none_or(|p| p.roles().iter().filter(|r| r.name == role).any(|r| !ours.has(p, r)))
    };
    let (policy, broken) = Policy::of(data, projects.iter().map(AsRef::as_ref), |key| !is_our_key(key), is_theirs);
    Ok((policy, broken.map(|b| b.to_string())))
}

/// By what everybody may: the default role, or a line without a subject.
fn is_open<'a>(policy: &Policy, holders: &'a [Holder]) -> Option<&'a Holder> {
    holders.iter().find(|h| h.name.is_empty() || Some(h.name.as_str()) == policy.default_role())
}

/// Whether somebody without a session could open a terminal if Argo CD let him in, as far as argocd-rbac-cm can be read. (While it
/// cannot, nothing is added to it.) Roles of projects do not matter here: nobody without a session is in one.
#[must_use]
pub fn is_open_to_everybody(world: &World) -> bool {
    let projects = world.projects.as_deref().unwrap_or_default();
    foreign(world, projects).is_ok_and(|(policy, _)| is_open(&policy, &policy.holders("exec", "create")).is_some())
}

/// A status has to fit into an object, whatever others have written.
fn grant(subject: &str, holder: &Holder) -> UndeclaredGrant {
    let by = holder.role.as_ref().map(|role| format!(" (member of {role})")).unwrap_or_default();
    UndeclaredGrant {
        subject: shorten(subject, LONGEST).into(),
        applications: shorten(&holder.objects, LONGEST).into(),
        source: shorten(&format!("{}{by}", holder.at), LONGEST).into(),
    }
}

/// Looks through the whole policy.
fn look(world: &World) -> Exclusive {
    #[cfg(test)]
    count::up();
    let unknown = |reason, why: String| Exclusive { verdict: Verdict::unknown(reason, why), undeclared: None };
    let settings = match &world.argocd_cm {
        Ok(settings) => data(settings.as_deref()),
        Err(not_seen) => return unknown(Reason::NotReadable, not_seen.to_string()),
    };
    let read = world.projects.as_deref().map_err(ToString::to_string).and_then(|projects| foreign(world, projects));
    let (policy, broken) = match read {
        Ok(read) => read,
        Err(why) => return unknown(Reason::NotReadable, why),
    };
    if let Some(broken) = broken {
        return unknown(
            Reason::ForeignPolicyBroken,
            format!("{broken}; while it is broken Argo CD loads no policy, and who may do what then is not known"),
        );
    }
    let holders = policy.holders("exec", "create");
    let admin = accounts::local(settings, ADMIN) == Account::On;
    let mut all: Vec<UndeclaredGrant> = Vec::new();
    all.extend(is_open(&policy, &holders).map(|holder| grant("(everybody)", holder)));
    let is_somebody = |name: &str| accounts::is_somebody(world.projects.iter().flatten().map(AsRef::as_ref), name);
    let people = holders.iter().filter(|h| !h.name.is_empty() && is_somebody(&h.name) && (admin || h.name != ADMIN));
    all.extend(people.map(|holder| grant(&holder.name, holder)));
    let count = all.len();
    let verdict = verdict(&all, admin);
    all.truncate(SHOWN);
    Exclusive { verdict, undeclared: Some((all.into(), count)) }
}

fn verdict(all: &[UndeclaredGrant], admin: bool) -> Verdict {
    if all.is_empty() {
        let besides = if admin { "" } else { "; somebody whom the identity provider calls \"admin\" would still be Argo CD's admin" };
        return Verdict::yes(Reason::OnlyDeclared, format!("no policy line of somebody else allows a terminal{besides}"));
    }
    let named: Vec<String> = all.iter().take(NAMED).map(|g| format!("{} into {} by {}", g.subject, g.applications, g.source)).collect();
    let more = all.len().checked_sub(NAMED).filter(|n| *n > 0).map(|n| format!(", and {n} more")).unwrap_or_default();
    Verdict::no(
        Reason::UndeclaredGrants,
        format!("others may open terminals too while they are switched on: {}{more}; status.undeclaredGrants lists them", named.join("; ")),
    )
}

/// Who else may open terminals in this world: looked through when it is first asked for, and once. The whole policy is read for it.
pub struct Others<'w> {
    world: &'w World,
    found: OnceCell<Exclusive>,
}

impl<'w> Others<'w> {
    /// Of this world.
    #[must_use]
    pub fn of(world: &'w World) -> Self {
        Self { world, found: OnceCell::new() }
    }

    /// What is known of them.
    #[must_use]
    pub fn look(&self) -> &Exclusive {
        self.found.get_or_init(|| look(self.world))
    }

    /// What is known of them, where the instance requires that there are none.
    fn required(&self) -> Option<&Exclusive> {
        self.world.settings.require_exclusive.then(|| self.look())
    }

    /// Why nothing may be granted in an instance that requires that nobody else could.
    #[must_use]
    pub fn refusal(&self) -> Option<Verdict> {
        let found = self.required()?;
        (found.verdict.reason == Reason::UndeclaredGrants).then(|| {
            let message = format!(
                "this instance requires that nobody but the declared people gets a terminal (requireExclusive), and {}. Remove that access ({ARGOCD_CM} {ADMIN_ENABLED}: \"false\" takes the local admin away), or let the platform admin set requireExclusive to false",
                found.verdict.message
            );
            Verdict::no(Reason::NotExclusive, message)
        })
    }

    /// Why it is not known whether anything may be granted: then nothing is added, and nothing is withdrawn.
    #[must_use]
    pub fn undecided(&self) -> Option<String> {
        let found = self.required()?;
        found.undeclared.is_none().then(|| {
            format!(
                "this instance requires that nobody but the declared people gets a terminal (requireExclusive), and who does is not known: {}",
                found.verdict.message
            )
        })
    }
}

/// How often the policy was looked through, for tests.
#[cfg(test)]
pub(super) mod count {
    use std::cell::Cell;

    thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::exec) fn up() {
        LOOKS.set(LOOKS.get() + 1);
    }

    pub(in crate::exec) fn looks() -> usize {
        LOOKS.get()
    }
}
