//! The Kubernetes rights of the agent's ServiceAccount, as the API server itself answers. Pure.

use super::observed::{Accesses, Observed};
use super::question::Question;
use super::rights::{Need, Standing, What, show};
use super::smallest;
use crate::explain::link::{Fix, Link, Name};
use crate::explain::{Cause, LiveCause, after};
use crate::live::review::{self, Question as Asked};

const NAME: Name = Name::Kubernetes;

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed, needs: &[Need], standing: &Standing) -> Link {
    let Ok(Ok(agent)) = observed.agent() else { return after(NAME, "it depends on the agent") };
    if needs.is_empty() {
        return after(NAME, "it depends on the kind and on the namespace of the resource");
    }
    let whom = format!("ServiceAccount {}/{}", question.instance, agent.service_account);
    let excess = excess(question, observed, needs);
    match standing {
        Standing::Unanswered(why) => {
            let fact = format!("what {whom} may do cannot be asked (create subjectaccessreviews): {why}");
            Link::unknown(NAME, Cause::NotReadable, fact).mended_by(Fix::by_people(Cause::NotReadable.mend()))
        }
        Standing::Whole => Link::open(NAME, format!("{whom} may {}{excess}", allowed(observed, needs))),
        Standing::Missing(missing) => {
            let lacks = missing.iter().map(|need| format!("{}{}", show(&need.asked), place(&need.asked))).collect::<Vec<_>>().join(", ");
            let cause = missing.first().map_or(LiveCause::KindGet, |need| cause(&need.what));
            let link = Link::closed(NAME, cause, format!("{whom} may not {lacks}{excess}"));
            // Where there are declarations, a Role beside them is what nobody takes back.
            match &observed.accesses {
                Ok(Accesses::NoKind) => {
                    let fix = smallest::role(question, &agent, missing);
                    link.mended_by(fix.unwrap_or_else(|| Fix::by_people("judge whether the agent is to have that at all")))
                }
                _ => link.mended_by(Fix::by_people(cause.mend())),
            }
        }
    }
}

fn cause(what: &What) -> LiveCause {
    match what {
        What::Get => LiveCause::KindGet,
        What::Owner(_) => LiveCause::OwnerGet,
        What::Change => LiveCause::Change,
        What::Events => LiveCause::Events,
        What::Logs => LiveCause::Logs,
        What::Exec => LiveCause::Exec,
    }
}

fn place(asked: &Asked) -> String {
    if asked.namespace.is_empty() { " in the cluster".to_owned() } else { format!(" in {}", asked.namespace) }
}

/// Each right with what allows it, as the API server says it.
fn allowed(observed: &Observed, needs: &[Need]) -> String {
    let one = |need: &Need| {
        let answer = observed.reviews.get(&need.asked)?.as_ref().ok()?;
        let by = if answer.reason.is_empty() { "the API server does not say why" } else { &answer.reason };
        answer.allowed.then(|| format!("{}{} ({by})", show(&need.asked), place(&need.asked)))
    };
    needs.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// What is asked beside the rights themselves: whether the agent has far more.
#[must_use]
pub fn beside(namespace: &str, needs: &[Need]) -> Vec<Asked> {
    let wanted =
        |asked: &Asked| needs.iter().any(|n| n.asked.resource == asked.resource && n.asked.group == asked.group && n.asked.verb == asked.verb);
    review::excessive(namespace).into_iter().filter(|asked| !wanted(asked)).collect()
}

fn excess(question: &Question, observed: &Observed, needs: &[Need]) -> String {
    let namespace = observed.place(question).unwrap_or_default();
    let found = beside(&namespace, needs).into_iter().filter_map(|asked| {
        let answer = observed.reviews.get(&asked)?.as_ref().ok().filter(|answer| answer.allowed)?;
        Some(format!("{}{} ({})", show(&asked), place(&asked), answer.reason))
    });
    let found: Vec<String> = found.collect();
    if found.is_empty() { String::new() } else { format!("; more than that, it may {}", found.join(", ")) }
}
