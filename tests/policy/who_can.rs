//! Who is said to get a terminal, against Argo CD's own engine: each of the listed gets it, and nobody else of those whom a policy names
//! does. Generated policies, other ones in each run (`ARGOCD_ACCESS_SEED`).

use argocd_access::argocd::accounts::is_somebody;
use argocd_access::argocd::instance::find_server;
use argocd_access::explain::who_can::{Seen, Subject, SubjectKind, who_can};
use serde_json::{Value, json};

use super::dice::Dice;
use super::generated::{NAMES, data, projects, read};
use super::instance::Data;
use super::support::policyjudge::{Judge, Request};

/// So many policies, each asked about a few Applications.
const POLICIES: usize = 1_200;
const APPLICATIONS: &[&str] = &["shop/web", "shop/web-1", "shop/team/web", "bank/ledger", "workshop/web", "none/x"];
/// Whom no policy names.
const NOBODY: &str = "somebody-else";

/// Somebody: the token's user and its groups; `None`: without a session.
type Someone = Option<(String, Vec<String>)>;

/// The two requests that a terminal takes.
fn terminal(someone: &Someone, object: &str) -> [Request; 2] {
    ["exec create", "applications get"].map(|right| {
        let (resource, action) = right.split_once(' ').unwrap();
        let (user, groups) = someone.clone().unwrap_or_default();
        Request { anonymous: someone.is_none(), groups, ..Request::new(&user, &[], resource, action, object) }
    })
}

/// What was seen of an instance with this policy.
fn seen(data: &Data, projects: &[Value], anonymous: bool) -> Seen {
    let deployment = json!({
        "metadata": {"name": "argocd-server", "labels": {"app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/component": "server"}},
        "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "s", "args": ["argocd-server"]}]}}},
    });
    let settings = [
        ("exec.enabled", "true"),
        ("oidc.config", "issuer: https://idp.example.com"),
        ("users.anonymous.enabled", if anonymous { "true" } else { "false" }),
    ];
    Seen {
        namespace: "argocd".to_owned(),
        argocd_cm: Ok(Some(settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into())),
        rbac_cm: Ok(Some(data.clone())),
        server: Ok(find_server([&serde_json::from_value(deployment).unwrap()], Some(&Data::new()))),
        projects: Ok(read(projects)),
        applications: Ok(Vec::new()),
    }
}

/// The people whom the list means by a subject; of each inner list one has to get a terminal.
fn people(subject: &Subject) -> Vec<Vec<Someone>> {
    let name = subject.name.as_str();
    let person = |user: &str, groups: &[Option<&str>]| Some((user.to_owned(), groups.iter().flatten().map(ToString::to_string).collect()));
    let kind = |kind: &SubjectKind, other: Option<&str>| match kind {
        SubjectKind::Anybody => None,
        SubjectKind::Everybody => person(other.unwrap_or(NOBODY), &[other]),
        SubjectKind::Group => person(other.unwrap_or(NOBODY), &[Some(name), other]),
        SubjectKind::User | SubjectKind::LocalAccount | SubjectKind::Token => person(name, &[other]),
    };
    if subject.get.is_some() {
        return subject.kinds.iter().map(|k| vec![kind(k, None)]).collect();
    }
    // Which of the two names is the user's, and which the group's, the list does not say.
    subject.together_with.iter().map(|other| subject.kinds.iter().map(|k| kind(k, Some(other))).collect()).collect()
}

#[test]
fn the_listed_get_a_terminal_in_argo_cd_and_nobody_else_does() {
    let mut dice = Dice::thrown();
    let seed = dice.seed();
    let mut judge = Judge::start();
    let (mut listed, mut refused, mut combined, mut everybody) = (0, 0, 0, 0);
    for _ in 0..POLICIES {
        let (mut data, projects) = (data(&mut dice), projects(&mut dice));
        if dice.up_to(8) == 0 {
            // Else next to nothing would be everybody's.
            data.insert("policy.default".to_owned(), "role:admin".to_owned());
        }
        let anonymous = dice.up_to(3) == 0;
        let seen = seen(&data, &projects, anonymous);
        let object = dice.of(APPLICATIONS);
        let answer = who_can(&seen, &object.parse().unwrap());
        let context = |what: &dyn std::fmt::Debug| format!("seed {seed}: {object}: {what:?}\n{answer:#?}\n{data:#?}\n{projects:#?}");
        let mut ask = |people: &[Someone]| {
            let requests: Vec<Request> = people.iter().flat_map(|someone| terminal(someone, object)).collect();
            judge.allowed(&data, &projects, &requests).map(|all| all.chunks(2).map(|pair| pair[0] && pair[1]).collect::<Vec<bool>>())
        };
        let someone = |user: &str, groups: &[&str]| Some((user.to_owned(), groups.iter().map(ToString::to_string).collect()));
        let subjects = answer.applications[0].subjects.as_deref();
        let Some(subjects) = subjects else {
            assert!(ask(&[someone(NOBODY, &[])]).is_err(), "{}", context(&"Argo CD loads it"));
            continue;
        };
        assert!(answer.complete, "{}", context(&"not complete"));
        for subject in subjects {
            for people in people(subject) {
                assert!(ask(&people).unwrap().contains(&true), "{}", context(&(subject, &people)));
                listed += 1;
            }
            combined += usize::from(!subject.together_with.is_empty());
        }
        let all = subjects.iter().any(|s| s.kinds.contains(&SubjectKind::Everybody) && s.get.is_some());
        let any = subjects.iter().any(|s| s.kinds.contains(&SubjectKind::Anybody));
        everybody += usize::from(all);
        let strangers = ask(&[someone(NOBODY, &[]), None]).unwrap();
        assert_eq!(strangers[0], all, "{}", context(&"everybody"));
        assert_eq!(any, anonymous && strangers[1], "{}", context(&"anybody"));
        if all {
            continue;
        }
        // Everybody who may exec is somebody with a right to see it.
        let half = subjects.iter().find(|s| s.kinds.contains(&SubjectKind::Everybody)).map(|s| s.together_with.as_slice()).unwrap_or_default();
        let projects = seen.projects.as_ref().unwrap();
        let others: Vec<&&str> = NAMES.iter().filter(|name| !name.is_empty() && is_somebody(projects, name)).collect();
        for name in others {
            let has = |kinds: &[SubjectKind]| {
                let own = subjects.iter().any(|s| s.name == *name && s.get.is_some() && s.kinds.iter().any(|kind| kinds.contains(kind)));
                own || half.iter().any(|other| other == name)
            };
            let user = has(&[SubjectKind::User, SubjectKind::LocalAccount, SubjectKind::Token]);
            let group = has(&[SubjectKind::Group]);
            let answers = ask(&[someone(name, &[]), someone(NOBODY, &[name])]).unwrap();
            assert!(!answers[0] || user, "{}", context(&("user", name)));
            assert!(!answers[1] || group, "{}", context(&("group", name)));
            refused += answers.iter().filter(|allowed| !**allowed).count();
        }
    }
    assert!(listed > POLICIES / 2 && refused > POLICIES && combined > 20 && everybody > 20, "{listed} {refused} {combined} {everybody}");
}
