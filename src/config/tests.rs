//! The configuration file as a whole: what is read, what is refused.

use std::time::Duration;

use super::*;

fn refusal(text: &str) -> String {
    let error = Config::parse(text, "argocd").unwrap_err();
    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[test]
fn nothing_configured_means_the_own_namespace() {
    assert_eq!(Config::parse("", "cd").unwrap().instances, [InstanceConfig::of("cd")]);
    assert_eq!(Config::parse("instances: []", "cd").unwrap().instances, [InstanceConfig::of("cd")]);
}

#[test]
fn a_misspelt_key_is_an_error_that_names_it() {
    assert!(refusal("instances: [{namespace: a, limts: {}}]").contains("limts"));
    assert!(refusal("instances: [{namespace: a, limits: {deniedNamespace: []}}]").contains("deniedNamespace"));
    assert!(refusal("instance: []").contains("instance"));
}

#[test]
fn shells_that_argo_cd_would_misread_are_refused() {
    assert!(refusal("instances: [{namespace: a, shells: [' sh']}]").contains("\" sh\""));
    assert!(refusal("instances: [{namespace: a, shells: ['a,b']}]").contains("a,b"));
}

#[test]
fn the_longest_duration_is_read_or_refused_when_the_file_is() {
    let longest = |text: &str| {
        Config::parse(&format!("instances: [{{namespace: a, limits: {{maxDuration: {text}}}}}]"), "a").map(|c| c.instances[0].limits.max_duration)
    };
    assert_eq!(longest("8h").unwrap(), Some(Duration::from_secs(8 * 3600)));
    assert_eq!(longest("1h30m").unwrap(), Some(Duration::from_secs(5400)));
    assert_eq!(longest("null").unwrap(), None);
    for bad in ["8 hours", "0s", "'8'", "1d", "-1h", "''"] {
        assert!(refusal(&format!("instances: [{{namespace: a, limits: {{maxDuration: {bad}}}}}]")).contains("maxDuration"), "{bad}");
    }
}

#[test]
fn two_instances_cannot_edit_one_cluster_role() {
    let two = |role: &str| {
        format!("instances: [{{namespace: a, serverRoles: InPlace}}, {{namespace: b, serverRoles: InPlace, inPlace: {{clusterRole: {role}}}}}]")
    };
    assert!(refusal(&two("argocd-server")).contains("argocd-server is that of another instance"));
    assert!(Config::parse(&two("other"), "a").is_ok() && Config::parse(&two("''"), "a").is_ok());
    assert!(Config::parse("instances: [{namespace: a, serverRoles: InPlace}, {namespace: b}]", "a").is_ok(), "Dedicated edits none");
}

#[test]
fn an_instance_is_listed_once_under_a_possible_name() {
    assert!(refusal("instances: [{namespace: a}, {namespace: a}]").contains("twice"));
    assert!(refusal("instances: [{namespace: A_b}]").contains("A_b"));
}
