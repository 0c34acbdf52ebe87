//! Why a live resource does not come, or cannot be changed, through an agent: the chain of one request, link by link, in the agent's
//! cluster or in the control plane; and for a broken link the fact that breaks it and what mends it. Pure.
//!
//! ```text
//! Question, Observed --owners (as the agent climbs), rights (what the feature takes)--> one file per link --> Explanation
//! ```

pub mod agent;
pub mod application;
pub mod control_plane;
pub mod declared;
pub mod kind;
pub mod kubernetes;
pub mod observed;
pub mod owners;
pub mod question;
pub mod rights;
pub mod smallest;

#[cfg(test)]
mod tests;

pub use observed::Observed;
pub use question::Question;

use super::Explanation;

/// So many names of others are said.
const NAMED: usize = 5;

/// Walks the chain of a request to the agent of this cluster; in the control plane, the part of it that is there.
#[must_use]
pub fn explain(question: &Question, observed: &Observed) -> Explanation {
    if let Some(hub) = &observed.hub {
        return control_plane::explain(question, observed, hub);
    }
    let search = owners::search(observed);
    let needs = rights::needed(question, observed, &search);
    let standing = rights::standing(&needs, &observed.reviews, observed.kubernetes_version.as_deref());
    Explanation {
        links: vec![
            agent::look(question, observed),
            agent::mode(question, observed),
            application::look(question, observed),
            kind::look(question, observed),
            kind::managed(question, observed, &search),
            application::project(question, observed),
            declared::look(question, observed, &needs, &standing),
            kubernetes::look(question, observed, &needs, &standing),
        ],
    }
}
