//! The same for any declaration.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::super::questions::{Place, negative, positive, representative};
use super::super::*;
use super::{EVERYWHERE, KINDS, discovery, held, permissions, resource};
use crate::live::ceiling::Ceiling;
use crate::live::review::Question;

fn any_permissions() -> impl Strategy<Value = Permissions> {
    let groups = KINDS.iter().map(|(group, ..)| *group).chain(["gone.example", "*", "certificates.k8s.io"]).collect::<Vec<_>>();
    let resources = KINDS.iter().map(|(_, _, plural, _)| *plural).chain(["things", "*", "pods/exec", "serviceaccounts/token"]).collect::<Vec<_>>();
    let one = (proptest::sample::select(groups), vec(proptest::sample::select(resources), 1..4));
    let list = vec(one.prop_map(|(group, resources)| json!({"group": group, "resources": resources})), 0..5);
    let choice = |a: &'static str, b: &'static str| prop_oneof![Just(a), Just(b)];
    let enums = (choice("Namespaces", "Cluster"), choice("Enumerated", "Wildcard"), choice("None", "Workloads"), choice("None", "Deploy"));
    (enums, choice("Auto", "Never"), any::<bool>(), list.clone(), list).prop_map(|((scope, read, profile, secrets), exec, logs, cluster, deploy)| {
        let namespaces = if scope == "Cluster" { json!({}) } else { json!({"names": ["shop"]}) };
        let all = json!({"scope": scope, "namespaces": namespaces, "read": read, "profile": profile, "secrets": secrets, "exec": exec,
            "logs": logs, "clusterResources": cluster, "deploy": deploy});
        serde_json::from_value(all).unwrap()
    })
}

/// The same without what is refused.
fn acceptable(mut permissions: Permissions) -> Permissions {
    for one in permissions.deploy.iter_mut().chain(&mut permissions.cluster_resources) {
        let group = one.group.clone();
        one.resources.retain(|resource| kinds::never(&group, resource).is_none() && resource != "namespaces");
    }
    if permissions.read == Read::Wildcard {
        permissions.secrets = DeploySecrets::Deploy;
    }
    permissions
}

fn write(verb: &str) -> bool {
    !READ.contains(&verb)
}

proptest! {
    #[test]
    fn whatever_is_declared_no_role_gives_rights_terminals_or_secrets_that_are_not(permissions in any_permissions()) {
        let roles = wanted(&permissions, &discovery());
        for role in names::ROLES {
            for (right, names) in roles.of(role).iter() {
                let what = (right.group.as_str(), right.resource.as_str());
                let text = format!("{right:?}");
                prop_assert!(!text.contains('*') && *names == Names::All, "{}", text);
                prop_assert!(kinds::never(what.0, what.1).is_none() || !write(&right.verb) || role == names::EXEC
                    || what == ("", "secrets") || what == ("argoproj.io", "rollouts/status"), "{right:?}");
                prop_assert!(what != ("", "secrets") || permissions.secrets == DeploySecrets::Deploy);
                prop_assert!(what.0 != crate::api::GROUP);
                prop_assert!(what.1 != "pods/exec" || role == names::EXEC && permissions.exec == Exec::Auto);
            }
            let stars = roles.rules(role).iter().any(|rule| serde_json::to_string(rule).unwrap().contains('*'));
            prop_assert_eq!(stars, role == names::SYNC && permissions.read == Read::Wildcard);
        }
    }

    #[test]
    fn what_is_accepted_is_declared_without_what_is_never_deployed(permissions in any_permissions()) {
        let declared = permissions.deploy.iter().chain(&permissions.cluster_resources);
        let never = declared.flat_map(|one| one.resources.iter().map(|r| (one.group.as_str(), r.as_str()))).any(|(g, r)| kinds::never(g, r).is_some());
        prop_assert!(!(never && refuse(&permissions).is_ok()));
    }

    #[test]
    fn more_kinds_and_more_declarations_never_give_less(permissions in any_permissions(), gone in vec(any::<prop::sample::Index>(), 0..6)) {
        let gone: BTreeSet<usize> = gone.iter().map(|index| index.index(KINDS.len())).collect();
        let mut fewer = Discovery::default();
        for (_, (group, kind, plural, namespaced)) in KINDS.iter().enumerate().filter(|(n, _)| !gone.contains(n)) {
            fewer.add(group, &[resource(plural, kind, *namespaced, &["get", "list", "watch", "create", "update", "patch", "delete"])]);
        }
        let (small, large) = (wanted(&permissions, &fewer), wanted(&permissions, &discovery()));
        prop_assert!(names::ROLES.iter().all(|role| small.of(role).are_within(large.of(role))));
        let less = Permissions { deploy: Vec::new(), ..permissions.clone() };
        let less = wanted(&less, &discovery());
        prop_assert!(names::ROLES.iter().all(|role| less.of(role).are_within(large.of(role))));
    }

    #[test]
    fn roles_as_they_are_written_are_never_outdated_and_a_right_taken_out_is_missed(permissions in any_permissions(), which in any::<prop::sample::Index>()) {
        let roles = wanted(&permissions, &discovery());
        let mut there = held(&roles);
        prop_assert!(outdated(&roles, &there).is_none());
        let some: Vec<&str> = names::ROLES.into_iter().filter(|role| !there[*role].is_empty()).collect();
        if !some.is_empty() {
            let rules = there.get_mut(some[which.index(some.len())]).unwrap();
            rules.remove(which.index(rules.len()));
            // A wildcard holds what the rules beside it say once more.
            prop_assert!(!outdated(&roles, &there).missing.is_empty() || roles.read_all());
        }
    }

    #[test]
    fn what_the_roles_hold_answers_yes_to_what_must_be_and_no_to_what_must_not(permissions in any_permissions(), exec in any::<bool>()) {
        let permissions = acceptable(permissions);
        prop_assert!(refuse(&permissions).is_ok());
        let roles = wanted(&permissions, &discovery());
        let cluster = permissions.scope == crate::api::cluster_access::Scope::Cluster;
        let exec = exec && permissions.exec == Exec::Auto;
        for place in [Place { namespace: "shop", granted: true, exec }, EVERYWHERE] {
            // As the operator binds them.
            let everywhere = place.namespace.is_empty();
            let mut bound: Vec<PolicyRule> = roles.rules(names::SYNC_CLUSTER);
            if cluster || !everywhere { bound.extend(roles.rules(names::SYNC).into_iter().chain(roles.rules(names::LOGS))); }
            if place.exec { bound.extend(roles.rules(names::EXEC)); }
            let bound = Ceiling::of(bound);
            let allows = |q: &Question| bound.allows(&Right { group: q.group.clone(), resource: q.resource.clone(), verb: q.verb.clone() }, &Names::All);
            let (all, some) = (positive(&permissions, &roles, place), representative(&permissions, &roles, place));
            prop_assert!(all.iter().all(allows) && some.is_subset(&all));
            for (question, _) in negative(&permissions, place) {
                prop_assert!(!allows(&question), "{question:?}");
            }
        }
    }

    #[test]
    fn whatever_roles_are_there_the_comparison_is_bounded_and_each_finding_once(
        rules in btree_map(proptest::sample::select(names::ROLES.to_vec()), vec((vec("[a-z*]{0,3}", 0..6), vec("[a-z*]{0,3}", 0..6), vec("[a-z*]{0,3}", 0..6)), 0..5), 0..5)
    ) {
        let rule = |(groups, resources, verbs): (Vec<String>, Vec<String>, Vec<String>)| {
            PolicyRule { api_groups: Some(groups), resources: Some(resources), verbs, ..PolicyRule::default() }
        };
        let there = rules.into_iter().map(|(role, rules)| (role.to_owned(), rules.into_iter().map(rule).collect())).collect();
        let Outdated { missing, excess, .. } = outdated(&wanted(&permissions("{namespaces: {names: [shop]}}"), &discovery()), &there);
        for list in [missing, excess] {
            let each: BTreeSet<_> = list.iter().collect();
            prop_assert!(list.len() <= 64 && each.len() == list.len());
        }
    }
}
