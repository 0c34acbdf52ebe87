//! Who keeps a shared object, and who has one field of it: from managedFields, labels, annotations and owner references. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::behalf::{self, Name};
use super::managed_fields::{self, Has, Writer};
use crate::api::FIELD_MANAGER;
use crate::argocd::tracking::{CONTROLLER, Claim, Place, Tracking};

/// What `kubectl apply`, and Argo CD with it, declared last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The release that an object belongs to.
const HELM_RELEASE: &str = "meta.helm.sh/release-name";

/// Drops it from an object of which nobody asks for its owners.
pub fn forget_applied(meta: &mut ObjectMeta) {
    meta.annotations.as_mut().and_then(|all| all.remove(LAST_APPLIED));
}

/// Who keeps the object as a whole.
#[derive(Clone, Debug)]
pub enum Keeper {
    /// Nobody in particular.
    People,
    /// A Helm release.
    Helm {
        /// Its name; empty where the object does not say.
        release: String,
    },
    /// An Application of Argo CD, from Git.
    ArgoCD(Claim),
    /// argocd-operator, from an `ArgoCD` object.
    ArgocdOperator {
        /// The object's name.
        cr: String,
    },
}

/// Who has one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is not there, and nobody asks for it.
    Nobody,
    /// We set it.
    Ours,
    /// A person or a program, by the manager's name.
    Person(String),
    /// A Helm release, which sets it again with each upgrade.
    Helm {
        /// Its name.
        release: String,
    },
    /// Argo CD, because Git holds it.
    ArgoCD {
        /// The Application; empty where the object does not say.
        application: String,
        /// The Application leaves this field to us.
        leaves: bool,
    },
    /// argocd-operator, which rewrites the whole object.
    ArgocdOperator {
        /// The name of the `ArgoCD` object.
        cr: String,
    },
}

/// How a change of a shared object is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Our managedFields entry stays: others see who changed it, and an Application can leave the fields of our manager alone.
    Own,
    /// No managedFields entry of ours may be met by the owner's next apply (Helm 4 applies server-side and fails on a field that somebody
    /// else owns): it is written in the owner's name ([`behalf`]), or else our entry is removed again.
    Yield,
}

/// One shared object, by who has it.
#[derive(Clone, Debug)]
pub struct Holding<'a> {
    place: Place<'a>,
    meta: &'a ObjectMeta,
    keeper: Keeper,
    declared: Option<Value>,
}

impl<'a> Holding<'a> {
    /// Looks at an object's metadata.
    #[must_use]
    pub fn of(place: Place<'a>, meta: &'a ObjectMeta, tracking: &Tracking<'_>) -> Self {
        let declared = meta.annotations.as_ref().and_then(|a| a.get(LAST_APPLIED)).and_then(|text| serde_json::from_str(text).ok());
        Self { place, meta, keeper: keeper(place, meta, tracking), declared }
    }

    /// Who keeps it.
    #[must_use]
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// The object.
    #[must_use]
    pub fn place(&self) -> Place<'a> {
        self.place
    }

    /// How a change of it is to be left behind.
    #[must_use]
    pub fn manner(&self) -> Manner {
        if matches!(self.keeper, Keeper::Helm { .. }) { Manner::Yield } else { Manner::Own }
    }

    /// In whose name a value is to be set. One that helm 3 keeps is set in ours and left to nobody: no entry makes helm 3 fail, and a
    /// value that nobody is on record for is known for ours, should the memory be lost.
    #[must_use]
    pub fn name_to_set_in(&self) -> Option<Name> {
        self.name_to_give_back_in().filter(|name| name.applies)
    }

    /// In whose name a value is to be given back, so that it is theirs again.
    #[must_use]
    pub fn name_to_give_back_in(&self) -> Option<Name> {
        if self.manner() == Manner::Yield { behalf::helm(self.meta) } else { None }
    }

    /// Whether something of ours was written in this name already: what was begun in one way is gone on with.
    #[must_use]
    pub fn is_begun_in(&self, name: &Name) -> bool {
        managed_fields::is_in_name_of(self.meta, &name.manager)
    }

    /// Whether the field is this name's alone, or nobody's and not there: its next apply takes away what was written in it, and with it the
    /// memory. A former value of somebody else would be lost for ever. `present`: whether the field is there.
    #[must_use]
    pub fn is_free_for(&self, name: &Name, path: &[&str], present: bool) -> bool {
        match managed_fields::has(self.meta, path, name) {
            Has::Alone => true,
            Has::Nobody => !present,
            Has::WithOthers | Has::Others => false,
        }
    }

    /// Whether this name has the field on record.
    #[must_use]
    pub fn is_on_record_of(&self, name: &Name, path: &[&str]) -> bool {
        matches!(managed_fields::has(self.meta, path, name), Has::Alone | Has::WithOthers)
    }

    /// Whether the field is what helm 4 applies, or what was written in its name.
    #[must_use]
    pub fn is_applied_by_helm(&self, path: &[&str]) -> bool {
        self.name_to_set_in().is_some_and(|name| self.is_on_record_of(&name, path))
    }

    /// Who has the field at this path. `present`: whether it is there. `ours`: whether what stands there is what we remember to have set.
    #[must_use]
    pub fn owner(&self, path: &[&str], present: bool, ours: bool) -> Owner {
        if let Keeper::ArgocdOperator { cr } = &self.keeper {
            return Owner::ArgocdOperator { cr: cr.clone() };
        }
        let others = managed_fields::others(self.meta, path);
        if ours || (others.is_empty() && present && managed_fields::ours(self.meta, path)) {
            return Owner::Ours;
        }
        let by_argocd = others.iter().any(|m| m == CONTROLLER);
        match &self.keeper {
            Keeper::ArgoCD(claim) if by_argocd || self.declared(path).is_some() => {
                Owner::ArgoCD { application: claim.application.clone(), leaves: claim.leaves(self.place, path, FIELD_MANAGER) }
            }
            _ if by_argocd => Owner::ArgoCD { application: String::new(), leaves: false },
            Keeper::Helm { release } if present && (others.is_empty() || others.iter().any(|m| is_helm(m))) => {
                Owner::Helm { release: release.clone() }
            }
            _ => match others.into_iter().next() {
                Some(manager) => Owner::Person(manager),
                None if present => Owner::Person("somebody who left no name".to_owned()),
                None => Owner::Nobody,
            },
        }
    }

    /// Whether somebody else wants this very value there, too: then it is released, never taken back. An Application that leaves the field
    /// to us does not want it: each of its syncs applies and declares what stands there, whatever Git says.
    #[must_use]
    pub fn is_shared(&self, path: &[&str], value: Option<&str>) -> bool {
        let is_left = matches!(&self.keeper, Keeper::ArgoCD(claim) if claim.leaves(self.place, path, FIELD_MANAGER));
        let declared = || value.is_some() && self.declared(path).and_then(Value::as_str) == value;
        managed_fields::others(self.meta, path).iter().any(|m| !(is_left && m == CONTROLLER)) || (!is_left && declared())
    }

    /// Who, other than us, wrote the field last.
    #[must_use]
    pub fn last_writer(&self, path: &[&str]) -> Option<Writer> {
        managed_fields::last_writer(self.meta, path)
    }

    /// Whether nobody is on record as the field's owner.
    #[must_use]
    pub fn is_unowned(&self, path: &[&str]) -> bool {
        managed_fields::others(self.meta, path).is_empty() && !managed_fields::ours(self.meta, path)
    }

    /// The field in what was declared last.
    fn declared(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self.declared.as_ref()?, |at, step| at.get(step))
    }
}

/// The stricter owner first: argocd-operator overwrites, Argo CD heals by itself, Helm comes with the next upgrade. What Argo CD renders
/// from a chart carries Helm's labels as well.
fn keeper(place: Place<'_>, meta: &ObjectMeta, tracking: &Tracking<'_>) -> Keeper {
    if let Some(owner) = meta.owner_references.iter().flatten().find(|o| o.kind == "ArgoCD" && o.api_version.starts_with("argoproj.io/")) {
        return Keeper::ArgocdOperator { cr: owner.name.clone() };
    }
    if let Some(claim) = tracking.claim(place, meta) {
        return Keeper::ArgoCD(claim);
    }
    let release = meta.annotations.as_ref().and_then(|a| a.get(HELM_RELEASE));
    let by_label = meta.labels.as_ref().is_some_and(|l| l.get("app.kubernetes.io/managed-by").is_some_and(|v| v == "Helm"));
    let by_manager = || meta.managed_fields.iter().flatten().any(|m| m.manager.as_deref().is_some_and(is_helm));
    if release.is_some() || by_label || by_manager() { Keeper::Helm { release: release.cloned().unwrap_or_default() } } else { Keeper::People }
}

/// Whether a manager is Helm's command line, or a tool that runs Helm for a person. It writes once and has ended; a controller comes back.
#[must_use]
pub fn is_helm(manager: &str) -> bool {
    manager.eq_ignore_ascii_case("helm") || manager.starts_with("terraform-provider-helm")
}

impl Owner {
    /// How a message calls them.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::Ours => "this operator".to_owned(),
            Self::Person(manager) => manager.clone(),
            Self::Helm { release } if release.is_empty() => "a Helm release".to_owned(),
            Self::Helm { release } => format!("Helm release {release}"),
            Self::ArgoCD { application, .. } if application.is_empty() => "Argo CD".to_owned(),
            Self::ArgoCD { application, .. } => format!("Argo CD (Application {application})"),
            Self::ArgocdOperator { cr } => format!("argocd-operator (ArgoCD {cr})"),
        }
    }
}
