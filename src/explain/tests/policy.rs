//! Argo CD's policy: what is wrong with it, by the line that is meant.

use super::fixtures::{broken, id, link, project, rbac};
use crate::explain::{Link, Name, Observed, Question, State};

fn lines(lines: &str) -> Link {
    link(Name::Policy, |_, o| o.world.rbac_cm = Ok(Some(rbac(lines, &[]))))
}

/// The role may read; what stands in `exec` is about terminals, and `g` about people.
fn team(exec: &str, g: &str) -> Link {
    lines(&format!("p, role:team, applications, get, shop/web, allow\n{exec}\n{g}"))
}

const G: &str = "g, my-org:team-a, role:team";
const EXEC: &str = "p, role:team, exec, create, shop/web, allow";

#[test]
fn an_open_policy_names_both_lines_and_where_they_stand() {
    let link = team(EXEC, G);
    assert_eq!(link.state, State::Open);
    for part in
        ["for group my-org:team-a by `p, role:team, exec, create, shop/web, allow` (argocd-rbac-cm key policy.csv, line 2)", "policy.csv, line 1"]
    {
        assert!(link.fact.contains(part), "{}", link.fact);
    }
}

#[test]
fn what_is_wrong_is_named_with_the_line_that_was_meant() {
    for (exec, g, expected, said) in [
        ("", G, "policy-no-line", "nothing allows exec, create on shop/web for group my-org:team-a"),
        (EXEC, "", "policy-no-line", ""),
        ("p, my-org:team-a, exec, create, shop/web, allow", "", "policy-group-unbound", "policy.csv, line 2"),
        ("p, role:team, exec, create, staging/*, allow", G, "policy-object", "`p, role:team, exec, create, staging/*, allow`"),
        ("p, role:team, exec, create, shop/team/web, allow", G, "policy-object", "line 2"),
        ("p, role:team, exec, create, shop/web , allow", G, "policy-space", "ends in a blank"),
        ("p, role:team, exec, create, shop/web, allow # for web", G, "policy-effect", "not the word allow"),
        ("p, role:team, exec, create, shop/web, Allow", G, "policy-effect", "not the word allow"),
        (EXEC, "g, My-Org:Team-A, role:team", "policy-subject-spelling", "\"My-Org:Team-A\""),
        (EXEC, "g, my-org:team-a , role:team", "policy-subject-spelling", "\"my-org:team-a \""),
        (&format!("{EXEC}\np, role:team, exec, create, shop/*, deny"), G, "policy-denied", "line 3"),
        ("p, role:team, exec, create, shop", G, "policy-broken", "6 fields, this one has 5"),
        ("p, role:team, exec, create, \"shop/web{}\", allow", G, "", ""),
    ] {
        let link = team(exec, g);
        if expected.is_empty() {
            continue;
        }
        assert_eq!(id(&link), expected, "{exec} / {g}: {link:?}");
        assert!(link.fact.contains(said), "{}", link.fact);
    }
}

#[test]
fn a_terminal_needs_to_see_the_application_as_well() {
    let link = lines(&format!("{EXEC}\n{G}"));
    assert_eq!(id(&link), "policy-no-get");
    let by_default = super::fixtures::link(Name::Policy, |_, o| {
        o.world.rbac_cm = Ok(Some(rbac(&format!("{EXEC}\n{G}"), &[("policy.default", "role:readonly")])));
    });
    assert_eq!(by_default.state, State::Open);
    assert!(
        by_default.fact.contains("everybody, by the default role role:readonly by `p, role:readonly, applications, get, */*, allow`"),
        "{}",
        by_default.fact
    );
}

#[test]
fn several_groups_are_one_person() {
    let with = |groups: &[&str]| {
        link(Name::Policy, |q, o| {
            q.groups = groups.iter().map(|g| (*g).to_owned()).collect();
            o.world.rbac_cm =
                Ok(Some(rbac(&format!("{EXEC}\ng, shells, role:team\np, role:see, applications, get, */*, allow\ng, readers, role:see"), &[])));
        })
    };
    assert_eq!(with(&["shells", "readers"]).state, State::Open);
    assert_eq!(id(&with(&["shells"])), "policy-no-get");
    assert_eq!(id(&with(&["readers"])), "policy-no-line");
}

#[test]
fn in_regex_mode_a_glob_is_no_pattern() {
    let regex = |lines: &str| link(Name::Policy, |_, o| o.world.rbac_cm = Ok(Some(rbac(lines, &[("policy.matchMode", "regex")]))));
    let see = "p, role:team, applications, get, shop/web, allow";
    let other = regex(&format!("{see}\np, role:team, exec, create, ^staging/.*$, allow\n{G}"));
    assert_eq!(id(&other), "policy-object");
    assert!(other.fact.contains("policy.matchMode is regex"), "{}", other.fact);
    assert!(other.fix.unwrap().commands[0].contains("^shop/web$"));
    assert_eq!(id(&regex(&format!("p, role:team, exec, create, */*, allow\n{see}\n{G}"))), "policy-fault");
}

fn by_email(lines: &str, scopes: Option<&str>) -> Link {
    link(Name::Policy, |q: &mut Question, o: &mut Observed| {
        q.user = Some("alice@example.com".to_owned());
        q.groups = Vec::new();
        let scopes: Vec<(&str, &str)> = scopes.map(|s| ("scopes", s)).into_iter().collect();
        o.world.rbac_cm = Ok(Some(rbac(lines, &scopes)));
    })
}

#[test]
fn an_email_address_counts_only_where_scopes_names_it() {
    let lines = format!("{EXEC}\np, role:team, applications, get, shop/web, allow\ng, alice@example.com, role:team");
    assert_eq!(id(&by_email(&lines, None)), "policy-no-email-scope");
    assert_eq!(id(&by_email(&lines, Some("[groups]"))), "policy-no-email-scope");
    assert_eq!(by_email(&lines, Some("[groups, email]")).state, State::Open);
    assert_eq!(id(&by_email("", None)), "policy-no-line");
}

#[test]
fn a_projects_role_counts_unless_one_of_its_roles_cannot_be_loaded() {
    let role = "{name: dev, policies: ['p, proj:shop:dev, exec, create, shop/*, allow', 'p, proj:shop:dev, applications, get, shop/*, allow'], groups: ['my-org:team-a']}";
    let with = |more: &str| {
        link(Name::Policy, |_, o| {
            o.world.rbac_cm = Ok(Some(rbac("", &[])));
            o.world.projects = Ok(vec![project(&format!("{{roles: [{role}{more}]}}"))]);
        })
    };
    let open = with("");
    assert!(open.state == State::Open && open.fact.contains("AppProject shop, role dev, policy 1"), "{open:?}");
    let link = with(", {name: ci, policies: ['p, proj:shop:ci, too, few']}");
    assert_eq!(id(&link), "policy-project-broken");
    assert!(link.fact.contains("role ci cannot be loaded"), "{}", link.fact);
}

#[test]
fn without_authentication_and_without_a_config_map_it_is_said_what_holds() {
    let off = link(Name::Policy, |_, o| {
        o.world.rbac_cm = Ok(Some(rbac("", &[])));
        o.world.deployments = Ok(vec![super::fixtures::server("argocd-server", "command: [argocd-server, --disable-auth]")]);
    });
    assert_eq!(off.state, State::Open);
    let link = broken(|_, o| o.world.rbac_cm = Ok(None));
    assert!(id(&link) == "policy-no-line" && link.fact.contains("does not exist"), "{link:?}");
    assert!(link.fix.unwrap().commands[0].starts_with("kubectl -n argocd create configmap argocd-rbac-cm --from-literal="));
}

#[test]
fn the_tab_of_an_application_elsewhere_is_asked_for_by_a_shorter_name() {
    let tab = |version: &str, lines: &str| {
        link(Name::Versions, |q, o| {
            q.app = "shop/team/web".parse().unwrap();
            let mut deployment = super::fixtures::server("argocd-server", "command: [argocd-server, --application-namespaces=team]").as_ref().clone();
            deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0].image = Some(format!("argocd:{version}"));
            o.world.deployments = Ok(vec![deployment.into()]);
            o.world.rbac_cm = Ok(Some(rbac(lines, &[])));
        })
    };
    let full = "p, role:team, applications, get, shop/*, allow\np, role:team, exec, create, shop/team/web, allow\ng, my-org:team-a, role:team";
    let link = tab("v3.2.11", full);
    assert_eq!(id(&link), "tab-hidden");
    assert!(link.fix.unwrap().commands.is_empty(), "a line for the short name would grant another Application");
    assert_eq!(tab("v3.4.4", full).state, State::Open);
    assert_eq!(tab("v3.2.11", &full.replace("shop/team/web", "shop/*")).state, State::Open);
}
