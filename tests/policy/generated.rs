//! Generated policies, projects of them and requests: nasty ones, other ones in each run.

use argocd_access::argocd::kinds::AppProject;
use serde_json::{Value, json};

use super::dice::Dice;
use super::instance::Data;
use super::support::policyjudge::Request;

/// Users, groups and roles are one kind of name.
pub const NAMES: &[&str] = &[
    "ann",
    "ops",
    "team-a",
    "role:x",
    "role:y",
    "role:z",
    "role:admin",
    "role:readonly",
    "admin",
    "proj:shop:dev",
    "proj:shop:ro",
    "proj:bank:dev",
    "",
    "ä b",
    "a,b",
    "role:default",
    "x",
    "n3",
    "n11",
    "proj:shop",
    "*",
    "r\"q",
];
const RESOURCES: &[&str] = &[
    "exec",
    "exec",
    "exec",
    "applications",
    "*",
    "logs",
    "projects",
    "app*",
    "{exec,logs}",
    "e?ec",
    "[e]xec",
    "exec*",
    "ex[^c]c",
    "**",
    "",
    "clusters",
    "exe[!d]",
    "applications*",
    "a{}",
    "^exec$",
    ".*",
    "e",
    "exec|logs",
    "(",
    "applicationsets",
];
const ACTIONS: &[&str] = &[
    "create",
    "create",
    "get",
    "get",
    "*",
    "c*",
    "sync",
    "{get,create}",
    "action/*",
    "**",
    "",
    "[!x]*",
    "cr??te",
    "create.*",
    "^(get|create)$",
    "g",
    "+",
];
const OBJECTS: &[&str] = &[
    "*/*",
    "*",
    "shop/*",
    "shop/web",
    "shop/web-*",
    "*/web",
    "**",
    "shop/*/web",
    "shop/team/*",
    "{shop,bank}/*",
    "sh?p/web",
    "[sb]*/*",
    "shop/[!a-v]eb",
    "shop/w{eb,eb-1}",
    "",
    "/",
    "bank/ledger",
    "shop",
    "bank",
    "^shop/web$",
    "shop/.*",
    "shop/web.?1",
    "[^/]+/web",
    "*b*",
    "?*/*?",
    "shop/[^w]eb",
    "shop\\/web",
];
const EFFECTS: &[&str] = &["allow", "allow", "allow", "allow", "deny", "Allow", "allow # why", ""];
const ASKED_RESOURCES: &[&str] =
    &["exec", "exec", "exec", "applications", "applications", "logs", "projects", "clusters", "accounts", "applicationsets"];
const ASKED_ACTIONS: &[&str] = &["create", "create", "get", "get", "sync", "delete", "action/apps/Deployment/restart", "update"];
const ASKED_OBJECTS: &[&str] = &[
    "shop/web",
    "shop/web",
    "shop/web-1",
    "shop/team/web",
    "bank/ledger",
    "bank/team/ledger",
    "workshop/web",
    "shop",
    "bank",
    "none/x",
    "shop/",
    "/web",
    "/",
    "",
    "shop/wäb",
    "broken/x",
    "shop/a,b",
    "shop/web/x/y",
];

/// A glob or a regular expression of many small pieces.
pub fn pattern(dice: &mut Dice, pieces: &[&str], most: usize) -> String {
    (0..dice.up_to(most + 1)).map(|_| dice.of(pieces)).collect()
}

fn object(dice: &mut Dice) -> String {
    match dice.up_to(4) {
        0 => pattern(dice, &["shop", "/", "*", "web", "?", "{web,x}", "w", "[!x]", "**", "-1", "team"], 5),
        _ => dice.of(OBJECTS).to_owned(),
    }
}

fn field(dice: &mut Dice, text: &str) -> String {
    match dice.up_to(12) {
        _ if text.contains([',', '"']) => format!("\"{}\"", text.replace('"', "\"\"")),
        0 => format!("\"{text}\""),
        1 => format!("  {text}"),
        2 => format!("{text} "),
        _ => text.to_owned(),
    }
}

fn line(dice: &mut Dice) -> String {
    let fields: Vec<String> = if dice.up_to(10) < 4 {
        vec!["g".to_owned(), dice.of(NAMES).to_owned(), dice.of(NAMES).to_owned()]
    } else {
        let object = object(dice);
        // Every other one is about what is asked, else next to nothing would be allowed.
        let (resource, action) = if dice.up_to(2) == 0 { (dice.of(&["exec", "*"]), "*") } else { (dice.of(RESOURCES), dice.of(ACTIONS)) };
        vec!["p".into(), dice.of(NAMES).into(), resource.into(), action.into(), object, dice.of(EFFECTS).into()]
    };
    let line = fields.iter().map(|f| field(dice, f)).collect::<Vec<_>>().join(",");
    match dice.up_to(60) {
        0 => format!("# {line}"),
        1 => format!("{line}\r"),
        2 => "r, anything".to_owned(),
        3 => String::new(),
        4 if dice.up_to(25) == 0 => format!("{line}, one too many"),
        _ => line,
    }
}

fn text(dice: &mut Dice, most: usize) -> String {
    let mut lines: Vec<String> = (0..dice.up_to(most)).map(|_| line(dice)).collect();
    if dice.up_to(6) == 0 {
        // A chain about as long as roles may be deep.
        let len = 8 + dice.up_to(5);
        lines.extend((0..len).map(|i| format!("g, n{i}, n{}", i + 1)));
        lines.push(format!("g, ann, n{}\np, n{len}, exec, create, */*, allow", dice.up_to(3)));
    }
    lines.join("\n")
}

/// The data of argocd-rbac-cm.
pub fn data(dice: &mut Dice) -> Data {
    let mut data = Data::new();
    for (key, one_in) in [("policy.csv", 1), ("policy.a.csv", 3), ("policy.zz.csv", 4), ("policy.csv.bak", 6)] {
        if dice.up_to(one_in) == 0 {
            data.insert(key.to_owned(), text(dice, 14));
        }
    }
    let mode = dice.of(&["", "", "glob", "regex", "Regex", "regex"]);
    data.insert("policy.matchMode".to_owned(), mode.to_owned());
    if dice.up_to(2) == 0 {
        data.insert("policy.default".to_owned(), dice.of(&["role:readonly", "role:default", "role:x", "ann", "", "n1"]).to_owned());
    }
    data
}

/// AppProjects with roles.
pub fn projects(dice: &mut Dice) -> Vec<Value> {
    let mut all = Vec::new();
    for name in ["shop", "bank", "broken"] {
        if dice.up_to(2) == 0 {
            continue;
        }
        let roles: Vec<Value> = ["dev", "ro"][..dice.up_to(3)]
            .iter()
            .map(|role| {
                let subject = format!("proj:{name}:{role}");
                let policies: Vec<String> = (0..dice.up_to(4))
                    .map(|_| match dice.up_to(12) {
                        0 => line(dice),
                        1 => format!("{}\n{}", line(dice), line(dice)),
                        2 if name == "broken" => "p, too, few".to_owned(),
                        _ => format!(
                            "p, {subject}, {}, {}, {}, {}",
                            dice.of(&["exec", "applications", "*"]),
                            dice.of(ACTIONS),
                            dice.of(&["shop/*", "*", "shop/web", "bank/*"]),
                            dice.of(&["allow", "allow", "deny"])
                        )
                        .replace("{get,create}", "*"),
                    })
                    .collect();
                let groups: Vec<&str> = (0..dice.up_to(3)).map(|_| dice.of(&["ops", "team-a", "ann", "role:admin", "\"a,b\"", "a,b", "x"])).collect();
                json!({"name": role, "policies": policies, "groups": groups})
            })
            .collect();
        all.push(json!({"metadata": {"name": name}, "spec": {"roles": roles}}));
    }
    all
}

/// A question.
pub fn request(dice: &mut Dice) -> Request {
    let groups: Vec<&str> = (0..dice.up_to(4)).map(|_| dice.of(NAMES)).collect();
    let mut request = Request::new(dice.of(NAMES), &groups, dice.of(ASKED_RESOURCES), dice.of(ASKED_ACTIONS), dice.of(ASKED_OBJECTS));
    request.anonymous = dice.up_to(25) == 0;
    request
}

/// The projects as we read them.
pub fn read(projects: &[Value]) -> Vec<AppProject> {
    projects.iter().map(|p| serde_json::from_value(p.clone()).unwrap()).collect()
}
