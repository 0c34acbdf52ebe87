//! Where argocd-cm's exec keys are set: in itself, or, where argocd-operator makes it, in the `ArgoCD` object that it is made from. Pure.
//!
//! argocd-operator rewrites all of argocd-cm's data with each change, so nothing is ever written there. `spec.extraConfig` is what it
//! applies last: it wins in every version. `spec.webTerminalEnabled` would do the same and add pods/exec to roles of managed namespaces
//! besides, which nobody has declared.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;

use super::world::World;
use crate::api::conditions::Reason;
use crate::argocd::kinds::ArgoCD;
use crate::argocd::tracking::Tracking;
use crate::ownership::before::ANNOTATION;
use crate::ownership::{Holding, Keeper, Record, managed_fields, remedy};
use crate::reconcile::seen::{NotSeen, data};
use crate::reconcile::shared::{self, Object, Section};
use crate::reconcile::withheld::Withheld;
use crate::reconcile::write::{Kind, Layer, Target, Write};

/// Where they are set.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// In argocd-cm.
    ConfigMap(Target, &'a ConfigMap),
    /// In an `ArgoCD`.
    Operator {
        /// It.
        target: Target,
        /// What is seen of it.
        seen: Result<Option<Arc<ArgoCD>>, NotSeen>,
    },
}

impl<'a> Source<'a> {
    /// Finds out.
    #[must_use]
    pub fn of(world: &World, config_map: &'a ConfigMap) -> Self {
        let target = Target::namespaced(Kind::ConfigMap, world.namespace(), crate::argocd::ARGOCD_CM);
        // Argo CD's own marks do not matter for this question.
        let holding = Holding::of(target.place(), &config_map.metadata, &Tracking::default());
        let Keeper::ArgocdOperator { cr } = holding.keeper() else { return Self::ConfigMap(target, config_map) };
        let named = |all: &Vec<Arc<ArgoCD>>| all.iter().find(|a| a.metadata.name.as_ref() == Some(cr)).cloned();
        Self::Operator {
            target: Target::namespaced(Kind::ArgoCD, world.namespace(), cr),
            seen: world.argocds.as_ref().map(named).map_err(Clone::clone),
        }
    }

    /// The object that values are set in; `None` where it cannot be seen, or is not there.
    #[must_use]
    pub fn object(&self) -> Option<Object<'_>> {
        match self {
            Self::ConfigMap(target, config_map) => {
                Some(Object { target, layer: Layer::Flag, meta: &config_map.metadata, data: config_map.data.as_ref() })
            }
            Self::Operator { target, seen: Ok(Some(cr)) } => {
                Some(Object { target, layer: Layer::Flag, meta: &cr.metadata, data: Some(&cr.spec.extra_config) })
            }
            Self::Operator { .. } => None,
        }
    }

    /// The map of it.
    #[must_use]
    pub fn section(&self) -> Section {
        match self {
            Self::ConfigMap(..) => Section::Data,
            Self::Operator { .. } => Section::ExtraConfig,
        }
    }

    /// What is remembered of one key.
    #[must_use]
    pub fn record(&self, key: &str) -> Option<Record> {
        self.object()?.before().fields.remove(&self.section().name(key))
    }

    /// Whether a key is to be asked for. In an `ArgoCD` only with the admin's leave, and not what argocd-cm has without us.
    #[must_use]
    pub fn may_ask(&self, world: &World, config_map: &ConfigMap, key: &str, want: &str) -> bool {
        let Self::Operator { .. } = self else { return true };
        let said = self.object().and_then(|o| o.data).is_some_and(|extra| extra.contains_key(key));
        world.settings.argocd_operator && (said || data(Some(config_map)).get(key).is_none_or(|v| v != want))
    }

    /// What is wanted in an `ArgoCD` and may not be set there.
    #[must_use]
    pub fn refusals(&self, world: &World, config_map: &ConfigMap, asked: &[(&str, String)]) -> Vec<Withheld> {
        let Self::Operator { target, seen } = self else { return Vec::new() };
        let why = match seen {
            _ if !world.settings.argocd_operator => "the chart's instance.argocdOperator: true lets the operator do it".to_owned(),
            Err(not_seen) => not_seen.to_string(),
            Ok(None) => format!("there is no {target}"),
            Ok(Some(_)) => return Vec::new(),
        };
        let current = data(Some(config_map));
        let missing = asked.iter().filter(|(key, want)| current.get(*key) != Some(want));
        let refusal = |(key, want): &(&str, String)| Withheld {
            reason: Reason::OwnedByOther,
            field: format!("ConfigMap {} data.\"{key}\"", crate::argocd::ARGOCD_CM),
            message: format!(
                "argocd-operator makes {} from {target}, so it is not touched; {}, or {why}",
                crate::argocd::ARGOCD_CM,
                remedy::kubectl(target.place(), &["spec", "extraConfig", key], want)
            ),
        };
        missing.map(refusal).collect()
    }

    /// What was ours in argocd-cm before argocd-operator came goes with its next write; the memory of it is taken away.
    #[must_use]
    pub fn tidy(&self, world: &World, config_map: &ConfigMap) -> Option<Write> {
        let Self::Operator { .. } = self else { return None };
        let meta = &config_map.metadata;
        let remembers = meta.annotations.as_ref().is_some_and(|a| a.contains_key(ANNOTATION));
        let target = Target::namespaced(Kind::ConfigMap, world.namespace(), crate::argocd::ARGOCD_CM);
        (remembers || managed_fields::ours_present(meta)).then(|| shared::leave(&target, Layer::Flag, meta, remembers))
    }

    /// Who has to bring what was set into argocd-cm.
    #[must_use]
    pub fn waits_for(&self) -> String {
        match self {
            Self::ConfigMap(..) => String::new(),
            Self::Operator { target, .. } => format!(": argocd-operator has to make it from {target}, and has not yet (does it run?)"),
        }
    }
}
