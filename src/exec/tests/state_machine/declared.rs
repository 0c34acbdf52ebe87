//! What is declared, computed simply and apart from the operator's own code: who may open a terminal into what, when, and where
//! argocd-server needs rights for that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::place::Place;

/// A person: the token's user and its groups.
pub type Person = (String, Vec<String>);

/// Pairs of a person and an object, by their indices.
pub type Access = BTreeSet<(usize, usize)>;

/// The people and the objects that are asked about.
pub struct Universe {
    pub people: Vec<Person>,
    pub objects: Vec<String>,
}

impl Universe {
    /// `elsewhere`: whether there may be Applications in other namespaces.
    pub fn new(place: &Place, elsewhere: bool) -> Self {
        let person = |user: &str, groups: &[&str]| (user.to_owned(), groups.iter().map(ToString::to_string).collect());
        let people = vec![
            person("one", &["team-a"]),
            person("two", &["team-b", "others"]),
            person("three", &["team-c"]),
            person("ann", &[]),
            person("ops", &[]),
            person("eve", &[]),
            person("boss", &[]),
        ];
        let team = place.namespace("team");
        let mut objects: Vec<String> =
            ["shop/web-1", "shop/api", "shop/none", "bank/ledger", "bank/web-1", "lab/x", "workshop/web-1"].map(ToOwned::to_owned).to_vec();
        if elsewhere {
            objects.extend([format!("shop/{team}/web-1"), format!("shop/{team}/other"), format!("bank/{team}/web-1"), "shop/web-9/x".to_owned()]);
        }
        Self { people, objects }
    }

    /// A pair, readable.
    pub fn show(&self, access: &Access) -> Vec<String> {
        access.iter().map(|(p, o)| format!("{} {:?} -> {}", self.people[*p].0, self.people[*p].1, self.objects[*o])).collect()
    }
}

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

fn selectors(spec: &Value) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
    let selectors = spec["applications"].as_array().into_iter().flatten();
    selectors.map(|s| (s["project"].as_str().unwrap_or_default(), s["name"].as_str().unwrap_or("*"), s["namespace"].as_str()))
}

/// Whether a spec means this object of Argo CD's RBAC, be it alive or not. `own`: the instance's namespace.
pub fn means(spec: &Value, own: &str, object: &str) -> bool {
    let parts: Vec<&str> = object.split('/').collect();
    let (project, namespace, name) = match parts.as_slice() {
        [project, name] => (*project, own, *name),
        [project, namespace, name] if *namespace != own => (*project, *namespace, *name),
        _ => return false,
    };
    selectors(spec).any(|(p, n, at)| {
        let wanted = at.unwrap_or(own);
        (wanted == "*" || wanted == namespace) && matches(p, project) && matches(n, name)
    })
}

/// Whether a spec names this person. `roles`: which of the existing roles the person has.
pub fn names(spec: &Value, (user, groups): &Person, has_role: impl Fn(&str) -> bool) -> bool {
    spec["subjects"].as_array().into_iter().flatten().any(|subject| {
        let name = subject["name"].as_str().unwrap_or_default();
        match subject["kind"].as_str() {
            Some("Role") => has_role(name),
            _ => user == name || groups.iter().any(|g| g == name),
        }
    })
}

/// The project of an object of Argo CD's RBAC.
pub fn project_of(object: &str) -> &str {
    object.split('/').next().unwrap_or_default()
}

/// Whether a spec can stand in AppProjects at all: projects by name, and groups.
pub fn fits_projects(spec: &Value) -> bool {
    let groups = spec["subjects"].as_array().into_iter().flatten().all(|s| s["kind"] == json!("Group"));
    groups && selectors(spec).all(|(project, _, _)| !project.contains(['*', '?']))
}

/// A live Application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    pub namespace: String,
    pub project: String,
    pub name: String,
    /// The namespace that it deploys into.
    pub into: String,
}

impl Live {
    /// Argo CD's name of it.
    pub fn object(&self, own: &str) -> String {
        if self.namespace == own { format!("{}/{}", self.project, self.name) } else { format!("{}/{}/{}", self.project, self.namespace, self.name) }
    }
}

/// All declarations, by name.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub specs: BTreeMap<String, Value>,
}

/// Whether an object with this spec is meant to be in effect now.
pub fn is_active(spec: &Value, now: jiff::Timestamp) -> bool {
    spec["suspend"] != json!(true) && spec["mode"] != json!("Observe") && is_its_time(spec, now)
}

fn is_its_time(spec: &Value, now: jiff::Timestamp) -> bool {
    let limit = |key: &str| spec["validity"][key].as_str().map(|text| text.parse::<jiff::Timestamp>().unwrap());
    let exists = limit("notBefore").is_none_or(|from| from <= now) && limit("notAfter").is_none_or(|to| now < to);
    let windows = spec["schedule"].as_array();
    exists && windows.is_none_or(|windows| windows.is_empty() || windows.iter().any(|w| is_within(w, now)))
}

/// Whether a window is open. It belongs to the day on which it begins.
fn is_within(window: &Value, now: jiff::Timestamp) -> bool {
    let zone = window["timeZone"].as_str().unwrap_or("UTC");
    let local = now.in_tz(zone).unwrap();
    let minutes = |text: &str| text.split_once(':').map(|(h, m)| h.parse::<i32>().unwrap() * 60 + m.parse::<i32>().unwrap()).unwrap();
    let (from, to) = (minutes(window["from"].as_str().unwrap()), minutes(window["to"].as_str().unwrap()));
    let at = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let begins_on = |day: jiff::civil::Date| {
        let name = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][usize::try_from(day.weekday().to_monday_zero_offset()).unwrap()];
        window["days"].as_array().unwrap().contains(&json!(name))
    };
    let (today, yesterday) = (local.date(), local.date().yesterday().unwrap());
    if from < to { begins_on(today) && (from..to).contains(&at) } else { (begins_on(today) && at >= from) || (begins_on(yesterday) && at < to) }
}

impl Declared {
    /// The names of the objects that are meant to be in effect now.
    pub fn active(&self, now: jiff::Timestamp) -> impl Iterator<Item = (&String, &Value)> {
        self.specs.iter().filter(move |(_, spec)| is_active(spec, now))
    }

    /// Who may open a terminal into what.
    pub fn access(&self, place: &Place, universe: &Universe, foreign: &str, now: jiff::Timestamp) -> Access {
        self.active(now).flat_map(|(_, spec)| access(spec, place, universe, foreign)).collect()
    }
}

/// What one spec declares. `foreign`: the texts of the policy that are none of ours.
pub fn access(spec: &Value, place: &Place, universe: &Universe, foreign: &str) -> Access {
    let people = universe
        .people
        .iter()
        .enumerate()
        .filter(|(_, person)| names(spec, person, |role| role == "ops" && person.0 == "ops" && foreign.lines().any(|l| l == "g, ops, role:ops")));
    let objects: Vec<usize> = universe.objects.iter().enumerate().filter(|(_, o)| means(spec, &place.instance, o)).map(|(i, _)| i).collect();
    people.flat_map(|(p, _)| objects.iter().map(move |o| (p, *o))).collect()
}

/// Where argocd-server needs rights: namespaces, and `*` for all.
pub fn reach(
    spec: &Value,
    place: &Place,
    elsewhere: bool,
    live: &[Live],
    namespaces: &BTreeMap<String, BTreeMap<String, String>>,
) -> BTreeSet<String> {
    let server = &spec["server"];
    if server["scope"] == json!("Cluster") {
        return BTreeSet::from(["*".to_owned()]);
    }
    let names: Vec<&str> = server["namespaces"]["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let labels = server["namespaces"]["selector"]["matchLabels"].as_object();
    let chosen = !names.is_empty() || labels.is_some();
    let selected = |has: &BTreeMap<String, String>| labels.is_some_and(|l| l.iter().all(|(k, v)| has.get(k).map(String::as_str) == v.as_str()));
    let wanted: BTreeSet<String> = if chosen {
        let labelled = namespaces.iter().filter(|(_, labels)| selected(labels)).map(|(name, _)| name.clone());
        names.into_iter().map(ToOwned::to_owned).chain(labelled).collect()
    } else {
        let seen = live.iter().filter(|app| elsewhere || app.namespace == place.instance);
        let meant = seen.filter(|app| means(spec, &place.instance, &app.object(&place.instance)));
        meant.map(|app| app.into.clone()).collect()
    };
    // The defaults of limits.deniedNamespaces.
    wanted.into_iter().filter(|n| namespaces.contains_key(n) && n != "kube-system" && n != "argocd").collect()
}
