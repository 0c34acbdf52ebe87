//! A hub and a remote cluster in memory: what a plan writes happens there, tokens die with their anchors, and a credential can do what its
//! bindings say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::api::conditions::{Reason, Verdict};
use crate::api::{ClusterAccess, FINALIZER};
use crate::clusters::claims::{Bound, Claims, user_of};
use crate::clusters::manager;
use crate::clusters::names::{MANAGER, NAMESPACE, ROLES};
use crate::clusters::plan::{Plan, plan};
use crate::clusters::proof::{Place, Proof, WIDE};
use crate::clusters::remote::{Minted, Remote};
use crate::clusters::rights;
use crate::clusters::secret::{Config, Held, Memory, View};
use crate::clusters::world::World;
use crate::config::InstanceConfig;
use crate::config::clusters::{Cluster, ClusterAccess as Served};
use crate::exec;
use crate::live::ceiling::Ceiling;
use crate::live::tests::fixtures::{discovery, namespace};
use crate::reconcile::contests::Contests;
use crate::reconcile::write::{Action, Direction, Kind, Layer, Seal, Write};

pub const SERVER: &str = "https://10.0.0.1:6443";

/// They.
pub struct Simulator {
    pub now: Timestamp,
    pub object: Option<ClusterAccess>,
    pub terminals: Vec<Arc<crate::api::ExecAccess>>,
    pub applications: Vec<Arc<crate::argocd::kinds::Application>>,
    pub namespaces: BTreeSet<String>,
    pub reachable: bool,
    pub stopped: bool,
    secret: Option<View>,
    bindings: BTreeMap<(Option<String>, String), Value>,
    anchors: [Option<ObjectMeta>; 2],
    /// What the process knows and nobody else.
    fresh: Option<String>,
    minted: Option<Minted>,
    versions: u64,
    /// Every token that was ever made: the uid of its anchor, and until when it lives.
    pub issued: Vec<(String, Timestamp)>,
    pub writes: usize,
}

impl Simulator {
    pub fn new() -> Self {
        Self {
            now: "2026-06-01T08:00:00Z".parse().unwrap(),
            object: None,
            terminals: Vec::new(),
            applications: Vec::new(),
            namespaces: ["shop", "web", "pay"].map(ToOwned::to_owned).into(),
            reachable: true,
            stopped: false,
            secret: None,
            bindings: BTreeMap::new(),
            anchors: [None, None],
            fresh: None,
            minted: None,
            versions: 1,
            issued: Vec::new(),
            writes: 0,
        }
    }

    /// Declares the cluster; `spec` is YAML in flow style, without its name and server.
    pub fn declare(&mut self, spec: &str) {
        let text =
            format!("{{apiVersion: argocd-access.dev/v1alpha1, kind: ClusterAccess, metadata: {{name: prod, namespace: argocd}}, spec: {spec}}}");
        let mut object: Value = serde_yaml::from_str(&text).unwrap();
        object["spec"]["server"] = json!(SERVER);
        let mut object: ClusterAccess = serde_json::from_value(object).unwrap();
        let before = self.object.take();
        self.versions += 1;
        object.metadata = before.map_or_else(
            || ObjectMeta { uid: Some(format!("uid-{}", self.versions)), generation: Some(1), ..object.metadata.clone() },
            |before| ObjectMeta { generation: before.metadata.generation.map(|g| g + 1), ..before.metadata },
        );
        object.metadata.resource_version = Some(self.versions.to_string());
        self.object = Some(object);
    }

    /// Asks for its deletion.
    pub fn delete(&mut self) {
        let held = self.object.as_ref().is_some_and(|o| crate::api::is_held(&o.metadata));
        match &mut self.object {
            Some(object) if held => object.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now)),
            _ => self.object = None,
        }
    }

    /// The process dies: what it alone knew is lost.
    pub fn die(&mut self) {
        (self.fresh, self.minted) = (None, None);
    }

    /// What the credential of the Secret may do, by its bindings: `role namespace`, or the role alone for the whole cluster.
    pub fn held(&self) -> BTreeSet<String> {
        self.bindings.keys().map(|(namespace, name)| namespace.as_ref().map_or_else(|| name.clone(), |ns| format!("{name} {ns}"))).collect()
    }

    /// The namespaces that Argo CD looks at; `None`: there is no Secret.
    pub fn listed(&self) -> Option<BTreeSet<String>> {
        let text = self.secret.as_ref()?.plain.get("namespaces").cloned().unwrap_or_default();
        Some(text.split(',').filter(|n| !n.is_empty()).map(ToOwned::to_owned).collect())
    }

    /// Whether the token in the Secret is alive.
    pub fn is_alive(&self) -> bool {
        let Some(claims) = self.claims() else { return false };
        self.lives(claims.anchor.as_ref().map_or("", |bound| &bound.uid)) && claims.expires_at > self.now
    }

    /// Every token that is alive.
    pub fn alive(&self) -> usize {
        self.issued.iter().filter(|(uid, until)| self.lives(uid) && *until > self.now).count()
    }

    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.bindings.is_empty() && self.anchors.iter().all(Option::is_none)
    }

    fn lives(&self, uid: &str) -> bool {
        self.anchors.iter().flatten().any(|meta| meta.uid.as_deref() == Some(uid))
    }

    fn claims(&self) -> Option<&Claims> {
        match &self.secret.as_ref()?.config.held {
            Held::Token(claims) => claims.as_ref(),
            _ => None,
        }
    }

    fn remote(&self) -> Remote {
        let meta = |namespace: Option<&String>, name: &str, owner: &Value| ObjectMeta {
            name: Some(name.to_owned()),
            namespace: namespace.cloned(),
            uid: Some(format!("b-{name}-{}", namespace.map_or("", String::as_str))),
            resource_version: Some("1".to_owned()),
            labels: serde_json::from_value(owner["metadata"]["labels"].clone()).unwrap(),
            ..ObjectMeta::default()
        };
        let mut remote = Remote {
            version: Some("v1.34.4".to_owned()),
            discovery: Some(Arc::new(discovery())),
            anchors: self.anchors.clone(),
            ..Remote::default()
        };
        for ((place, name), body) in &self.bindings {
            let (role_ref, subjects) =
                (serde_json::from_value(body["roleRef"].clone()).unwrap(), serde_json::from_value(body["subjects"].clone()).unwrap());
            let metadata = meta(place.as_ref(), name, body);
            match place {
                Some(_) => remote.role_bindings.push(RoleBinding { metadata, role_ref, subjects: Some(subjects) }),
                None => remote.cluster_role_bindings.push(ClusterRoleBinding { metadata, role_ref, subjects: Some(subjects) }),
            }
        }
        remote.namespaces = self.namespaces.iter().map(|name| (name.clone(), namespace(name, &json!({})))).collect();
        let roles = self.roles();
        remote.roles = ROLES.iter().map(|role| ((*role).to_owned(), ClusterRole { rules: Some(roles(role)), ..ClusterRole::default() })).collect();
        remote
    }

    /// The roles of a bootstrap that was run for what is declared now.
    fn roles(&self) -> impl Fn(&str) -> Vec<PolicyRule> {
        let wanted = self.object.as_ref().map(|object| rights::wanted(&object.spec.permissions, &discovery()));
        move |role| wanted.as_ref().map(|wanted| wanted.rules(role)).unwrap_or_default()
    }

    /// What the credential sees of itself.
    fn proof(&self) -> Proof {
        let roles = self.roles();
        let mut proof = Proof { subject: user_of(NAMESPACE, "argocd-managed"), ..Proof::default() };
        let places: Vec<&str> = self.namespaces.iter().map(String::as_str).chain([WIDE]).collect();
        for place in places {
            let here = |at: &Option<String>| at.is_none() || at.as_deref() == Some(place);
            let rules = self.bindings.keys().filter(|(at, _)| here(at)).flat_map(|(_, role)| roles(role)).collect();
            proof.places.insert(place.to_owned(), Place { rules: Ceiling::of(rules), ..Place::default() });
        }
        proof
    }

    pub fn world(&self) -> World {
        let mut settings = InstanceConfig::of("argocd");
        settings.cluster_access = Served { enabled: true, clusters: vec![Cluster { name: "prod".to_owned(), adopt_secret: None }] };
        let remote = self.reachable.then(|| Arc::new(self.remote())).ok_or_else(|| Verdict::no(Reason::Timeout, "no answer"));
        let proof = (self.is_alive() && self.reachable).then(|| Ok(Arc::new(self.proof())));
        let object: Vec<Arc<ClusterAccess>> = self.object.iter().cloned().map(Arc::new).collect();
        let mut around =
            exec::World { accesses: self.terminals.clone(), applications: Ok(self.applications.clone()), ..exec::tests::fixtures::world() };
        around.settings = settings.clone();
        if self.stopped {
            let mut argocd_cm = k8s_openapi::api::core::v1::ConfigMap::default();
            argocd_cm.metadata.annotations = Some(BTreeMap::from([(crate::api::STOP.to_owned(), "why".to_owned())]));
            around.argocd_cm = Ok(Some(Arc::new(argocd_cm)));
        }
        World {
            settings,
            withdraw_all: false,
            contests: Contests::default(),
            accesses: object.clone(),
            unreadable: Vec::new(),
            all: object,
            unreadable_beside: false,
            aws: Err(Verdict::unknown(Reason::Pending, "")),
            exec: around,
            secret: Ok(self.secret.clone().map(Arc::new)),
            manager: Ok(Some(Arc::new(manager_view()))),
            remote,
            minted: self.minted.clone(),
            fresh: self.fresh.clone(),
            own_minted: None,
            own_fresh: None,
            failure: None,
            proof,
            refused: self.secret.is_some() && !self.is_alive() && self.reachable,
        }
    }

    pub fn plan(&self) -> Plan {
        plan(&self.world(), self.now)
    }

    /// One step: the first writes of a plan, as many as `most`; and the token, where it is asked for. Whether anything happened.
    pub fn step(&mut self, most: usize) -> bool {
        if self.reachable {
            let proof = Arc::new(self.proof());
            self.minted.iter_mut().for_each(|minted| minted.proof = Arc::clone(&proof));
        }
        let plan = self.plan();
        let narrow = plan.writes.iter().any(|w| w.direction == Direction::Narrow);
        assert!(!narrow || plan.writes.iter().all(|w| w.direction != Direction::Widen), "nothing is given while something is to be taken away");
        let mut happened = false;
        for write in plan.writes.iter().take(most) {
            self.send(write);
            happened = true;
        }
        if let Some(order) = plan.mint.filter(|_| !happened && self.reachable) {
            let until = self.now + SignedDuration::from_secs(order.lifetime.min(3600));
            let bound = Bound { name: order.anchor, uid: order.uid.clone() };
            let claims =
                Claims { subject: user_of(&order.namespace, &order.service_account), issued_at: self.now, expires_at: until, anchor: Some(bound) };
            self.issued.push((order.uid, until));
            self.minted = Some(Minted { claims, proof: Arc::new(self.proof()) });
            happened = true;
        }
        happened
    }

    /// Until nothing happens any more.
    pub fn settle(&mut self) {
        for _ in 0..60 {
            if !self.step(usize::MAX) {
                return;
            }
        }
        panic!("it does not settle: {:#?}", self.plan().writes);
    }

    fn send(&mut self, write: &Write) {
        assert!(!write.target.kind.is_remote() || self.reachable, "nothing is sent to a cluster that does not answer");
        self.writes += 1;
        self.versions += 1;
        let (name, version) = (write.target.name.clone(), self.versions.to_string());
        match (write.target.kind, &write.action) {
            (Kind::ClusterAccess, Action::Merge(patch)) => {
                let finalizers: Vec<String> = serde_json::from_value(patch["metadata"]["finalizers"].clone()).unwrap();
                let Some(object) = &mut self.object else { return };
                object.metadata.resource_version = Some(version);
                let released = finalizers.is_empty() && object.metadata.deletion_timestamp.is_some();
                assert!(finalizers.iter().all(|f| f == FINALIZER));
                object.metadata.finalizers = Some(finalizers);
                if released {
                    self.object = None;
                }
            }
            (Kind::RemoteRoleBinding | Kind::RemoteClusterRoleBinding, Action::Apply(body)) => {
                drop(self.bindings.insert((write.target.namespace.clone(), name), body.clone()));
            }
            (Kind::RemoteRoleBinding | Kind::RemoteClusterRoleBinding, Action::Delete { .. }) => {
                drop(self.bindings.remove(&(write.target.namespace.clone(), name)));
            }
            (Kind::RemoteSecret, action) => {
                let slot = usize::from(name.ends_with("-b"));
                self.anchors[slot] = match action {
                    Action::Apply(body) => {
                        let uid = format!("anchor-{version}");
                        self.fresh = Some(uid.clone());
                        let labels = serde_json::from_value(body["metadata"]["labels"].clone()).unwrap();
                        Some(ObjectMeta { name: Some(name), uid: Some(uid), resource_version: Some(version), labels, ..ObjectMeta::default() })
                    }
                    _ => None,
                };
            }
            (Kind::Secret, Action::Delete { .. }) => self.secret = None,
            (Kind::Secret, Action::Sealed(seal, body)) => self.write_secret(*seal, body, version),
            other => panic!("nobody knows {other:?} of layer {:?}", write.layer),
        }
        assert!(matches!(write.layer, Layer::Finalizer | Layer::RemoteRights | Layer::RemoteExec | Layer::Anchor | Layer::ClusterSecret));
    }

    fn write_secret(&mut self, seal: Seal, body: &Value, version: String) {
        let held = match seal {
            Seal::Minted => Held::Token(Some(self.minted.as_ref().expect("a token was made").claims.clone())),
            Seal::Kept => self.secret.as_ref().expect("it is there").config.held.clone(),
            other => panic!("{other:?}"),
        };
        let text = |value: &Value| {
            use base64::Engine;
            String::from_utf8(base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap()
        };
        let plain = body["data"].as_object().unwrap().iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let mut meta: ObjectMeta = serde_json::from_value(body["metadata"].clone()).unwrap();
        (meta.uid, meta.resource_version) = (Some("secret".to_owned()), Some(version));
        let config = Config { held, ca_sha256: Some("ca".to_owned()), ..Config::default() };
        self.secret = Some(View { meta, plain, config, before: Memory::Absent, remembered: BTreeMap::new() });
    }
}

fn manager_view() -> manager::View {
    let claims = Claims {
        subject: user_of(NAMESPACE, MANAGER),
        issued_at: "2026-06-01T00:00:00Z".parse().unwrap(),
        expires_at: "2027-06-01T00:00:00Z".parse().unwrap(),
        anchor: None,
    };
    let expires_at = Some(claims.expires_at);
    manager::View {
        meta: ObjectMeta::default(),
        ca: b"ca".to_vec(),
        ca_sha256: "ca".to_owned(),
        cluster_uid: "u".to_owned(),
        claims: Some(claims),
        expires_at,
    }
}
