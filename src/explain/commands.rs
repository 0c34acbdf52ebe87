//! What people type to mend something: quoted for a shell, bounded, and with a word on who would set it back. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::link::Fix;
use super::observed::Observed;
use crate::argocd::tracking::Place;
use crate::ownership::{Holding, Keeper, Owner, remedy};
use crate::reconcile::Surroundings;
use crate::shell::{piped, word};

/// A longer word is no matter of a command line: Linux takes 128 KiB for one.
const LONGEST: usize = 60_000;

/// A merge patch of one object.
#[must_use]
pub fn merge(namespace: &str, kind: &str, name: &str, patch: &Value) -> Option<String> {
    patched(namespace, kind, name, "merge", patch)
}

/// A JSON patch of one object.
#[must_use]
pub fn json_patch(namespace: &str, kind: &str, name: &str, operations: &Value) -> Option<String> {
    patched(namespace, kind, name, "json", operations)
}

fn patched(namespace: &str, kind: &str, name: &str, how: &str, patch: &Value) -> Option<String> {
    let patch = word(&patch.to_string());
    (patch.len() <= LONGEST).then(|| format!("kubectl -n {} patch {kind} {} --type {how} -p {patch}", word(namespace), word(name)))
}

/// Objects that are to be as given.
#[must_use]
pub fn apply(namespace: &str, manifest: &str) -> String {
    piped(manifest.trim_end(), &format!("kubectl -n {} apply -f -", word(namespace)))
}

/// Objects that must not be there yet.
#[must_use]
pub fn create(namespace: &str, manifest: &str) -> String {
    piped(manifest.trim_end(), &format!("kubectl -n {} create -f -", word(namespace)))
}

/// A name for an object: it begins like this text, and is another one for all that differs in what was asked.
#[must_use]
pub fn short(text: &str, asked: &str) -> String {
    let plain = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let begin: String = plain.take(40).collect();
    // FNV-1a: no secret, only a difference.
    let hash = asked.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{}-{:08x}", begin.trim_matches('-'), hash >> 32)
}

/// Makes Argo CD look at an Application again, which it does of itself only every few minutes.
#[must_use]
pub fn refresh(namespace: &str, application: &str) -> String {
    format!("kubectl -n {} annotate applications.argoproj.io {} argocd.argoproj.io/refresh=normal --overwrite", word(namespace), word(application))
}

/// Sets one key of argocd-cm where it is set for good: in the `ArgoCD` that argocd-operator makes it from, else in itself.
#[must_use]
pub fn set_argocd_cm(observed: &Observed, meta: &ObjectMeta, key: &str, value: &str) -> Fix {
    let namespace = observed.world.namespace();
    let place = Place { group: "", kind: "ConfigMap", namespace: Some(namespace), name: crate::argocd::ARGOCD_CM };
    let path = ["data", key];
    let tracking = observed.world.tracking();
    let holding = Holding::of(place, meta, &tracking);
    if let Keeper::ArgocdOperator { cr } = holding.keeper() {
        let made_from = Place { group: "argoproj.io", kind: "ArgoCD", name: cr, ..place };
        let note = format!("argocd-operator makes argocd-cm from the ArgoCD {cr}, and takes away whatever is written into argocd-cm itself");
        return Fix::command(remedy::kubectl(made_from, &["spec", "extraConfig", key], value)).noting(note);
    }
    Fix::command(remedy::kubectl(place, &path, value)).noting(lasting(holding.keeper(), place, &path, value))
}

/// Who would set a value back, and where it has to be changed so that it stays; `None`: nobody.
#[must_use]
pub fn lasting(keeper: &Keeper, place: Place<'_>, path: &[&str], value: &str) -> Option<String> {
    let said = |owner: &Owner| remedy::change(owner, place, path, value);
    match keeper {
        Keeper::People => None,
        Keeper::Helm { release } => {
            let owner = Owner::Helm { release: release.clone() };
            Some(format!("{} sets it back with its next upgrade; so that it stays, {}", owner.label(), said(&owner)))
        }
        Keeper::ArgoCD(claim) => {
            let owner = Owner::ArgoCD { application: claim.application.clone(), leaves: false };
            Some(format!("{} sets it back with its next sync; so that it stays, {}", owner.label(), said(&owner)))
        }
        Keeper::ArgocdOperator { cr } => Some(format!("argocd-operator makes it from the ArgoCD {cr}: change it there")),
    }
}

/// Who keeps an object that is changed as a whole, in a word for people; `None`: nobody in particular.
#[must_use]
pub fn kept(observed: &Observed, place: Place<'_>, meta: &ObjectMeta) -> Option<String> {
    let tracking = observed.world.tracking();
    let holding = Holding::of(place, meta, &tracking);
    let (who, where_) = match holding.keeper() {
        Keeper::People => return None,
        Keeper::Helm { release } => (Owner::Helm { release: release.clone() }.label(), "in the values of its chart"),
        Keeper::ArgoCD(claim) => (Owner::ArgoCD { application: claim.application.clone(), leaves: false }.label(), "in Git"),
        Keeper::ArgocdOperator { cr } => (Owner::ArgocdOperator { cr: cr.clone() }.label(), "in that object"),
    };
    Some(format!("{} {} is kept by {who}: make the same change {where_}, or it comes back", place.kind, place.name))
}

/// A patch that is refused when somebody else has changed the object in the meantime.
#[must_use]
pub fn fenced(meta: &ObjectMeta, mut patch: Value) -> Value {
    if let (Some(version), Some(map)) = (&meta.resource_version, patch.as_object_mut()) {
        map.insert("metadata".to_owned(), json!({"resourceVersion": version}));
    }
    patch
}
