//! Runs a sequence in the simulator, beside a twin of the instance that never had an `ExecAccess`, and holds every promise against it:
//! after every single write, and at rest.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::declared::{Access, Declared, Universe};
use super::edits::{Act, Deed, Edit};
use super::judge::Judge;
use super::operation::{Kinds, NAMES, Operation, Spec};
use super::place::{Place, Which};
use super::simulator::{PATIENCE, Sim};
use super::written;
use crate::argocd::policy::Data;
use crate::exec::{Plan, World, plan};
use crate::reconcile::declared::Plan as _;
use crate::reconcile::{Direction, Failures, NotSeen, Write};

/// What does not hold, with the state that shows it.
pub type Held<T = ()> = Result<T, String>;

/// More steps than this, and something quarrels with itself.
const MOST_STEPS: usize = 24;

/// Says what does not hold.
macro_rules! hold {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(format!($($text)*));
        }
    };
}
pub(super) use hold;

/// An instance, its twin, and what people declare.
pub struct Machine<J> {
    pub sim: Sim,
    pub(super) twin: Sim,
    pub place: Place,
    pub(super) universe: Universe,
    pub(super) declared: Declared,
    pub(super) judge: J,
    pub(super) judged: Vec<(Data, Vec<Value>, Access)>,
    pub(super) blind: BTreeSet<Kinds>,
    /// Objects whose memory somebody else has changed: what comes back there is not known.
    pub(super) forged: BTreeSet<Which>,
    born: usize,
    /// How often others may have rewritten the flag.
    pub(super) rewrites: usize,
    /// Somebody has taken away what confines since the plan was made.
    loosened: bool,
}

impl<J: Judge> Machine<J> {
    pub fn new(world: World, judge: J) -> Self {
        let place = Place::simulated();
        let universe = Universe::new(&place, world.applications_elsewhere());
        Self {
            sim: Sim::new(world.clone()),
            twin: Sim::new(world),
            place,
            universe,
            declared: Declared::default(),
            judge,
            judged: Vec::new(),
            blind: BTreeSet::new(),
            forged: BTreeSet::new(),
            born: 0,
            rewrites: 0,
            loosened: false,
        }
    }

    /// A whole life: the operations, then everything is deleted and nothing is left.
    pub fn live(&mut self, operations: &[Operation]) -> Held {
        for operation in operations {
            self.happens(operation)?;
        }
        self.end()
    }

    fn happens(&mut self, operation: &Operation) -> Held {
        self.sim.now += jiff::SignedDuration::from_secs(3);
        match operation {
            Operation::Declare(name, spec) => self.declare(name, spec),
            Operation::DeclareAll(spec) => NAMES.iter().for_each(|name| self.declare(name, spec)),
            Operation::Suspend(name) => self.suspend(name, true),
            Operation::Resume(name) => self.suspend(name, false),
            Operation::Delete(name) => self.delete(name),
            Operation::Wait(minutes) => self.sim.now += jiff::SignedDuration::from_mins(*minutes),
            Operation::Foreign(edit) => self.edit(edit),
            Operation::Blind(kind) => drop(self.blind.insert(*kind)),
            Operation::See => self.blind.clear(),
            Operation::Steps(steps) => {
                for _ in 0..*steps {
                    self.step()?;
                }
            }
            Operation::Kill(after) => {
                let plan = self.plan();
                self.send_all(&plan, Some(*after))?;
                self.sim.restart();
            }
            Operation::Stale(between) => {
                let plan = self.plan();
                self.happens(between)?;
                // What confines may be taken away a moment before a right is given, as well as a moment after it: the next plan puts it right.
                self.loosened = matches!(**between, Operation::Foreign(Edit::Unconfine | Edit::Loosen | Edit::Unenforce));
                self.send_all(&plan, None)?;
                self.loosened = false;
            }
            Operation::Settle => self.settle()?,
        }
        Ok(())
    }

    // What people do.

    fn access(&self, name: &str) -> Option<Value> {
        self.sim.get(&self.place.access(name))
    }

    fn is_there(&self, name: &str) -> bool {
        self.access(name).is_some_and(|a| a["metadata"]["deletionTimestamp"].is_null())
    }

    fn declare(&mut self, name: &str, spec: &Spec) {
        if self.access(name).is_some() && !self.is_there(name) {
            return;
        }
        let new = self.access(name).is_none();
        let spec = self.place.spec(&spec.0);
        self.sim.declare(name, &spec.to_string());
        if new {
            // The one before it was another object.
            self.born += 1;
            let uid = json!({"metadata": {"uid": format!("uid-{name}-{}", self.born)}});
            self.sim.edit("kubectl", &self.place.access(name), &uid);
        }
        self.declared.specs.insert(name.to_owned(), spec);
    }

    fn suspend(&mut self, name: &str, suspend: bool) {
        if let (true, Some(spec)) = (self.is_there(name), self.declared.specs.get(name)) {
            let mut spec = spec.clone();
            spec["suspend"] = json!(suspend);
            self.declare(name, &Spec(spec));
        }
    }

    pub(super) fn delete(&mut self, name: &str) {
        if self.is_there(name) {
            self.sim.delete(name);
        }
        self.declared.specs.remove(name);
    }

    fn edit(&mut self, edit: &Edit) {
        let acts = edit.acts(&self.place, &|target| self.sim.get(target));
        if matches!(edit, Edit::Flag(_) | Edit::HelmUpgrade(_)) {
            self.rewrites += 1;
        }
        // With the very value of ours in it, an upgrade of Helm looks like the loss of our memory, which an upgrade takes away as well: whose
        // the value is cannot be told.
        if matches!(edit, Edit::HelmUpgrade(Some("true"))) {
            self.forged.insert(Which::ArgocdCm);
        }
        // What stands there in Helm's name, a person's value beneath it, goes with Helm's next upgrade.
        if matches!(edit, Edit::Flag(_) | Edit::Shells(_))
            && written::is_in_helms_name(&self.sim.get(&self.place.shared(Which::ArgocdCm)).unwrap_or_default())
        {
            self.forged.insert(Which::ArgocdCm);
        }
        if let Edit::Memory(which, _) = edit {
            self.forged.insert(*which);
        }
        if !edit.is_of_ours() {
            for mut twins in edit.acts(&self.place, &|target| self.twin.get(target)) {
                // What does not happen here, or changes nothing here, nobody could see.
                let Some(act) = acts.iter().find(|act| act.target == twins.target) else { continue };
                if let (Deed::Merge(patch), Deed::Merge(twins)) = (&act.deed, &mut twins.deed) {
                    written::prune(twins, patch, &self.sim.get(&act.target).unwrap_or_default());
                }
                perform(&mut self.twin, &twins);
            }
        }
        for act in &acts {
            perform(&mut self.sim, act);
        }
        for which in [Which::ArgocdCm, Which::RbacCm, Which::Ingress] {
            // A new object has no memory that could be forged.
            if self.sim.get(&self.place.shared(which)).is_none() {
                self.forged.remove(&which);
            }
        }
    }

    // What the operator does.

    /// What the operator sees.
    pub(super) fn seen(&self) -> World {
        let mut world = self.sim.world.clone();
        world.contests = world.contests.at(self.sim.now);
        self.blind.iter().for_each(|kind| hide(&mut world, *kind));
        world
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.seen(), self.sim.now)
    }

    /// One plan, sent and reported. Returns how many writes it had.
    fn step(&mut self) -> Held<usize> {
        let plan = self.plan();
        self.send_all(&plan, None)?;
        // One step takes away everything that may be taken away.
        if !self.cannot_withdraw() {
            let (may, allowed) = (self.may()?, self.allowed()?);
            let extra: Access = may.difference(&allowed).copied().collect();
            hold!(extra.is_empty(), "after a step these may still open terminals: {:?}\n{}", self.universe.show(&extra), self.picture());
        }
        self.sim.now += jiff::SignedDuration::from_secs(1);
        Ok(plan.writes.len())
    }

    /// As `cluster_io::apply` sends a plan. Killed after `limit` writes, it reports nothing.
    fn send_all(&mut self, plan: &Plan, limit: Option<usize>) -> Held {
        let (mut failures, mut done, mut stale) = (Failures::new(), Vec::new(), false);
        for (n, write) in plan.writes.iter().enumerate() {
            if limit == Some(n) {
                return Ok(());
            }
            if write.gives() && !stale {
                let argocd_cm = self.sim.world.argocd_cm.iter().flatten().next().map(|cm| &cm.metadata);
                stale = !plan.is_still_declared(self.sim.world.accesses.iter().map(|a| &a.metadata), argocd_cm, self.sim.now);
            }
            if stale && write.direction != Direction::Narrow {
                break;
            }
            if !stale && !self.loosened {
                self.sim.is_confined_where_it_is_let_in(std::slice::from_ref(write));
            }
            match self.send(write)? {
                Ok(()) => done.push(write.target.clone()),
                Err(refused) => {
                    stale = true;
                    failures.entry(write.layer).or_default().push(refused);
                }
            }
        }
        self.sim.remember(plan, &done);
        if limit.is_none() && !stale {
            self.sim.report(plan, &failures);
        }
        Ok(())
    }

    fn send(&mut self, write: &Write) -> Held<Result<(), String>> {
        let (before, may, rights) = (self.sim.get(&write.target), self.may()?, self.rights());
        if let Err(refused) = self.sim.send(write) {
            hold!(self.sim.get(&write.target) == before, "refused, and done all the same: {write:?}");
            return Ok(Err(refused));
        }
        let after = self.sim.get(&write.target);
        written::only_ours(&write.target, before.as_ref(), after.as_ref()).map_err(|what| format!("{what}: {write:#?}"))?;
        let declared = self.allowed()?;
        let gained: Access = self.may()?.difference(&may).filter(|a| !declared.contains(a)).copied().collect();
        hold!(gained.is_empty(), "not declared, and given: {:?} by {write:#?}\n{}", self.universe.show(&gained), self.picture());
        let meant = self.reach(|_| true);
        let gained: BTreeSet<String> = self.rights().difference(&rights).filter(|n| !meant.contains("*") && !meant.contains(*n)).cloned().collect();
        hold!(gained.is_empty(), "argocd-server may exec in {gained:?}, which nobody declares, by {write:#?}");
        Ok(Ok(()))
    }

    pub(super) fn settle(&mut self) -> Held {
        for _ in 0..MOST_STEPS {
            // What was just said of the objects may be a reason to write.
            if self.step()? > 0 || !self.plan().writes.is_empty() {
                continue;
            }
            match self.plan().next.filter(|next| next.duration_since(self.sim.now) <= PATIENCE) {
                Some(next) => self.sim.now = next,
                None => return self.rests(),
            }
        }
        Err(format!("no rest after {MOST_STEPS} steps: {:#?}", self.plan().writes))
    }

    /// The state, for a message.
    pub(super) fn picture(&self) -> String {
        let accesses: Vec<String> = self.declared.specs.iter().map(|(name, spec)| format!("{name}: {spec}")).collect();
        format!("declared: {accesses:#?}\nargocd-rbac-cm: {:#?}\nblind: {:?}\nnow: {}", self.data(), self.blind, self.sim.now)
    }
}

fn perform(sim: &mut Sim, act: &Act) {
    match &act.deed {
        Deed::Merge(patch) => sim.edit(act.manager, &act.target, patch),
        Deed::Apply(body) => sim.apply(act.manager, &act.target, body),
        Deed::Create(body) if sim.get(&act.target).is_none() => sim.apply(act.manager, &act.target, body),
        Deed::Create(_) => {}
        Deed::Delete => sim.put(&act.target, None),
    }
}

fn hide(world: &mut World, kind: Kinds) {
    let not_seen = NotSeen { kind: "something", why: "forbidden".to_owned() };
    match kind {
        Kinds::ArgocdCm => world.argocd_cm = Err(not_seen),
        Kinds::RbacCm => world.rbac_cm = Err(not_seen),
        Kinds::ParamsCm => world.params_cm = Err(not_seen),
        Kinds::Deployments => world.deployments = Err(not_seen),
        Kinds::Pods => world.pods = Err(not_seen),
        Kinds::Services => world.services = Err(not_seen),
        Kinds::Ingresses => world.ingresses = Err(not_seen),
        Kinds::IngressClasses => world.ingress_classes = Err(not_seen),
        Kinds::Applications => world.applications = Err(not_seen),
        Kinds::Projects => world.projects = Err(not_seen),
        Kinds::Namespaces => world.namespaces = Err(not_seen),
        Kinds::RoleBindings => world.role_bindings = Err(not_seen),
        Kinds::ClusterRoleBinding => world.cluster_role_binding = Err(not_seen),
        Kinds::ServersClock => world.server_ahead = None,
        Kinds::AdmissionPolicy => world.admission_policy = Err(not_seen),
        Kinds::AdmissionBinding => world.admission_binding = Err(not_seen),
    }
}
