//! One look at an Argo CD and one Application, with the caller's own rights: questions only, at once where they do not depend on each other,
//! each with a time-out. What may not be read is an answer, too. Secrets are never asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::api::ExecAccess;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM, ARGOCD_RBAC_CM};
use crate::cluster_io::api_server::about;
use crate::cluster_io::parsed::{Parsed, Watched};
use crate::cluster_io::review::{Asked, review};
use crate::cluster_io::{AT_ONCE, RequestError, request};
use crate::config::InstanceConfig;
use crate::exec::World;
use crate::exec::remote::Cluster;
use crate::explain::observed::{Live, Observed, Reviewed, pod_namespace};
use crate::explain::pod::between;
use crate::explain::question::Question;
use crate::reconcile::{NotSeen, Seen};

/// The HTTP status of what is not there.
pub(super) const ABSENT: u16 = 404;
/// The HTTP status of what is not allowed.
const FORBIDDEN: u16 = 403;
/// So many owners are asked about; a namespace may hold thousands.
const OWNERS: usize = 64;

/// Looks.
pub async fn look(client: &Client, question: &Question) -> Observed {
    let instance = question.instance.as_str();
    let world = Box::pin(world(client, instance));
    let admission = Box::pin(async {
        tokio::join!(
            all(Api::all(client.clone()), "validatingadmissionpolicies"),
            all(Api::all(client.clone()), "validatingadmissionpolicybindings"),
            all(Api::all(client.clone()), "validatingwebhookconfigurations"),
            all(Api::all(client.clone()), "mutatingwebhookconfigurations"),
        )
    });
    let (mut world, application, (policies, bindings, validating, mutating), exec_access) =
        tokio::join!(world, application(client, question), admission, has_exec_access(client, instance));
    world.applications = application.as_ref().map_err(Clone::clone).map(|live| live.iter().map(|l| Arc::new(l.application.clone())).collect());
    let namespace = pod_namespace(question, application.as_ref().ok().and_then(Option::as_ref));
    let here = matches!(&application, Ok(Some(live)) if Cluster::of(&live.application.spec.destination).is_none());
    let (namespace, pods, review) = match namespace.filter(|_| here) {
        None => (Ok(None), Ok(Vec::new()), Reviewed::NotAsked),
        Some(namespace) => tokio::join!(
            one(Api::all(client.clone()), "namespaces", &namespace),
            pods(client, question, &namespace),
            reviewed(client, &world, &namespace)
        ),
    };
    let owners = owners(client, pods.as_deref().unwrap_or_default()).await;
    Observed {
        world,
        application,
        policies,
        bindings,
        validating,
        mutating,
        namespace,
        pods,
        owners,
        review,
        now: jiff::Timestamp::now(),
        exec_access,
    }
}

async fn world(client: &Client, instance: &str) -> World {
    let config_map = |name: &'static str| one(Api::namespaced(client.clone(), instance), "configmaps", name);
    let maps = async { tokio::join!(config_map(ARGOCD_CM), config_map(ARGOCD_RBAC_CM), config_map(ARGOCD_CMD_PARAMS_CM), about(client)) };
    let (maps, clusters, deployments, services, ingresses, http_routes, backend_configs, ingress_classes, projects) = tokio::join!(
        maps,
        all(Api::namespaced(client.clone(), instance), "clusteraccesses"),
        all(Api::namespaced(client.clone(), instance), "deployments"),
        all(Api::namespaced(client.clone(), instance), "services"),
        all(Api::namespaced(client.clone(), instance), "ingresses"),
        all(Api::namespaced(client.clone(), instance), "httproutes"),
        all(Api::namespaced(client.clone(), instance), "backendconfigs"),
        all(Api::all(client.clone()), "ingressclasses"),
        all(Api::namespaced(client.clone(), instance), "appprojects"),
    );
    let (argocd_cm, rbac_cm, params_cm, about) = maps;
    World {
        // A version that is not known is a fact of its own.
        kubernetes_version: about.ok().and_then(|about| about.version),
        argocd_cm,
        rbac_cm,
        params_cm,
        deployments,
        services,
        ingresses,
        http_routes,
        backend_configs,
        ingress_classes,
        projects,
        clusters,
        ..World::empty(InstanceConfig::of(instance), "")
    }
}

async fn application(client: &Client, question: &Question) -> Seen<Option<Live>> {
    let kind = "applications";
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application"));
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), question.app_namespace(), &resource);
    let found = seen(kind, request("read the Application", api.get_opt(&question.app.name)).await)?;
    let read =
        |object: DynamicObject| serde_json::to_value(object).and_then(|tree| Live::read(&tree)).map_err(|e| NotSeen { kind, why: e.to_string() });
    found.map(read).transpose()
}

async fn has_exec_access(client: &Client, instance: &str) -> bool {
    let api = Api::<ExecAccess>::namespaced(client.clone(), instance);
    let answer = request("look for ExecAccess", api.list_metadata(&ListParams::default().limit(1))).await;
    // Who may not list them is not told that they are the way to go.
    answer.is_ok()
}

async fn pods(client: &Client, question: &Question, namespace: &str) -> Seen<Vec<Arc<Pod>>> {
    let api = Api::namespaced(client.clone(), namespace);
    match &question.pod {
        Some(name) => one(api, "pods", name).await.map(|pod| pod.into_iter().collect()),
        None => all(api, "pods").await,
    }
}

async fn reviewed(client: &Client, world: &World, namespace: &str) -> Reviewed {
    let Ok(Ok(server)) = world.server() else { return Reviewed::NotAsked };
    let of = Asked { instance: world.namespace(), service_account: &server.service_account };
    match review(client, of, namespace).await {
        Ok(review) => Reviewed::Answered(review),
        Err(error) if error.code() == Some(FORBIDDEN) => Reviewed::Forbidden(error.chain()),
        Err(error) => Reviewed::Failed(error.chain()),
    }
}

/// What owns the owners of these Pods.
async fn owners(client: &Client, pods: &[Arc<Pod>]) -> BTreeMap<(String, String), Seen<Vec<OwnerReference>>> {
    let of = |pod: &Arc<Pod>| {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        between(pod).into_iter().map(move |(kind, name)| (namespace.clone(), kind, name))
    };
    let wanted: BTreeSet<(String, String, String)> = pods.iter().flat_map(of).take(OWNERS).collect();
    let ask = async |(namespace, kind, name): (String, String, String)| {
        let found = match kind.as_str() {
            "Job" => above(Api::<Job>::namespaced(client.clone(), &namespace), "jobs", &name).await,
            _ => above(Api::<ReplicaSet>::namespaced(client.clone(), &namespace), "replicasets", &name).await,
        };
        ((kind, name), found)
    };
    futures::stream::iter(wanted).map(ask).buffer_unordered(AT_ONCE).collect().await
}

async fn above<K>(api: Api<K>, kind: &'static str, name: &str) -> Seen<Vec<OwnerReference>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let found = seen(kind, request(format!("read {kind} {name}"), api.get_metadata(name)).await)?;
    Ok(found.metadata.owner_references.unwrap_or_default())
}

/// One object, or that there is none.
pub(super) async fn one<K: Watched>(api: Api<Parsed<K>>, kind: &'static str, name: &str) -> Seen<Option<Arc<K>>> {
    seen(kind, request(format!("read {kind} {name}"), api.get_opt(name)).await).map(|found| found.map(|object| object.0))
}

/// All objects of a kind; none where the cluster does not know the kind.
pub(super) async fn all<K: Watched>(api: Api<Parsed<K>>, kind: &'static str) -> Seen<Vec<Arc<K>>> {
    match request(format!("list {kind}"), api.list(&ListParams::default())).await {
        Err(error) if error.code() == Some(ABSENT) => Ok(Vec::new()),
        answer => seen(kind, answer).map(|list| list.items.into_iter().map(|object| object.0).collect()),
    }
}

pub(super) fn seen<T>(kind: &'static str, answer: Result<T, RequestError>) -> Seen<T> {
    answer.map_err(|error| NotSeen { kind, why: error.chain() })
}
