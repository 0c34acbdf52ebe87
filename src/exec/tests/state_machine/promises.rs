//! What must hold: after every write, at rest, and when everything is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::declared::{self, Access, Live};
use super::edits::BROKEN;
use super::judge::Judge;
use super::machine::{Held, Machine, hold};
use super::operation::Kinds;
use super::place::Which;
use super::written;
use crate::api::{ABANDON, INSTANCE_LABEL, Reason};
use crate::argocd::policy::{self, Data};
use crate::config::ConflictPolicy;
use crate::exec::{Plan, in_place, plan};
use crate::reconcile::contests::REWRITES;

impl<J: Judge> Machine<J> {
    pub(super) fn data(&self) -> Data {
        crate::reconcile::seen::data(self.sim.world.rbac_cm.iter().flatten().next().map(AsRef::as_ref)).clone()
    }

    pub(super) fn projects(&self) -> Vec<Value> {
        self.sim.world.projects.iter().flatten().map(|p| serde_json::to_value(p.as_ref()).unwrap()).collect()
    }

    pub(super) fn judged(&mut self, mut data: Data, projects: Vec<Value>) -> Held<Access> {
        // A foreign line that cannot be loaded keeps Argo CD at what it knew before; what it would allow without that line counts.
        for text in data.values_mut() {
            *text = text.replace(&format!("\n{BROKEN}"), "").replace(BROKEN, "");
        }
        if let Some((_, _, access)) = self.judged.iter().find(|(d, p, _)| *d == data && *p == projects) {
            return Ok(access.clone());
        }
        let access = self.judge.access(&self.universe, &data, &projects).map_err(|error| format!("Argo CD cannot load it: {error}: {data:#?}"))?;
        if self.judged.len() > 5 {
            self.judged.remove(0);
        }
        self.judged.push((data, projects, access.clone()));
        Ok(access)
    }

    /// Who may open terminals now.
    pub(super) fn may(&mut self) -> Held<Access> {
        let (data, projects) = (self.data(), self.projects());
        self.judged(data, projects)
    }

    /// The texts that are none of ours.
    pub(super) fn foreign(&self) -> Data {
        self.data().into_iter().filter(|(key, _)| !key.starts_with("policy.argocd-access.")).collect()
    }

    /// Who may be able to: by what others have written, or by what is declared.
    pub(super) fn allowed(&mut self) -> Held<Access> {
        let foreign = self.foreign();
        let text: String = policy::texts(&foreign).flat_map(|(_, text)| [text, "\n"]).collect();
        let projects = self.projects().into_iter().map(written::without_our_roles).collect();
        let mut access = self.judged(foreign, projects)?;
        if !self.is_stopped() {
            access.extend(self.declared.access(&self.place, &self.universe, &text, self.sim.now));
        }
        Ok(access)
    }

    /// Whether somebody has stopped everything.
    pub(super) fn is_stopped(&self) -> bool {
        self.sim.world.stopped().is_some()
    }

    /// Whether a withdrawal may have to wait: the operator sees neither whose lines there are nor that it is to stop.
    pub(super) fn cannot_withdraw(&self) -> bool {
        let sees = !self.blind.contains(&Kinds::RbacCm) && !self.blind.contains(&Kinds::Projects);
        !sees || (self.is_stopped() && self.blind.contains(&Kinds::ArgocdCm))
    }

    /// Where argocd-server may exec by us: namespaces, and `*`.
    pub(super) fn rights(&self) -> BTreeSet<String> {
        let w = &self.sim.world;
        let ours = |labels: &Option<BTreeMap<String, String>>| labels.as_ref().is_some_and(|l| l.contains_key(INSTANCE_LABEL));
        let mut rights: BTreeSet<String> =
            w.role_bindings.iter().flatten().filter(|b| ours(&b.metadata.labels)).filter_map(|b| b.metadata.namespace.clone()).collect();
        if w.cluster_role_binding.iter().flatten().any(|b| ours(&b.metadata.labels)) {
            rights.insert("*".to_owned());
        }
        let has_ours = |rules: &Option<Vec<PolicyRule>>| in_place::rules().iter().any(|ours| rules.iter().flatten().any(|rule| rule == ours));
        if matches!(&w.own_cluster_role, Some(Ok(Some(role))) if has_ours(&role.rules)) {
            rights.insert("*".to_owned());
        }
        if matches!(&w.own_role, Some(Ok(Some(role))) if has_ours(&role.rules)) {
            rights.insert(self.place.instance.clone());
        }
        rights
    }

    pub(super) fn live_applications(&self) -> Vec<Live> {
        let live = |app: &Arc<crate::argocd::kinds::Application>| Live {
            namespace: app.metadata.namespace.clone().unwrap_or_default(),
            project: app.spec.project.clone(),
            name: app.metadata.name.clone().unwrap_or_default(),
            into: app.spec.destination.namespace.clone().unwrap_or_default(),
        };
        self.sim.world.applications.iter().flatten().map(live).collect()
    }

    /// Where argocd-server is meant to have rights, for the active objects of these names.
    pub(super) fn reach(&self, which: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let namespaces = self.sim.world.namespaces.iter().flatten();
        let namespaces = namespaces.map(|n| (n.metadata.name.clone().unwrap_or_default(), n.metadata.labels.clone().unwrap_or_default())).collect();
        let (live, elsewhere) = (self.live_applications(), self.sim.world.applications_elsewhere());
        let active = self.declared.active(self.sim.now).filter(|(name, _)| which(name) && !self.is_stopped());
        active.flat_map(|(_, spec)| declared::reach(spec, &self.place, elsewhere, &live, &namespaces)).collect()
    }

    /// What must hold when the operator has nothing to do.
    pub(super) fn rests(&mut self) -> Held {
        let plan = self.plan();
        self.is_the_same_plan(&plan)?;
        self.time_alone_changes_nothing(&plan)?;
        let (may, allowed) = (self.may()?, self.allowed()?);
        let extra: Access = may.difference(&allowed).copied().collect();
        hold!(extra.is_empty() || self.cannot_withdraw(), "at rest, and not declared: {:?}\n{}", self.universe.show(&extra), self.picture());
        let effective: BTreeSet<String> = plan.outlooks.iter().filter(|o| o.effective).filter_map(|o| o.access.metadata.name.clone()).collect();
        let active: BTreeSet<String> = self.declared.active(self.sim.now).map(|(name, _)| name.clone()).collect();
        hold!(!self.is_stopped() || effective.is_empty() || self.blind.contains(&Kinds::ArgocdCm), "stopped, and in effect: {effective:?}");
        hold!(effective.is_subset(&active), "in effect against what is declared: {effective:?}, {active:?}");
        if self.blind.is_empty() {
            self.sees_everything(&plan, &effective, &may)?;
        }
        if self.blind.is_empty() {
            for which in [Which::ArgocdCm, Which::Ingress] {
                let helms = self.sim.get(&self.place.shared(which)).unwrap_or_default();
                let yields = helms["metadata"]["labels"]["app.kubernetes.io/managed-by"] == json!("Helm");
                hold!(!yields || !written::owns_fields(&helms), "the next helm upgrade meets our managedFields entry: {helms:#}");
            }
        }
        Ok(())
    }

    /// What must hold at rest when nothing is hidden.
    pub(super) fn sees_everything(&mut self, plan: &Plan, effective: &BTreeSet<String>, may: &Access) -> Held {
        let foreign = self.foreign();
        let text: String = policy::texts(&foreign).flat_map(|(_, text)| [text, "\n"]).collect();
        for (name, spec) in self.declared.active(self.sim.now).filter(|_| !self.is_stopped()) {
            let sure = !self.may_be_refused(name, spec, &text, &foreign);
            hold!(!sure || effective.contains(name), "nothing stands in its way, and {name} has no effect: {:#?}", verdicts(plan, name));
        }
        let meant = self.reach(|name| effective.contains(name));
        let missing: BTreeSet<String> = meant.difference(&self.rights()).cloned().collect();
        let taken = |n: &String| self.sim.world.role_bindings.iter().flatten().any(|b| b.metadata.namespace.as_ref() == Some(n));
        let deferred = self.sim.world.settings.conflict_policy == ConflictPolicy::Defer && self.sim.world.own_cluster_role.is_some();
        hold!(deferred || missing.iter().all(taken), "argocd-server lacks the right to exec in {missing:?}");
        // In argocd-server's own Role the rules stand for scope Cluster, too.
        let all = meant.contains("*");
        let extra: BTreeSet<String> = self.rights().difference(&meant).filter(|n| !(all && **n == self.place.instance)).cloned().collect();
        hold!(extra.is_empty(), "argocd-server has a right to exec in {extra:?} at rest");
        if !text.contains(BROKEN) {
            let projects: BTreeSet<String> = self.projects().iter().filter_map(|p| p["metadata"]["name"].as_str().map(ToOwned::to_owned)).collect();
            let live: BTreeSet<String> = self.live_applications().iter().map(|app| app.object(&self.place.instance)).collect();
            for name in effective {
                let declared = declared::access(&self.declared.specs[name], &self.place, &self.universe, &text);
                let anywhere = self.declared.specs[name]["policyTarget"] != json!("Project");
                // An AppProject is somebody's, too.
                let into_projects = self.sim.world.settings.conflict_policy != ConflictPolicy::Defer;
                let given = |object: &str| live.contains(object) && (anywhere || (into_projects && projects.contains(declared::project_of(object))));
                let lost: Access = declared.into_iter().filter(|a| given(&self.universe.objects[a.1]) && !may.contains(a)).collect();
                hold!(lost.is_empty(), "{name} declares it, and it is not given: {:?}\n{}", self.universe.show(&lost), self.picture());
            }
        }
        let on = self.sim.get(&self.place.shared(Which::ArgocdCm)).map(|cm| cm["data"]["exec.enabled"] == json!("true"));
        let withheld = |reason: Reason| plan.outlooks.iter().filter_map(|o| o.flag.as_ref()).any(|v| v.reason == reason);
        let deferred = self.sim.world.settings.conflict_policy == ConflictPolicy::Defer && withheld(Reason::OwnedByOther);
        let contended = self.rewrites >= REWRITES && withheld(Reason::Contended);
        hold!(effective.is_empty() || on != Some(false) || deferred || contended, "objects are in effect, and exec is off: {}", self.picture());
        for outlook in &plan.outlooks {
            let name = outlook.access.metadata.name.as_deref().unwrap_or_default();
            let said = self.sim.status(name);
            let ready = said.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
            hold!(!ready || effective.contains(name), "{name} says Ready, and is not in effect");
        }
        Ok(())
    }

    /// Whether the object may be refused for something that is no fault of the operator.
    pub(super) fn may_be_refused(&self, name: &str, spec: &Value, foreign: &str, data: &Data) -> bool {
        let role = spec["roleName"].as_str().map_or_else(|| format!("role:exec-access.{name}"), |r| format!("role:{r}"));
        let rivals = self.declared.specs.iter().filter(|(other, s)| *other != name && s["roleName"] == spec["roleName"] && !s["roleName"].is_null());
        let subjects: Vec<&str> = spec["subjects"].as_array().into_iter().flatten().filter_map(|s| s["name"].as_str()).collect();
        let used = |subject: &&str| foreign.lines().any(|l| l.starts_with("g, ") && l.ends_with(&format!(", {subject}")));
        let denied = spec["server"]["namespaces"]["names"].as_array().into_iter().flatten().any(|n| n == "kube-system");
        let too_far = self.sim.world.settings.confine && spec["server"]["scope"] == json!("Cluster");
        let in_projects = spec["policyTarget"] == json!("Project") && !declared::fits_projects(spec);
        let everybody = data.get("policy.default").is_some_and(|role| subjects.iter().any(|s| format!("role:{s}") == *role));
        // One that is going still has its role.
        let going = self.sim.world.accesses.iter().any(|a| a.metadata.deletion_timestamp.is_some());
        rivals.count() > 0
            || (going && !spec["roleName"].is_null())
            || foreign.contains(&role)
            || role == "role:admin"
            || subjects.is_empty()
            || subjects.iter().any(used)
            || denied
            || everybody
            || too_far
            || in_projects
    }

    /// The same world, in whatever order it was seen, gives the same plan.
    pub(super) fn is_the_same_plan(&self, one: &Plan) -> Held {
        let mut world = self.seen();
        written::reverse(&mut world);
        for other in [self.plan(), plan(&world, self.sim.now)] {
            let same = one.writes == other.writes
                && one.outlooks.len() == other.outlooks.len()
                && one.outlooks.iter().zip(&other.outlooks).all(|(a, b)| {
                    let of = |o: &crate::exec::Outlook| {
                        (o.access.metadata.name.clone(), o.accepted.clone(), o.active.clone(), o.flag.clone(), o.set.clone(), o.changes.clone())
                    };
                    of(a) == of(b)
                });
            hold!(same, "the same world, another plan: {:#?}\n{:#?}", one.writes, other.writes);
        }
        Ok(())
    }

    /// A steady state writes nothing, until the time that the plan itself has named.
    pub(super) fn time_alone_changes_nothing(&self, one: &Plan) -> Held {
        let long = self.sim.now + jiff::SignedDuration::from_mins(50);
        let last = one.next.map_or(long, |next| long.min(next - jiff::SignedDuration::from_secs(1)));
        let mut world = self.seen();
        world.contests = world.contests.at(last);
        let later = plan(&world, last);
        hold!(later.writes.is_empty(), "at rest at {}, and with nothing new at {last}: {:#?}", self.sim.now, later.writes);
        Ok(())
    }

    /// The end: everything can be seen again, everything is deleted, and nothing shows that we were there.
    pub(super) fn end(&mut self) -> Held {
        self.blind.clear();
        for access in self.sim.world.accesses.clone() {
            self.delete(access.metadata.name.as_deref().unwrap_or_default());
        }
        self.settle()?;
        hold!(self.sim.world.accesses.is_empty(), "not let go: {:#?} (or {ABANDON})", self.sim.world.accesses);
        hold!(self.rights().is_empty(), "rights are left: {:?}", self.rights());
        let forged: Vec<String> = self.forged.iter().map(|which| written::name_of(&self.place.shared(*which))).collect();
        written::is_as_without_us(self.sim.shared(), self.twin.shared(), &written::name_of(&self.place.shared(Which::RbacCm)), &forged)
    }
}

fn verdicts(plan: &Plan, name: &str) -> Vec<String> {
    let of = plan.outlooks.iter().filter(|o| o.access.metadata.name.as_deref() == Some(name));
    of.map(|o| format!("accepted: {:?}, active: {:?}", o.accepted, o.active)).collect()
}
