//! `ClusterAccess`: remote clusters, what Argo CD may do there, and by which credential. Pure.

pub mod aws;
pub mod names;
