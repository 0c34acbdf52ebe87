//! Why a terminal does not open: the chain that argocd-server walks for a terminal, link by link, and for a broken link the fact that
//! breaks it and what mends it. And for whom one opens at all. The same for live resources through an agent: [`live`]. Pure.
//!
//! ```text
//! Question, Observed --one file per link, in argocd-server's order--> Explanation (links, the first broken one, what mends it)
//! ```
//! [`causes`] is the one table of everything that can be wrong: what people see by it, what it is, how it is mended. [`who_can`] lists
//! everybody who can open a terminal. [`installation`]: whether the operator itself is installed as it should be, and works.

pub mod admission;
pub mod application;
pub mod causes;
pub mod commands;
pub mod destination;
pub mod exec_access;
pub mod installation;
pub mod kubernetes;
pub mod link;
pub mod live;
pub mod observed;
pub mod pod;
pub mod policy;
pub mod question;
pub mod settings;
pub mod versions;
pub mod way;
pub mod who_can;

#[cfg(test)]
pub(crate) mod tests;

pub use causes::{Cause, InstallationCause, LiveCause};
pub use link::{Fix, Link, Name, State};
pub use observed::Observed;
pub use question::Question;

use crate::reconcile::NotSeen;

/// The whole chain.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its links, in order.
    pub links: Vec<Link>,
}

impl Explanation {
    /// Whether the request gets through: closed as soon as one link is, open only where all are.
    #[must_use]
    pub fn state(&self) -> State {
        self.links.iter().map(|link| link.state).max().unwrap_or(State::Unknown)
    }

    /// The first link that is closed, or else the first of which it cannot be told.
    #[must_use]
    pub fn broken(&self) -> Option<&Link> {
        let state = self.state();
        // Of a link that only follows from another one nothing can be told either; that other one comes first.
        let with_cause = self.links.iter().find(|link| link.state == state && link.cause.is_some());
        with_cause.or_else(|| self.links.iter().find(|link| link.state == state)).filter(|_| state != State::Open)
    }
}

/// Walks the chain.
#[must_use]
pub fn explain(question: &Question, observed: &Observed) -> Explanation {
    Explanation {
        links: vec![
            settings::look(observed),
            application::look(question, observed),
            policy::look(question, observed),
            destination::look(question, observed),
            kubernetes::look(question, observed),
            admission::look(question, observed),
            pod::look(question, observed),
            way::look(observed),
            versions::look(question, observed),
        ],
    }
}

/// A link that depends on something that may not be read, or did not answer.
fn not_readable(name: Name, not_seen: &NotSeen) -> Link {
    Link::unknown(name, Cause::NotReadable, format!("{} cannot be read: {}", not_seen.kind, not_seen.why))
        .mended_by(Fix::by_people(Cause::NotReadable.mend()))
}

/// A link of which nothing can be said before another one is whole.
fn after(name: Name, why: &str) -> Link {
    Link { name, state: State::Unknown, cause: None, fact: why.to_owned(), fix: None }
}

fn after_application(name: Name) -> Link {
    after(name, "it depends on the Application")
}
