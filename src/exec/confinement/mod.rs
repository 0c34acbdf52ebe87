//! `confine: true`: an admission policy that refuses argocd-server's terminals wherever no `ExecAccess` in effect says so, whatever its
//! rights are. Pure.
//!
//! It follows the existence of objects, not their activity: it comes before anything is given and goes when everything is handed back.
//! In between it allows exec in the namespaces of what is in effect, and in none when nothing is. It is about argocd-server's
//! ServiceAccount alone; everybody else's exec is untouched.

pub mod rule;
mod since;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use self::rule::{Name, Rule};
use self::since::Since;
use super::admission::Case;
use super::debts::Debt;
use super::grant::{Grant, Place};
use super::server::{self, Reach};
use super::world::World;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::api::{INSTANCE_LABEL, is_held};
use crate::reconcile::finalizer::is_abandoned;
use crate::reconcile::seen::{NotSeen, uid};
use crate::reconcile::write::{Action, Direction, Kind, Layer, Target, Wanted, Write};

/// What the layer wants, and what it says.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// The writes.
    pub wanted: Wanted,
    /// Why nothing may be given yet.
    pub hold: Option<Verdict>,
    /// When that changes by itself.
    pub next: Option<jiff::Timestamp>,
    verdict: Verdict,
    /// Why a namespace that is declared is not in the policy.
    left_out: Option<Verdict>,
}

impl Confinement {
    /// The verdict of `Confined` for an object with this reach.
    #[must_use]
    pub fn verdict(&self, reach: Option<&Reach>) -> Verdict {
        let beyond = reach.map(|r| &r.beyond).filter(|b| !b.is_empty());
        match (beyond, &self.left_out) {
            (Some(beyond), Some(why)) if self.verdict.holds() => {
                let some: Vec<&str> = beyond.iter().take(3).map(String::as_str).collect();
                Verdict { message: format!("{} ({} namespace(s), such as {})", why.message, beyond.len(), some.join(", ")), ..why.clone() }
            }
            _ => self.verdict.clone(),
        }
    }
}

/// What a confined instance cannot have.
///
/// # Errors
/// The verdict of `Accepted`.
pub fn accept(world: &World, grant: Grant) -> Result<Grant, Verdict> {
    if world.settings.confine && grant.place == Place::Cluster {
        let message = "spec.server.scope Cluster is not possible in an instance that is confined (confine): leave it out, or name namespaces";
        return Err(Verdict::no(Reason::LimitExceeded, message));
    }
    Ok(grant)
}

/// Decides what the policy must say; takes what it does not hold out of the reaches.
pub fn fold(
    world: &World,
    cases: &[Case],
    reaches: &mut BTreeMap<usize, Reach>,
    debts: &BTreeMap<String, Debt>,
    now: jiff::Timestamp,
) -> Confinement {
    let layer = Objects::of(world);
    let present = layer.policy.is_some() || layer.binding.is_some();
    // While everything is being taken back, and while it is stopped, what confines stays as long as there is anything to confine.
    let on = world.settings.confine || (present && (world.ending() || world.stopped().is_some()));
    if !on || !is_needed(world, cases, debts) {
        return layer.remove(world.settings.confine);
    }
    let places = Places::of(world, &layer, reaches);
    for reach in reaches.values_mut() {
        let allowed = |n: &String| Name::parse(n).is_some_and(|n| places.allowed.contains(&n));
        let (allowed, beyond) = std::mem::take(&mut reach.namespaces).into_iter().partition(allowed);
        (reach.namespaces, reach.beyond) = (allowed, beyond);
    }
    let mut confinement = layer.keep(places.allowed, now);
    confinement.left_out = places.left_out;
    confinement
}

/// Whether there is an object that grants, has granted, or still holds something.
fn is_needed(world: &World, cases: &[Case], debts: &BTreeMap<String, Debt>) -> bool {
    let going = |meta: &ObjectMeta| meta.deletion_timestamp.is_some() || world.ending();
    let stays = |case: &Case| {
        let meta = &case.access.metadata;
        case.standing || (is_held(meta) && !(going(meta) && (is_abandoned(meta) || !debts.contains_key(uid(meta)))))
    };
    let unreadable = |meta: &ObjectMeta| is_held(meta) && !(going(meta) && (is_abandoned(meta) || world.in_sight()));
    cases.iter().any(stays) || world.unreadable.iter().any(|u| unreadable(&u.metadata))
}

/// The namespaces that the policy must allow.
struct Places {
    allowed: BTreeSet<Name>,
    left_out: Option<Verdict>,
}

impl Places {
    /// In the order of age, so that nobody is pushed out by a younger object. What stands already comes first where not everything can
    /// be seen: there nothing that may be justified is lost, and nothing is added.
    fn of(world: &World, layer: &Objects<'_>, reaches: &BTreeMap<usize, Reach>) -> Self {
        let standing = layer.standing();
        let declared = || reaches.values().flat_map(|r| &r.namespaces).filter_map(|n| Name::parse(n));
        let unseen = world.namespaces.as_ref().err();
        let frozen = server::is_frozen(world, reaches);
        let kept = if frozen { standing.clone() } else { BTreeSet::new() };
        let known = declared().filter(|n| unseen.is_none() || standing.contains(n));
        let (allowed, beyond) = rule::fit(kept.into_iter().chain(known));
        let too_many = || {
            let message = format!(
                "an admission policy holds about {} kB of namespaces, and older objects come first; terminals open in none that is left out. Declare fewer namespaces in this instance",
                rule::EXPRESSION_LIMIT / 1000
            );
            Verdict::no(Reason::TooManyNamespaces, message)
        };
        let left_out = match unseen {
            _ if !beyond.is_empty() => Some(too_many()),
            Some(not_seen) => Some(Verdict::unknown(Reason::NotReadable, format!("nothing is added to the admission policy: {not_seen}"))),
            None => None,
        };
        Self { allowed, left_out }
    }
}

/// The two objects, as far as they are ours.
struct Objects<'a> {
    world: &'a World,
    policy: Option<&'a ValidatingAdmissionPolicy>,
    binding: Option<&'a ValidatingAdmissionPolicyBinding>,
    unseen: Option<&'a NotSeen>,
    taken: Option<Target>,
}

impl<'a> Objects<'a> {
    fn of(world: &'a World) -> Self {
        let policy = world.admission_policy.iter().flatten().map(AsRef::as_ref).next();
        let binding = world.admission_binding.iter().flatten().map(AsRef::as_ref).next();
        let taken_policy = policy.filter(|p| !world.is_ours(&p.metadata)).map(|_| policy_target(world));
        let taken_binding = binding.filter(|b| !world.is_ours(&b.metadata)).map(|_| binding_target(world));
        Self {
            world,
            policy: policy.filter(|p| world.is_ours(&p.metadata)),
            binding: binding.filter(|b| world.is_ours(&b.metadata)),
            unseen: world.admission_policy.as_ref().err().or(world.admission_binding.as_ref().err()),
            taken: taken_policy.or(taken_binding),
        }
    }

    /// Where our bindings stand: there argocd-server has been let in. Without sight of them, what the policy itself says.
    fn standing(&self) -> BTreeSet<Name> {
        let denied = &self.world.settings.limits.denied_namespaces;
        let own = self.world.own_role.iter().flatten().flatten().filter(|r| super::in_place::is_marked(&r.metadata));
        let own = own.map(|_| self.world.namespace().to_owned());
        let all: BTreeSet<Name> = match &self.world.role_bindings {
            Ok(bindings) => {
                let ours = bindings.iter().filter(|b| self.world.is_ours(&b.metadata)).filter_map(|b| b.metadata.namespace.clone());
                ours.chain(own).filter_map(|n| Name::parse(&n)).collect()
            }
            Err(_) => self.rule().map(|r| r.namespaces).unwrap_or_default(),
        };
        all.into_iter().filter(|n| !denied.contains(n.as_str())).collect()
    }

    fn rule(&self) -> Option<Rule> {
        Rule::read(self.policy?.spec.as_ref()?, self.world.namespace())
    }

    /// Whom the policy is about: the ServiceAccount of argocd-server's Deployment, and a former one as long as a pod still runs under it
    /// (or that cannot be seen). While it is not known which Deployment that is, it stays as it is.
    fn accounts(&self) -> Result<BTreeSet<Name>, Verdict> {
        let before = self.policy.and_then(|p| rule::accounts(p.spec.as_ref()?, self.world.namespace())).unwrap_or_default();
        let server = match server::server(self.world) {
            Ok(server) => server,
            Err(why) if before.is_empty() => return Err(why),
            Err(_) => return Ok(before),
        };
        let is_server = |labels: &BTreeMap<String, String>| server.pod_labels.iter().all(|(k, v)| labels.get(k) == Some(v));
        let in_use = |name: &Name| match &self.world.pods {
            Err(_) => true,
            Ok(pods) => pods
                .iter()
                .filter(|p| p.metadata.labels.as_ref().is_some_and(is_server))
                .any(|p| p.spec.as_ref().and_then(|s| s.service_account_name.as_deref()) == Some(name.as_str())),
        };
        let Some(own) = Name::parse(&server.service_account) else {
            return Err(Verdict::no(Reason::ServerNotFound, "the name of argocd-server's ServiceAccount is not one that Kubernetes has"));
        };
        Ok(before.into_iter().filter(in_use).chain([own]).collect())
    }

    /// Takes both away: the last that goes, since it can only let argocd-server do more.
    fn remove(&self, confine: bool) -> Confinement {
        let mut wanted = Wanted::default();
        let metas = [(policy_target(self.world), self.policy.map(|p| &p.metadata)), (binding_target(self.world), self.binding.map(|b| &b.metadata))];
        for (target, meta) in metas {
            let Some(meta) = meta else { continue };
            wanted.changes.push(Change { object: target.to_string(), field: "spec".to_owned(), from: Some("confined".to_owned()), to: None });
            wanted.writes.push(Write::delete(&target, meta, Layer::Confinement, Direction::Widen, "argocd-server is confined no longer"));
        }
        let message = if confine {
            "this instance is to be confined (confine), which begins with the first object that takes effect; until then argocd-server may exec wherever its rights allow"
        } else {
            "this instance is not confined: argocd-server may exec wherever its rights allow, whatever is declared; the platform admin may set confine"
        };
        let verdict = if wanted.writes.is_empty() || !confine {
            Verdict::no(Reason::NotConfined, message)
        } else {
            Verdict::no(Reason::Pending, "the admission policy goes, now that everything else is handed back")
        };
        Confinement { wanted, hold: None, next: None, verdict, left_out: None }
    }

    /// Brings both to where they must be.
    fn keep(&self, allowed: BTreeSet<Name>, now: jiff::Timestamp) -> Confinement {
        let blocked = |why: Verdict| Confinement { wanted: Wanted::default(), hold: Some(why.clone()), next: None, verdict: why, left_out: None };
        if let Some(not_seen) = self.unseen {
            return blocked(Verdict::unknown(Reason::NotReadable, not_seen.to_string()));
        }
        if let Some(theirs) = &self.taken {
            let message = format!("{theirs} is somebody else's, without the label {INSTANCE_LABEL}, and stands where ours would be; rename it");
            return blocked(Verdict::no(Reason::OwnedByOther, message));
        }
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(why) => return blocked(why),
        };
        let mut wanted = Wanted::default();
        let good = self.keep_policy(&Rule { accounts, namespaces: allowed }, now, &mut wanted);
        let bound = self.keep_binding(now, &mut wanted);
        let (verdict, next) = self.force(good.zip(bound), now);
        // Whether it is about the right ServiceAccount is not known without sight of argocd-server.
        let verdict = server::server(self.world).err().unwrap_or(verdict);
        Confinement { wanted, hold: (!verdict.holds()).then(|| verdict.clone()), next, verdict, left_out: None }
    }

    /// Since when the policy bites, when it does what it must.
    fn keep_policy(&self, want: &Rule, now: jiff::Timestamp, wanted: &mut Wanted) -> Option<Since> {
        let target = policy_target(self.world);
        let instance = self.world.namespace();
        let spec_of = |rule: &Rule| serde_json::to_value(rule.spec(instance)).unwrap_or_default();
        let change = |from: Option<String>| Change { object: target.to_string(), field: "spec".to_owned(), from, to: Some(want.places()) };
        let Some(policy) = self.policy else {
            wanted.changes.push(change(None));
            wanted.writes.push(self.create(&target, &spec_of(want), now));
            return None;
        };
        let since = Since::read(&policy.metadata, now);
        let current = policy.spec.clone().unwrap_or_default();
        let Some(rule) = Rule::read(&current, instance) else {
            wanted.changes.push(change(None));
            wanted.writes.push(Self::mend(&target, &policy.metadata, &json!(current), &spec_of(want), Some(now)));
            return None;
        };
        // A new account is confined, and namespaces go, before anything is given; a former account goes, and namespaces come, with it.
        let both = |a: &BTreeSet<Name>, b: &BTreeSet<Name>| a.union(b).cloned().collect::<BTreeSet<Name>>();
        let narrow =
            Rule { accounts: both(&rule.accounts, &want.accounts), namespaces: rule.namespaces.intersection(&want.namespaces).cloned().collect() };
        if rule != *want {
            wanted.changes.push(change(Some(rule.places())));
        }
        let newly = narrow.accounts != rule.accounts || since.is_none();
        if narrow != rule || newly {
            wanted.writes.push(Self::mend(&target, &policy.metadata, &json!(current), &spec_of(&narrow), newly.then_some(now)));
        } else if *want != rule {
            let mut write = Self::mend(&target, &policy.metadata, &json!(current), &spec_of(want), None);
            write.direction = Direction::Widen;
            wanted.writes.push(write);
        }
        since.filter(|_| !newly)
    }

    fn keep_binding(&self, now: jiff::Timestamp, wanted: &mut Wanted) -> Option<Since> {
        let target = binding_target(self.world);
        let spec = json!(rule::binding_spec(&self.world.binding_name()));
        let change = || Change { object: target.to_string(), field: "spec".to_owned(), from: None, to: Some("Deny".to_owned()) };
        let Some(binding) = self.binding else {
            wanted.changes.push(change());
            wanted.writes.push(self.create(&target, &spec, now));
            return None;
        };
        let since = Since::read(&binding.metadata, now);
        let current = json!(binding.spec);
        if current == spec && since.is_some() {
            return since;
        }
        wanted.changes.push(change());
        wanted.writes.push(Self::mend(&target, &binding.metadata, &current, &spec, Some(now)));
        None
    }

    /// Whether the API server enforces it by now, and if not, when it will.
    fn force(&self, both: Option<(Since, Since)>, now: jiff::Timestamp) -> (Verdict, Option<jiff::Timestamp>) {
        let name = policy_target(self.world);
        let wait = |what: &str| Verdict::no(Reason::Pending, format!("{what} ({name}); nothing is given before it holds"));
        let Some((policy, binding)) = both else { return (wait("the admission policy that confines argocd-server is not written yet"), None) };
        let status = self.policy.and_then(|p| p.status.as_ref());
        let warnings = status.and_then(|s| s.type_checking.as_ref()).and_then(|t| t.expression_warnings.as_deref()).unwrap_or_default();
        if let Some(warning) = warnings.first() {
            let message = format!("Kubernetes finds fault with {name} ({}): {}; nothing is given", warning.field_ref, warning.warning);
            return (Verdict::no(Reason::WriteFailed, message), None);
        }
        if status.and_then(|s| s.observed_generation).is_none_or(|observed| observed < policy.generation) {
            return (wait("Kubernetes has not looked at the admission policy that confines argocd-server yet"), None);
        }
        let from = policy.in_force().max(binding.in_force());
        if now < from {
            return (wait("the admission policy that confines argocd-server takes some seconds to be in force"), Some(from));
        }
        let message = format!(
            "{name} refuses exec by argocd-server's ServiceAccount wherever no ExecAccess in effect says so. That is per instance, not per person, and about terminals only: attach, port-forward, other identities and a stolen token used for anything else are outside"
        );
        (Verdict::yes(Reason::Enforced, message), None)
    }

    fn create(&self, target: &Target, spec: &Value, now: jiff::Timestamp) -> Write {
        let (api_version, kind, _) = target.kind.names();
        let labels = json!({INSTANCE_LABEL: self.world.namespace(), "app.kubernetes.io/managed-by": "argocd-access"});
        let metadata = json!({"name": target.name, "labels": labels, "annotations": {since::ANNOTATION: Since::first(now).to_string()}});
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
        let action = Action::Apply(body);
        Write { target: target.clone(), layer: Layer::Confinement, direction: Direction::Narrow, action, why: "confine argocd-server" }
    }

    /// Also what somebody added goes: an apply would leave it to them. `renewed`: it has to be waited for again.
    fn mend(target: &Target, meta: &ObjectMeta, current: &Value, spec: &Value, renewed: Option<jiff::Timestamp>) -> Write {
        let mut metadata = json!({"resourceVersion": meta.resource_version});
        if let (Some(now), Some(map)) = (renewed, metadata.as_object_mut()) {
            map.insert("annotations".to_owned(), json!({since::ANNOTATION: Since::after(meta, current != spec, now).to_string()}));
        }
        let action = Action::Merge(json!({"metadata": metadata, "spec": difference(current, spec)}));
        Write { target: target.clone(), layer: Layer::Confinement, direction: Direction::Narrow, action, why: "where argocd-server may exec" }
    }
}

fn policy_target(world: &World) -> Target {
    Target::cluster(Kind::ValidatingAdmissionPolicy, &world.binding_name())
}

fn binding_target(world: &World) -> Target {
    Target::cluster(Kind::ValidatingAdmissionPolicyBinding, &world.binding_name())
}

/// The JSON merge patch that makes one value of another.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let gone = from.keys().filter(|k| !to.contains_key(*k)).map(|k| (k.clone(), Value::Null));
    let new = to.iter().map(|(k, v)| (k.clone(), from.get(k).map_or_else(|| v.clone(), |old| difference(old, v))));
    Value::Object(gone.chain(new).collect())
}
