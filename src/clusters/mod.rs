//! `ClusterAccess`: remote clusters, what Argo CD may do there, and by which credential. Pure.
//!
//! ```text
//! World (the object, its two Secrets without what is secret of them, the remote cluster, what was proven)
//!   --admission--> case --needs, bindings, roles, tokens, proof, cluster_secret--> Plan (writes, a token to make, questions, outlook)
//!   --apply--> (elsewhere) --status--> ClusterAccessStatus
//! ```
//!
//! What is secret never gets into a world or a plan: it is in [`secret::Whole`], and put into a write just before that is sent.

pub mod admission;
pub mod aws;
pub mod bindings;
pub mod bootstrap;
pub mod claims;
pub mod cluster_secret;
pub mod credential;
pub mod grant;
pub mod identity;
pub mod manager;
pub mod names;
pub mod needs;
pub mod outlook;
pub mod plan;
pub mod proof;
pub mod remote;
pub mod rights;
pub mod roles;
pub mod secret;
pub mod status;
pub mod tokens;
mod told;
pub mod world;

#[cfg(test)]
mod tests;

pub use outlook::Outlook;
pub use plan::{Plan, plan};
pub use world::World;
