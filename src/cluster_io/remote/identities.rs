//! What there is in the hub of identities in AWS: Argo CD's ServiceAccounts, the ConfigMaps with documents, the objects of controllers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};

use crate::api::cluster_aws::Output;
use crate::api::conditions::{Reason, Verdict};
use crate::api::{ClusterAccess, INSTANCE_LABEL};
use crate::cluster_io::{RequestError, request};
use crate::clusters::aws::ServiceAccounts;
use crate::clusters::aws::fold::ServiceAccount as Seen;
use crate::clusters::aws::objects::{Key, Kind};
use crate::clusters::identity::Here;
use crate::clusters::names::aws_config_map;

/// The names of Argo CD's ServiceAccounts, where its own manifests and its chart give them no others.
const ACCOUNTS: [&str; 3] = ["argocd-server", "argocd-application-controller", "argocd-applicationset-controller"];
/// By this our objects' names begin: one of somebody else that has such a name stands in the way.
const OURS: &str = "argocd-access-";

/// Looks. `server`: the name of argocd-server's `ServiceAccount`, as its Deployment says it; `all`: every object of the instance.
///
/// # Errors
/// The verdict of `AWSReady`.
pub async fn look(client: &Client, namespace: &str, server: Option<&str>, all: &[Arc<ClusterAccess>]) -> Result<Here, Verdict> {
    let failed = |error: RequestError| Verdict::unknown(Reason::NotReadable, error.chain());
    let [default, controller, sets] = ACCOUNTS;
    let (server, controller, sets) = tokio::try_join!(
        account(client, namespace, server.unwrap_or(default)),
        account(client, namespace, controller),
        account(client, namespace, sets)
    )
    .map_err(failed)?;
    let accounts = ServiceAccounts { server, application_controller: controller, applicationset_controller: sets };
    let mut here = Here { objects: BTreeMap::new(), no_kinds: BTreeSet::new(), config_maps: BTreeMap::new(), accounts };
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for cluster in all.iter().filter(|access| access.spec.aws.is_some()).map(|access| access.cluster()) {
        let name = aws_config_map(cluster);
        match request(format!("get ConfigMap {namespace}/{name}"), config_maps.get_opt(&name)).await {
            Ok(Some(found)) => drop(here.config_maps.insert(cluster.to_owned(), (found.metadata, found.data.unwrap_or_default()))),
            Ok(None) => {}
            // Of a cluster that is not listed nothing is put out.
            Err(error) if error.code() == Some(403) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    for (kind, place) in places(namespace, all) {
        objects(client, namespace, kind, &place, &mut here).await?;
    }
    Ok(here)
}

async fn account(client: &Client, namespace: &str, name: &str) -> Result<Seen, RequestError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let found = request(format!("get ServiceAccount {namespace}/{name}"), api.get_opt(name)).await?;
    Ok(Seen { name: name.to_owned(), annotations: found.map(|account| account.metadata.annotations.unwrap_or_default()) })
}

/// The kinds that are looked at, and where.
fn places(namespace: &str, all: &[Arc<ClusterAccess>]) -> BTreeSet<(Kind, String)> {
    let declared = all.iter().filter_map(|access| access.spec.aws.as_ref()).filter(|aws| aws.output != Output::Text);
    let place = |name: &Option<String>| name.clone().unwrap_or_else(|| namespace.to_owned());
    let each = declared.flat_map(|aws| {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.output() == aws.output);
        kinds.flat_map(|kind| [(kind, place(&aws.hub.namespace)), (kind, place(&aws.spoke.namespace))]).collect::<Vec<_>>()
    });
    each.collect()
}

async fn objects(client: &Client, instance: &str, kind: Kind, namespace: &str, here: &mut Here) -> Result<(), Verdict> {
    let (api_version, name, plural) = kind.names();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let list = match request(format!("list {plural}.{group} in {namespace}"), api.list(&ListParams::default())).await {
        Ok(list) => list,
        Err(error) if error.code() == Some(404) => {
            here.no_kinds.insert(kind);
            return Ok(());
        }
        Err(error) if error.code() == Some(403) => {
            let value = if kind.output() == Output::Ack { "ack" } else { "crossplane" };
            let message = format!(
                "the operator may not write {plural}.{group} in {namespace}; the platform admin sets the Helm value clusterAccess.aws.{value} (and clusterAccess.aws.namespaces, where it is another namespace)"
            );
            return Err(Verdict::no(Reason::NotPermitted, message));
        }
        Err(error) => return Err(Verdict::unknown(Reason::NotReadable, error.chain())),
    };
    for object in list.items {
        let name = object.metadata.name.clone().unwrap_or_default();
        let marked = object.metadata.labels.as_ref().is_some_and(|labels| labels.get(INSTANCE_LABEL).is_some_and(|of| of == instance));
        if let (true, Ok(value)) = (marked || name.starts_with(OURS), serde_json::to_value(&object)) {
            here.objects.insert(Key { kind, namespace: namespace.to_owned(), name }, value);
        }
    }
    Ok(())
}
