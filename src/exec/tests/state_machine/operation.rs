//! What happens in the life of an instance. Every operation says by its `Debug` text what it does, so that a shrunk sequence can be
//! read.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::edits::{Edit, edit};

/// The names of the objects; most sequences use the first few.
pub const NAMES: [&str; 20] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Somebody creates the object, or changes its spec.
    Declare(&'static str, Spec),
    /// Somebody creates all the twenty objects at once.
    DeclareAll(Spec),
    Suspend(&'static str),
    Resume(&'static str),
    Delete(&'static str),
    /// So many minutes pass.
    Wait(i64),
    /// Somebody else changes something.
    Foreign(Edit),
    /// From now on the operator cannot read this kind.
    Blind(Kinds),
    /// It can read everything again.
    See,
    /// The operator makes so many steps; it need not be done when the next thing happens.
    Steps(usize),
    /// The operator is killed after so many writes of its next step; what it had in memory is gone.
    Kill(usize),
    /// A step is planned, then this happens, then the step is sent.
    Stale(Box<Operation>),
    /// The operator works until it has nothing to do.
    Settle,
}

/// The kinds that may become unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kinds {
    ArgocdCm,
    RbacCm,
    ParamsCm,
    Deployments,
    Pods,
    Services,
    Ingresses,
    IngressClasses,
    Applications,
    Projects,
    Namespaces,
    RoleBindings,
    ClusterRoleBinding,
    AdmissionPolicy,
    AdmissionBinding,
    /// What the API server's clock says.
    ServersClock,
}

/// The spec of an object.
#[derive(Clone, PartialEq)]
pub struct Spec(pub Value);

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Any spec that somebody may write.
pub fn spec() -> impl Strategy<Value = Spec> {
    let subject = prop_oneof![
        6 => select(&["team-a", "team-b", "team-c"][..]).prop_map(|name| json!({"kind": "Group", "name": name})),
        1 => Just(json!({"kind": "User", "name": "ann"})),
        1 => Just(json!({"kind": "Role", "name": "ops"})),
    ];
    let application = select(vec![
        json!({"project": "shop"}),
        json!({"project": "shop", "name": "web-1"}),
        json!({"project": "shop", "name": "web-*"}),
        json!({"project": "bank"}),
        json!({"project": "bank", "name": "ledger"}),
        json!({"project": "lab"}),
        json!({"project": "*"}),
        json!({"project": "shop", "namespace": "*"}),
        json!({"project": "shop", "namespace": "team"}),
        json!({"project": "*", "name": "web-1", "namespace": "*"}),
    ]);
    let more = select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({"server": {"scope": "Cluster"}}),
        json!({"server": {"namespaces": {"names": ["lab", "shop"]}}}),
        json!({"server": {"namespaces": {"selector": {"matchLabels": {"name": "bank"}}}}}),
        json!({"ingress": {"mode": "None"}}),
        json!({"ingress": {"timeout": "2h"}}),
        json!({"ingress": {"annotations": {"nginx.ingress.kubernetes.io/proxy-connect-timeout": "9"}}}),
        json!({"ingress": {"annotations": {"nginx.ingress.kubernetes.io/proxy-connect-timeout": "8", "nginx.ingress.kubernetes.io/websocket-services": "mine"}}}),
        json!({"roleName": "shared"}),
        json!({"policyTarget": "Project"}),
        json!({"policyTarget": "Project"}),
        json!({"mode": "Observe"}),
        json!({"suspend": true}),
        json!({"reason": "INC-1"}),
        json!({"onRevoke": "RestartServer"}),
        // A sequence begins on Monday 2026-06-01 at 12:00 UTC.
        json!({"validity": {"notAfter": "2026-06-01T12:50:00Z"}}),
        json!({"validity": {"notBefore": "2026-06-01T12:05:00Z", "notAfter": "2026-06-02T12:00:00Z"}}),
        json!({"schedule": [{"days": ["Mon", "Tue"], "from": "08:00", "to": "12:10", "timeZone": "UTC"}]}),
        json!({"schedule": [{"days": ["Mon"], "from": "14:30", "to": "02:00", "timeZone": "Europe/Paris"}]}),
    ]);
    let refused = select(vec![json!({"roleName": "admin"}), json!({"server": {"namespaces": {"names": ["kube-system"]}}}), json!({"subjects": []})]);
    let few = || 1..3_usize;
    let rest = prop_oneof![12 => more, 1 => refused];
    (proptest::collection::vec(subject, few()), proptest::collection::vec(application, few()), rest).prop_map(|(subjects, applications, rest)| {
        let mut spec = json!({"subjects": subjects, "applications": applications});
        if let (Some(spec), Value::Object(rest)) = (spec.as_object_mut(), rest) {
            spec.extend(rest);
        }
        Spec(spec)
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => select(&NAMES[..4]), 1 => select(&NAMES[..])]
}

fn kinds() -> impl Strategy<Value = Kinds> {
    select(vec![
        Kinds::ArgocdCm,
        Kinds::RbacCm,
        Kinds::ParamsCm,
        Kinds::Deployments,
        Kinds::Pods,
        Kinds::Services,
        Kinds::Ingresses,
        Kinds::IngressClasses,
        Kinds::Applications,
        Kinds::Projects,
        Kinds::Namespaces,
        Kinds::RoleBindings,
        Kinds::ClusterRoleBinding,
        Kinds::AdmissionPolicy,
        Kinds::AdmissionBinding,
        Kinds::ServersClock,
    ])
}

/// What somebody does who is not the operator.
fn somebody(regex: bool) -> impl Strategy<Value = Operation> {
    prop_oneof![
        // All twenty at once are seldom: they cost as much as twenty sequences.
        10 => (name(), spec(), 0..40_u8).prop_map(|(name, spec, all)| match all {
            39 => Operation::DeclareAll(spec),
            _ => Operation::Declare(name, spec),
        }),
        2 => name().prop_map(Operation::Suspend),
        1 => name().prop_map(Operation::Resume),
        4 => name().prop_map(Operation::Delete),
        10 => edit(&NAMES[..4], regex).prop_map(Operation::Foreign),
    ]
}

/// Anything that may happen. `regex`: also that Argo CD's match mode changes.
pub fn operation(regex: bool) -> impl Strategy<Value = Operation> {
    prop_oneof![
        27 => somebody(regex),
        3 => select(&[1, 7, 45, 240, 1500][..]).prop_map(Operation::Wait),
        2 => kinds().prop_map(Operation::Blind),
        2 => Just(Operation::See),
        6 => (1..4_usize).prop_map(Operation::Steps),
        4 => (0..5_usize).prop_map(Operation::Kill),
        4 => somebody(regex).prop_map(|between| Operation::Stale(Box::new(between))),
        1 => select(&[7, 45, 240][..]).prop_map(|minutes| Operation::Stale(Box::new(Operation::Wait(minutes)))),
        8 => Just(Operation::Settle),
    ]
}
