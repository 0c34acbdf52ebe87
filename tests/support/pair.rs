//! The two halves of argocd-agent, the real program, on two real API servers: the principal on the hub (Kubernetes 1.36) and agents, in
//! another cluster (1.34) or in that one, connected by mutual TLS.
//!
//! Each runs as its own ServiceAccount, with a token of that and with the rights of its install manifests, nothing more; its settings are
//! those that its Deployment names. [`ResourceProxy`] asks the principal as argocd-server does, with the client certificate of an agent's
//! cluster Secret.

mod agent;
mod install;
mod principal;
mod resource_proxy;

pub use agent::Agent;
pub use principal::Principal;
pub use resource_proxy::{Answer, ResourceProxy};
