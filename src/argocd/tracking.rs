//! Which Application an object belongs to, and what that Application leaves to others (`ignoreDifferences`). Pure.
//!
//! Argo CD marks what it manages with an annotation, or with a label (`docs/user-guide/resource_tracking.md`). An Application leaves a
//! field alone only when it names the field, or its manager, and has `RespectIgnoreDifferences=true`: without that a sync writes over
//! it all the same (`docs/user-guide/sync-options.md`).

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::kinds::{Application, IgnoreDifferences};
use super::policy::Data;
use super::versions;

/// The annotation, `<application>:<group>/<kind>:<namespace>/<name>`.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// The manager that Argo CD's application controller writes as.
pub const CONTROLLER: &str = "argocd-controller";

/// The label, unless argocd-cm names another one.
pub const DEFAULT_LABEL: &str = "app.kubernetes.io/instance";
const RESPECT: &str = "RespectIgnoreDifferences=true";

/// One object, by what Argo CD names it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The API group; empty for the core one.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace, unless it is cluster-scoped.
    pub namespace: Option<&'a str>,
    /// The name.
    pub name: &'a str,
}

/// How an instance tracks, and the Applications that there are.
#[derive(Clone, Debug, Default)]
pub struct Tracking<'a> {
    /// The namespace of the instance.
    pub namespace: &'a str,
    /// The label, where the instance tracks by one.
    label: Option<&'a str>,
    /// The Applications; none where they cannot be seen.
    applications: &'a [Arc<Application>],
}

/// The Application that an object belongs to.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its name, as a message gives it.
    pub application: String,
    /// The Applications that may be meant, as far as they are seen.
    pub candidates: Vec<Arc<Application>>,
}

impl<'a> Tracking<'a> {
    /// From argocd-cm's settings and Argo CD's version: before 3.0 it tracks by a label unless told otherwise.
    #[must_use]
    pub fn new(namespace: &'a str, settings: Option<&'a Data>, version: Option<(u32, u32)>, applications: &'a [Arc<Application>]) -> Self {
        let get = |key: &str| settings.and_then(|s| s.get(key)).map(String::as_str).filter(|v| !v.is_empty());
        let (major, minor, _) = versions::TRACKING_BY_ANNOTATION.since;
        let before = version.is_some_and(|v| v < (major, minor));
        let by_label = get("application.resourceTrackingMethod").map_or(before, |method| method.contains("label"));
        let label = by_label.then(|| get("application.instanceLabelKey").unwrap_or(DEFAULT_LABEL));
        Self { namespace, label, applications }
    }

    /// Which Application has marked this object as its own. A mark that was copied from another object does not count, as with Argo CD.
    #[must_use]
    pub fn claim(&self, place: Place<'_>, meta: &ObjectMeta) -> Option<Claim> {
        let by_annotation = meta.annotations.as_ref().and_then(|a| a.get(TRACKING_ID)).and_then(|id| tracked(id, place));
        let by_label = || {
            let name = meta.labels.as_ref()?.get(self.label?)?;
            // Helm sets the same label to its release's name: only an Application that there is counts.
            (!self.candidates(name).is_empty()).then_some(name.as_str())
        };
        let application = by_annotation.or_else(by_label)?;
        Some(Claim { application: application.to_owned(), candidates: self.candidates(application) })
    }

    /// The Applications of this name: in the instance's namespace, or `<namespace>_<name>`, or of another instance.
    fn candidates(&self, name: &str) -> Vec<Arc<Application>> {
        let named = |namespace: Option<&str>, name: &str| -> Vec<Arc<Application>> {
            let is = |a: &&Arc<Application>| {
                a.metadata.name.as_deref() == Some(name) && namespace.is_none_or(|n| a.metadata.namespace.as_deref() == Some(n))
            };
            self.applications.iter().filter(is).cloned().collect()
        };
        let own = named(Some(self.namespace), name);
        let elsewhere = || name.split_once('_').map(|(namespace, name)| named(Some(namespace), name)).unwrap_or_default();
        [own, elsewhere(), named(None, name)].into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }
}

impl Claim {
    /// Whether every Application that may be meant leaves this field to the manager of this name, or to everybody.
    #[must_use]
    pub fn leaves(&self, place: Place<'_>, path: &[&str], manager: &str) -> bool {
        !self.candidates.is_empty() && self.candidates.iter().all(|application| leaves(application, place, path, manager))
    }
}

/// The Application's name, when the annotation speaks of this very object.
fn tracked<'i>(id: &'i str, place: Place<'_>) -> Option<&'i str> {
    let mut parts = id.splitn(3, ':');
    let (application, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, kind) = kind.split_once('/')?;
    let (namespace, name) = object.split_once('/')?;
    // For a cluster-scoped object Argo CD writes its Application's destination there.
    let here = place.namespace.is_none_or(|n| n == namespace);
    (!application.is_empty() && group == place.group && kind == place.kind && here && name == place.name).then_some(application)
}

fn leaves(application: &Application, place: Place<'_>, path: &[&str], manager: &str) -> bool {
    let respects = application.spec.sync_policy.sync_options.iter().any(|o| o.replace(' ', "") == RESPECT);
    respects && application.spec.ignore_differences.iter().any(|ignored| is_meant(ignored, place) && names(ignored, path, manager))
}

fn is_meant(ignored: &IgnoreDifferences, place: Place<'_>) -> bool {
    let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
    fits(&ignored.group, place.group)
        && fits(&ignored.kind, place.kind)
        && (ignored.name.is_empty() || ignored.name == place.name)
        && (ignored.namespace.is_empty() || place.namespace.is_none_or(|n| n == ignored.namespace))
}

fn names(ignored: &IgnoreDifferences, path: &[&str], manager: &str) -> bool {
    let covers = |named: &[String]| !named.is_empty() && named.len() <= path.len() && named.iter().zip(path).all(|(a, b)| a == b);
    ignored.managed_fields_managers.iter().any(|m| m == manager)
        || ignored.json_pointers.iter().filter_map(|p| pointer(p)).any(|p| covers(&p))
        || ignored.jq_path_expressions.iter().filter_map(|e| jq_path(e)).any(|p| covers(&p))
}

/// The steps of a JSON pointer (RFC 6901).
fn pointer(text: &str) -> Option<Vec<String>> {
    Some(text.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// The steps of a jq expression that is a plain path, such as `.data."exec.enabled"` or `.data["exec.enabled"]`; of any other it is not
/// known what it names, so it names nothing.
fn jq_path(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim();
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let dotted = rest.strip_prefix('.');
        rest = dotted.unwrap_or(rest);
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (step, tail) = quoted.split_once("\"]")?;
            steps.push(plain(step)?);
            rest = tail;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            dotted?;
            let (step, tail) = quoted.split_once('"')?;
            steps.push(plain(step)?);
            rest = tail;
        } else {
            dotted?;
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let (step, tail) = rest.split_at(end);
            (!step.is_empty()).then(|| steps.push(step.to_owned()))?;
            rest = tail;
        }
    }
    Some(steps)
}

fn plain(step: &str) -> Option<String> {
    (!step.is_empty() && !step.contains(['\\', '"'])).then(|| step.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CM: Place<'static> = Place { group: "", kind: "ConfigMap", namespace: Some("argocd"), name: "argocd-cm" };
    const FLAG: [&str; 2] = ["data", "exec.enabled"];

    fn application(namespace: &str, name: &str, spec: &str) -> Arc<Application> {
        let text =
            format!("{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: {name}, namespace: {namespace}}}, spec: {spec}}}");
        Arc::new(serde_yaml::from_str(&text).unwrap())
    }

    fn meta(yaml: &str) -> ObjectMeta {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn ignoring(what: &str, options: &str) -> Arc<Application> {
        application(
            "argocd",
            "cd",
            &format!("{{ignoreDifferences: [{{group: '', kind: ConfigMap, {what}}}], syncPolicy: {{syncOptions: [{options}]}}}}"),
        )
    }

    fn left(application: Arc<Application>) -> bool {
        Claim { application: "cd".to_owned(), candidates: vec![application] }.leaves(CM, &FLAG, "argocd-access")
    }

    #[test]
    fn an_annotation_counts_only_on_the_object_that_it_names() {
        let tracking = Tracking::default();
        let claim =
            |id: &str| tracking.claim(CM, &meta(&format!("{{annotations: {{argocd.argoproj.io/tracking-id: '{id}'}}}}"))).map(|c| c.application);
        assert_eq!(claim("cd:/ConfigMap:argocd/argocd-cm").as_deref(), Some("cd"));
        for other in [
            "cd:/ConfigMap:argocd/other",
            "cd:/ConfigMap:other/argocd-cm",
            "cd:apps/ConfigMap:argocd/argocd-cm",
            "cd",
            "",
            ":/ConfigMap:argocd/argocd-cm",
        ] {
            assert_eq!(claim(other), None, "{other:?}");
        }
        let role = Place { group: "rbac.authorization.k8s.io", kind: "ClusterRole", namespace: None, name: "argocd-server" };
        let annotated = meta("{annotations: {argocd.argoproj.io/tracking-id: 'cd:rbac.authorization.k8s.io/ClusterRole:argocd/argocd-server'}}");
        assert!(tracking.claim(role, &annotated).is_some(), "a cluster-scoped object carries the destination's namespace");
    }

    #[test]
    fn a_label_counts_only_where_the_instance_tracks_by_it_and_such_an_application_exists() {
        let applications = [application("argocd", "cd", "{}")];
        let by_label = Data::from([("application.resourceTrackingMethod".to_owned(), "annotation+label".to_owned())]);
        let named = |value: &str| meta(&format!("{{labels: {{app.kubernetes.io/instance: {value}}}}}"));
        let claim = |settings: Option<&Data>, version, value: &str| {
            Tracking::new("argocd", settings, Some(version), &applications).claim(CM, &named(value)).is_some()
        };
        assert!(claim(Some(&by_label), (3, 2), "cd"));
        assert!(!claim(Some(&by_label), (3, 2), "argocd"), "Helm's release is no Application");
        assert!(!claim(None, (3, 0), "cd") && claim(None, (2, 14), "cd"));
    }

    #[test]
    fn an_application_of_another_namespace_is_found_too() {
        let applications = [application("team", "cd", "{}"), application("central", "platform", "{}")];
        let tracking = Tracking::new("argocd", None, None, &applications);
        for (id, found) in [("team_cd", "cd"), ("platform", "platform")] {
            let annotated = meta(&format!("{{annotations: {{argocd.argoproj.io/tracking-id: '{id}:/ConfigMap:argocd/argocd-cm'}}}}"));
            let claim = tracking.claim(CM, &annotated).unwrap();
            assert_eq!(claim.candidates[0].metadata.name.as_deref(), Some(found));
        }
    }

    #[test]
    fn a_field_is_left_to_us_when_it_or_our_manager_is_named_and_that_is_respected() {
        for what in [
            "managedFieldsManagers: [argocd-access]",
            "jsonPointers: [/data/exec.enabled]",
            "jsonPointers: [/data]",
            "jqPathExpressions: ['.data.\"exec.enabled\"']",
            "jqPathExpressions: ['.data[\"exec.enabled\"]']",
            "jqPathExpressions: ['.data']",
            "name: argocd-cm, namespace: argocd, managedFieldsManagers: [argocd-access]",
        ] {
            assert!(left(ignoring(what, "RespectIgnoreDifferences=true")), "{what}");
            assert!(!left(ignoring(what, "")), "{what}: a sync would write over it");
        }
        for what in [
            "managedFieldsManagers: [other]",
            "jsonPointers: [/data/exec]",
            "jsonPointers: [/data/exec.enabled/x]",
            "jsonPointers: ['']",
            "jqPathExpressions: ['.data.exec.enabled']",
            "jqPathExpressions: ['.data | keys']",
            "name: other, managedFieldsManagers: [argocd-access]",
            "namespace: other, managedFieldsManagers: [argocd-access]",
        ] {
            assert!(!left(ignoring(what, "RespectIgnoreDifferences=true")), "{what}");
        }
        assert!(!Claim { application: "cd".to_owned(), candidates: Vec::new() }.leaves(CM, &FLAG, "argocd-access"), "not seen");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[a-z.\\[\\]\"/~|:_ ]{0,20}") {
            let _ = (pointer(&text), jq_path(&text), tracked(&text, CM));
        }

        #[test]
        fn a_plain_path_is_read_back(steps in proptest::collection::vec("[a-z.]{1,6}", 1..4)) {
            let quoted = format!(".\"{}\"", steps.join("\".\""));
            let bracketed = format!("[\"{}\"]", steps.join("\"][\""));
            proptest::prop_assert_eq!(jq_path(&quoted), Some(steps.clone()));
            proptest::prop_assert_eq!(jq_path(&format!(".{bracketed}")), Some(steps.clone()));
            proptest::prop_assert_eq!(pointer(&format!("/{}", steps.join("/"))), Some(steps));
        }
    }
}
