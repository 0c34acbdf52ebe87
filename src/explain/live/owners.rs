//! How the agent finds out whether a resource belongs to an Application: by a mark on it, or on what owns it. Pure.
//!
//! As `agent/tracking.go` and `isResourceManaged` of argocd-agent 0.9.0: the mark counts whatever it says; each owner is asked for, so that the
//! agent needs `get` on its kind. The fifth owner up is still asked for, and then the search ends with an error, as it does at an owner that is
//! not there or may not be read.
//!
//! The mark is often found before the resource that is in Git: the controller of Deployments copies their annotations to their ReplicaSets. So
//! the [`Line`] goes on where the agent's search ends.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::observed::{Observed, Owner};
use super::question::Question;
use crate::argocd::tracking::{DEFAULT_LABEL, TRACKING_ID};
use crate::live::agent::tracking;
use crate::reconcile::seen::data;
use crate::reconcile::{NotSeen, Seen};

/// Of so many the last one is not looked at any more (`ownerLookupRecursionLimit`).
const DEPTH: usize = 5;
/// The methods of tracking that the agent knows.
const METHODS: [&str; 3] = ["annotation", "annotation+label", "label"];
/// So many owners are looked at; nobody has more.
const MOST: usize = 32;

/// The search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The owners that the agent asks for, in its order.
    pub asked: Vec<Owner>,
    /// How it ends.
    pub end: End,
}

/// How a search ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Something carries the mark: the resource itself, or this owner.
    Marked(Option<Owner>),
    /// Nothing does.
    Unmarked,
    /// It would go on where the agent ends with an error.
    Deep,
    /// The resource is not there.
    Absent,
    /// An owner is not there.
    Missing(Owner),
    /// Its kind is not known.
    UnknownKind(Owner),
    /// Something cannot be seen.
    NotSeen(NotSeen),
    /// It cannot be followed from here.
    Untold(String),
    /// This owner has to be looked at first.
    Look(Owner),
}

/// By what the agent knows a resource of an Application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// By the annotation.
    Annotation,
    /// By a label of this key.
    Label(String),
    /// By something that it does not know.
    Unknown(String),
}

impl Mark {
    fn is_on(&self, meta: &ObjectMeta) -> bool {
        match self {
            Self::Annotation => meta.annotations.as_ref().is_some_and(|all| all.contains_key(TRACKING_ID)),
            Self::Unknown(_) => false,
            Self::Label(key) => meta.labels.as_ref().is_some_and(|all| all.contains_key(key)),
        }
    }

    /// How it is called in a fact.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Annotation => format!("the annotation {TRACKING_ID}"),
            Self::Label(key) => format!("the label {key}"),
            Self::Unknown(method) => format!("a mark of the method {method:?}"),
        }
    }
}

/// By what the agent of this cluster knows them.
///
/// # Errors
/// When argocd-cm cannot be seen, which says so.
pub fn mark(observed: &Observed) -> Seen<Mark> {
    let settings = data(observed.argocd_cm.as_ref().map_err(Clone::clone)?.as_deref());
    let label = || settings.get("application.instanceLabelKey").filter(|key| !key.is_empty()).cloned();
    Ok(match tracking(Some(settings)) {
        "label" => Mark::Label(label().unwrap_or_else(|| DEFAULT_LABEL.to_owned())),
        method if METHODS.contains(&method) => Mark::Annotation,
        method => Mark::Unknown(method.to_owned()),
    })
}

/// Searches as far as what was looked at goes.
#[must_use]
pub fn search(observed: &Observed) -> Search {
    let ended = |end: End| Search { asked: Vec::new(), end };
    let (meta, mark) = match (&observed.resource, mark(observed)) {
        (Ok(None), _) => return ended(End::Absent),
        (Err(not_seen), _) => return ended(End::NotSeen(not_seen.clone())),
        (_, Err(not_seen)) => return ended(End::NotSeen(not_seen)),
        (Ok(Some(meta)), Ok(mark)) => (meta, mark),
    };
    if let Mark::Unknown(method) = &mark {
        return ended(End::Untold(format!("argocd-cm has application.resourceTrackingMethod {method:?}, which the agent does not know")));
    }
    let mut climb = Climb { observed, mark, asked: Vec::new(), by: None };
    let end = match climb.is_marked(meta, None, 0) {
        Ok(true) => End::Marked(climb.by.take()),
        Ok(false) => End::Unmarked,
        Err(end) => *end,
    };
    let mut known = BTreeSet::new();
    climb.asked.retain(|owner| known.insert(owner.clone()));
    Search { asked: climb.asked, end }
}

/// All that owns the resource, as far as it was looked at, whatever is marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The owners, the nearest first.
    pub seen: Vec<Owner>,
    /// This one has to be looked at to go on.
    pub look: Option<Owner>,
    /// Whether something of it cannot be seen.
    pub hidden: bool,
}

/// Goes up as far as what was looked at goes.
#[must_use]
pub fn line(observed: &Observed) -> Line {
    let mut line = Line { hidden: observed.resource.is_err(), ..Line::default() };
    let mut layer: Vec<ObjectMeta> = observed.resource.iter().flatten().cloned().collect();
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for owner in layer.iter().flat_map(|meta| meta.owner_references.iter().flatten()).map(Owner::of) {
            if line.seen.contains(&owner) || line.seen.len() >= MOST {
                continue;
            }
            match observed.owners.get(&owner) {
                None if observed.known(&owner.resource.kind).is_some() => line.look = line.look.or_else(|| Some(owner.clone())),
                Some(Ok(Some(meta))) => next.push(meta.clone()),
                Some(Ok(None)) => {}
                None | Some(Err(_)) => line.hidden = true,
            }
            line.seen.push(owner);
        }
        layer = next;
    }
    line
}

/// What has to be looked at next: for the agent's search, and to find what the Application has itself.
#[must_use]
pub fn next(question: &Question, observed: &Observed) -> Option<Owner> {
    if let End::Look(owner) = search(observed).end {
        return Some(owner);
    }
    if observed.listed(&question.resource).is_some() { None } else { line(observed).look }
}

struct Climb<'a> {
    observed: &'a Observed,
    mark: Mark,
    asked: Vec<Owner>,
    /// The owner with the mark.
    by: Option<Owner>,
}

impl Climb<'_> {
    /// Whether it is marked, or what owns it is.
    fn is_marked(&mut self, meta: &ObjectMeta, of: Option<&Owner>, depth: usize) -> Result<bool, Box<End>> {
        if depth >= DEPTH {
            return Err(Box::new(End::Deep));
        }
        if self.mark.is_on(meta) {
            self.by = of.cloned();
            return Ok(true);
        }
        for reference in meta.owner_references.iter().flatten() {
            let owner = Owner::of(reference);
            if self.observed.known(&owner.resource.kind).is_none() {
                // Only a group that the API server does not have is an error.
                if self.observed.discovery.as_ref().is_ok_and(|all| all.has_group(&owner.resource.kind.group)) {
                    continue;
                }
                return Err(Box::new(End::UnknownKind(owner)));
            }
            if self.asked.len() >= MOST {
                return Err(Box::new(End::Untold(format!("it has more than {MOST} owners"))));
            }
            self.asked.push(owner.clone());
            let above = match self.observed.owners.get(&owner) {
                None => return Err(Box::new(End::Look(owner))),
                Some(Err(not_seen)) => return Err(Box::new(End::NotSeen(not_seen.clone()))),
                Some(Ok(None)) => return Err(Box::new(End::Missing(owner))),
                Some(Ok(Some(above))) => above,
            };
            if self.is_marked(above, Some(&owner), depth + 1)? {
                return Ok(true);
            }
        }
        // What the Operator Lifecycle Manager makes is followed by an annotation of its own.
        if meta.annotations.as_ref().is_some_and(|all| all.contains_key("olm.operatorGroup")) {
            return Err(Box::new(End::Untold("the agent goes on with an OperatorGroup of the Operator Lifecycle Manager".to_owned())));
        }
        Ok(false)
    }
}
