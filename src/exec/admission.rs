//! Which objects take effect: each is judged for itself, then all together in the order of their age. Pure.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::confinement;
use super::exclusive::{self, Others};
use super::grant::{self, Grant};
use super::project::Ours;
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::api::{ExecAccess, SubjectKind};
use crate::argocd::ARGOCD_RBAC_CM;
use crate::argocd::policy::{self, Mentions};
use crate::argocd::{accounts, project, versions};
use crate::reconcile::active::{Circumstances, Standing, age, stand};
use crate::reconcile::clock::Clock;
use crate::reconcile::seen;
use crate::reconcile::stop;

/// The prefix of our keys in argocd-rbac-cm; the whole prefix is ours.
pub const KEY_PREFIX: &str = "policy.argocd-access.";

/// The key of one object.
#[must_use]
pub fn key_of(name: &str) -> String {
    format!("{KEY_PREFIX}{name}.csv")
}

/// Whether a key of argocd-rbac-cm is one of ours.
#[must_use]
pub fn is_our_key(key: &str) -> bool {
    key.starts_with(KEY_PREFIX) && policy::is_policy_key(key)
}

/// The keys of objects that cannot be read: what they hold stays as it is.
#[must_use]
pub fn frozen_keys(world: &World) -> BTreeSet<String> {
    world.frozen().map(|u| key_of(u.metadata.name.as_deref().unwrap_or_default())).collect()
}

/// One object, judged.
#[derive(Clone, Debug)]
pub struct Case {
    /// The object.
    pub access: Arc<ExecAccess>,
    /// The verdict of `Accepted`.
    pub accepted: Verdict,
    /// The verdict of `Active`.
    pub active: Verdict,
    /// What it grants, when it is accepted.
    pub grant: Option<Grant>,
    /// Whether it counts at all: accepted, and neither suspended nor only observing, being deleted or over. What is shared by everybody
    /// (argocd-cm's flag, the Ingresses) follows this, so that nothing is rolled or reloaded with each window of a schedule.
    pub standing: bool,
    /// Whether it takes effect now: it stands, and this is one of its times.
    pub effective: bool,
    /// A remark on a subject that Argo CD will never look up.
    pub remark: Option<String>,
}

/// Judges all objects of the instance. The order is by age: the older one wins wherever two want the same.
#[must_use]
pub fn judge(world: &World, others: &Others<'_>, clock: Clock) -> Vec<Case> {
    let mut accesses = world.accesses.clone();
    accesses.sort_by(|a, b| age(&a.metadata).cmp(&age(&b.metadata)));
    let instance_refusal = instance_refusal(world).or_else(|| others.refusal());
    let foreign = Foreign::of(world);
    let mut roles: BTreeMap<String, String> = BTreeMap::new();
    // Few name a role among their people.
    let own_roles = LazyCell::new(|| world.accesses.iter().map(|a| format!("role:{}", a.role())).collect::<BTreeSet<_>>());
    let instance_going = world.is_going(world.namespace());
    let mut cases: Vec<Case> = Vec::with_capacity(accesses.len());
    for access in accesses {
        let judged = match &instance_refusal {
            Some(refusal) => Err(refusal.clone()),
            None => grant::parse(&access, world.namespace(), &world.settings.limits)
                .and_then(|grant| confinement::accept(world, grant))
                .and_then(|grant| foreign.check(&grant, &|role| own_roles.contains(role)).map(|()| grant))
                .and_then(|grant| take_role(&mut roles, grant)),
        };
        let (accepted, grant) = match judged {
            Ok(grant) => (Verdict::yes(Reason::Valid, "valid, and within the limits of this instance"), Some(grant)),
            Err(refusal) => (refusal, None),
        };
        let (circumstances, times) = (circumstances(world, instance_going, &access), grant.as_ref().map(|grant| &grant.times));
        let refused = "nothing is granted, since the object is not accepted";
        let Standing { active, standing, effective } = stand(&circumstances, &accepted, times, clock, refused);
        let remark = grant.as_ref().and_then(|grant| foreign.remark(grant));
        cases.push(Case { access, accepted, active, grant, standing, effective, remark });
    }
    cases
}

fn circumstances(world: &World, instance_going: bool, access: &ExecAccess) -> Circumstances {
    Circumstances {
        deleted: access.metadata.deletion_timestamp.is_some(),
        instance_going,
        withdraw_all: world.withdraw_all,
        stopped: world.stopped().map(|why| stop::verdict(world.namespace(), why)),
        suspended: access.spec.suspend,
        mode: access.spec.mode,
    }
}

/// What forbids every grant of the instance.
fn instance_refusal(world: &World) -> Option<Verdict> {
    let argocd = world.server().ok().and_then(Result::ok).and_then(|server| server.version);
    if let Some(message) = versions::unsupported(argocd.as_deref(), world.kubernetes_version.as_deref()) {
        return Some(Verdict::no(Reason::Unsupported, message));
    }
    if let Ok(Ok(server)) = world.server()
        && server.auth_disabled == Some(true)
    {
        let message = "argocd-server runs with --disable-auth: everybody who reaches it would get a terminal; switch authentication on";
        return Some(Verdict::no(Reason::AuthenticationDisabled, message));
    }
    let settings = world.argocd_cm.as_ref().ok().map(|cm| seen::data(cm.as_deref()))?;
    // Only with anonymous access does it matter what the default role may do, and only then is the policy read for it.
    if !accounts::anonymous(settings) {
        return None;
    }
    exclusive::is_open_to_everybody(world).then(|| {
        let message = "anonymous access is on (argocd-cm users.anonymous.enabled) and the default role may exec: everybody would get a terminal; switch one of the two off";
        Verdict::no(Reason::AuthenticationDisabled, message)
    })
}

/// What others have written about roles and people.
struct Foreign {
    mentions: Mentions,
    project_groups: BTreeSet<String>,
    default_role: Option<String>,
    /// Whatever everybody is by it.
    everybody: BTreeSet<String>,
    scopes: Vec<String>,
}

impl Foreign {
    fn of(world: &World) -> Self {
        // What cannot be seen is empty here; without sight of it the policy layer writes nothing that widens.
        let data = world.policy().unwrap_or(&seen::NO_DATA);
        let projects = world.projects.as_deref().unwrap_or_default();
        let ours = Ours::of(world);
        let roles = || projects.iter().flat_map(|p| p.roles().iter().filter(|r| !ours.has(p, r)));
        let project_lines: Vec<&str> = roles().flat_map(|r| r.policies().iter().map(String::as_str)).collect();
        // The role of an object that cannot be read is nobody else's to take.
        let frozen = frozen_keys(world);
        let texts = policy::texts(data).filter(|(key, _)| !is_our_key(key) || frozen.contains(*key)).map(|(_, text)| text);
        let mentions = Mentions::collect(texts.chain(project_lines));
        let default_role = policy::default_role(data);
        Self {
            everybody: default_role.into_iter().flat_map(|role| mentions.inherited_by(role)).map(ToOwned::to_owned).collect(),
            project_groups: roles().flat_map(|r| r.groups().iter().map(|g| project::group_name(g).to_owned())).collect(),
            default_role: default_role.map(ToOwned::to_owned),
            scopes: policy::scopes(data),
            mentions,
        }
    }

    fn check(&self, grant: &Grant, is_own_role: &dyn Fn(&str) -> bool) -> Result<(), Verdict> {
        let taken = |message: String| Err(Verdict::no(Reason::RoleNameTaken, message));
        for role in &grant.roles() {
            if self.default_role.as_ref() == Some(role) {
                return taken(format!("{role:?} is policy.default in {ARGOCD_RBAC_CM}: everybody has it; choose another spec.roleName"));
            }
            if self.mentions.name(role) || self.project_groups.contains(role) {
                return taken(format!(
                    "{role:?} occurs in policy lines of somebody else; sharing a role would share its people. Choose another spec.roleName, or remove those lines"
                ));
            }
        }
        for subject in &grant.subjects {
            if subject.starts_with("role:") && is_own_role(subject) {
                return Err(Verdict::no(
                    Reason::SubjectTooWide,
                    format!("the subject {subject:?} is the role of an ExecAccess; name its people here instead"),
                ));
            }
            // Users, groups and roles are one name space: a group that somebody uses as a role has members of whom its author knows nothing.
            if !subject.starts_with("role:")
                && let Some(member) = self.mentions.member_of(subject)
            {
                let message = format!(
                    "the subject {subject:?} is used like a role: a policy line makes {member:?} a member of it, who would get the access too. Remove that line, or name the people otherwise"
                );
                return Err(Verdict::no(Reason::SubjectTooWide, message));
            }
            // Everybody has the default role, and with it all that it inherits.
            if self.everybody.contains(subject) {
                let message = format!("the subject {subject:?} is, or feeds, policy.default in {ARGOCD_RBAC_CM}: everybody would get the access");
                return Err(Verdict::no(Reason::SubjectTooWide, message));
            }
        }
        Ok(())
    }

    fn remark(&self, grant: &Grant) -> Option<String> {
        let by_mail = self.scopes.iter().any(|s| s == "email");
        // A group may well be named like an address (Google's are); a user id seldom is.
        let users = grant.access.spec.subjects.iter().filter(|s| s.kind == SubjectKind::User);
        let mails: Vec<&str> = users.map(|s| s.name.as_str()).filter(|name| name.contains('@')).collect();
        (!by_mail && !mails.is_empty()).then(|| {
            format!("{} looks like an e-mail address, and argocd-rbac-cm scopes {:?} does not hold email: Argo CD will not look it up (unless it is the user id itself)", mails.join(", "), self.scopes.join(", "))
        })
    }
}

fn take_role(roles: &mut BTreeMap<String, String>, grant: Grant) -> Result<Grant, Verdict> {
    let name = grant.access.metadata.name.clone().unwrap_or_default();
    if let Some(owner) = roles.get(&grant.role) {
        return Err(Verdict::no(
            Reason::RoleNameTaken,
            format!("the older ExecAccess {owner:?} has {:?} already; choose another spec.roleName", grant.role),
        ));
    }
    roles.insert(grant.role.clone(), name);
    Ok(grant)
}
