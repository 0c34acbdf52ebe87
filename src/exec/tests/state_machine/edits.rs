//! What other people do to the objects that we share with them, as data: the simulator does it at once, the bench sends it to a real
//! API server.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::place::{PROJECTS, Place, Which, installed, installed_project};
use crate::api::{FINALIZER, INSTANCE_LABEL, STOP};
use crate::ownership::before::{self, Before, Record};
use crate::reconcile::{Kind, Target};

/// A line that Argo CD cannot load.
pub const BROKEN: &str = "p, this is broken";
/// The foreign policy that most sequences have: one role with members.
pub const SOUND: &str = "p, role:ops, applications, sync, */*, allow\ng, ops, role:ops";

/// What somebody else does.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Somebody stops everything, or lets it go on.
    Stop(bool),
    /// A key of argocd-cm that is none of ours.
    Url(&'static str),
    /// A person sets `exec.enabled`.
    Flag(Option<&'static str>),
    /// A person sets `exec.shells`.
    Shells(Option<&'static str>),
    /// A label of argocd-cm.
    Label(Option<&'static str>),
    /// Helm applies its values server-side, with or without `exec.enabled` among them, and without the annotations of the Ingress.
    HelmUpgrade(Option<&'static str>),
    /// `policy.csv`.
    Policy(Foreign),
    /// A further policy key that is none of ours.
    OtherKey(Option<&'static str>),
    /// `policy.default`.
    DefaultRole(Option<&'static str>),
    /// `policy.matchMode`.
    MatchMode(Option<&'static str>),
    /// The text of our key for this object.
    OurKey(&'static str, Option<&'static str>),
    /// argocd-rbac-cm loses everything.
    EmptyPolicy,
    /// A time-out of the Ingress.
    Timeout(Option<&'static str>),
    /// One more element of the Ingress's list of Services.
    Listed(&'static str),
    /// An annotation of the Ingress that is none of ours.
    Kept(&'static str),
    /// A RoleBinding of ours is deleted.
    Unbind(&'static str),
    /// A RoleBinding of ours gets other people.
    BindOthers(&'static str),
    /// Somebody has a RoleBinding of the very name of ours.
    TakeName(&'static str),
    /// Our ClusterRoleBinding is deleted.
    UnbindCluster,
    /// The memory that we keep on an object.
    Memory(Which, Forgery),
    /// An object is deleted.
    Remove(Which),
    /// It is made anew, as it was when it was installed, by a person.
    Recreate(Which),
    /// The admission policy that confines argocd-server is deleted.
    Unconfine,
    /// It is made to allow everything.
    Loosen,
    /// Its binding is deleted.
    Unenforce,
    /// A role of somebody else in an AppProject comes or goes.
    ProjectRole(&'static str, bool),
    /// Roles of ours in an AppProject are taken out.
    NoRoles(&'static str),
    /// Roles of ours in an AppProject get another person.
    WidenRoles(&'static str),
    /// An AppProject is deleted.
    RemoveProject(&'static str),
    /// It is made anew.
    RecreateProject(&'static str),
    /// Somebody takes our finalizer off an `ExecAccess`.
    Unhold(&'static str),
}

/// What `policy.csv` says.
#[derive(Clone, Debug)]
pub enum Foreign {
    Sound,
    /// Somebody is made an administrator.
    Admin,
    /// A line that Argo CD cannot load.
    Broken,
    /// Somebody is put into the role of an `ExecAccess`.
    UsesRole(&'static str),
    /// Somebody is put into a group, which becomes a role by that.
    UsesGroup(&'static str),
    /// Others open terminals, too.
    OwnExec,
}

impl Foreign {
    fn text(&self) -> String {
        match self {
            Self::Sound => SOUND.to_owned(),
            Self::Admin => format!("{SOUND}\ng, boss, role:admin"),
            Self::Broken => format!("{SOUND}\n{BROKEN}"),
            Self::UsesRole(name) => format!("{SOUND}\ng, eve, role:exec-access.{name}"),
            Self::UsesGroup(group) => format!("{SOUND}\ng, eve, {group}"),
            Self::OwnExec => format!("{SOUND}\np, role:ops, exec, create, bank/*, allow"),
        }
    }
}

/// What becomes of the memory that we keep on an object.
#[derive(Clone, Copy, Debug)]
pub enum Forgery {
    Lost,
    Spoilt,
    /// Whole, but made for another object.
    Moved,
    /// Whole, and a lie: also about values that were never ours.
    Forged,
}

/// One request of somebody else's.
#[derive(Clone, Debug)]
pub struct Act {
    pub manager: &'static str,
    pub target: Target,
    pub deed: Deed,
}

/// What it asks for.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A JSON merge patch.
    Merge(Value),
    /// Server-side apply, with force.
    Apply(Value),
    Create(Value),
    Delete,
}

/// How an act sees the objects.
pub type Look<'a> = &'a dyn Fn(&Target) -> Option<Value>;

const LIST: &str = "nginx.ingress.kubernetes.io/websocket-services";
const TIMEOUT: &str = "nginx.ingress.kubernetes.io/proxy-read-timeout";

fn annotation(key: &str, value: impl Into<Value>) -> Value {
    json!({"metadata": {"annotations": {key: value.into()}}})
}

impl Edit {
    /// Whether it touches only what is ours: then nothing of it is to be seen when we are gone.
    pub fn is_of_ours(&self) -> bool {
        matches!(
            self,
            Self::OurKey(..)
                | Self::Unbind(_)
                | Self::BindOthers(_)
                | Self::UnbindCluster
                | Self::Memory(..)
                | Self::Unconfine
                | Self::Loosen
                | Self::Unenforce
                | Self::NoRoles(_)
                | Self::WidenRoles(_)
                | Self::Unhold(_)
        )
    }

    /// The requests that it consists of; none where there is nothing to do it to.
    pub fn acts(&self, place: &Place, look: Look<'_>) -> Vec<Act> {
        let on = |target: Target, deed: Deed| Act { manager: "kubectl-edit", target, deed };
        let merge = |target: Target, patch: Value| if look(&target).is_some() { vec![on(target, Deed::Merge(patch))] } else { Vec::new() };
        let argocd_cm = |patch: Value| merge(place.shared(Which::ArgocdCm), patch);
        let rbac_cm = |patch: Value| merge(place.shared(Which::RbacCm), json!({"data": patch}));
        let ingress = |patch: Value| merge(place.shared(Which::Ingress), patch);
        let delete = |target: Target| if look(&target).is_some() { vec![on(target, Deed::Delete)] } else { Vec::new() };
        // A binding of ours; one of our name may be somebody else's.
        let is_ours = |target: &Target| look(target).is_some_and(|o| o["metadata"]["labels"].get(INSTANCE_LABEL).is_some());
        let roles =
            |project: &str| -> Vec<Value> { look(&place.project(project)).and_then(|p| p["spec"]["roles"].as_array().cloned()).unwrap_or_default() };
        match self {
            Self::Stop(on) => argocd_cm(annotation(STOP, on.then_some("INC-1"))),
            Self::Url(url) => argocd_cm(json!({"data": {"url": url}})),
            Self::Flag(value) => argocd_cm(json!({"data": {"exec.enabled": value}})),
            Self::Shells(value) => argocd_cm(json!({"data": {"exec.shells": value}})),
            Self::Label(value) => argocd_cm(json!({"metadata": {"labels": {"edited": value}}})),
            Self::HelmUpgrade(flag) => upgrade(place, look, *flag),
            Self::Policy(foreign) => rbac_cm(json!({"policy.csv": foreign.text()})),
            Self::OtherKey(text) => rbac_cm(json!({"policy.other.csv": text})),
            Self::DefaultRole(role) => rbac_cm(json!({"policy.default": role})),
            Self::MatchMode(mode) => rbac_cm(json!({"policy.matchMode": mode})),
            Self::OurKey(name, text) => rbac_cm(json!({format!("policy.argocd-access.{name}.csv"): text})),
            Self::EmptyPolicy => merge(place.shared(Which::RbacCm), json!({"data": null})),
            Self::Timeout(value) => ingress(annotation(TIMEOUT, *value)),
            Self::Listed(element) => {
                let Some(object) = look(&place.shared(Which::Ingress)) else { return Vec::new() };
                let list = object["metadata"]["annotations"][LIST].as_str().unwrap_or_default();
                let elements: Vec<&str> = list.split(',').filter(|e| !e.is_empty() && e != element).chain([*element]).collect();
                ingress(annotation(LIST, elements.join(",")))
            }
            Self::Kept(value) => ingress(annotation("example.com/kept", *value)),
            Self::Unbind(namespace) | Self::BindOthers(namespace) if !is_ours(&place.binding(namespace)) => Vec::new(),
            Self::Unbind(namespace) => delete(place.binding(namespace)),
            Self::BindOthers(namespace) => {
                let eve = json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}]);
                merge(place.binding(namespace), json!({"subjects": eve}))
            }
            Self::TakeName(namespace) => {
                let target = place.binding(namespace);
                let body = json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                    "metadata": {"name": target.name, "namespace": target.namespace},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}, "subjects": [],
                });
                if look(&target).is_none() { vec![on(target, Deed::Create(body))] } else { Vec::new() }
            }
            Self::UnbindCluster => delete(place.cluster_binding()),
            Self::Memory(which, forgery) => {
                let target = place.shared(*which);
                let Some(object) = look(&target) else { return Vec::new() };
                merge(target, annotation(before::ANNOTATION, forged(*forgery, &object)))
            }
            Self::Unconfine => delete(place.confinement(Kind::ValidatingAdmissionPolicy)),
            Self::Unenforce => delete(place.confinement(Kind::ValidatingAdmissionPolicyBinding)),
            Self::Loosen => merge(
                place.confinement(Kind::ValidatingAdmissionPolicy),
                json!({"spec": {"validations": [{"expression": "true", "message": "loosened"}]}}),
            ),
            Self::Remove(which) => delete(place.shared(*which)),
            Self::Recreate(which) => {
                let target = place.shared(*which);
                if look(&target).is_none() { vec![on(target, Deed::Create(installed(place, *which)))] } else { Vec::new() }
            }
            Self::ProjectRole(project, on) => {
                let role = json!({"name": "viewers", "policies": [format!("p, proj:{project}:viewers, applications, get, {project}/*, allow")], "groups": ["team-c"]});
                let others = roles(project).into_iter().filter(|r| r["name"] != json!("viewers")).chain(on.then_some(role));
                merge(place.project(project), json!({"spec": {"roles": others.collect::<Vec<_>>()}}))
            }
            Self::NoRoles(project) | Self::WidenRoles(project) if !roles(project).iter().any(is_our_role) => Vec::new(),
            Self::NoRoles(project) => {
                let others: Vec<Value> = roles(project).into_iter().filter(|role| !is_our_role(role)).collect();
                merge(place.project(project), json!({"spec": {"roles": others}}))
            }
            Self::WidenRoles(project) => {
                let mut all = roles(project);
                all.iter_mut().filter(|role| is_our_role(role)).for_each(|role| role["groups"] = json!(["everybody"]));
                merge(place.project(project), json!({"spec": {"roles": all}}))
            }
            Self::RemoveProject(project) => delete(place.project(project)),
            Self::RecreateProject(project) => {
                let target = place.project(project);
                if look(&target).is_none() { vec![on(target, Deed::Create(installed_project(place, project)))] } else { Vec::new() }
            }
            Self::Unhold(name) => {
                let target = place.access(name);
                let held = look(&target).is_some_and(|o| o["metadata"]["finalizers"].as_array().is_some_and(|f| f.contains(&json!(FINALIZER))));
                if held { merge(target, json!({"metadata": {"finalizers": null}})) } else { Vec::new() }
            }
        }
    }
}

/// What Helm applies: its own values of objects that are there.
fn upgrade(place: &Place, look: Look<'_>, flag: Option<&str>) -> Vec<Act> {
    let meta = |target: &Target| json!({"name": target.name, "namespace": target.namespace, "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/part-of": "argocd"}});
    let (cm, rbac) = (place.shared(Which::ArgocdCm), place.shared(Which::RbacCm));
    let mut data = json!({"url": "https://helm.example.com"});
    if let Some(flag) = flag {
        data["exec.enabled"] = json!(flag);
    }
    let of = |target: &Target, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(target), "data": data});
    let acts = [(cm.clone(), of(&cm, data)), (rbac.clone(), of(&rbac, json!({"policy.csv": SOUND, "policy.default": "role:readonly"})))];
    let there = acts.into_iter().filter(|(target, _)| look(target).is_some());
    there.map(|(target, body)| Act { manager: "helm", target, deed: Deed::Apply(body) }).collect()
}

fn is_our_role(role: &Value) -> bool {
    role["name"].as_str().unwrap_or_default().starts_with("exec-access-")
}

fn forged(forgery: Forgery, object: &Value) -> Value {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let lie = |before: Option<&str>, ours: &str| Record {
        before: before.map(ToOwned::to_owned),
        ours: ours.to_owned(),
        at: "2026-06-01T00:00:00Z".to_owned(),
        ..Record::default()
    };
    let url = object["data"]["url"].as_str().unwrap_or_default();
    let lies = BTreeMap::from([
        ("data/exec.enabled".to_owned(), lie(Some("true"), "true")),
        ("data/url".to_owned(), lie(Some("https://evil.example.com"), url)),
        ("data/policy.csv".to_owned(), lie(Some("g, eve, role:admin"), SOUND)),
        ("annotations/example.com/kept".to_owned(), lie(Some("evil"), "yes")),
        (format!("annotations/{TIMEOUT}"), lie(Some("1"), "3600")),
    ]);
    match forgery {
        Forgery::Lost => Value::Null,
        Forgery::Spoilt => json!("{\"uid\": 1"),
        Forgery::Moved => json!(Before { fields: lies }.write("another")),
        Forgery::Forged => json!(Before { fields: lies }.write(uid)),
    }
}

/// Any edit, of things that belong to objects of these names among others. `regex`: also of the match mode.
pub fn edit(names: &'static [&'static str], regex: bool) -> impl Strategy<Value = Edit> {
    let modes: &[Option<&str>] = if regex { &[None, Some("regex"), Some("regex"), Some("glob")] } else { &[None] };
    let flag = || select(&[None, Some("false"), Some("true"), Some("True")][..]);
    let which = || select(&[Which::ArgocdCm, Which::RbacCm, Which::Ingress][..]);
    let namespace = || select(&["shop", "bank", "lab"][..]);
    let foreign = prop_oneof![
        3 => Just(Foreign::Sound),
        1 => Just(Foreign::Admin),
        2 => Just(Foreign::Broken),
        1 => select(names).prop_map(Foreign::UsesRole),
        1 => select(&["team-a", "team-b"][..]).prop_map(Foreign::UsesGroup),
        1 => Just(Foreign::OwnExec),
    ];
    let text =
        select(&[None, Some("g, eve, role:exec-access.a\np, role:exec-access.a, exec, create, */*, allow\n"), Some(BROKEN), Some("# nothing\n")][..]);
    let forgery = select(&[Forgery::Lost, Forgery::Spoilt, Forgery::Moved, Forgery::Forged][..]);
    prop_oneof![
        2 => any::<bool>().prop_map(Edit::Stop),
        1 => select(&[Edit::Unconfine, Edit::Loosen, Edit::Unenforce][..]),
        1 => select(&["https://a.example.com", "https://b.example.com"][..]).prop_map(Edit::Url),
        3 => flag().prop_map(Edit::Flag),
        1 => select(&[None, Some("zsh"), Some("bash,sh")][..]).prop_map(Edit::Shells),
        1 => select(&[None, Some("yes")][..]).prop_map(Edit::Label),
        3 => select(&[None, Some("false"), Some("true")][..]).prop_map(Edit::HelmUpgrade),
        4 => foreign.prop_map(Edit::Policy),
        1 => select(&[None, Some("g, ops, role:readonly"), Some("p, role:x, exec, create, shop/api, allow\ng, boss, role:x")][..]).prop_map(Edit::OtherKey),
        1 => select(&[None, Some("role:readonly"), Some("role:ops")][..]).prop_map(Edit::DefaultRole),
        2 => select(modes).prop_map(Edit::MatchMode),
        2 => (select(names), text).prop_map(|(name, text)| Edit::OurKey(name, text)),
        1 => Just(Edit::EmptyPolicy),
        2 => select(&[None, Some("45"), Some("99999")][..]).prop_map(Edit::Timeout),
        1 => select(&["x", "y"][..]).prop_map(Edit::Listed),
        1 => select(&["yes", "no"][..]).prop_map(Edit::Kept),
        1 => namespace().prop_map(Edit::Unbind),
        1 => namespace().prop_map(Edit::BindOthers),
        1 => namespace().prop_map(Edit::TakeName),
        1 => Just(Edit::UnbindCluster),
        // There is none on argocd-rbac-cm: its keys are ours as a whole.
        2 => (select(&[Which::ArgocdCm, Which::Ingress][..]), forgery).prop_map(|(which, forgery)| Edit::Memory(which, forgery)),
        1 => which().prop_map(Edit::Remove),
        2 => which().prop_map(Edit::Recreate),
        2 => (select(&PROJECTS[..]), any::<bool>()).prop_map(|(project, on)| Edit::ProjectRole(project, on)),
        2 => select(&PROJECTS[..]).prop_flat_map(|p| select(vec![Edit::NoRoles(p), Edit::WidenRoles(p), Edit::RemoveProject(p), Edit::RecreateProject(p)])),
        1 => select(names).prop_map(Edit::Unhold),
    ]
}
