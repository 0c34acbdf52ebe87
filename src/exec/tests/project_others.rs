//! Roles in AppProjects among those of others: whose is what, who takes what, and what is never touched.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::object;
use super::project::{ROLE, SPEC, appproject, names, project, roles, stock};
use super::simulator::{Sim, rbac_cm};
use crate::config::ConflictPolicy;
use crate::exec::project::ANNOTATION;
use crate::reconcile::Direction;

#[test]
fn a_token_that_somebody_makes_for_our_role_is_removed_and_others_stay() {
    let mut sim = stock();
    sim.grant("team", &SPEC.replace("project: shop, name: 'web-*'", "project: bank"));
    let items = json!({"items": [{"iat": 9, "id": "t"}]});
    sim.edit("argocd-server", &project("bank"), &json!({"status": {"jwtTokensByRole": {ROLE: items, "ci": items}}}));
    sim.settle();
    let tokens = |sim: &Sim| sim.get(&project("bank")).unwrap().pointer("/status/jwtTokensByRole").cloned().unwrap();
    assert_eq!(tokens(&sim), json!({"ci": items}), "it would outlive the person's membership");
    assert_eq!(names(&sim, "bank"), ["ci", ROLE]);
    // Argo CD leaves an entry for every role with each edit; without tokens it says nothing.
    sim.edit("argocd-server", &project("bank"), &json!({"status": {"jwtTokensByRole": {ROLE: {}}}}));
    assert!(sim.settle().is_empty());
    // As older versions keep them.
    let mut list = roles(&sim, "bank");
    list[1]["jwtTokens"] = json!([{"iat": 9}]);
    sim.edit("argocd-server", &project("bank"), &json!({"spec": {"roles": list}}));
    sim.settle();
    assert!(roles(&sim, "bank")[1].get("jwtTokens").is_none() && roles(&sim, "bank")[0]["jwtTokens"] == json!([{"iat": 7, "id": "x"}]));
    // One made in the last moment goes with the role.
    sim.edit("argocd-server", &project("bank"), &json!({"status": {"jwtTokensByRole": {ROLE: items}}}));
    sim.delete("team");
    sim.settle();
    assert_eq!((names(&sim, "bank"), tokens(&sim)), (vec!["ci".to_owned()], json!({"ci": items})));
}

#[test]
fn changes_by_hand_are_undone_and_only_in_our_role() {
    let mut sim = stock();
    sim.grant("team", &SPEC.replace("project: shop, name: 'web-*'", "project: bank"));
    let good = roles(&sim, "bank");
    let mut list = good.clone();
    list[1]["groups"] = json!(["team-a", "eve"]);
    list[1]["policies"].as_array_mut().unwrap().push(json!(format!("p, proj:bank:{ROLE}, applications, delete, bank/*, allow")));
    list[0]["groups"] = json!(["bots", "more"]);
    sim.edit("kubectl", &project("bank"), &json!({"spec": {"roles": list}}));
    let writes = sim.settle();
    assert_eq!(writes[0].direction, Direction::Narrow);
    assert_eq!(roles(&sim, "bank"), [list[0].clone(), good[1].clone()]);
    sim.edit("kubectl", &project("bank"), &json!({"spec": {"roles": [list[0]]}}));
    sim.settle();
    assert_eq!(roles(&sim, "bank"), [list[0].clone(), good[1].clone()], "a deletion is repaired");
    // Twice the same name, and Argo CD would refuse every edit of the project.
    sim.edit("kubectl", &project("bank"), &json!({"spec": {"roles": [list[0], good[1], good[1]]}}));
    sim.settle();
    assert_eq!(roles(&sim, "bank"), [list[0].clone(), good[1].clone()]);
}

#[test]
fn ours_is_what_is_remembered_or_says_so_and_never_a_name_alone() {
    let lookalike = "{name: exec-access-x-12345678, policies: ['p, proj:shop:exec-access-x-12345678, logs, get, shop/*, allow'], groups: [g]}";
    let left = |name: &str| {
        format!(
            "{{name: {name}, description: 'ExecAccess argocd/gone; kept by argocd-access-operator, changes here are undone', policies: ['p, proj:shop:{name}, exec, create, shop/*, allow'], groups: [g]}}"
        )
    };
    let mut sim = stock();
    sim.put(&project("shop"), Some(appproject("shop", &format!("[{lookalike}, {}, {}]", left("exec-access-gone-0123abcd"), left("copied")))));
    sim.settle();
    assert_eq!(names(&sim, "shop"), ["exec-access-x-12345678", "copied"], "one that was left behind goes");
    // Remembered, while its description was changed and its object is gone.
    sim.grant("team", SPEC);
    let mut list = roles(&sim, "shop");
    list[2]["description"] = json!("mine");
    let memory = sim.annotations(&project("shop"))[ANNOTATION].clone();
    sim.world.accesses.clear();
    for (memory, expected) in [(Value::Null, 3), (json!(memory.replace("uid-shop", "uid-other")), 3), (json!(memory), 2)] {
        sim.edit("kubectl", &project("shop"), &json!({"metadata": {"annotations": {ANNOTATION: memory}}, "spec": {"roles": list}}));
        sim.settle();
        assert_eq!(names(&sim, "shop").len(), expected, "{memory}");
    }
    // A memory is believed only of names of our form.
    let forged = json!({"uid": "uid-bank", "roles": ["ci"], "absent": true}).to_string();
    sim.edit("eve", &project("bank"), &json!({"metadata": {"annotations": {ANNOTATION: forged}}}));
    sim.settle();
    assert_eq!(names(&sim, "bank"), ["ci"]);
}

#[test]
fn a_broken_role_or_policy_of_somebody_else_stops_additions_but_no_removal() {
    let broken = "[{name: bad, policies: ['p, proj:shop:bad, exec'], groups: []}]";
    let mut sim = stock();
    sim.put(&project("shop"), Some(appproject("shop", broken)));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "PolicyApplied"), ("False".to_owned(), "ForeignPolicyBroken".to_owned()));
    assert!(sim.message("team", "PolicyApplied").contains("\"bad\"") && names(&sim, "shop") == ["bad"]);
    sim.edit("kubectl", &project("shop"), &json!({"spec": {"roles": null}}));
    sim.settle();
    assert_eq!(names(&sim, "shop"), [ROLE]);
    sim.edit("kubectl", &rbac_cm(), &json!({"data": {"policy.csv": "p, broken"}}));
    sim.settle();
    assert_eq!(sim.says("team", "PolicyApplied").1, "ForeignPolicyBroken");
    sim.grant("team", &SPEC.replace("team-a", "team-b"));
    assert!(roles(&sim, "shop").is_empty(), "the old group is out, the new one is not in");
}

#[test]
fn a_project_that_git_holds_with_its_roles_is_left_alone_and_the_change_is_said() {
    let tracked = json!({"metadata": {"annotations": {
        "argocd.argoproj.io/tracking-id": "platform:argoproj.io/AppProject:argocd/shop",
        "kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":{\"roles\":[]}}"}}});
    let mut sim = stock();
    sim.edit("argocd-controller", &project("shop"), &tracked);
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "PolicyApplied"), ("False".to_owned(), "OwnedByOther".to_owned()));
    let message = sim.message("team", "PolicyApplied");
    for part in ["platform", "add to spec.roles of AppProject shop", ROLE, "managedFieldsManagers: [argocd-access]", "policyTarget: Global"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert!(roles(&sim, "shop").is_empty());
    // Where the Application leaves it to us, it is set, and our entry stays: that is how Argo CD knows.
    sim.world.applications.as_mut().unwrap().push(object(
        "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: platform, namespace: argocd}, spec: {ignoreDifferences: [{group: argoproj.io, kind: AppProject, managedFieldsManagers: [argocd-access]}], syncPolicy: {syncOptions: [RespectIgnoreDifferences=true]}}}",
    ));
    sim.settle();
    let entries = |sim: &Sim| sim.get(&project("shop")).unwrap().pointer("/metadata/managedFields").map(ToString::to_string).unwrap_or_default();
    assert!(names(&sim, "shop") == [ROLE] && entries(&sim).contains("argocd-access"), "{}", entries(&sim));
    sim.grant("team", &SPEC.replace("{policyTarget", "{suspend: true, policyTarget"));
    assert!(roles(&sim, "shop").is_empty() && !entries(&sim).contains("argocd-access"), "{}", entries(&sim));
    sim.world.applications.as_mut().unwrap().pop();
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "PolicyApplied").1, "OwnedByOther");
    // Where Git says nothing of roles, Argo CD does not put them back.
    let silent = json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":{}}"}}});
    sim.edit("argocd-controller", &project("shop"), &silent);
    sim.settle();
    assert_eq!((names(&sim, "shop"), sim.says("team", "Ready").0), (vec![ROLE.to_owned()], "True".to_owned()));
    // It is taken back whoever owns it.
    sim.edit("argocd-controller", &project("shop"), &tracked);
    sim.delete("team");
    sim.settle();
    assert!(roles(&sim, "shop").is_empty());
}

#[test]
fn who_takes_the_role_out_again_and_again_is_named_and_not_answered() {
    let mut sim = stock();
    sim.grant("team", SPEC);
    // Changes of our own are no quarrel.
    for group in ["b", "c", "d", "e"] {
        sim.grant("team", &SPEC.replace("team-a", group));
    }
    for _ in 0..2 {
        sim.edit("rival", &project("shop"), &json!({"spec": {"roles": [{"name": "theirs"}]}}));
        sim.settle();
        assert_eq!(names(&sim, "shop"), ["theirs", ROLE]);
    }
    sim.edit("rival", &project("shop"), &json!({"spec": {"roles": [{"name": "theirs"}]}}));
    sim.settle();
    assert_eq!(sim.says("team", "PolicyApplied"), ("False".to_owned(), "Contended".to_owned()));
    assert!(sim.message("team", "PolicyApplied").contains("rival") && names(&sim, "shop") == ["theirs"]);
    // What gives is held back; what takes is not.
    sim.edit("kubectl", &project("shop"), &json!({"metadata": {"annotations": {"x": "y"}}}));
    sim.now += jiff::SignedDuration::from_hours(2);
    sim.settle();
    assert_eq!((names(&sim, "shop"), sim.says("team", "Ready").0), (vec!["theirs".to_owned(), ROLE.to_owned()], "True".to_owned()));
    sim.delete("team");
    sim.settle();
    assert_eq!(names(&sim, "shop"), ["theirs"]);
}

#[test]
fn the_conflict_policy_decides_about_roles_of_others() {
    for (policy, on, expected) in
        [(ConflictPolicy::Auto, "bank", "Applied"), (ConflictPolicy::Defer, "bank", "OwnedByOther"), (ConflictPolicy::Defer, "shop", "Applied")]
    {
        let mut sim = stock();
        sim.world.settings.conflict_policy = policy;
        sim.grant("team", &SPEC.replace("project: shop, name: 'web-*'", &format!("project: {on}")));
        assert_eq!(sim.says("team", "PolicyApplied").1, expected, "{policy:?} {on}");
    }
}

#[test]
fn a_role_that_somebody_else_speaks_of_is_taken() {
    let mut sim = stock();
    sim.edit("eve", &rbac_cm(), &json!({"data": {"policy.eve.csv": format!("g, eve, proj:shop:{ROLE}")}}));
    sim.grant("team", SPEC);
    assert_eq!(sim.says("team", "Accepted").1, "RoleNameTaken");
    assert!(roles(&sim, "shop").is_empty());
}

fn foreign_role() -> impl Strategy<Value = Value> {
    let name = "[a-z]{1,4}|exec-access-[a-z]{1,3}-[0-9a-f]{8}";
    (name, proptest::option::of(proptest::collection::vec("[a-z]{1,3}", 0..3)), any::<bool>()).prop_map(|(name, groups, tokens)| {
        let mut role = json!({"name": name});
        if let Some(groups) = groups {
            role["groups"] = json!(groups);
        }
        if tokens {
            role["jwtTokens"] = json!([{"iat": 1, "exp": 2}]);
        }
        role
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever happens on the way, the roles of others are never touched, and at the end nothing of ours is left.
    #[test]
    fn the_roles_of_others_never_change(
        start in proptest::option::of(proptest::collection::vec(foreign_role(), 0..4)),
        steps in proptest::collection::vec((0usize..3, 0usize..5), 1..8),
        added in foreign_role(),
    ) {
        let mut sim = stock();
        let mut shop = appproject("shop", "");
        if let Some(start) = &start {
            shop["spec"]["roles"] = json!(start);
        }
        sim.put(&project("shop"), Some(shop));
        let mut foreign: Vec<Value> = start.clone().unwrap_or_default();
        for (who, what) in steps {
            let name = ["one", "two", "three"][who];
            let exists = sim.world.accesses.iter().any(|a| a.metadata.name.as_deref() == Some(name));
            match what {
                0 => sim.declare(name, SPEC),
                1 => sim.declare(name, &SPEC.replace("team-a", "team-b").replace("web-*", "w?b-1")),
                2 => sim.declare(name, &SPEC.replace("{policyTarget", "{suspend: true, policyTarget")),
                3 if exists => sim.delete(name),
                _ => {
                    let mut list = roles(&sim, "shop");
                    list.insert(0, added.clone());
                    foreign.insert(0, added.clone());
                    sim.edit("kubectl", &project("shop"), &json!({"spec": {"roles": list}}));
                }
            }
            // Not every step comes to rest before the next one.
            for _ in 0..=who {
                sim.round();
                let ours = |r: &Value| r["description"].is_string();
                let left: Vec<Value> = roles(&sim, "shop").into_iter().filter(|r| !ours(r)).collect();
                prop_assert_eq!(&left, &foreign);
            }
        }
        for name in ["one", "two", "three"] {
            if sim.world.accesses.iter().any(|a| a.metadata.name.as_deref() == Some(name)) {
                sim.delete(name);
            }
        }
        sim.settle();
        let end = sim.get(&project("shop")).unwrap();
        let left = end.pointer("/spec/roles").cloned();
        let expected = if foreign.is_empty() { start.map(|_| json!([])) } else { Some(json!(foreign)) };
        prop_assert_eq!(left, expected);
        prop_assert!(!sim.annotations(&project("shop")).contains_key(ANNOTATION));
        prop_assert!(end.pointer("/metadata/managedFields").is_none_or(|m| !m.to_string().contains("argocd-access")));
    }
}
