//! Edits of `mapRoles`, one by one.

use std::collections::BTreeMap;

use super::fixtures::{SPOKE_ROLE, UID};
use crate::api::conditions::Reason;
use crate::clusters::aws::auth::{Edit, Entry, Refusal, edit, map_roles};

const NODES: &str = "\
# the nodes
- groups:
  - system:bootstrappers
  - system:nodes
  rolearn: arn:aws:iam::222222222222:role/nodes-NodeInstanceRole-74RF4UBDUKL6
  username: system:node:{{EC2PrivateDNSName}}
";

const OURS: &str = "\
- rolearn: \"arn:aws:iam::222222222222:role/argocd-spoke-prod\" # argocd-access.dev/owner: 5b1f0c9e-0000-4000-8000-000000000001
  username: \"arn:aws:iam::222222222222:role/argocd-spoke-prod\"
  groups:
  - \"argocd-access:prod\"
";

fn entry() -> Entry {
    Entry::new(SPOKE_ROLE, "argocd-access:prod").unwrap()
}

fn add(text: &str) -> Result<Edit, Refusal> {
    edit(Some(text), UID, Some(&entry()))
}

fn remove(text: &str) -> Result<Edit, Refusal> {
    edit(Some(text), UID, None)
}

fn set(text: impl Into<String>) -> Edit {
    Edit::Set(text.into())
}

#[test]
fn our_entry_is_added_behind_the_others_and_taken_back_to_the_byte() {
    for before in [NODES, "", "\n", "# nobody yet\n", NODES.trim_end()] {
        let with = if before.is_empty() || before.ends_with('\n') { format!("{before}{OURS}") } else { format!("{before}\n{}", OURS.trim_end()) };
        assert_eq!(add(before), Ok(set(&with)));
        assert_eq!(add(&with), Ok(Edit::Unchanged));
        assert_eq!(remove(&with), Ok(set(before)));
        assert_eq!(remove(before), Ok(Edit::Unchanged));
    }
    assert_eq!(edit(None, UID, Some(&entry())), Ok(set(OURS)));
    assert_eq!(edit(None, UID, None), Ok(Edit::Unchanged));
}

#[test]
fn what_the_authenticator_skips_is_as_good_as_nothing() {
    for blank in ["\"\"", "''", "``", " \"\"\n", "[]", "   "] {
        assert!(matches!(add(blank), Ok(Edit::Set(text)) if text.trim() == OURS.trim()), "{blank:?}");
    }
}

#[test]
fn it_stands_as_the_others_do() {
    let indented = "  - rolearn: arn:aws:iam::222222222222:role/admin\r\n    username: admin\r\n    groups: [admins]\r\n";
    let Ok(Edit::Set(text)) = add(indented) else { panic!("{:?}", add(indented)) };
    assert!(text.starts_with(indented) && text.contains("\r\n  - rolearn: \"arn") && !text.replace("\r\n", "").contains('\n'), "{text:?}");
    assert_eq!(remove(&text), Ok(set(indented)));
}

#[test]
fn between_others_only_its_own_lines_change() {
    let after = "\n# people\n-   rolearn: arn:aws:iam::222222222222:role/admin # ask ops\n    username: 'admin'\n    userid: \"12\"\n    newField: {a: [1]}\n";
    let text = format!("{NODES}{OURS}{after}");
    assert_eq!(add(&text), Ok(Edit::Unchanged));
    assert_eq!(remove(&text), Ok(set(format!("{NODES}{after}"))));
    let drifted = text.replace("argocd-access:prod", "system:masters");
    assert_eq!(add(&drifted), Ok(set(&text)), "a group that somebody has given to our entry goes");
    let other = Entry::new("arn:aws:iam::222222222222:role/another", "argocd-access:prod").unwrap();
    assert_eq!(edit(Some(&text), UID, Some(&other)), Ok(set(text.replace("role/argocd-spoke-prod", "role/another"))));
    // Written in another way, and the same.
    let flow = format!(
        "{NODES}- {{username: {SPOKE_ROLE}, rolearn: {SPOKE_ROLE}, groups: [\"argocd-access:prod\"]}} # argocd-access.dev/owner: {UID}\n{after}"
    );
    assert_eq!(add(&flow), Ok(Edit::Unchanged));
    assert_eq!(remove(&flow), Ok(set(format!("{NODES}{after}"))));
}

#[test]
fn the_same_entry_of_somebody_else_is_theirs() {
    let theirs = OURS.replace(&format!(" # argocd-access.dev/owner: {UID}"), "");
    let other_uid = OURS.replace(UID, "another-uid");
    let quoted = OURS.replace(" # argocd-access.dev/owner:", "").replace("  groups:", "  # argocd-access.dev/owner: elsewhere\n  groups:");
    for text in [theirs, other_uid] {
        assert_eq!(add(&format!("{NODES}{text}")), Ok(Edit::External), "{text}");
        assert_eq!(remove(&format!("{NODES}{text}")), Ok(Edit::Unchanged));
    }
    assert!(add(&quoted).is_err());
    // The mark inside of a text is none.
    let inside = format!("- rolearn: \"{SPOKE_ROLE} # argocd-access.dev/owner: {UID}\"\n  username: a\n");
    assert_eq!(remove(&inside), Ok(Edit::Unchanged));
}

#[test]
fn another_entry_for_the_role_is_a_conflict() {
    let theirs = |arn: &str, group: &str| format!("{NODES}- rolearn: {arn}\n  username: {arn}\n  groups:\n  - {group}\n");
    let conflicts = [
        theirs(SPOKE_ROLE, "system:masters"),
        theirs(&SPOKE_ROLE.to_uppercase(), "argocd-access:prod"),
        theirs("arn:aws:iam::222222222222:role/argocd-*", "argocd-access:prod"),
        theirs(SPOKE_ROLE, "argocd-access:prod") + "  userid: a\n",
        format!("{}{}", theirs(SPOKE_ROLE, "argocd-access:prod"), theirs(SPOKE_ROLE, "argocd-access:prod").replace(NODES, "")),
        format!("{}{OURS}", theirs(SPOKE_ROLE, "argocd-access:prod")),
        format!("{OURS}{}", theirs(SPOKE_ROLE, "other").replace(NODES, "")),
    ];
    for text in conflicts {
        let refusal = add(&text).unwrap_err();
        assert!(matches!(&refusal, Refusal::Conflict(_)) && refusal.reason() == Reason::Conflict, "{text}: {refusal}");
    }
    assert_eq!(add(&format!("{NODES}{OURS}{OURS}")), Err(Refusal::MarkedTwice));
    assert_eq!(remove(&format!("{NODES}{OURS}{OURS}")), Err(Refusal::MarkedTwice));
}

/// What aws-iam-authenticator reads in which way: its own vectors, written again, and more of the kind.
#[test]
fn keys_are_read_without_regard_to_case() {
    for text in [
        "- RoLeArN: arn:aws:iam::222222222222:role/argocd-spoke-prod\n  UsErNaMe: a\n  GrOuPs:\n  - b\n",
        "- roleARN: arn:aws:iam::222222222222:role/argocd-spoke-prod\n  username: a\n",
        "- rolearn: >-\n    arn:aws:iam::222222222222:role/argocd-spoke-prod\n",
        "- ro\u{17f}earn: x\n  rolearn: arn:aws:iam::222222222222:role/argocd-spoke-prod\n",
    ] {
        assert!(matches!(add(text), Err(Refusal::Conflict(_))), "{text}: {:?}", add(text));
    }
}

#[test]
fn what_the_authenticator_takes_is_left_as_it_is_however_odd() {
    for odd in [
        // An extra space: one group "system:bootstrappers - system:nodes".
        "- rolearn: arn:aws:iam::222222222222:role/a\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n  - system:bootstrappers\n   - system:nodes\n",
        "- rolearn: arn:aws:iam::222222222222:role/team/with-path\n  username: a\n",
        "- rolearn:\n  username: nobody\n  groups:\n",
        "- sso:\n    permissionSetName: Admin\n    accountID: \"222222222222\"\n  username: \"{{SessionName}}\"\n",
        "- rolearn: arn:aws:iam::222222222222:role/a\n  username: |-\n    a\n  groups: []\n",
        "-\n  rolearn: arn:aws:iam::222222222222:role/a\n- rolearn: arn:aws:iam::222222222222:role/b\n",
        "- rolearn: arn:aws:iam::222222222222:role/a\n  groups:\n    - deep\n# at the end\n",
    ] {
        let Ok(Edit::Set(text)) = add(odd) else {
            assert!(odd.starts_with("-\n"), "{odd}: {:?}", add(odd));
            continue;
        };
        assert!(text.starts_with(odd), "{text}");
        assert_eq!(remove(&text), Ok(set(odd)));
    }
}

#[test]
fn what_does_not_parse_as_the_authenticator_needs_it_is_left_alone() {
    let unparsable = [
        "rolearn: arn:aws:iam::222222222222:role/a\n",
        "just words",
        "- just words\n",
        "-\n",
        "- rolearn: [a\n",
        "- rolearn: a\n   username: b\n",
        "- rolearn: a\n\tusername: b\n",
        "- rolearn: a\n  rolearn: b\n",
        "- rolearn: a\n  RoleARN: b\n",
        "- username: 123\n",
        "- username: 0x1F\n",
        "- username: 1e3\n",
        "- username: yes\n",
        "- username: Off\n",
        "- username: n\n",
        "- username: 2026-06-01\n",
        "- username: .inf\n",
        "- username: {a: b}\n",
        "- groups: system:masters\n",
        "- groups:\n  - true\n",
        "- groups:\n  - [a]\n",
        "- groups:\n  -\n",
        "- groups:\n  - a: b\n",
        "- sso: {accountID: 222222222222}\n",
        "- ? [a, b]\n  : c\n",
        "- <<: {rolearn: b}\n",
        "- rolearn: a\n- ]\n",
        "- rolearn: 'a\n",
    ];
    for text in unparsable {
        for said in [add(text), remove(&format!("{text}# argocd-access.dev/owner: {UID}\n"))] {
            let refusal = said.expect_err(text);
            assert!(matches!(refusal, Refusal::Unparsable(_)) && refusal.reason() == Reason::AwsAuthUnparsable, "{text}: {refusal}");
            assert!(refusal.to_string().contains("is left alone"), "{refusal}");
        }
    }
}

#[test]
fn what_cannot_be_edited_by_lines_is_left_alone() {
    for text in [
        "[{rolearn: a, username: b}]\n",
        "---\n- rolearn: a\n",
        "%YAML 1.1\n---\n- rolearn: a\n",
        "- rolearn: &a x\n  username: *a\n",
        "- !!map\n  rolearn: a\n",
        "- rolearn: !!str a\n",
        "- rolearn: a\n...\n",
        "- rolearn: a\n  username: |\n    b",
    ] {
        let refusal = add(text).expect_err(text);
        assert_eq!(refusal.reason(), Reason::AwsAuthUnparsable, "{text}: {refusal}");
    }
}

#[test]
fn the_key_of_the_config_map_is_spelled_exactly() {
    let data = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), NODES.to_owned())).collect::<BTreeMap<_, _>>();
    assert_eq!(map_roles(&data(&["mapRoles", "mapUsers"])), Ok(Some(NODES)));
    assert_eq!(map_roles(&data(&["mapUsers", "mapAccounts"])), Ok(None));
    for other in ["maproles", "MapRoles", "MaPrOlEs"] {
        assert!(matches!(map_roles(&data(&[other])), Err(Refusal::Unparsable(_))), "{other}");
        assert!(matches!(map_roles(&data(&[other, "mapRoles"])), Err(Refusal::Unparsable(_))), "{other}");
    }
}

#[test]
fn an_entry_is_for_a_role_without_a_path_and_for_a_group_that_may_be_given() {
    assert!(matches!(Entry::new("arn:aws:iam::222222222222:role/team/argocd", "a"), Err(Refusal::NotARole(_))));
    assert!(matches!(Entry::new("arn:aws:iam::222222222222:user/argocd", "a"), Err(Refusal::NotARole(_))));
    for group in ["system:masters", "system:", "", "a b", "a\nb", "a\"", ":a", "{{SessionName}}"] {
        assert!(matches!(Entry::new(SPOKE_ROLE, group), Err(Refusal::NotAGroup(_))), "{group:?}");
    }
    for group in ["true", "123", "a:", "argocd-access:prod/eu@x+y=z_-."] {
        let entry = Entry::new(SPOKE_ROLE, group).unwrap();
        let Ok(Edit::Set(text)) = edit(Some(NODES), UID, Some(&entry)) else { panic!("{group}") };
        let read: Vec<BTreeMap<String, serde_yaml::Value>> = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read[1]["groups"][0].as_str(), Some(group));
    }
    for uid in ["", "a\nb", "a b", "a:b"] {
        assert!(matches!(edit(Some(NODES), uid, Some(&entry())), Err(Refusal::NotAnOwner(_))), "{uid:?}");
    }
}
