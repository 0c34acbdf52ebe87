//! What is rendered fits the schemas of every minor version of Kubernetes that the operator serves; real API servers are there for two of
//! them alone.
//!
//! The schemas are those of Kubernetes' own OpenAPI documents, by the package kubernetes-validate: strict (a field that is not known is
//! refused), all minors in one small package that is fetched with the others of `tests/tools/pypi`. The modules of Kubernetes itself have them,
//! too, but are a hundred megabytes for each minor. They say no more than what kinds, fields and types there are: what an API server checks
//! beyond, the real ones of the other tests do.

use std::process::Command;

use argocd_access::argocd::versions;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    install::{EVERYTHING, RELEASE},
    rendering::{render, render_release},
    support::{manifests, openmetrics::fed, tools},
};

const JUDGE: &str = r#"
import functools, json, sys
import jsonschema
from kubernetes_validate import utils

# Each schema is read once, and not for each object.
utils.schema_contents = functools.cache(utils.schema_contents)

def strict(schema):
    """A definition's own schema, by which nothing is allowed that it does not name."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema

def custom(definition):
    of, version = definition["spec"], definition["spec"]["versions"][0]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return (f'{of["group"]}/{version["name"]}', of["names"]["kind"]), jsonschema.Draft202012Validator(schema)

asked = json.load(sys.stdin)
customs = dict(custom(definition) for definition in asked["definitions"])
wrong = []
for version in asked["versions"]:
    for thing in asked["objects"]:
        kind = (thing["apiVersion"], thing["kind"])
        try:
            if kind in customs:
                customs[kind].validate(thing)
            else:
                # It would take an older one for a version that it does not have.
                used = utils.validate(thing, version, strict=True)
                assert used == version, f"{version} is judged by {used}"
        except (jsonschema.ValidationError, utils.SchemaNotFoundError) as error:
            place = "/".join(str(part) for part in getattr(error, "absolute_path", []))
            wrong.append({"version": version, "kind": kind[1], "name": thing["metadata"]["name"], "why": f"{place}: {error.message}"})
print(json.dumps(wrong))
"#;

/// What does not fit.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Wrong {
    version: String,
    kind: String,
    name: String,
    why: String,
}

fn supported() -> Vec<String> {
    versions::KUBERNETES.iter().map(|(major, minor)| format!("{major}.{minor}")).collect()
}

/// Judges these objects by the schemas of all versions. Those of kinds of others by their own definitions.
fn judge(objects: &[Value]) -> Vec<Wrong> {
    let definitions = manifests::read_folder(&tools::repository().join("tests/corpus/prometheus-operator"), ".yaml");
    let question = json!({"versions": supported(), "objects": objects, "definitions": definitions});
    let said = fed(Command::new(tools::python()).args(["-c", JUDGE]), &question.to_string()).success();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn every_rendering_fits_every_version_of_kubernetes_that_is_served() {
    let more = [
        "live.agents={edge},live.ceiling.edit=true,live.ceiling.delete=true",
        "instance.inPlace.role=argocd-server,instance.inPlace.clusterRole=argocd-server,instance.writeBackendConfigs=true",
        "additionalInstances[0].namespace=two,additionalInstances[0].serverRoles=Dedicated",
        "metrics.serviceMonitor.interval=30s",
        "topologySpreadConstraints[0].maxSkew=1,topologySpreadConstraints[0].topologyKey=zone,topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key=metadata.name",
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].operator=Exists",
    ];
    let mut objects = render(&[]).objects;
    objects.extend(render_release(RELEASE, "argocd", &EVERYTHING).objects);
    let all = render_release(RELEASE, "argocd", &[&EVERYTHING[..], &more].concat()).objects;
    let kinds = ["CustomResourceDefinition", "Deployment", "Job", "Pod", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor", "PrometheusRule"];
    for kind in kinds {
        assert!(all.iter().any(|object| object["kind"] == kind), "nothing renders a {kind}");
    }
    objects.extend(all);
    assert_eq!(judge(&objects), []);
}

/// The rendered object of this kind, changed in one place.
fn changed(kind: &str, place: &str, value: Value) -> Value {
    let settings = ["metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"];
    let mut object = render(&settings).of_kind(kind).next().unwrap_or_else(|| panic!("no {kind}")).clone();
    let (above, key) = place.rsplit_once('/').expect("a place");
    object.pointer_mut(above).unwrap_or_else(|| panic!("no {above} in the {kind}"))[key] = value;
    object
}

#[test]
fn a_misspelt_field_and_a_value_of_another_type_are_seen_in_every_version() {
    for (kind, place, value) in [
        ("Deployment", "/spec/template/spec/containers/0/imagePullPolcy", json!("Always")),
        ("Deployment", "/spec/replicas", json!("two")),
        ("ClusterRole", "/rules/0/resourceName", json!(["a"])),
        ("CustomResourceDefinition", "/spec/versions/0/schema/openAPIV3Schema/propertys", json!({})),
        ("Service", "/spec/ports/0/name", json!(1)),
        ("ServiceMonitor", "/spec/endpoints/0/prot", json!("http")),
        ("PrometheusRule", "/spec/groups/0/rules/0/alerts", json!("a")),
    ] {
        let wrong = judge(&[changed(kind, place, value)]);
        let versions: Vec<&str> = wrong.iter().map(|wrong| wrong.version.as_str()).collect();
        assert_eq!(versions, supported(), "{place}: {wrong:?}");
        let field = place.rsplit('/').next().expect("a field");
        assert!(wrong.iter().all(|wrong| wrong.kind == kind && wrong.why.contains(field)), "{place}: {wrong:?}");
    }
}

#[test]
fn a_field_and_a_kind_that_only_later_versions_have_are_refused_in_the_earlier_ones() {
    let refused = |object: Value| judge(&[object]).into_iter().map(|wrong| wrong.version).collect::<Vec<_>>();
    // Both are of Kubernetes 1.34.
    let field = changed("Deployment", "/spec/template/spec/hostnameOverride", json!("a"));
    assert_eq!(refused(field), ["1.30", "1.31", "1.32", "1.33"]);
    let kind = json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "a"}, "spec": {}});
    assert_eq!(refused(kind), ["1.30", "1.31", "1.32", "1.33"]);
}
