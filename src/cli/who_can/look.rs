//! One look at an instance, with the caller's own rights. What cannot be read is said, and does not keep the rest from being read.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, ListParams, Object};
use kube::{Api, Client, ResourceExt};
use serde::{Deserialize, Serialize};

use crate::argocd::instance::find_server;
use crate::argocd::kinds::{AppProject, Application, ApplicationSpec};
use crate::argocd::policy::Data;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM, ARGOCD_RBAC_CM};
use crate::cluster_io::parsed::{Parsed, Watched};
use crate::cluster_io::request;
use crate::explain::who_can::{Place, Read, Seen};

/// The part of an Application's status that says where it has something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Status {
    resources: Option<Vec<Resource>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Resource {
    namespace: Option<String>,
}

/// Looks at the instance of a namespace.
pub async fn look(client: &Client, namespace: &str) -> Seen {
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let data = async |name: &str| -> Read<Option<Data>> {
        let found = request(format!("read ConfigMap {name} of {namespace}"), config_maps.get_opt(name)).await.map_err(|e| e.chain())?;
        Ok(found.map(|config_map| config_map.data.unwrap_or_default()))
    };
    let (argocd_cm, rbac_cm, params) = futures::join!(data(ARGOCD_CM), data(ARGOCD_RBAC_CM), data(ARGOCD_CMD_PARAMS_CM));
    let (deployments, projects, applications) = futures::join!(
        list("Deployments", namespace, Api::<Parsed<Deployment>>::namespaced(client.clone(), namespace)),
        list("AppProjects", namespace, Api::<Parsed<AppProject>>::namespaced(client.clone(), namespace)),
        applications(client),
    );
    // One that does not exist sets nothing; one that cannot be read leaves open what it sets.
    let params = params.ok().map(Option::unwrap_or_default);
    let server = deployments.map(|all| find_server(&all, params.as_ref()));
    Seen { namespace: namespace.to_owned(), argocd_cm, rbac_cm, server, projects, applications }
}

async fn list<K: Watched>(kind: &str, namespace: &str, api: Api<Parsed<K>>) -> Read<Vec<K>> {
    let found = request(format!("list {kind} of {namespace}"), api.list(&ListParams::default())).await;
    found.map(|list| list.items.into_iter().map(|object| Arc::unwrap_or_clone(object.0)).collect()).map_err(|e| e.chain())
}

async fn applications(client: &Client) -> Read<Vec<Place>> {
    let api: Api<Object<ApplicationSpec, Status>> = Api::all_with(client.clone(), &ApiResource::erase::<Application>(&()));
    let found = request("list the Applications of all namespaces", api.list(&ListParams::default())).await.map_err(|e| e.chain())?;
    Ok(found.items.into_iter().map(place).collect())
}

fn place(application: Object<ApplicationSpec, Status>) -> Place {
    let resources: BTreeSet<String> =
        application.status.iter().filter_map(|s| s.resources.as_ref()).flatten().filter_map(|resource| resource.namespace.clone()).collect();
    Place {
        namespace: application.namespace().unwrap_or_default(),
        name: application.name_any(),
        project: if application.spec.project.is_empty() { "default".to_owned() } else { application.spec.project.clone() },
        destination: application.spec.destination,
        resources,
    }
}
