//! The objects of the controllers: which are to be there, which of them now, and which are to go. Pure.

use std::collections::BTreeMap;

use super::Case;
use crate::api::cluster_aws::{Identity, Mapping, Output};
use crate::clusters::aws::arn::{self, Role};
use crate::clusters::aws::documents;
use crate::clusters::aws::objects::standing::{Standing, standing};
use crate::clusters::aws::objects::{self, Key, Mark, Object, WantedAssociation, WantedEntry, WantedRole};

/// What becomes of objects.
pub(super) struct Made {
    /// Those to be applied.
    pub objects: Vec<Object>,
    /// Those to be deleted.
    pub surplus: Vec<Key>,
    /// All that are meant, in their order, and how each stands.
    pub standings: Vec<(Key, Standing)>,
}

/// An object that is meant.
struct Meant<'a> {
    object: Object,
    mark: Mark<'a>,
    /// The role that it is, if it is one.
    role: Option<Role>,
    /// The place in the list of the role for whose ARN it waits.
    waits_for: Option<usize>,
}

pub(super) fn made(case: &Case<'_>) -> Made {
    let meant = meant(case);
    let seen = &case.seen.objects;
    let standings: Vec<Standing> = meant
        .iter()
        .map(|one| {
            if case.seen.no_kinds.contains(&one.object.key.kind) {
                return Standing::NoKind;
            }
            standing(&one.object, one.mark, seen.get(&one.object.key), one.role.as_ref())
        })
        .collect();
    let surplus = surplus(case, &meant, &standings);
    let mut objects = Vec::new();
    for (one, standing) in meant.iter().zip(&standings) {
        let may_begin = || {
            let waits = one.waits_for.and_then(|index| standings.get(index)).is_some_and(|before| *before != Standing::Made);
            // What is to go goes first: a role that is made while its former object is deleted may be deleted with it.
            !waits && surplus.is_empty()
        };
        let applies = match standing {
            Standing::NoKind | Standing::Foreign | Standing::Other => false,
            Standing::Absent => may_begin(),
            Standing::Waiting(_) | Standing::Failed(_) | Standing::Made => true,
        };
        if applies {
            objects.push(one.object.clone());
        }
    }
    let standings = meant.into_iter().map(|one| one.object.key).zip(standings).collect();
    Made { objects, surplus, standings }
}

fn meant<'a>(case: &Case<'a>) -> Vec<Meant<'a>> {
    let Some(folded) = case.folded.filter(|folded| folded.hub.output != Output::Text) else { return Vec::new() };
    let (hub, instance, output) = (&folded.hub, case.input.namespace, folded.hub.output);
    let trust = documents::hub_trust(hub);
    let policy = documents::hub_policy_of(hub, &case.spokes(folded));
    let wanted = WantedRole { role: &hub.role, trust: &trust, policy: policy.as_ref(), boundary: hub.boundary.as_deref() };
    let mut meant = Vec::new();
    let mut add = |object: Option<Object>, mark, role, waits_for| meant.extend(object.map(|object| Meant { object, mark, role, waits_for }));
    let hub_mark = case.hub_mark();
    let name = objects::hub_name(instance);
    add(objects::role(output, (hub.objects_namespace(), &name), hub_mark, &wanted), hub_mark, Some(hub.role.clone()), None);
    let role_arn = hub.role.arn();
    if hub.declared.identity == Identity::PodIdentity {
        for service_account in &hub.service_accounts {
            let wanted = WantedAssociation {
                cluster: &hub.declared.cluster_name,
                region: &hub.declared.region,
                namespace: instance,
                service_account,
                role: &role_arn,
            };
            let name = objects::association_name(instance, service_account);
            add(objects::association(output, (hub.objects_namespace(), &name), hub_mark, &wanted), hub_mark, None, Some(0));
        }
    }
    if !case.own {
        return meant;
    }
    let aws = case.aws;
    let name = objects::spoke_name(instance, case.input.access.cluster());
    let place = (aws.spoke.namespace.as_deref().unwrap_or(instance), name.as_str());
    let own = case.own_mark();
    let trust = documents::spoke_trust(hub);
    let mut before_entry = 0;
    if let Some(role) = Role::of_spoke(aws) {
        let wanted = WantedRole { role: &role, trust: &trust, policy: None, boundary: arn::boundary(aws, &role.account_id) };
        let object = objects::role(output, place, own, &wanted);
        meant.extend(object.map(|object| Meant { object, mark: own, role: Some(role), waits_for: Some(0) }));
        before_entry = meant.len() - 1;
    }
    if aws.mapping == Mapping::AccessEntry {
        let principal = super::principal(aws).arn();
        let wanted = WantedEntry { cluster: &aws.spoke.cluster_name, region: &aws.spoke.region, principal: &principal, group: &aws.group };
        let object = objects::entry(output, place, own, &wanted);
        meant.extend(object.map(|object| Meant { object, mark: own, role: None, waits_for: Some(before_entry) }));
    }
    meant
}

/// What is ours and not meant (any more), or has to be made anew.
fn surplus(case: &Case<'_>, meant: &[Meant<'_>], standings: &[Standing]) -> Vec<Key> {
    let meant: BTreeMap<&Key, &Standing> = meant.iter().map(|one| &one.object.key).zip(standings).collect();
    let is_surplus = |key: &Key| meant.get(key).is_none_or(|standing| **standing == Standing::Other);
    let seen = case.seen.objects.iter().filter(|(_, object)| {
        // What several have in common stays while one of them cannot be read.
        case.own_mark().is_on(object) || (case.hub_mark().is_on(object) && !case.input.unreadable)
    });
    let mut surplus: Vec<Key> = seen.map(|(key, _)| key.clone()).filter(is_surplus).collect();
    surplus.sort_by_key(|key| (key.kind.withdrawn(), key.clone()));
    surplus
}
