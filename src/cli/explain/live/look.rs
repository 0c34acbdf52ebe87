//! One look at an agent, one Application and one of its resources, with the caller's own rights: questions only, each with a time-out. What
//! may not be read is an answer, too. Of a resource and its owners only the metadata is asked for, and of Secrets not even that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};

use crate::api::{GroupKind, LiveResourceAccess, Side};
use crate::argocd::deployed::Deployed;
use crate::argocd::kinds::AppProject;
use crate::argocd::{ARGOCD_CM, ARGOCD_CMD_PARAMS_CM};
use crate::cli::explain::look::{ABSENT, all, one, seen};
use crate::cluster_io::api_server::about;
use crate::cluster_io::declared::Declared;
use crate::cluster_io::parsed::Parsed;
use crate::cluster_io::review::{Asked, questions};
use crate::cluster_io::{discover, request};
use crate::config::InstanceConfig;
use crate::explain::live::observed::{Accesses, Hub, Observed, Owner};
use crate::explain::live::owners::{next, search};
use crate::explain::live::question::Question;
use crate::explain::live::{kubernetes, rights};
use crate::live::principal::World;
use crate::live::sensitive::is_secret;
use crate::live::world::ConfigMaps;
use crate::reconcile::{NotSeen, Seen};

/// Looks.
pub async fn look(client: &Client, question: &Question) -> Observed {
    let instance = question.instance.as_str();
    let (about, deployments, argocd_cm, application, discovery, accesses) = tokio::join!(
        about(client),
        all::<Deployment>(Api::namespaced(client.clone(), instance), "deployments"),
        one(Api::namespaced(client.clone(), instance), "configmaps", ARGOCD_CM),
        one::<Deployed>(Api::namespaced(client.clone(), question.app_namespace()), "applications", &question.app.name),
        discover::discovery(client, None),
        accesses(client, instance),
    );
    let config_maps = config_maps(client, instance, deployments.as_deref().unwrap_or_default()).await;
    let mut observed = Observed {
        kubernetes_version: about.ok().and_then(|about| about.version),
        deployments,
        config_maps,
        argocd_cm,
        application,
        project: Ok(None),
        namespace: Ok(None),
        discovery: seen("API resources", discovery),
        resource: Ok(None),
        owners: BTreeMap::new(),
        accesses,
        reviews: BTreeMap::new(),
        hub: None,
    };
    if observed.principal().is_some() {
        observed.hub = Some(Box::pin(hub(client, instance, &observed)).await);
        return observed;
    }
    if let Some(name) = observed.app().map(|app| app.project().to_owned()) {
        observed.project = one::<AppProject>(Api::namespaced(client.clone(), instance), "appprojects", &name).await;
    }
    if let Some(place) = observed.place(question) {
        climb(client, question, &place, &mut observed).await;
        review(client, question, &place, &mut observed).await;
    }
    observed
}

/// The control plane. Who keeps its objects besides is not looked at: that decides how a value is set, not whether it is.
async fn hub(client: &Client, instance: &str, observed: &Observed) -> Hub {
    let namespaced = || client.clone();
    let (params_cm, stateful_sets, services, pods, network_policies) = tokio::join!(
        one(Api::namespaced(namespaced(), instance), "configmaps", ARGOCD_CMD_PARAMS_CM),
        all(Api::namespaced(namespaced(), instance), "statefulsets"),
        all(Api::namespaced(namespaced(), instance), "services"),
        all(Api::namespaced(namespaced(), instance), "pods"),
        all(Api::namespaced(namespaced(), instance), "networkpolicies"),
    );
    let accesses = observed.accesses().iter().filter(|access| access.spec.side == Side::Principal).cloned().collect();
    let world = World {
        kubernetes_version: observed.kubernetes_version.clone(),
        accesses,
        argocd_cm: observed.argocd_cm.clone(),
        params_cm,
        config_maps: observed.config_maps.clone(),
        deployments: observed.deployments.clone(),
        stateful_sets,
        services,
        pods,
        network_policies,
        ..World::empty(InstanceConfig::of(instance))
    };
    Hub { world, at: jiff::Timestamp::now() }
}

/// The resource, and what owns it as far as the agent would climb.
async fn climb(client: &Client, question: &Question, place: &str, observed: &mut Observed) {
    if !place.is_empty() {
        observed.namespace = one::<Namespace>(Api::all(client.clone()), "namespaces", place).await;
    }
    if observed.known(&question.resource.kind).is_none() {
        return;
    }
    observed.resource = metadata(client, &question.resource.kind, None, place, &question.resource.name, observed).await;
    while let Some(owner) = next(question, observed) {
        let found = metadata(client, &owner.resource.kind, Some(&owner), place, &owner.resource.name, observed).await;
        observed.owners.insert(owner, found);
    }
}

async fn review(client: &Client, question: &Question, place: &str, observed: &mut Observed) {
    let Ok(Ok(agent)) = observed.agent() else { return };
    let needs = rights::needed(question, observed, &search(observed));
    let all: BTreeSet<_> = needs.iter().map(|need| need.asked.clone()).chain(kubernetes::beside(place, &needs)).collect();
    observed.reviews = questions(client, Asked { instance: &question.instance, service_account: &agent.service_account }, all).await;
}

/// The metadata of one object; the version of its kind is the one that a reference names, else the one that the API server prefers.
async fn metadata(client: &Client, kind: &GroupKind, by: Option<&Owner>, place: &str, name: &str, observed: &Observed) -> Seen<Option<ObjectMeta>> {
    const KIND: &str = "the resource or its owners";
    if is_secret(kind) {
        return Err(NotSeen { kind: "Secrets", why: "explain asks for none, not even for their metadata".to_owned() });
    }
    let Some(known) = observed.known(kind) else { return Ok(None) };
    let version = match by {
        Some(owner) => owner.version.clone(),
        None => match preferred(client, kind).await? {
            Some(version) => version,
            None => return Ok(None),
        },
    };
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(&kind.group, &version, &kind.kind), &known.plural);
    let api: Api<DynamicObject> =
        if known.namespaced { Api::namespaced_with(client.clone(), place, &resource) } else { Api::all_with(client.clone(), &resource) };
    let found = request(format!("read the metadata of {kind} {name}"), api.get_metadata_opt(name)).await;
    Ok(seen(KIND, found)?.map(|object| object.metadata))
}

async fn preferred(client: &Client, kind: &GroupKind) -> Seen<Option<String>> {
    let group = request(format!("ask for the versions of {kind}"), kube::discovery::group(client, &kind.group)).await;
    let group = seen("API resources", group)?;
    Ok(group.recommended_kind(&kind.kind).map(|(resource, _)| resource.version))
}

/// The ConfigMaps that the Deployments of the namespace take their environment from.
async fn config_maps(client: &Client, instance: &str, deployments: &[Arc<Deployment>]) -> Seen<ConfigMaps> {
    let mut found = ConfigMaps::new();
    for name in crate::live::agent::config_maps(deployments) {
        let config_map = one::<ConfigMap>(Api::namespaced(client.clone(), instance), "configmaps", &name).await?;
        found.insert(name, config_map);
    }
    Ok(found)
}

async fn accesses(client: &Client, instance: &str) -> Seen<Accesses> {
    let kind = "liveresourceaccesses";
    let api: Api<Parsed<Declared<LiveResourceAccess>>> = Api::namespaced(client.clone(), instance);
    let list = match request(format!("list {kind} of {instance}"), api.list(&ListParams::default())).await {
        Err(error) if error.code() == Some(ABSENT) => return Ok(Accesses::NoKind),
        answer => seen(kind, answer)?,
    };
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for object in list.items {
        match &object.0.0 {
            Ok(access) => all.push(Arc::clone(access)),
            Err(invalid) => unreadable.push(invalid.metadata.name.clone().unwrap_or_default()),
        }
    }
    Ok(Accesses::Some(all, unreadable))
}
