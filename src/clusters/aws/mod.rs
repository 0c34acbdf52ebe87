//! A `ClusterAccess` of EKS: the roles, policies and entries by which Argo CD is somebody in AWS and in the remote cluster. Pure.
//!
//! ```text
//! all ClusterAccess --fold--> Hub (one role, three ServiceAccounts, all spoke roles)
//!   --documents--> policies --text | objects--> what is put out        --auth--> the edit of kube-system/aws-auth
//! what controllers report --evaluate, objects--> who may really come   --outlook--> AWSReady, awsAuthConfig
//! ```
//!
//! Nothing here calls AWS. What cannot be seen from a cluster (whether the documents were applied, whether the hop works) is said to be
//! unseen, never to hold.

pub mod arn;
pub mod auth;
pub mod documents;
pub mod evaluate;
pub mod fold;
pub mod objects;
pub mod outlook;
pub mod text;

#[cfg(test)]
pub(crate) mod tests;

pub use fold::{Folded, Hub, ServiceAccounts};
pub use outlook::{Input, Outlook, Seen, outlook};
