//! `ClusterAccess`: remote clusters, what Argo CD may do there, and by which credential. Pure.

pub mod bootstrap;
pub mod names;
pub mod rights;
