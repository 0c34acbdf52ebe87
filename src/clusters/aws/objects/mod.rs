//! The objects of ACK and of Crossplane by which roles, access entries and associations come into being in AWS. Pure.
//!
//! What belongs to one `ClusterAccess` carries its uid; the hub's role and its associations belong to the instance, since they are a fold
//! over all. Both carry the label of the instance, and one without it is somebody else's and left alone.
//!
//! IAM and EKS refuse a principal that does not exist yet, and a role that is made anew is somebody else to them. So each object waits for
//! the ARN of the role before it: the hub's role, then its associations and the spoke role, then the access entry.

pub mod ack;
pub mod crossplane;
pub mod standing;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::arn::Role;
use super::documents::Document;
use crate::api::cluster_aws::Output;
use crate::api::{INSTANCE_LABEL, OWNER_LABEL};
use crate::reconcile::write;

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// ACK's role.
    AckRole,
    /// ACK's association.
    AckPodIdentityAssociation,
    /// ACK's access entry.
    AckAccessEntry,
    /// Crossplane's role.
    CrossplaneRole,
    /// Crossplane's association.
    CrossplanePodIdentityAssociation,
    /// Crossplane's access entry.
    CrossplaneAccessEntry,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AckRole,
        Self::AckPodIdentityAssociation,
        Self::AckAccessEntry,
        Self::CrossplaneRole,
        Self::CrossplanePodIdentityAssociation,
        Self::CrossplaneAccessEntry,
    ];

    /// apiVersion, kind and plural.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        self.written().names()
    }

    /// As a kind that is written to.
    #[must_use]
    pub const fn written(self) -> write::Kind {
        match self {
            Self::AckRole => write::Kind::AckRole,
            Self::AckPodIdentityAssociation => write::Kind::AckPodIdentityAssociation,
            Self::AckAccessEntry => write::Kind::AckAccessEntry,
            Self::CrossplaneRole => write::Kind::CrossplaneRole,
            Self::CrossplanePodIdentityAssociation => write::Kind::CrossplanePodIdentityAssociation,
            Self::CrossplaneAccessEntry => write::Kind::CrossplaneAccessEntry,
        }
    }

    /// Of which output it is.
    #[must_use]
    pub const fn output(self) -> Output {
        match self {
            Self::AckRole | Self::AckPodIdentityAssociation | Self::AckAccessEntry => Output::Ack,
            Self::CrossplaneRole | Self::CrossplanePodIdentityAssociation | Self::CrossplaneAccessEntry => Output::Crossplane,
        }
    }

    /// Whether it is a role.
    #[must_use]
    pub const fn is_role(self) -> bool {
        matches!(self, Self::AckRole | Self::CrossplaneRole)
    }

    /// In which order they are withdrawn: first what gives somebody a way in.
    #[must_use]
    pub const fn withdrawn(self) -> u8 {
        match self {
            Self::AckAccessEntry | Self::CrossplaneAccessEntry => 0,
            Self::AckPodIdentityAssociation | Self::CrossplanePodIdentityAssociation => 1,
            Self::AckRole | Self::CrossplaneRole => 2,
        }
    }

    /// The fields that cannot be changed in AWS: where one differs, the object is made anew.
    #[must_use]
    pub const fn fixed(self) -> &'static [&'static str] {
        match self {
            Self::AckRole => &["/spec/name"],
            Self::AckPodIdentityAssociation => &["/spec/clusterName", "/spec/namespace", "/spec/serviceAccount"],
            Self::AckAccessEntry => &["/spec/clusterName", "/spec/principalARN"],
            Self::CrossplaneRole => &["/metadata/annotations/crossplane.io~1external-name"],
            Self::CrossplanePodIdentityAssociation => {
                &["/spec/forProvider/clusterName", "/spec/forProvider/namespace", "/spec/forProvider/serviceAccount", "/spec/forProvider/region"]
            }
            Self::CrossplaneAccessEntry => &["/spec/forProvider/clusterName", "/spec/forProvider/principalArn", "/spec/forProvider/region"],
        }
    }
}

/// One object, by its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (api_version, kind, _) = self.kind.names();
        let group = api_version.split_once('/').map_or(api_version, |(group, _)| group);
        write!(f, "{kind}.{group} {}/{}", self.namespace, self.name)
    }
}

/// An object as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its place.
    pub key: Key,
    /// The whole of it, to be applied.
    pub body: Value,
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The namespace of the instance.
    pub instance: &'a str,
    /// The uid of the `ClusterAccess`, unless it belongs to the instance.
    pub owner: Option<&'a str>,
}

impl Mark<'_> {
    fn labels(&self) -> BTreeMap<&'static str, &str> {
        let mut labels = BTreeMap::from([(INSTANCE_LABEL, self.instance), ("app.kubernetes.io/managed-by", "argocd-access")]);
        if let Some(owner) = self.owner {
            labels.insert(OWNER_LABEL, owner);
        }
        labels
    }

    /// Whether an object carries it.
    #[must_use]
    pub fn is_on(&self, object: &Value) -> bool {
        let label = |name: &str| object.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Value::as_str);
        label(INSTANCE_LABEL) == Some(self.instance) && label(OWNER_LABEL) == self.owner
    }
}

/// The name of the hub's role as an object. With the instance: several may make theirs in one namespace.
#[must_use]
pub fn hub_name(instance: &str) -> String {
    format!("argocd-access-hub-{instance}")
}

/// The name of an association of the hub.
#[must_use]
pub fn association_name(instance: &str, service_account: &str) -> String {
    // A namespace has no dot, so that no two of these are the same.
    format!("{}.{service_account}", hub_name(instance))
}

/// The name of what belongs to one cluster.
#[must_use]
pub fn spoke_name(instance: &str, cluster: &str) -> String {
    format!("argocd-access-aws-{instance}.{cluster}")
}

/// A role as it is to be made.
#[derive(Clone, Debug)]
pub struct WantedRole<'a> {
    /// The role.
    pub role: &'a Role,
    /// Who may assume it.
    pub trust: &'a Document,
    /// What it may do.
    pub policy: Option<&'a Document>,
    /// Its permissions boundary.
    pub boundary: Option<&'a str>,
}

/// An access entry as it is to be made.
#[derive(Clone, Copy, Debug)]
pub struct WantedEntry<'a> {
    /// The remote cluster.
    pub cluster: &'a str,
    /// Its region.
    pub region: &'a str,
    /// Who comes.
    pub principal: &'a str,
    /// The group there.
    pub group: &'a str,
}

/// An association as it is to be made.
#[derive(Clone, Copy, Debug)]
pub struct WantedAssociation<'a> {
    /// The cluster of the hub.
    pub cluster: &'a str,
    /// Its region.
    pub region: &'a str,
    /// The namespace of the instance.
    pub namespace: &'a str,
    /// The ServiceAccount.
    pub service_account: &'a str,
    /// What it gets.
    pub role: &'a str,
}

fn object(key: Key, mark: Mark<'_>, annotations: &Value, spec: &Value) -> Object {
    let (api_version, kind, _) = key.kind.names();
    let mut metadata = json!({"name": key.name, "namespace": key.namespace, "labels": mark.labels()});
    if let (Some(metadata), Some(some)) = (metadata.as_object_mut(), annotations.as_object())
        && !some.is_empty()
    {
        metadata.insert("annotations".to_owned(), annotations.clone());
    }
    Object { body: json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}), key }
}

/// A role, by the controller of this output.
#[must_use]
pub fn role(output: Output, place: (&str, &str), mark: Mark<'_>, wanted: &WantedRole<'_>) -> Option<Object> {
    match output {
        Output::Text => None,
        Output::Ack => Some(ack::role(place, mark, wanted)),
        Output::Crossplane => Some(crossplane::role(place, mark, wanted)),
    }
}

/// An access entry, by the controller of this output.
#[must_use]
pub fn entry(output: Output, place: (&str, &str), mark: Mark<'_>, wanted: &WantedEntry<'_>) -> Option<Object> {
    match output {
        Output::Text => None,
        Output::Ack => Some(ack::entry(place, mark, wanted)),
        Output::Crossplane => Some(crossplane::entry(place, mark, wanted)),
    }
}

/// An association, by the controller of this output.
#[must_use]
pub fn association(output: Output, place: (&str, &str), mark: Mark<'_>, wanted: &WantedAssociation<'_>) -> Option<Object> {
    match output {
        Output::Text => None,
        Output::Ack => Some(ack::association(place, mark, wanted)),
        Output::Crossplane => Some(crossplane::association(place, mark, wanted)),
    }
}

pub(super) fn key(kind: Kind, (namespace, name): (&str, &str)) -> Key {
    Key { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}
