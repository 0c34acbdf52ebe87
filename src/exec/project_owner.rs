//! Whether an AppProject's list of roles is somebody else's: who has it, and who keeps rewriting it. Pure.

use std::collections::BTreeMap;

use super::world::World;
use crate::api::conditions::{Verdict, shorten};
use crate::argocd::kinds::{AppProject, ProjectRole};
use crate::argocd::tracking::Tracking;
use crate::ownership::behalf::Name;
use crate::ownership::{Course, Holding, Keeper, Record, course};
use crate::reconcile::contests::{Look, version};
use crate::reconcile::seen::uid;
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::{Direction, Target};

/// The list.
const PATH: [&str; 2] = ["spec", "roles"];
/// How the memory of this process names our part of it.
const FIELD: &str = "spec/roles";
/// So much of a role is shown to its owner.
const SHOWN: usize = 500;

/// One project, by who has its list of roles.
pub struct List<'a> {
    world: &'a World,
    target: &'a Target,
    project: &'a AppProject,
    holding: Holding<'a>,
}

impl<'a> List<'a> {
    /// Looks at it.
    #[must_use]
    pub fn of(world: &'a World, target: &'a Target, project: &'a AppProject, tracking: &Tracking<'_>) -> Self {
        Self { world, target, project, holding: Holding::of(target.place(), &project.metadata, tracking) }
    }

    /// Whether our managedFields entry may stay: only by it can an Application leave the list to our manager. Everybody else's next apply
    /// would meet a conflict.
    #[must_use]
    pub fn keeps_entry(&self) -> bool {
        matches!(self.holding.keeper(), Keeper::ArgoCD(_))
    }

    /// In whose name the list is to be written, if in somebody's: in Helm's only where it is Helm's, or nobody's, since Helm's next upgrade
    /// takes away what was written in its name.
    #[must_use]
    pub fn name(&self, direction: Direction) -> Option<Name> {
        let holding = &self.holding;
        if direction == Direction::Narrow {
            let on_record = |name: &Name| holding.is_begun_in(name) || holding.is_on_record_of(name, &PATH);
            return holding.name_to_give_back_in().filter(|name| !name.applies || on_record(name));
        }
        let is_helms = |name: &Name| holding.is_free_for(name, &PATH, self.project.spec.roles.is_some());
        holding.name_to_set_in().filter(|name| holding.is_begun_in(name) || is_helms(name))
    }

    /// Why nothing is added, and what to do. `foreign` is the project without our roles.
    #[must_use]
    pub fn withheld(&self, foreign: &AppProject, desired: &BTreeMap<&str, &ProjectRole>, look: &Look) -> Option<Verdict> {
        let policy = self.world.settings.conflict_policy;
        let owner = self.holding.owner(&PATH, !foreign.roles().is_empty(), false);
        let roles = shorten(&serde_json::to_string(&desired.values().collect::<Vec<_>>()).unwrap_or_default(), SHOWN);
        let withheld = if course(&owner, policy) == Course::Defer {
            Some(Withheld::deferred(&owner, policy, self.target.place(), &PATH, &roles))
        } else {
            self.world.contests.rival(look).map(|rival| Withheld::contended(&rival, self.target.place(), &PATH, &roles))
        };
        let mut verdict = Withheld::sum(&withheld)?;
        verdict.message.push_str("; or use policyTarget: Global");
        Some(verdict)
    }

    /// What is seen of our roles. `now` and `then`: they, as they stand and as the plan leaves them.
    #[must_use]
    pub fn look(&self, now: &[&ProjectRole], then: Option<&[ProjectRole]>) -> Look {
        let field = (self.target.clone(), FIELD.to_owned());
        let text = |roles: &[&ProjectRole]| serde_json::to_string(roles).unwrap_or_default();
        let record = |ours: String| Some(Record { ours, ..Record::default() });
        let uid = uid(&self.project.metadata).to_owned();
        let stands = self.world.contests.note(&field, &uid).is_none_or(|note| note.ours == text(now));
        Look {
            uid,
            version: version(&self.project.metadata),
            stands,
            by: self.holding.last_writer(&PATH),
            sets: then.is_some(),
            back: false,
            note: record(text(now)),
            next: then.and_then(|roles| record(text(&roles.iter().collect::<Vec<_>>()))),
            field,
        }
    }
}
