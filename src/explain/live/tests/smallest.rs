//! Whatever is asked and whatever the Application has: a command that is printed grants what was asked, and nothing of another kind, verb,
//! namespace or, for a Role, name.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fixtures::{answer, created, having, meta, owner, question};
use crate::api::{Feature, GroupKind, LiveResourceAccess};
use crate::explain::live::explain;
use crate::explain::live::observed::{Accesses, Observed};
use crate::explain::live::owners::{line, search};
use crate::explain::live::question::Question;
use crate::explain::live::rights::{needed, show};
use crate::live::review::Question as Asked;
use crate::live::tests::fixtures::{Cluster, KINDS};

/// Where the Pod of the Deployment is asked about, its owners are there.
fn seen(resource: &str, has: &[String]) -> Observed {
    let mut observed = having(&has.iter().map(String::as_str).collect::<Vec<_>>());
    if resource == "Pod/a" && !has.iter().any(|one| one == "/Pod/shop/a") {
        observed.resource = Ok(Some(meta(false, &[("apps/v1", "ReplicaSet", "a")])));
        observed.owners.insert(owner("apps/v1", "ReplicaSet", "a"), Ok(Some(meta(false, &[("apps/v1", "Deployment", "a")]))));
        observed.owners.insert(owner("apps/v1", "Deployment", "a"), Ok(Some(meta(true, &[]))));
    }
    observed
}

fn a_resource() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(KINDS);
    (kind, prop::sample::select(&["shop", "other", "kube-system"][..]), prop::sample::select(&["a", "b"][..])).prop_map(
        |((group, kind, _, namespaced), namespace, name)| {
            let namespace = if namespaced { namespace } else { "" };
            format!("{group}/{kind}/{namespace}/{name}")
        },
    )
}

/// Namespace, group, resource and verb.
type Right = (String, String, String, String);

/// Each right that an object gives, for some names or for all.
fn given(access: &LiveResourceAccess, observed: &Observed) -> (BTreeSet<Right>, BTreeSet<Feature>) {
    let mut cluster = Cluster::with(&[]);
    cluster.applications = observed.application.clone().unwrap().into_iter().collect();
    let access = crate::live::grant::parse(access, &crate::config::InstanceConfig::of("argocd")).unwrap();
    let wanted = cluster.derive(&access);
    let mut all = BTreeSet::new();
    let places = wanted.namespaces.iter().map(|(n, p)| (n.as_str(), &p.rules)).chain([("", &wanted.cluster)]);
    for (namespace, rules) in places {
        all.extend(rules.iter().map(|(right, _)| (namespace.to_owned(), right.group.clone(), right.resource.clone(), right.verb.clone())));
    }
    (all, wanted.namespaces.values().flat_map(|place| place.features.iter().copied()).collect())
}

fn check_declaration(question: &Question, observed: &Observed, needs: &[Asked], object: serde_json::Value) -> Result<(), TestCaseError> {
    let access: LiveResourceAccess = serde_json::from_value(object).unwrap();
    let (rights, features) = given(&access, observed);
    let is_of = |kind: &GroupKind, (_, group, resource, _): &Right| {
        KINDS.iter().any(|(g, k, plural, _)| *g == group && *plural == resource && kind.group == *g && kind.kind == *k)
    };
    for right in &rights {
        let needed = needs.iter().any(|n| (&n.namespace, &n.group, &n.resource, &n.verb) == (&right.0, &right.1, &right.2, &right.3));
        let tells = question.feature == Feature::Actions && right.2 == "events" && right.3 == "create";
        // Each feature shows what it is about, and what it is found by.
        let shows = right.3 == "get";
        let above: Vec<GroupKind> = line(observed).seen.into_iter().map(|owner| owner.resource.kind).collect();
        let in_line = above.iter().chain([&question.resource.kind]).any(|kind| is_of(kind, right));
        let of_chain = shows && (in_line || question.feature == Feature::Logs);
        prop_assert!(needed || tells || of_chain, "{right:?} for {question:?}");
        prop_assert!(right.0 == "shop" || right.0.is_empty(), "{right:?}");
    }
    let allowed = [Feature::View, question.feature];
    prop_assert!(features.iter().all(|feature| allowed.contains(feature)), "{features:?} for {question:?}");
    Ok(())
}

fn check_role(needs: &[Asked], objects: &[serde_json::Value]) -> Result<(), TestCaseError> {
    for rule in objects[0]["rules"].as_array().unwrap() {
        let one = |field: &str| rule[field].as_array().filter(|all| all.len() == 1).and_then(|all| all[0].as_str()).unwrap_or_default().to_owned();
        let (group, resource, verb, name) = (one("apiGroups"), one("resources"), one("verbs"), one("resourceNames"));
        prop_assert!(needs.iter().any(|n| (&n.group, &n.resource, &n.verb, &n.name) == (&group, &resource, &verb, &name)), "{rule} of {needs:?}");
    }
    prop_assert_eq!(&objects[1]["subjects"], &serde_json::json!([{"kind": "ServiceAccount", "name": "agent", "namespace": "argocd"}]));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn a_printed_command_grants_what_was_asked_and_nothing_else(
        has in prop::collection::vec(a_resource(), 0..8),
        kind in prop::sample::select(KINDS),
        feature in prop::sample::select(&Feature::ALL[..]),
        no_kind in any::<bool>(),
    ) {
        let (group, kind, _, namespaced) = kind;
        let resource = if group.is_empty() { format!("{kind}/a") } else { format!("{group}/{kind}/a") };
        let mut has = has;
        has.push(if resource == "Pod/a" { "apps/Deployment/shop/a".to_owned() } else { format!("{group}/{kind}/{}/a", if namespaced { "shop" } else { "" }) });
        let mut observed = seen(&resource, &has);
        observed.accesses = Ok(if no_kind { Accesses::NoKind } else { Accesses::Some(Vec::new(), Vec::new()) });
        let mut question = question(&resource, feature.as_str());
        question.namespace = Some("shop".to_owned());
        let needs: Vec<Asked> = needed(&question, &observed, &search(&observed)).into_iter().map(|need| need.asked).collect();
        let denied: Vec<String> = needs.iter().map(show).collect();
        answer(&question, &mut observed, &denied.iter().map(String::as_str).collect::<Vec<_>>());
        let explanation = explain(&question, &observed);
        for fix in explanation.links.iter().filter_map(|link| link.fix.as_ref()) {
            for command in &fix.commands {
                if !command.contains("create -f -") {
                    prop_assert!(command.contains(" wait --for=condition=Ready "), "{command}");
                    continue;
                }
                let (_, objects) = created(command);
                if objects[0]["kind"] == "LiveResourceAccess" {
                    check_declaration(&question, &observed, &needs, objects[0].clone())?;
                } else {
                    prop_assert!(no_kind);
                    check_role(&needs, &objects)?;
                }
            }
        }
    }
}
