//! What is said of everything in front of argocd-server together: the worst first. Pure.

use super::IngressOutlook;
use super::front::Fronts;
use crate::api::conditions::{Reason, Verdict};
use crate::api::status::IngressStatus;
use crate::exec::admission::Case;
use crate::exec::world::World;
use crate::reconcile::seen::{NotSeen, Seen};
use crate::reconcile::withheld::Withheld;

/// How one Ingress or HTTPRoute stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What the status says of it.
    pub status: IngressStatus,
    /// How it stands.
    pub stand: Stand,
    /// What is wanted and left to its owner.
    pub withheld: Vec<Withheld>,
    /// What is to be added when all is well.
    pub remarks: Vec<String>,
}

/// How it can stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// A write is to come.
    Pending,
    /// It carries what its controller needs.
    Good,
    /// Its controller needs nothing.
    Nothing,
    /// It leads to argocd-server, and the path of the terminal (where that is known) does not.
    Elsewhere(Option<String>),
    /// It leads there for gRPC alone.
    GrpcOnly,
    /// A terminal by it is ended too early, and what to do.
    Cut(String),
    /// Something that counts cannot be seen.
    NotSeen(NotSeen),
    /// Its controller is not known.
    Unknown(String),
    /// Something only people can see to, and it is not known whether they have.
    Unverified(String),
}

impl Stand {
    /// What the status says of it, where it is not in order.
    pub fn message(&self) -> String {
        match self {
            Self::Pending | Self::Good => String::new(),
            Self::Nothing => "it passes WebSockets as it is: nothing is set".to_owned(),
            Self::Elsewhere(path) => {
                let path = path.as_deref().unwrap_or("/terminal");
                format!("it does not lead {path} to argocd-server: not for terminals, and not touched")
            }
            Self::GrpcOnly => "it is for gRPC: not for terminals, and not touched".to_owned(),
            Self::Cut(what) | Self::Unknown(what) | Self::Unverified(what) => what.clone(),
            Self::NotSeen(not_seen) => not_seen.to_string(),
        }
    }
}

/// Whether an object asks for anything here.
pub fn wishes(case: &Case) -> bool {
    case.grant.as_ref().is_some_and(|g| g.ingress.is_some())
}

/// What is said to one object in effect. `conflict`: the annotation for which an older object has another value, and that object.
pub fn outlook(world: &World, case: &Case, conflict: Option<&(String, String)>, fronts: &Seen<Fronts<'_>>, standings: &[Standing]) -> IngressOutlook {
    let none = |verdict| IngressOutlook { verdict, ingresses: Vec::new() };
    if !wishes(case) {
        return none(Verdict::yes(Reason::NotManaged, "spec.ingress.mode is None: no Ingress is touched"));
    }
    let fronts = match fronts {
        Ok(fronts) => fronts,
        Err(not_seen) => return none(not_readable(not_seen)),
    };
    if fronts.is_empty() {
        return none(nothing_there(world, fronts));
    }
    let ingresses = standings.iter().map(|s| s.status.clone()).take(32).collect();
    IngressOutlook { verdict: sum(conflict, standings), ingresses }
}

/// Sums up.
fn sum(conflict: Option<&(String, String)>, standings: &[Standing]) -> Verdict {
    let names = |is: fn(&Stand) -> bool| standings.iter().filter(|s| is(&s.stand)).map(named).collect::<Vec<_>>().join(", ");
    let first = |is: fn(&Stand) -> bool| standings.iter().find(|s| is(&s.stand)).map(|s| format!("{}: {}", named(s), s.stand.message()));
    let pending = names(|s| *s == Stand::Pending);
    if !pending.is_empty() {
        return Verdict::no(Reason::Pending, format!("what {pending} needs is not written yet"));
    }
    if let Some((key, owner)) = conflict {
        return Verdict::no(Reason::Conflict, format!("the older ExecAccess {owner:?} asks for another value of {key}; its value stands"));
    }
    if let Some(verdict) = Withheld::sum(standings.iter().flat_map(|s| &s.withheld)) {
        return verdict;
    }
    // One that carries terminals is enough: another may well be for gRPC, or for the API.
    if standings.iter().all(|s| matches!(s.stand, Stand::Elsewhere(_) | Stand::GrpcOnly)) {
        return no_way(standings);
    }
    if let Some(cut) = first(|s| matches!(s, Stand::Cut(_))) {
        return Verdict::no(Reason::ControllerConfiguration, cut);
    }
    if let Some(Stand::NotSeen(not_seen)) = standings.iter().map(|s| &s.stand).find(|s| matches!(s, Stand::NotSeen(_))) {
        return not_readable(not_seen);
    }
    let unknown = names(|s| matches!(s, Stand::Unknown(_)));
    if !unknown.is_empty() {
        let message = format!(
            "{unknown}: its controller is not one that the operator knows, so nothing was guessed; see to it that it passes WebSockets, set spec.ingress.annotations, or set spec.ingress.mode: None"
        );
        return Verdict::unknown(Reason::UnknownIngressClass, message);
    }
    if let Some(unverified) = first(|s| matches!(s, Stand::Unverified(_))) {
        return Verdict::unknown(Reason::ControllerConfiguration, unverified);
    }
    let (good, nothing) = (names(|s| *s == Stand::Good), names(|s| *s == Stand::Nothing));
    let said = [(good, "carries what its controller needs"), (nothing, "passes WebSockets as it is, so nothing is set")];
    let said: Vec<String> = said.into_iter().filter(|(names, _)| !names.is_empty()).map(|(names, what)| format!("{names} {what}")).collect();
    // One remark is enough: those on the other annotations say the same.
    let remark = standings.iter().flat_map(|s| &s.remarks).next().map(|r| format!(". {r}")).unwrap_or_default();
    Verdict::yes(Reason::Configured, format!("{}{remark}", said.join("; ")))
}

fn named(standing: &Standing) -> String {
    let kind = if standing.status.kind.is_empty() { "Ingress" } else { &standing.status.kind };
    format!("{kind} {}", standing.status.name)
}

fn no_way(standings: &[Standing]) -> Verdict {
    let all = standings.iter().map(named).collect::<Vec<_>>().join(", ");
    if standings.iter().all(|s| s.stand == Stand::GrpcOnly) {
        let message = format!(
            "{all} leads to argocd-server for gRPC alone, which carries no WebSocket; make an Ingress that speaks HTTP or HTTPS to it, or set spec.ingress.mode: None if people come another way"
        );
        return Verdict::no(Reason::GrpcOnly, message);
    }
    let path = standings.iter().find_map(|s| if let Stand::Elsewhere(Some(path)) = &s.stand { Some(path.as_str()) } else { None });
    let message = format!(
        "{all} leads to argocd-server, but not for the path {}, by which a terminal opens; let that path (or /) lead there too, or set spec.ingress.mode: None if people come another way",
        path.unwrap_or("/terminal")
    );
    Verdict::no(Reason::NoTerminalRoute, message)
}

fn nothing_there(world: &World, fronts: &Fronts<'_>) -> Verdict {
    if let Some(not_seen) = fronts.unseen {
        return not_readable(not_seen);
    }
    let message = format!(
        "no Ingress and no HTTPRoute in {} leads to argocd-server; if people reach it another way (a load balancer, a route of another namespace, a port-forward), make sure that it passes WebSockets, or set spec.ingress.mode: None",
        world.namespace()
    );
    Verdict::unknown(Reason::NoIngress, message)
}

fn not_readable(not_seen: &NotSeen) -> Verdict {
    Verdict::unknown(Reason::NotReadable, not_seen.to_string())
}
