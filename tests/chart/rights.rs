//! Least privilege, as it stands in the rendered rules.

use crate::rendering::{Rendered, elements, name, render, strings};

/// Renderings that together hold every rule that the chart can render.
fn every_rendering() -> Vec<Rendered> {
    [
        &[][..],
        &["instance.serverRoles=InPlace", "instance.restartServer=WhenNeeded"],
        &["instance.serverRoles=InPlace", "instance.inPlace.role="],
        &[
            "instance.limits.allowClusterScope=false",
            "instance.limits.allowProjectTarget=false",
            "restore.enabled=false",
            "instance.writeBackendConfigs=false",
        ],
        &["instance.argocdOperator=true"],
        &["instance.confine=true"],
        &["live.enabled=true", "live.ceiling.edit=true", "live.ceiling.delete=true"],
        &["live.enabled=true", "live.ceiling.view=false"],
        &["additionalInstances[0].namespace=two,additionalInstances[0].serverRoles=InPlace,additionalInstances[0].restartServer=WhenNeeded"],
        &CLUSTERS,
    ]
    .into_iter()
    .map(render)
    .collect()
}

/// Remote clusters with all that belongs to them.
const CLUSTERS: [&str; 4] = [
    "clusterAccess.enabled=true",
    "clusterAccess.clusters={a,b}",
    "clusterAccess.clusters[2].name=c,clusterAccess.clusters[2].adoptSecret=old",
    "clusterAccess.aws.ack=true,clusterAccess.aws.crossplane=true",
];

fn every_rule(mut check: impl FnMut(&str, &serde_json::Value)) {
    for rendered in every_rendering() {
        let rules = rendered.rules();
        assert!(rules.len() > 15, "the rules are found: {}", rules.len());
        for (role, rule) in rules {
            check(role, rule);
        }
    }
}

#[test]
fn no_rule_holds_a_wildcard() {
    every_rule(|role, rule| assert!(!rule.to_string().contains('*'), "{role}: {rule}"));
}

#[test]
fn no_rule_allows_to_exceed_the_own_rights() {
    every_rule(|role, rule| {
        for verb in ["escalate", "impersonate"] {
            assert!(!strings(rule, "verbs").contains(&verb), "{role}: {rule}");
        }
        assert!(!rule.to_string().contains("/token"), "{role}: {rule}");
    });
}

#[test]
fn no_rule_is_about_secrets_but_for_the_process_that_serves_clusters() {
    every_rule(|role, rule| assert!(role.ends_with("-clusters") || !rule.to_string().contains("secret"), "{role}: {rule}"));
}

#[test]
fn of_secrets_only_those_of_named_agents_can_be_read() {
    let secrets = |settings: &[&str]| -> Vec<String> {
        let rendered = render(settings);
        rendered.rules().into_iter().filter(|(_, rule)| rule.to_string().contains("secret")).map(|(_, rule)| rule.to_string()).collect()
    };
    let rules = secrets(&["live.enabled=true", "live.agents={edge-1,edge-2}"]);
    let expected =
        serde_json::json!({"apiGroups": [""], "resourceNames": ["cluster-edge-1", "cluster-edge-2"], "resources": ["secrets"], "verbs": ["get"]});
    assert_eq!(rules, [expected.to_string()]);
    assert!(secrets(&["live.agents={edge-1}"]).is_empty(), "off is off");
}

#[test]
fn the_control_plane_is_written_to_only_where_live_resources_are_served() {
    let rules = |settings: &[&str], needle: &str, verb: &str| {
        let rendered = render(settings);
        rendered.rules().into_iter().filter(|(_, rule)| rule.to_string().contains(needle) && strings(rule, "verbs").contains(&verb)).count()
    };
    for (needle, verb) in [("networkpolicies", "create"), ("networkpolicies", "patch"), ("statefulsets", "list")] {
        assert_eq!(rules(&["live.ceiling.view=false"], needle, verb), 0, "{needle} {verb}");
        assert_eq!(rules(&["live.enabled=true", "live.ceiling.view=false"], needle, verb), 1, "{needle} {verb}");
    }
    let writes = |settings: &[&str]| {
        let rendered = render(settings);
        let all = rendered.rules().into_iter().filter(|(_, rule)| strings(rule, "verbs").contains(&"patch"));
        all.filter(|(_, rule)| strings(rule, "resourceNames").contains(&"argocd-cmd-params-cm")).count()
    };
    assert_eq!((writes(&[]), writes(&["live.enabled=true"])), (0, 1));
}

#[test]
fn bind_is_allowed_for_the_chart_s_own_fixed_cluster_roles_and_nothing_else() {
    for rendered in every_rendering() {
        let mut fixed = vec![name(rendered.object("ClusterRole", "-exec")).to_owned()];
        let live = rendered.of_kind("ClusterRole").map(name).filter(|n| n.ends_with("-live-events") || n.ends_with("-live-logs"));
        fixed.extend(live.map(str::to_owned));
        let binds: Vec<_> = rendered.rules().into_iter().filter(|(_, rule)| strings(rule, "verbs").contains(&"bind")).collect();
        assert!(binds.iter().all(|(_, rule)| strings(rule, "resources") == ["clusterroles"]), "{binds:?}");
        let mut bound: Vec<&str> = binds.iter().flat_map(|(_, rule)| strings(rule, "resourceNames")).collect();
        bound.sort_unstable();
        fixed.sort_unstable();
        assert_eq!(bound, fixed);
    }
}

#[test]
fn live_resources_are_off_by_default_and_then_what_is_left_of_them_can_only_be_removed() {
    let off = render(&[]);
    assert!(
        !off.text.contains("live-ceiling") && !off.text.contains("live-events") || !off.of_kind("ClusterRole").any(|r| name(r).contains("-live-"))
    );
    let about_live =
        |rule: &serde_json::Value| elements(&rule["resourceNames"]).iter().any(|n| n.as_str().is_some_and(|n| n.contains("access-live-")));
    for (_, rule) in off.rules().into_iter().filter(|(_, rule)| about_live(rule)) {
        assert_eq!(strings(rule, "verbs"), ["get", "list", "watch", "delete"], "{rule}");
    }
    let on = render(&["live.enabled=true"]);
    let written: Vec<_> = on.rules().into_iter().filter(|(_, rule)| about_live(rule) && strings(rule, "verbs").contains(&"create")).collect();
    let resources: Vec<&str> = written.iter().flat_map(|(_, rule)| strings(rule, "resources")).collect();
    assert_eq!(resources, ["roles", "clusterroles", "clusterrolebindings", "rolebindings"]);
}

#[test]
fn the_ceiling_is_what_the_values_say_without_secrets_rights_and_tokens() {
    let verbs = |settings: &[&str]| -> std::collections::BTreeSet<String> {
        let rendered = render(settings);
        let ceiling = rendered.of_kind("ClusterRole").find(|role| name(role).ends_with("-live-ceiling"));
        let rules = ceiling.map(|role| elements(&role["rules"]).to_vec()).unwrap_or_default();
        for rule in &rules {
            for forbidden in ["secrets", "serviceaccounts/token", "pods/exec", "nodes", "customresourcedefinitions"] {
                assert!(!strings(rule, "resources").contains(&forbidden), "{rule}");
            }
            let group = strings(rule, "apiGroups");
            for forbidden in ["rbac.authorization.k8s.io", "admissionregistration.k8s.io", "argocd-access.dev"] {
                assert!(!group.contains(&forbidden), "{rule}");
            }
        }
        rules.iter().flat_map(|rule| strings(rule, "verbs").into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let set = |verbs: &[&str]| verbs.iter().map(|v| (*v).to_owned()).collect();
    assert_eq!(verbs(&["live.enabled=true"]), set(&["get"]));
    assert_eq!(verbs(&["live.enabled=true", "live.ceiling.delete=true"]), set(&["delete", "get"]));
    assert_eq!(verbs(&["live.enabled=true", "live.ceiling.edit=true"]), set(&["create", "get", "patch"]));
    assert_eq!(verbs(&["live.enabled=true", "live.ceiling.view=false"]), set(&[]));
    assert_eq!(verbs(&["live.ceiling.edit=true"]), set(&[]), "off is off");
}

#[test]
fn a_write_outside_the_release_namespace_is_limited_by_name() {
    for rendered in every_rendering() {
        let mut operator = rendered.roles_of_the_operator();
        if rendered.of_kind("Deployment").count() > 1 {
            operator.extend(rendered.roles_of("clusters"));
        }
        for role in rendered
            .of_kind("ClusterRole")
            .filter(|role| operator.contains(&name(role)) && !name(role).ends_with("-exec") && !name(role).ends_with("-live-ceiling"))
        {
            for rule in elements(&role["rules"]) {
                let reads = strings(rule, "verbs").iter().all(|verb| ["get", "list", "watch"].contains(verb));
                let asks = strings(rule, "resources") == ["subjectaccessreviews"];
                // An object that lies in no instance can lie anywhere; its status alone is written.
                let told = ["execaccesses/status", "liveresourceaccesses/status", "clusteraccesses/status"];
                let tells = strings(rule, "resources").iter().all(|resource| told.contains(resource));
                assert!(reads || asks || tells || !elements(&rule["resourceNames"]).is_empty(), "{}: {rule}", name(role));
            }
        }
    }
}

#[test]
fn every_rule_has_its_reason_above_it() {
    for rendered in every_rendering() {
        let lines: Vec<&str> = rendered.text.lines().collect();
        let rules = lines.iter().enumerate().filter(|(_, line)| line.starts_with("- apiGroups:")).collect::<Vec<_>>();
        assert_eq!(rules.len(), rendered.rules().len(), "every rule begins with its apiGroups");
        for (at, _) in rules {
            assert!(lines[at - 1].starts_with("# "), "no reason above the rule\n{}", lines[at - 1..at + 4].join("\n"));
        }
    }
}

#[test]
fn pods_exec_is_only_in_the_role_for_argocd_server_which_the_operator_does_not_have() {
    let rendered = render(&[]);
    let exec = rendered.object("ClusterRole", "-exec");
    for (role, rule) in rendered.rules() {
        assert_eq!(strings(rule, "resources").contains(&"pods/exec"), role == name(exec) && rule == &exec["rules"][1], "{role}: {rule}");
    }
    assert_eq!(strings(&exec["rules"][1], "verbs"), ["get", "create"]);
    assert_eq!((strings(&exec["rules"][0], "resources"), strings(&exec["rules"][0], "verbs")), (vec!["pods"], vec!["get"]));
    assert_eq!(elements(&exec["rules"]).len(), 2);

    let roles = rendered.roles_of_the_operator();
    assert!(!roles.contains(&name(exec)), "{roles:?}");
    assert_eq!(roles.len(), 3, "its Role, its ClusterRole and what restoring takes: {roles:?}");
}

#[test]
fn in_place_binds_the_operator_to_the_roles_that_it_edits() {
    let both = render(&["instance.serverRoles=InPlace", "instance.inPlace.role=a-role", "instance.inPlace.clusterRole=a-cluster-role"]);
    let exec = name(both.object("ClusterRole", "-exec"));
    let roles = both.roles_of_the_operator();
    for role in ["a-role", "a-cluster-role", exec] {
        assert!(roles.contains(&role), "{role}: {roles:?}");
    }
    let edited: Vec<_> = both
        .rules()
        .into_iter()
        .filter(|(role, _)| role.ends_with("in-place"))
        .map(|(_, rule)| (strings(rule, "resources")[0], strings(rule, "resourceNames")[0], strings(rule, "verbs")))
        .collect();
    let verbs = vec!["get", "list", "watch", "patch"];
    assert_eq!(edited, [("clusterroles", "a-cluster-role", verbs.clone()), ("roles", "a-role", verbs)]);

    let one = render(&["instance.serverRoles=InPlace", "instance.inPlace.role=", "instance.inPlace.clusterRole=a-cluster-role"]);
    assert!(!one.text.contains("resources: [roles]"), "an empty name leaves argocd-server's Role alone");
    assert_eq!(one.of_kind("RoleBinding").count(), 2, "the operator's own and what restoring takes");
}

#[test]
fn dedicated_touches_no_role_of_argocd_server() {
    let rendered = render(&["instance.inPlace.role=a-role", "instance.inPlace.clusterRole=a-cluster-role"]);
    assert!(!rendered.text.contains("a-role") && !rendered.text.contains("a-cluster-role"));
}

#[test]
fn without_cluster_scope_the_operator_can_remove_its_cluster_role_binding_but_not_write_it() {
    let verbs_of = |settings: &[&str]| -> Vec<String> {
        let rendered = render(settings);
        let exec = |rule: &serde_json::Value| strings(rule, "resourceNames").iter().all(|name| name.starts_with("argocd-access-exec-"));
        let rules = rendered.rules().into_iter().filter(|(_, rule)| strings(rule, "resources") == ["clusterrolebindings"] && exec(rule));
        rules.flat_map(|(_, rule)| strings(rule, "verbs")).map(str::to_owned).collect()
    };
    assert_eq!(verbs_of(&["instance.limits.allowClusterScope=false"]), ["get", "list", "watch", "delete"]);
    assert_eq!(verbs_of(&[]), ["get", "list", "watch", "delete", "create", "patch"]);
}

#[test]
fn only_where_it_is_to_confine_can_the_operator_write_the_admission_policy_and_it_can_always_remove_its_own() {
    let verbs_of = |settings: &[&str]| -> Vec<String> {
        let rendered = render(settings);
        let rules: Vec<_> = rendered.rules().into_iter().filter(|(_, rule)| strings(rule, "apiGroups") == ["admissionregistration.k8s.io"]).collect();
        for (_, rule) in &rules {
            assert_eq!(strings(rule, "resources"), ["validatingadmissionpolicies", "validatingadmissionpolicybindings"]);
            assert_eq!(strings(rule, "resourceNames"), ["argocd-access-exec-argocd"]);
        }
        rules.into_iter().flat_map(|(_, rule)| strings(rule, "verbs")).map(str::to_owned).collect()
    };
    assert_eq!(verbs_of(&[]), ["get", "list", "watch", "delete"]);
    assert_eq!(verbs_of(&["instance.confine=true"]), ["get", "list", "watch", "delete", "create", "patch"]);
}

#[test]
fn without_project_targets_no_project_can_be_written() {
    let verbs_of = |settings: &[&str]| -> Vec<String> {
        let rendered = render(settings);
        let rules = rendered.rules().into_iter().filter(|(_, rule)| strings(rule, "resources") == ["appprojects"]);
        rules.flat_map(|(_, rule)| strings(rule, "verbs")).map(str::to_owned).collect()
    };
    assert_eq!(verbs_of(&["instance.limits.allowProjectTarget=false"]), ["get", "list", "watch"]);
    assert_eq!(verbs_of(&[]), ["get", "list", "watch", "patch"]);
}

#[test]
fn only_a_configured_restart_may_be_done_and_only_of_the_named_deployment() {
    let patches = |settings: &[&str]| -> Vec<serde_json::Value> {
        let rendered = render(settings);
        let rules = rendered
            .rules()
            .into_iter()
            .filter(|(_, rule)| strings(rule, "resources").contains(&"deployments") && strings(rule, "verbs").contains(&"patch"));
        rules.map(|(_, rule)| rule["resourceNames"].clone()).collect()
    };
    assert!(patches(&[]).is_empty());
    let named = patches(&["instance.restartServer=WhenNeeded", "instance.argocdServerDeployment=cd-argocd-server"]);
    assert_eq!(named, [serde_json::json!(["cd-argocd-server"])]);
}

#[test]
fn an_argocd_may_be_written_only_where_the_admin_says_so() {
    let patches = |settings: &[&str]| {
        let rendered = render(settings);
        let is = |rule: &serde_json::Value| strings(rule, "resources").contains(&"argocds") && strings(rule, "verbs").contains(&"patch");
        rendered.rules().into_iter().filter(|(_, rule)| is(rule)).count()
    };
    assert_eq!((patches(&[]), patches(&["instance.argocdOperator=true"])), (0, 1));
}

#[test]
fn a_route_is_never_written_and_a_backend_config_only_where_that_is_allowed() {
    let verbs_of = |settings: &[&str], resource: &str| -> Vec<String> {
        let rendered = render(settings);
        let rules = rendered.rules().into_iter().filter(|(_, rule)| strings(rule, "resources") == [resource]);
        rules.flat_map(|(_, rule)| strings(rule, "verbs")).map(str::to_owned).collect()
    };
    let reads = ["get", "list", "watch"];
    assert_eq!(verbs_of(&[], "httproutes"), reads);
    assert_eq!(verbs_of(&["instance.writeBackendConfigs=false"], "backendconfigs"), reads);
    assert_eq!(verbs_of(&[], "backendconfigs"), ["get", "list", "watch", "patch"]);
}

#[test]
fn looking_is_for_everybody_who_may_look_and_writing_for_nobody_by_itself() {
    let rendered = render(&[]);
    let label = |role: &str, to: &str| {
        let role = rendered.object("ClusterRole", role);
        role["metadata"]["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{to}")].as_str().map(str::to_owned)
    };
    assert_eq!(label("-view", "view").as_deref(), Some("true"));
    for to in ["view", "edit", "admin"] {
        assert_eq!(label("-edit", to), None, "whoever may create an ExecAccess may open shells");
    }
    for rule in elements(&rendered.object("ClusterRole", "-view")["rules"]) {
        assert_eq!(strings(rule, "verbs"), ["get", "list", "watch"]);
    }
}
