//! Argo CD's cluster Secret in a plan: what it is to say, what has to be written, and how it goes. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use super::admission::Case;
use super::aws::outlook::AwsAuthConfig;
use super::claims::Claims;
use super::grant::{Credential, Grant, Identity};
use super::manager;
use super::names::{BEFORE_KEY, SECRET_TYPE_LABEL};
use super::secret::{CONFIG, Config, EXPIRES, Held, Memory, PLAIN, View, aws_config, encoded};
use super::world::World;
use crate::api::OWNER_LABEL;
use crate::api::cluster_access::Scope;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::Change;
use crate::ownership::managed_fields;
use crate::reconcile::shared::disown;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Seal, Target, Wanted, Write};

/// The label of a cluster Secret that belongs to an agent of argocd-agent.
const AGENT: &str = "argocd-agent.argoproj-labs.io/agent-name";

/// What the layer wants, and what it says.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The writes.
    pub wanted: Wanted,
    /// The verdict of `SecretApplied`.
    pub verdict: Verdict,
    /// The namespaces that Argo CD looks at by it.
    pub namespaces: BTreeSet<String>,
}

/// What the credential in the Secret is to be.
#[derive(Clone, Copy, Debug)]
pub enum Wish<'a> {
    /// As it is.
    Kept,
    /// The token that was minted last, which says this of itself.
    Minted(&'a Claims),
    /// None is there, and there is none to write; why.
    None(&'a Verdict),
}

fn target(world: &World, id: &Identity) -> Target {
    Target::namespaced(Kind::Secret, world.namespace(), &id.secret)
}

/// Whether the Secret is marked as that of the object.
#[must_use]
pub fn is_marked(meta: &ObjectMeta, owner: &str) -> bool {
    super::remote::is_owned(meta, owner)
}

/// The Secret of the object, if it may be touched; what stands in its way otherwise.
fn ours<'a>(world: &'a World, id: &Identity) -> Result<Option<&'a View>, Verdict> {
    let seen = world.secret.as_ref().map_err(Clone::clone)?;
    let name = format!("Secret {}/{}", world.namespace(), id.secret);
    let foreign = |why: &str| Err(Verdict::no(Reason::ForeignSecret, format!("{name} {why}; it is left alone")));
    let Some(view) = seen.as_deref() else {
        return if id.adopted { foreign("is to be adopted, and does not exist") } else { Ok(None) };
    };
    let label = |key: &str| view.meta.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    match label(OWNER_LABEL) {
        Some(owner) if owner == id.owner => return Ok(Some(view)),
        Some(_) => return foreign("is that of another ClusterAccess"),
        None if !id.adopted => return foreign("has the name of ours and is somebody else's"),
        None => {}
    }
    if label(SECRET_TYPE_LABEL.0) != Some(SECRET_TYPE_LABEL.1) {
        return foreign("is no cluster Secret of Argo CD");
    }
    if label(AGENT).is_some() {
        return foreign("is the cluster Secret of an argocd-agent, which has no credential of the cluster");
    }
    let server = view.plain.get("server").map(|server| server.trim_end_matches('/'));
    if server != Some(id.server.as_str()) {
        return foreign(&format!("is for the server {:?}, and the object says {:?}", server.unwrap_or_default(), id.server));
    }
    Ok(Some(view))
}

/// What it takes for a cluster that is kept. `proven`: the namespaces in which the credential may do what it is to; `open`: those of which
/// that is not known; `aws`: who Argo CD is in AWS, for a cluster of EKS.
#[must_use]
pub fn keep(
    world: &World,
    grant: &Grant,
    wish: Wish<'_>,
    aws: Option<&AwsAuthConfig>,
    (proven, open): (&BTreeSet<String>, &BTreeSet<String>),
) -> Folded {
    let view = match ours(world, &grant.id) {
        Ok(view) => view,
        Err(verdict) => return Folded { wanted: Wanted::default(), verdict, namespaces: BTreeSet::new() },
    };
    let current = view.map(namespaces_of).unwrap_or_default();
    if matches!(grant.credential, Credential::Existing) {
        let verdict = Verdict::yes(Reason::Adopted, format!("Secret {} is left as it is; its credential is only verified", grant.id.secret));
        return Folded { wanted: Wanted::default(), verdict, namespaces: current };
    }
    let wide = grant.permissions.scope == Scope::Cluster;
    let mut namespaces: BTreeSet<String> = proven.union(&current.intersection(open).cloned().collect()).cloned().collect();
    if namespaces.is_empty() {
        // An empty key would mean the whole cluster.
        namespaces.clone_from(&current);
    }
    let silent = |verdict, namespaces| Folded { wanted: Wanted::default(), verdict, namespaces };
    if !wide && namespaces.is_empty() {
        let message = "no namespace is proven yet in which the credential may do something, and without one the Secret would mean the whole cluster";
        return silent(Verdict::unknown(Reason::Pending, message), namespaces);
    }
    let has_ours = view.is_some_and(|view| is_marked(&view.meta, &grant.id.owner));
    if let (false, Wish::None(why)) = (has_ours, wish) {
        return silent(Verdict::unknown(Reason::Pending, format!("there is no credential yet: {}", why.message)), namespaces);
    }
    let manager = match &world.manager {
        Ok(Some(manager)) => manager,
        Ok(None) => {
            return silent(Verdict::unknown(Reason::ManagerMissing, "the certificate authority of the remote cluster is not known"), namespaces);
        }
        Err(verdict) => return silent(verdict.clone(), namespaces),
    };
    let plain = plain(grant, &namespaces);
    let labels = labels(grant);
    if matches!(grant.credential, Credential::Eks(_)) && aws.is_none() {
        let message = "who Argo CD is in AWS is not decided: see AWSReady";
        return silent(Verdict::unknown(Reason::Pending, message), namespaces);
    }
    let config = aws.map(|aws| eks_config(grant, aws, manager));
    let expires = expires(&wish, view);
    let stands = view.is_some_and(|view| stands(view, &grant.id, &plain, &labels, config.as_ref(), expires.as_deref()));
    let writes_token = matches!((wish, &grant.credential), (Wish::Minted(_), Credential::Token(_)));
    let mut wanted = Wanted::default();
    if !stands || writes_token {
        let body = body(world, grant, view, &plain, &labels, expires.as_deref(), config.as_ref().map(|(text, _)| text.as_str()));
        wanted.changes = changes(&target(world, &grant.id), view, &plain, writes_token);
        wanted.writes.push(Write {
            target: target(world, &grant.id),
            layer: Layer::ClusterSecret,
            direction: Direction::Widen,
            action: action(grant, view, wish, body),
            why: if writes_token { "a new credential" } else { "what Argo CD is to know of the cluster" },
        });
    }
    let verdict = match view {
        Some(view) if stands && view.before != Memory::Whole && grant.id.adopted => lost(&grant.id),
        Some(_) if stands && grant.id.adopted => {
            Verdict::yes(Reason::Adopted, format!("Secret {} was taken over; it is given back in the end", grant.id.secret))
        }
        Some(_) if stands => Verdict::yes(Reason::Applied, format!("Secret {} says what is declared", grant.id.secret)),
        _ => Verdict::unknown(Reason::Pending, format!("Secret {} is not written yet", grant.id.secret)),
    };
    Folded { wanted, verdict, namespaces: if stands { current } else { namespaces } }
}

fn lost(id: &Identity) -> Verdict {
    let message =
        format!("Secret {} has lost its key {BEFORE_KEY}, so what was in it before cannot come back; in the end it is left as it is", id.secret);
    Verdict::no(Reason::BeforeImageLost, message)
}

fn namespaces_of(view: &View) -> BTreeSet<String> {
    let text = view.plain.get("namespaces").map(String::as_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

/// What is not secret in it; `None`: the key is not to be there.
fn plain(grant: &Grant, namespaces: &BTreeSet<String>) -> BTreeMap<&'static str, Option<String>> {
    let wide = grant.permissions.scope == Scope::Cluster;
    let joined = namespaces.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let values = [
        Some(grant.id.cluster.clone()),
        Some(grant.id.server.clone()),
        (!wide).then_some(joined),
        (!wide && !grant.permissions.cluster_resources.is_empty()).then(|| "true".to_owned()),
        grant.project.clone(),
        grant.shard.map(|shard| shard.to_string()),
    ];
    PLAIN.into_iter().zip(values).collect()
}

fn labels(grant: &Grant) -> BTreeMap<String, String> {
    let own = [(SECRET_TYPE_LABEL.0, SECRET_TYPE_LABEL.1), (OWNER_LABEL, grant.id.owner.as_str())];
    grant.labels.clone().into_iter().chain(own.map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
}

/// The credential of an identity of AWS, as text and as it is seen: nothing of it is secret.
fn eks_config(grant: &Grant, aws: &AwsAuthConfig, manager: &manager::View) -> (String, Config) {
    let text = aws_config(aws, &manager.ca, grant.proxy.as_deref());
    let seen = Config {
        held: Held::Aws { cluster: aws.cluster_name.clone(), role: aws.role_arn.clone() },
        ca_sha256: Some(manager.ca_sha256.clone()),
        insecure: false,
        proxy: grant.proxy.clone(),
        more: false,
    };
    (text, seen)
}

fn expires(wish: &Wish<'_>, view: Option<&View>) -> Option<String> {
    let held = match view.map(|view| &view.config.held) {
        Some(Held::Token(claims)) => claims.as_ref(),
        _ => None,
    };
    let claims = if let Wish::Minted(claims) = wish { Some(*claims) } else { held };
    claims.map(|claims| claims.expires_at.to_string())
}

fn stands(
    view: &View,
    id: &Identity,
    plain: &BTreeMap<&'static str, Option<String>>,
    labels: &BTreeMap<String, String>,
    config: Option<&(String, Config)>,
    expires: Option<&str>,
) -> bool {
    let empty = BTreeMap::new();
    let (there, annotations) = (view.meta.labels.as_ref().unwrap_or(&empty), view.meta.annotations.as_ref().unwrap_or(&empty));
    // In a Secret of ours nothing else is a label of a declaration; an adopted one has others.
    let surplus = |key: &String| !labels.contains_key(key) && if id.adopted { view.differs_from_before(key) } else { view.is_label_of_ours(key) };
    plain.iter().all(|(key, value)| view.plain.get(*key) == value.as_ref())
        && labels.iter().all(|(key, value)| there.get(key) == Some(value))
        && !there.keys().any(surplus)
        && annotations.get(EXPIRES).map(String::as_str) == expires
        && config.is_none_or(|(_, config)| view.config == *config)
}

impl View {
    /// Whether a label was set by us in a Secret of ours.
    fn is_label_of_ours(&self, key: &str) -> bool {
        managed_fields::ours(&self.meta, &["metadata", "labels", key])
    }

    /// Whether a label that is remembered has another value than before.
    fn differs_from_before(&self, key: &String) -> bool {
        self.remembered.get(key).is_some_and(|before| self.meta.labels.as_ref().and_then(|labels| labels.get(key)) != before.as_ref())
    }
}

fn body(
    world: &World,
    grant: &Grant,
    view: Option<&View>,
    plain: &BTreeMap<&'static str, Option<String>>,
    labels: &BTreeMap<String, String>,
    expires: Option<&str>,
    config: Option<&str>,
) -> Value {
    let version = view.and_then(|view| view.meta.resource_version.as_deref());
    let mut data = Map::new();
    for (key, value) in plain {
        match value {
            Some(value) => drop(data.insert((*key).to_owned(), encoded(value.as_bytes()))),
            // Only a patch has to say that a key is not to be there.
            None if grant.id.adopted => drop(data.insert((*key).to_owned(), Value::Null)),
            None => {}
        }
    }
    if let Some(config) = config {
        data.insert(CONFIG.to_owned(), encoded(config.as_bytes()));
    }
    let annotations = if expires.is_some() || grant.id.adopted { json!({EXPIRES: expires}) } else { json!({}) };
    let mut labels = json!(labels);
    if let (true, Some(view), Some(all)) = (grant.id.adopted, view, labels.as_object_mut()) {
        // A label that is not declared any more has its former value again.
        for (key, before) in &view.remembered {
            all.entry(key.clone()).or_insert_with(|| json!(before));
        }
    }
    let mut metadata = json!({"labels": labels, "annotations": annotations});
    if let (Some(version), Some(metadata)) = (version, metadata.as_object_mut()) {
        metadata.insert("resourceVersion".to_owned(), json!(version));
    }
    if grant.id.adopted {
        return json!({"metadata": metadata, "data": data});
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("name".to_owned(), json!(grant.id.secret));
        metadata.insert("namespace".to_owned(), json!(world.namespace()));
    }
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})
}

fn action(grant: &Grant, view: Option<&View>, wish: Wish<'_>, body: Value) -> Action {
    let minted = matches!(wish, Wish::Minted(_));
    let marked = view.is_some_and(|view| is_marked(&view.meta, &grant.id.owner));
    match (grant.id.adopted, &grant.credential) {
        // What was before is remembered in the very write that changes it first; and with it each label that is new.
        (true, _) if !marked || (view.is_some_and(|view| view.before == Memory::Whole) && forgets(view, &body)) => Action::Sealed(Seal::Adopt, body),
        (true, Credential::Token(_)) if minted => Action::Sealed(Seal::Renew, body),
        (true, _) => Action::Merge(body),
        (false, Credential::Token(_)) => Action::Sealed(if minted { Seal::Minted } else { Seal::Kept }, body),
        (false, _) => Action::Apply(body),
    }
}

/// Whether the patch sets a label that is not remembered yet.
fn forgets(view: Option<&View>, body: &Value) -> bool {
    let set = body.pointer("/metadata/labels").and_then(Value::as_object);
    let remembered = |key: &String| view.is_some_and(|view| view.remembered.contains_key(key));
    set.is_some_and(|set| set.keys().any(|key| !remembered(key)))
}

/// What is shown of a change: never a credential.
fn changes(target: &Target, view: Option<&View>, plain: &BTreeMap<&'static str, Option<String>>, token: bool) -> Vec<Change> {
    let object = target.to_string();
    let from = |key: &str| view.and_then(|view| view.plain.get(key).cloned());
    let differ = plain.iter().filter(|(key, to)| from(key).as_ref() != to.as_ref());
    let mut all: Vec<Change> =
        differ.map(|(key, to)| Change { object: object.clone(), field: format!("data/{key}"), from: from(key), to: to.clone() }).collect();
    if token {
        let from = view.map(|_| "<credential>".to_owned());
        all.push(Change { object, field: "data/config".to_owned(), from, to: Some("<credential, new>".to_owned()) });
    }
    all
}

/// What it takes when the cluster is not kept any more.
#[must_use]
pub fn withdraw(world: &World, case: &Case) -> Folded {
    let folded = |writes: Vec<Write>, verdict| Folded { wanted: Wanted { writes, ..Wanted::default() }, verdict, namespaces: BTreeSet::new() };
    let gone = || Verdict::no(Reason::Withdrawn, format!("Secret {} is not this object's (any more)", case.id.secret));
    let view = match &world.secret {
        Err(verdict) => return folded(Vec::new(), verdict.clone()),
        Ok(None) => return folded(Vec::new(), gone()),
        Ok(Some(view)) => view,
    };
    let target = target(world, &case.id);
    if !is_marked(&view.meta, &case.id.owner) {
        let left =
            case.id.adopted && view.meta.labels.as_ref().is_none_or(|l| !l.contains_key(OWNER_LABEL)) && managed_fields::ours_present(&view.meta);
        let leave = Write { direction: Direction::Narrow, ..disown(&target, Layer::ClusterSecret, &view.meta) };
        return folded(if left { vec![leave] } else { Vec::new() }, gone());
    }
    if case.id.adopted {
        let (action, verdict) = match view.before {
            Memory::Whole => {
                let body = json!({"metadata": {"resourceVersion": view.meta.resource_version}});
                (Action::Sealed(Seal::GiveBack, body), Verdict::unknown(Reason::Pending, "the Secret is given back"))
            }
            Memory::Absent | Memory::Spoilt => {
                let metadata = json!({"resourceVersion": view.meta.resource_version, "labels": {OWNER_LABEL: null}, "annotations": {EXPIRES: null}});
                (Action::Merge(json!({"metadata": metadata, "data": {BEFORE_KEY: null}})), lost(&case.id))
            }
        };
        let why = "what was in it before comes back";
        return folded(vec![Write { target, layer: Layer::ClusterSecret, direction: Direction::Narrow, action, why }], verdict);
    }
    match world.applications_on(&case.id.cluster, &case.id.server) {
        Err(not_seen) => {
            folded(Vec::new(), Verdict::unknown(Reason::InUse, format!("whether Applications go to the cluster is not known: {not_seen}")))
        }
        Ok(applications) if !applications.is_empty() => {
            let names: Vec<String> = applications.iter().take(3).map(|a| name(&a.metadata)).collect();
            let more = if applications.len() > names.len() { format!(" and {} more", applications.len() - names.len()) } else { String::new() };
            let until = super::tokens::current(world).map(|claims| format!(" (at most until {}: it is not replaced any more)", claims.expires_at));
            let message = format!(
                "Applications still go to the cluster: {}{more}; delete them or send them elsewhere. Its terminals are closed; the Secret and its credential stay until then{}",
                names.join(", "),
                until.unwrap_or_default()
            );
            folded(Vec::new(), Verdict::no(Reason::InUse, message))
        }
        Ok(_) => {
            let write = Write::delete(&target, &view.meta, Layer::ClusterSecret, Direction::Narrow, "the cluster is not declared any more");
            folded(vec![write], Verdict::unknown(Reason::Pending, format!("Secret {} is removed", case.id.secret)))
        }
    }
}

fn name(meta: &ObjectMeta) -> String {
    format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}
