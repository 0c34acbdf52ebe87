//! What all objects in effect want of the Ingresses together: the longest time, and of two values for one annotation that of the oldest
//! object. Pure.

use std::collections::BTreeMap;

use super::front::Front;
use crate::exec::admission::Case;
use crate::ingress::{Needs, Want};

/// The sum of their wishes.
pub struct Wish {
    /// The longest time; `None`: nobody wants anything.
    pub seconds: Option<u64>,
    annotations: BTreeMap<String, (String, String)>,
    /// By the index of the one who comes second: the annotation, and whose value stands.
    pub conflicts: BTreeMap<usize, (String, String)>,
}

impl Wish {
    /// Nothing but that a connection lasts.
    pub fn lasting(seconds: u64) -> Self {
        Self { seconds: Some(seconds), annotations: BTreeMap::new(), conflicts: BTreeMap::new() }
    }

    /// Adds them up.
    pub fn of(cases: &[Case]) -> Self {
        let mut wish = Self { seconds: None, annotations: BTreeMap::new(), conflicts: BTreeMap::new() };
        for (index, case) in cases.iter().enumerate().filter(|(_, c)| c.standing) {
            let Some(own) = case.grant.as_ref().and_then(|g| g.ingress.as_ref()) else { continue };
            wish.seconds = wish.seconds.max(Some(own.seconds));
            let name = case.access.metadata.name.as_deref().unwrap_or_default();
            for (key, value) in &own.annotations {
                let (first, owner) = wish.annotations.entry(key.clone()).or_insert_with(|| (value.clone(), name.to_owned()));
                if first != value {
                    wish.conflicts.insert(index, (key.clone(), owner.clone()));
                }
            }
        }
        wish
    }

    /// Everything that an Ingress must carry: nothing where no terminal goes by it.
    pub fn wants(&self, front: Option<&Front>, needs: &Needs) -> BTreeMap<String, Want> {
        let mut wants = BTreeMap::new();
        if self.seconds.is_none() || front.and_then(Front::carrier).is_none() {
            return wants;
        }
        wants.extend(needs.annotations.iter().map(|r| (r.key.clone(), r.want.clone())));
        for (key, (value, _)) in &self.annotations {
            let want = super::on_top(wants.get(key), key, value);
            wants.insert(key.clone(), want);
        }
        wants
    }
}
