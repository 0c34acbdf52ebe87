//! What a spec declares, computed simply and apart from the operator's own code; and the judging of a policy against it.

use serde_json::Value;

use super::instance::{Data, Instance};
use super::support::policyjudge::{Judge, Request};

/// A person: the token's user and its groups.
pub type Person = (String, Vec<String>);

/// A shell's `*` and `?`, on one name.
fn glob(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) if glob(rest, name) => true,
        (Some(('*', _)), Some((_, tail))) => glob(pattern, tail),
        (Some(('?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((p, rest)), Some((n, tail))) => p == n && glob(rest, tail),
        _ => false,
    }
}

pub fn matches(pattern: &str, name: &str) -> bool {
    glob(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
}

/// Argo CD's name of an Application.
pub fn object_of((namespace, project, name): &(String, String, String)) -> String {
    if namespace == "argocd" { format!("{project}/{name}") } else { format!("{project}/{namespace}/{name}") }
}

/// Whether the spec means this object, be it alive or not.
pub fn means(spec: &Value, object: &str) -> bool {
    let parts: Vec<&str> = object.split('/').collect();
    let (project, namespace, name) = match parts.as_slice() {
        [project, name] => (*project, "argocd", *name),
        [project, namespace, name] if *namespace != "argocd" => (*project, *namespace, *name),
        _ => return false,
    };
    spec["applications"].as_array().unwrap().iter().any(|selector| {
        let wanted = selector["namespace"].as_str().unwrap_or("argocd");
        (wanted == "*" || wanted == namespace)
            && matches(selector["project"].as_str().unwrap(), project)
            && matches(selector["name"].as_str().unwrap_or("*"), name)
    })
}

/// Whether the spec names this person. `ops` is the group that the foreign policies put into `role:ops`.
pub fn names(spec: &Value, (user, groups): &Person) -> bool {
    spec["subjects"].as_array().unwrap().iter().any(|subject| {
        let name = subject["name"].as_str().unwrap();
        match subject["kind"].as_str().unwrap() {
            "Role" => name == "ops" && (user == "ops" || groups.iter().any(|g| g == "ops")),
            _ => user == name || groups.iter().any(|g| g == name),
        }
    })
}

/// A judge who remembers the last answers about foreign policies alone.
pub struct Court {
    judge: Judge,
    remembered: Vec<(String, Vec<bool>)>,
}

impl Court {
    pub fn open() -> Self {
        Self { judge: Judge::start(), remembered: Vec::new() }
    }

    /// What Argo CD's server would say to whoever saves these projects.
    pub fn refusals(&mut self, projects: &[Value]) -> Vec<String> {
        self.judge.refusals(projects)
    }

    fn ask(&mut self, data: &Data, projects: &[Value], requests: &[Request]) -> Vec<bool> {
        let question = serde_json::to_string(&(data, projects, requests)).unwrap();
        if let Some((_, answer)) = self.remembered.iter().find(|(q, _)| *q == question) {
            return answer.clone();
        }
        let answer = self.judge.allowed(data, projects, requests).unwrap_or_else(|e| panic!("Argo CD cannot load it: {e}: {data:#?}"));
        if self.remembered.len() > 7 {
            self.remembered.remove(0);
        }
        self.remembered.push((question, answer.clone()));
        answer
    }
}

/// What is asked besides what is granted.
const OTHER: &[(&str, &str)] = &[
    // In regex mode `applications` is found in this one, unless it is anchored.
    ("applicationsets", "get"),
    ("applications", "sync"),
    ("applications", "delete"),
    ("applications", "update"),
    ("applications", "action/apps/Deployment/restart"),
    ("exec", "get"),
    ("exec", "delete"),
    ("logs", "get"),
    ("projects", "get"),
    ("clusters", "get"),
    ("accounts", "update"),
];

/// Judges the policy that a spec led to, in an instance without projects of its own.
pub fn judge(judge: &mut Court, instance: &Instance, spec: &Value, policy: &Data, people: &[Person], objects: &[String]) {
    judge_with_projects(judge, instance, spec, (policy, &[], &[]), people, objects);
}

/// Judges the policy that a spec led to, with the projects as they were and as they are.
///
/// * Nobody can do more than before, but for what is declared.
/// * Whoever is declared can, for every live Application; unless somebody else's deny line stands in the way.
/// * Nobody can do less than before.
pub fn judge_with_projects(
    judge: &mut Court,
    instance: &Instance,
    spec: &Value,
    (policy, projects, changed): (&Data, &[Value], &[Value]),
    people: &[Person],
    objects: &[String],
) {
    let mut requests = Vec::new();
    for (index, (user, groups)) in people.iter().enumerate() {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        for object in objects {
            requests.push((index, Request::new(user, &groups, "exec", "create", object)));
            requests.push((index, Request::new(user, &groups, "applications", "get", object)));
        }
        // Who has nothing at all has none of these either: some of the people are enough.
        if index % 4 == 0 {
            for (resource, action) in OTHER {
                requests.extend(objects.iter().take(2).map(|object| (index, Request::new(user, &groups, resource, action, object))));
            }
        }
    }
    let asked: Vec<Request> = requests.iter().map(|(_, r)| r.clone()).collect();
    let before = judge.ask(&instance.foreign, projects, &asked);
    let after = judge.ask(policy, changed, &asked);
    let live: Vec<String> = instance.live.iter().map(object_of).collect();
    let denies = instance.foreign.values().any(|text| text.contains("deny"));
    for ((index, request), (before, after)) in requests.iter().zip(before.into_iter().zip(after)) {
        let granted = matches!((request.resource.as_str(), request.action.as_str()), ("exec", "create") | ("applications", "get"));
        let declared = granted && names(spec, &people[*index]) && means(spec, &request.object);
        let context = || format!("{request:?}\nspec: {spec}\nlive: {live:?}\npolicy: {policy:#?}\nprojects: {changed:#?}");
        assert!(!after || before || declared, "more than declared: {}", context());
        assert!(after || !before, "less than before: {}", context());
        if declared && live.contains(&request.object) && !denies {
            assert!(after, "less than declared: {}", context());
        }
    }
}
