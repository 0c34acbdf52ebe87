//! Argo CD's and Kubernetes' versions, and what is known of them: a tab that is not shown although the terminal would open. Pure.

use super::link::{Fix, Link, Name};
use super::observed::Observed;
use super::question::Question;
use super::{Cause, policy};
use crate::argocd::versions;

const NAME: Name = Name::Versions;

/// How it stands.
#[must_use]
pub fn look(question: &Question, observed: &Observed) -> Link {
    let argocd = observed.server().and_then(|server| server.version);
    let kubernetes = observed.world.kubernetes_version.as_deref();
    let called = |version: Option<&str>| version.map_or_else(|| "of an unknown version".to_owned(), ToOwned::to_owned);
    let both = format!("Argo CD {}, Kubernetes {}", called(argocd.as_deref()), called(kubernetes));
    if question.is_elsewhere() && versions::hides_tabs(argocd.as_deref()) {
        let short = Question { app: super::question::AppName { namespace: None, ..question.app.clone() }, ..question.clone() };
        let tab = policy::look(&short, observed);
        if tab.state != super::State::Open {
            let fact = format!(
                "{both}: the web interface asks whether exec, create is allowed on {}, not on {}, and hides the tab",
                short.object(),
                question.object()
            );
            let fix = format!(
                "{} to 3.4.4 or later. A line for {} shows the tab, too, but grants an Application of that name in {}, also one that is made later",
                Cause::TabHidden.mend(),
                short.object(),
                question.instance
            );
            return Link::closed(NAME, Cause::TabHidden, fact).mended_by(Fix::by_people(fix));
        }
    }
    let old = versions::unsupported(argocd.as_deref(), kubernetes).map(|why| format!("; the operator serves none of these ({why})"));
    let asked = match versions::WEBSOCKET.holds(argocd.as_deref()) {
        Some(true) => "; terminals are asked for by WebSocket",
        Some(false) => "; terminals are asked for by POST",
        None => "",
    };
    Link::open(NAME, format!("{both}{asked}{}", old.unwrap_or_default()))
}
