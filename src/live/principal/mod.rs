//! Side Principal of `LiveResourceAccess`: what the control plane of argocd-agent needs so that argocd-server shows live resources. Pure.
//!
//! ```text
//! World --admission--> cases --found (principal, argocd-server)--> basis --redis, restart, access (NetworkPolicy)--> Plan (writes, outlooks)
//!       --apply--> (elsewhere) --answers of agents, status--> LiveResourceAccessStatus
//! ```
//!
//! `redis.server` and with it the restart of argocd-server follow the existence of an object that counts, as `exec.enabled` does: nothing is
//! rolled twice a day. The NetworkPolicy follows its windows.

pub mod access;
pub mod admission;
pub mod answers;
pub mod basis;
pub mod found;
pub mod grant;
pub mod network;
pub mod outlook;
pub mod plan;
pub mod redis;
pub mod restart;
pub mod services;
pub mod status;
pub mod world;

#[cfg(test)]
mod tests;

pub use outlook::Outlook;
pub use plan::{Plan, plan};
pub use world::World;
