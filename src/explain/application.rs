//! The Application: whether it exists, whether Argo CD serves its namespace, and whether its project lets Argo CD show its Pods. Pure.
//!
//! argocd-server finds a Pod in the tree of resources that the application controller made. Where the project is missing, or does not permit
//! the Application, that tree is empty (Argo CD `controller/appcontroller.go`, `refreshAppConditions`).

use serde_json::{Value, json};

use super::link::{Fix, Link, Name};
use super::observed::{Live, Observed};
use super::question::Question;
use super::{Cause, commands, not_readable};
use crate::argocd::ARGOCD_CMD_PARAMS_CM;
use crate::argocd::kinds::{AppProject, Destination};
use crate::argocd::policy::Matched;
use crate::argocd::policy::glob::Glob;
use crate::reconcile::seen::data;
use crate::shell::word;

const NAME: Name = Name::Application;
const NAMESPACES: &str = "application.namespaces";
const INVALID: &str = "InvalidSpecError";
/// The kind by its group and its name.
const POD: (&str, &str) = ("", "Pod");

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    if let Some(link) = not_served(question, observed) {
        return link;
    }
    let live = match &observed.application {
        Err(not_seen) => return not_readable(NAME, not_seen),
        Ok(None) => {
            let fact = format!("there is no Application {} in {}", question.app.name, question.app_namespace());
            let ask = format!("kubectl get applications.argoproj.io -A lists those that there are. {}", Cause::ApplicationMissing.mend());
            return Link::closed(NAME, Cause::ApplicationMissing, fact).mended_by(Fix::by_people(ask));
        }
        Ok(Some(live)) => live,
    };
    let project = live.application.project();
    if project != question.app.project {
        let fact = format!("the Application {} is of the project {project}, not of {}", question.app.name, question.app.project);
        let object = super::question::AppName { project: project.to_owned(), ..question.app.clone() };
        return Link::closed(NAME, Cause::ProjectDiffers, fact).mended_by(Fix::by_people(format!("ask for --app {object}")));
    }
    let refresh = || commands::refresh(question.app_namespace(), &question.app.name);
    match observed.project(project) {
        Err(not_seen) => return not_readable(NAME, &not_seen),
        Ok(None) => return no_project(question, observed, live, refresh()),
        Ok(Some(project)) => {
            if let Some(link) = not_permitted(question, project, live, &refresh()) {
                return link;
            }
        }
    }
    if let Some(condition) = live.conditions.iter().find(|c| c.kind == INVALID) {
        let fact = format!("Argo CD says of it: {}", crate::api::conditions::shorten(&condition.message, 300));
        let fix = Fix::by_people(Cause::ApplicationInvalid.mend()).then(refresh());
        return Link::closed(NAME, Cause::ApplicationInvalid, fact).mended_by(fix);
    }
    let destination = &live.application.spec.destination;
    let cluster = destination.server.as_deref().or(destination.name.as_deref()).unwrap_or("nowhere");
    let namespace = destination.namespace.as_deref().filter(|n| !n.is_empty()).map(|n| format!(", namespace {n}")).unwrap_or_default();
    Link::open(NAME, format!("{} exists in {} and deploys to {cluster}{namespace}", question.object(), question.app_namespace()))
}

/// Where Argo CD does not look for Applications.
fn not_served(question: &Question, observed: &Observed) -> Option<Link> {
    let namespace = question.app_namespace();
    let server = observed.server().filter(|server| question.is_elsewhere() && !server.serves(namespace))?;
    let now = server.application_namespaces.unwrap_or_default();
    let fact = format!(
        "argocd-server serves the Applications of its own namespace{}",
        if now.is_empty() { " only".to_owned() } else { format!(" and of {now}") }
    );
    let of_params = observed.world.params_cm.as_ref().ok().map(|cm| data(cm.as_deref()).get(NAMESPACES).cloned().unwrap_or_default());
    let instance = observed.world.namespace();
    let listed = if now.is_empty() { namespace.to_owned() } else { format!("{now},{namespace}") };
    let note = "all Applications of that namespace are served by it, within what the sourceNamespaces of each AppProject allow".to_owned();
    let patch = commands::merge(instance, "configmap", ARGOCD_CMD_PARAMS_CM, &json!({"data": {NAMESPACES: listed}}));
    let fix = match (of_params, patch) {
        (Some(seen), Some(patch)) if seen == now => Fix::command(patch).then(restart_argocd(instance)).noting(note),
        _ => Fix::by_people(format!("add {namespace} to --application-namespaces (now {now:?}) of argocd-server and of the application controller")),
    };
    Some(Link::closed(NAME, Cause::NamespaceNotServed, format!("{fact}, not those of {namespace}")).mended_by(fix))
}

/// Both programs read the list when they start.
fn restart_argocd(instance: &str) -> String {
    format!(
        "kubectl -n {} rollout restart deployment,statefulset -l 'app.kubernetes.io/part-of=argocd,app.kubernetes.io/component in (server,application-controller)'",
        word(instance)
    )
}

fn no_project(question: &Question, observed: &Observed, live: &Live, refresh: String) -> Link {
    let instance = observed.world.namespace();
    let fact = format!("there is no AppProject {} in {instance}", question.app.project);
    let mut spec = json!({"sourceRepos": live.sources, "destinations": [destination(&live.application.spec.destination)]});
    if let (true, Some(map)) = (question.is_elsewhere(), spec.as_object_mut()) {
        map.insert("sourceNamespaces".to_owned(), json!([question.app_namespace()]));
    }
    let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": question.app.project}, "spec": spec});
    let note =
        "it permits the sources and the destination of this Application, and no cluster-scoped kinds; Applications that need more have to be added"
            .to_owned();
    let fix = Fix::command(commands::create(instance, &project.to_string())).then(refresh).noting(note);
    Link::closed(NAME, Cause::ProjectMissing, fact).mended_by(fix)
}

fn destination(destination: &Destination) -> Value {
    let some = [("server", &destination.server), ("name", &destination.name), ("namespace", &destination.namespace)];
    some.into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_deref().filter(|v| !v.is_empty())?))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What the project does not permit, as far as that is plain.
fn not_permitted(question: &Question, project: &AppProject, live: &Live, refresh: &str) -> Option<Link> {
    let instance = &question.instance;
    let name = project.name();
    let adding = |field: &str, there: bool, value: Value| {
        let pointer = format!("/spec/{field}");
        let operation = if there {
            json!({"op": "add", "path": format!("{pointer}/-"), "value": value})
        } else {
            json!({"op": "add", "path": pointer, "value": [value]})
        };
        commands::json_patch(instance, "appprojects.argoproj.io", name, &json!([operation])).map(|patch| Fix::command(patch).then(refresh))
    };
    let texts = |field: &str| project.spec.rest.get(field).and_then(Value::as_array);
    let namespace = question.app_namespace();
    let sources = texts("sourceNamespaces");
    if question.is_elsewhere() && !sources.into_iter().flatten().filter_map(Value::as_str).any(|pattern| may_match(pattern, namespace)) {
        let fact = format!("the AppProject {name} takes no Applications of the namespace {namespace}");
        let note = "whoever may write Applications in that namespace may then use the project".to_owned();
        let fix = adding("sourceNamespaces", sources.is_some(), json!(namespace)).map(|fix| fix.noting(note));
        return Some(Link::closed(NAME, Cause::SourceNamespace, fact).mended_by(fix));
    }
    let wanted = &live.application.spec.destination;
    let destinations = texts("destinations");
    if !destinations.into_iter().flatten().any(|item| permits(item, wanted)) {
        let fact = format!("the AppProject {name} does not permit the Application's destination {}", destination(wanted));
        let note = "every Application of the project may then deploy there".to_owned();
        let fix = adding("destinations", destinations.is_some(), destination(wanted)).map(|fix| fix.noting(note));
        return Some(Link::closed(NAME, Cause::DestinationNotPermitted, fact).mended_by(fix));
    }
    hidden_pods(question, project, refresh)
}

/// Argo CD's patterns of namespaces: globs, or regular expressions between slashes, which are not decided here and count as matching.
fn may_match(pattern: &str, text: &str) -> bool {
    (pattern.len() > 1 && pattern.starts_with('/') && pattern.ends_with('/')) || Glob::new(pattern).matches(text) != Matched::No
}

/// Whether an element of `spec.destinations` may permit it. What denies (`!`) is left to what Argo CD itself says.
fn permits(item: &Value, wanted: &Destination) -> bool {
    let fits = |key: &str, text: &str| {
        let pattern = item.get(key).and_then(Value::as_str).unwrap_or_default();
        pattern.starts_with('!') || may_match(pattern, text)
    };
    let given = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let here = wanted.is_in_cluster();
    // Argo CD knows its own cluster by both names.
    let server = given(&wanted.server).or_else(|| here.then(|| "https://kubernetes.default.svc".to_owned()));
    let name = given(&wanted.name).or_else(|| here.then(|| "in-cluster".to_owned()));
    let cluster = server.is_some_and(|s| fits("server", &s)) || name.is_some_and(|n| fits("name", &n));
    // By one of the two it may be known to Argo CD under a pattern that is not seen from here.
    let other = !here && item.get(if wanted.server.is_some() { "name" } else { "server" }).and_then(Value::as_str).is_some_and(|p| !p.is_empty());
    (cluster || other) && fits("namespace", wanted.namespace.as_deref().unwrap_or_default())
}

fn hidden_pods(question: &Question, project: &AppProject, refresh: &str) -> Option<Link> {
    let list = |field: &str| project.spec.rest.get(field).and_then(Value::as_array);
    let is_pod = |kind: &Value| {
        let fits = |key: &str, text: &str| kind.get(key).and_then(Value::as_str).is_some_and(|p| Glob::new(p).matches(text) == Matched::Yes);
        fits("group", POD.0) && fits("kind", POD.1)
    };
    let (instance, name) = (&question.instance, project.name());
    let patch =
        |operations: Value| commands::json_patch(instance, "appprojects.argoproj.io", name, &operations).map(|p| Fix::command(p).then(refresh));
    if let Some((index, kind)) = list("namespaceResourceBlacklist").into_iter().flatten().enumerate().find(|(_, kind)| is_pod(kind)) {
        let fact = format!("the AppProject {name} has {kind} in namespaceResourceBlacklist");
        let path = format!("/spec/namespaceResourceBlacklist/{index}");
        let exact = *kind == json!({"group": POD.0, "kind": POD.1});
        // Another element would permit more than Pods.
        let fix = exact.then(|| patch(json!([{"op": "test", "path": path, "value": kind}, {"op": "remove", "path": path}]))).flatten();
        return Some(Link::closed(NAME, Cause::PodsHidden, fact).mended_by(fix.map(noted)));
    }
    let whitelist = list("namespaceResourceWhitelist").filter(|list| !list.is_empty() && !list.iter().any(is_pod))?;
    let fact = format!("the AppProject {name} permits {} kinds in namespaceResourceWhitelist, and not the kind Pod", whitelist.len());
    let fix = patch(json!([{"op": "add", "path": "/spec/namespaceResourceWhitelist/-", "value": {"group": POD.0, "kind": POD.1}}]));
    Some(Link::closed(NAME, Cause::PodsHidden, fact).mended_by(fix.map(noted)))
}

fn noted(fix: Fix) -> Fix {
    fix.noting("every Application of the project may then deploy Pods".to_owned())
}
