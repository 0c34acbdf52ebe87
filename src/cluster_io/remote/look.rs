//! Looks at a remote cluster with the operator's own credential there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

use super::connect::verdict;
use crate::api::conditions::{Reason, Verdict};
use crate::cluster_io::discover::{ceiling, discovery};
use crate::cluster_io::{RequestError, request};
use crate::clusters::names::{EXEC, LOGS, MANAGER, NAMESPACE, ROLES, SYNC, SYNC_CLUSTER, anchors};
use crate::clusters::remote::Remote;
use crate::live::discovery::Discovery;

/// What is looked at.
pub struct Asked {
    /// The uid that kube-system must have.
    pub cluster_uid: String,
    /// The namespaces by their names; `None`: all of them.
    pub namespaces: Option<BTreeSet<String>>,
    /// The namespace of the anchors, and their names; `None`: the credential is none of a ServiceAccount.
    pub anchors: Option<(String, [String; 2])>,
    /// Whether others keep the rights, so that bindings may be unreadable.
    pub tolerant: bool,
    /// Whether the operator writes roles there.
    pub manages: bool,
    /// Whether kube-system/aws-auth is looked at; where no entry is needed, one of ours may be left in it, and it need not be readable.
    pub aws_auth: Option<bool>,
    /// The kinds, where they are known from a moment ago.
    pub discovery: Option<Arc<Discovery>>,
    /// What a person runs where something is not allowed.
    pub command: String,
}

/// Looks.
///
/// # Errors
/// The verdict of `RemoteReachable`.
pub async fn look(client: &Client, asked: &Asked) -> Result<Remote, Verdict> {
    let failed = |error: RequestError| verdict(&error, &asked.command);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = request("get Namespace kube-system of the remote cluster", namespaces.get_metadata("kube-system")).await.map_err(failed)?;
    let found = system.metadata.uid.unwrap_or_default();
    if found != asked.cluster_uid {
        let message = format!(
            "behind the address is another cluster: its kube-system has the uid {found}, and the bootstrap saw {}; nothing is given to it. Where the cluster was made anew: {}",
            asked.cluster_uid, asked.command
        );
        return Err(Verdict::no(Reason::WrongCluster, message));
    }
    let version = async { request("ask for the version of the remote cluster", client.apiserver_version()).await.ok().map(|v| v.git_version) };
    let kinds = async {
        match &asked.discovery {
            Some(known) => Some(Arc::clone(known)),
            None => discovery(client, None)
                .await
                .map(Arc::new)
                .map_err(|error| tracing::warn!(error = %error.chain(), "a remote cluster did not say which kinds it has"))
                .ok(),
        }
    };
    let held = async { if asked.manages { ceiling(client).await.ok() } else { None } };
    let (own_namespace, own_names) = (NAMESPACE.to_owned(), anchors(MANAGER));
    let (version, discovery, ceiling, there, roles, bindings, wide, mine, own, aws_auth) = tokio::join!(
        version,
        kinds,
        held,
        namespaces_of(client, asked),
        roles(client, asked),
        bindings(client, asked),
        wide_bindings(client, asked),
        mine(client, asked),
        secrets(client, &own_namespace, &own_names),
        aws_auth(client, asked),
    );
    Ok(Remote {
        version,
        discovery,
        namespaces: there.map_err(failed)?,
        roles: roles.map_err(failed)?,
        role_bindings: bindings.map_err(failed)?,
        cluster_role_bindings: wide.map_err(failed)?,
        anchors: mine.map_err(failed)?,
        manager_anchors: own.map_err(failed)?,
        aws_auth: aws_auth.map_err(failed)?,
        ceiling,
    })
}

/// What is not there is not there; and where others keep the rights, what may not be read is none of ours.
fn absent<T>(answer: Result<T, RequestError>, tolerant: bool) -> Result<Option<T>, RequestError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == Some(404) || (tolerant && error.code() == Some(403)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn get<K>(api: &Api<K>, name: &str, tolerant: bool) -> Result<Option<K>, RequestError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    absent(request(format!("get {} {name} of the remote cluster", K::kind(&())), api.get(name)).await, tolerant)
}

async fn namespaces_of(client: &Client, asked: &Asked) -> Result<BTreeMap<String, Arc<Namespace>>, RequestError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let name = |namespace: Namespace| Some((namespace.metadata.name.clone()?, Arc::new(namespace)));
    let Some(names) = &asked.namespaces else {
        let all = request("list the namespaces of the remote cluster", api.list(&ListParams::default())).await?;
        return Ok(all.items.into_iter().filter_map(name).collect());
    };
    let all = futures::future::try_join_all(names.iter().map(|name| get(&api, name, false))).await?;
    Ok(all.into_iter().flatten().filter_map(name).collect())
}

async fn roles(client: &Client, asked: &Asked) -> Result<BTreeMap<String, ClusterRole>, RequestError> {
    let api: Api<ClusterRole> = Api::all(client.clone());
    let all = futures::future::try_join_all(ROLES.iter().map(|name| get(&api, name, asked.tolerant))).await?;
    Ok(ROLES.iter().zip(all).filter_map(|(name, role)| Some(((*name).to_owned(), role?))).collect())
}

/// By name, in all namespaces: a right that is limited to names covers such a list.
async fn bindings(client: &Client, asked: &Asked) -> Result<Vec<RoleBinding>, RequestError> {
    let api: Api<RoleBinding> = Api::all(client.clone());
    let of = |name: &'static str| {
        let api = &api;
        async move {
            let params = ListParams::default().fields(&format!("metadata.name={name}"));
            absent(request(format!("list RoleBindings {name} of the remote cluster"), api.list(&params)).await, asked.tolerant)
        }
    };
    let all = futures::future::try_join_all([SYNC, LOGS, EXEC].map(of)).await?;
    Ok(all.into_iter().flatten().flat_map(|list| list.items).collect())
}

async fn wide_bindings(client: &Client, asked: &Asked) -> Result<Vec<ClusterRoleBinding>, RequestError> {
    let api: Api<ClusterRoleBinding> = Api::all(client.clone());
    let all = futures::future::try_join_all([SYNC, SYNC_CLUSTER, LOGS].map(|name| get(&api, name, asked.tolerant))).await?;
    Ok(all.into_iter().flatten().collect())
}

async fn mine(client: &Client, asked: &Asked) -> Result<[Option<ObjectMeta>; 2], RequestError> {
    match &asked.anchors {
        Some((namespace, names)) => secrets(client, namespace, names).await,
        None => Ok([None, None]),
    }
}

/// Of Secrets only their metadata.
async fn secrets(client: &Client, namespace: &str, names: &[String; 2]) -> Result<[Option<ObjectMeta>; 2], RequestError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let of = |name: &String| {
        let (api, name) = (api.clone(), name.clone());
        async move {
            let answer = request(format!("get Secret {namespace}/{name} of the remote cluster"), api.get_metadata(&name)).await;
            Ok::<_, RequestError>(absent(answer, false)?.map(|object| object.metadata))
        }
    };
    let [first, second] = names;
    let (first, second) = tokio::try_join!(of(first), of(second))?;
    Ok([first, second])
}

async fn aws_auth(client: &Client, asked: &Asked) -> Result<Option<(ObjectMeta, BTreeMap<String, String>)>, RequestError> {
    let Some(needed) = asked.aws_auth else { return Ok(None) };
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "kube-system");
    Ok(get(&api, "aws-auth", !needed).await?.map(|config_map| (config_map.metadata, config_map.data.unwrap_or_default())))
}
