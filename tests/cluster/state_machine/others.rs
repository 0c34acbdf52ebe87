//! What others do to the shared objects, sent to the real API server, and the same done to the twin that never had us.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use argocd_access::api::INSTANCE_LABEL;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

use super::life::{Life, SHARED, api};
use crate::sequences::edits::{Act, Deed, Edit};
use crate::sequences::place::Which;
use crate::sequences::{fields, written};

/// Whether a server-side apply met the fields of another field manager ("conflict with", or "conflicts with" where there are several).
fn is_refused(message: &str) -> bool {
    message.starts_with("Apply failed with")
}

fn is_helms(object: Option<&Value>) -> bool {
    object.is_some_and(|o| o["metadata"]["labels"]["app.kubernetes.io/managed-by"] == json!("Helm"))
}

impl Life {
    /// What others do. What they see and what they change is one and the same: the object may not change in between.
    pub(super) async fn edit(&mut self, edit: &Edit) -> Result<(), String> {
        if matches!(edit, Edit::Flag(_) | Edit::HelmUpgrade(_)) {
            self.rewrites += 1;
        }
        let mut done = BTreeSet::new();
        for attempt in 0..60_u64 {
            // The operator may be writing just now.
            tokio::time::sleep(Duration::from_millis(10 * attempt.min(20))).await;
            let mut seen = BTreeMap::new();
            // Asked twice: what it asks for shows what it looks at.
            let asked = std::cell::RefCell::new(BTreeSet::new());
            let _none = edit.acts(&self.place, &|target| {
                asked.borrow_mut().insert(target.clone());
                Some(json!({"metadata": {"labels": {INSTANCE_LABEL: "x"}, "finalizers": [argocd_access::api::FINALIZER]}}))
            });
            let _none = edit.acts(&self.place, &|target| {
                asked.borrow_mut().insert(target.clone());
                None
            });
            for target in asked.into_inner() {
                let object = self.get(&target).await;
                seen.insert(target, object);
            }
            let acts = edit.acts(&self.place, &|target| seen.get(target).cloned().flatten());
            let mut missed = false;
            for act in acts.iter().filter(|act| !done.contains(&act.target)).collect::<Vec<_>>() {
                let there = seen.get(&act.target).and_then(Option::as_ref);
                if self.perform(act, there).await? {
                    self.follow(edit, act, there);
                    done.insert(act.target.clone());
                } else {
                    missed = true;
                }
            }
            // See the simulator's machine: then it cannot be told whose the value is.
            let cm = seen.get(&self.place.shared(Which::ArgocdCm)).cloned().flatten().unwrap_or_default();
            let beneath = matches!(edit, Edit::Flag(_) | Edit::Shells(_)) && written::is_in_helms_name(&cm);
            if beneath || matches!(edit, Edit::HelmUpgrade(Some("true"))) {
                self.forged.insert(Which::ArgocdCm);
            }
            if let Edit::Memory(which, _) = edit
                && !acts.is_empty()
            {
                self.forged.insert(*which);
            }
            if !missed {
                self.note().await;
                return Ok(());
            }
        }
        Err(format!("{edit:?}: the object changes faster than it can be edited"))
    }

    /// Sends one request; `false`: the object has changed since it was looked at.
    pub(super) async fn perform(&self, act: &Act, there: Option<&Value>) -> Result<bool, String> {
        let (api, name) = (api(&self.team, &act.target), act.target.name.as_str());
        let version = there.and_then(|o| o["metadata"]["resourceVersion"].as_str()).unwrap_or_default().to_owned();
        let sent = match &act.deed {
            Deed::Merge(patch) => {
                let mut patch = patch.clone();
                fields::merge(&mut patch, &json!({"metadata": {"resourceVersion": version}}));
                let params = PatchParams { field_manager: Some(act.manager.to_owned()), ..PatchParams::default() };
                api.patch(name, &params, &Patch::Merge(&patch)).await.map(drop)
            }
            Deed::Apply(body) => {
                let mut body = body.clone();
                body["metadata"]["resourceVersion"] = json!(version);
                match api.patch(name, &PatchParams::apply(act.manager), &Patch::Apply(&body)).await {
                    // What Helm has must never meet us. What it never had it takes over by force, as Helm itself would have to.
                    Err(kube::Error::Api(status))
                        if is_refused(&status.message) && is_helms(there) && status.message.contains("with \"argocd-access\"") =>
                    {
                        return Err(format!("{} meets us: {}", act.manager, status.message));
                    }
                    // People's values stand in its way.
                    Err(kube::Error::Api(status)) if is_refused(&status.message) => {
                        api.patch(name, &PatchParams::apply(act.manager).force(), &Patch::Apply(&body)).await.map(drop)
                    }
                    other => other.map(drop),
                }
            }
            Deed::Create(body) => return Ok(self.create(act.manager, &act.target, body).await),
            Deed::Delete => {
                let preconditions = Some(Preconditions { resource_version: Some(version), uid: None });
                api.delete(name, &DeleteParams { preconditions, ..DeleteParams::default() }).await.map(drop)
            }
        };
        match sent {
            Ok(()) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(false),
            Err(error) => Err(format!("{act:?}: {error}")),
        }
    }

    /// The same without us, unless it was of ours only, or changed nothing.
    pub(super) fn follow(&mut self, edit: &Edit, act: &Act, there: Option<&Value>) {
        let gone = matches!(act.deed, Deed::Delete);
        if let (true, Some(which)) = (gone, SHARED.into_iter().find(|w| self.place.shared(*w) == act.target)) {
            self.forged.remove(&which);
        }
        if edit.is_of_ours() {
            return;
        }
        let twin = &self.twin;
        let acts = edit.acts(&self.place, &|target| twin.get(target).cloned());
        let Some(mut twins) = acts.into_iter().find(|twins| twins.target == act.target) else { return };
        if let (Deed::Merge(patch), Deed::Merge(twins)) = (&act.deed, &mut twins.deed) {
            written::prune(twins, patch, there.unwrap_or(&Value::Null));
        }
        let old = self.twin.get(&act.target).cloned();
        let new = match (&twins.deed, old) {
            (Deed::Delete, _) => None,
            (Deed::Create(body), None) => Some(body.clone()),
            (Deed::Merge(patch), Some(old)) => {
                let mut new = old.clone();
                fields::merge(&mut new, patch);
                fields::settle_ownership(&old, &mut new, act.manager, fields::Operation::Update);
                Some(new)
            }
            (Deed::Apply(body), Some(old)) => Some(fields::apply(&old, body, act.manager)),
            (_, old) => old,
        };
        match new {
            Some(new) => drop(self.twin.insert(act.target.clone(), new)),
            None => drop(self.twin.remove(&act.target)),
        }
    }
}
