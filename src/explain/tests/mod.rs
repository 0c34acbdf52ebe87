//! Tests of the links: a healthy Argo CD, broken at one place each time.

mod admission;
mod application;
mod chain;
mod destination;
pub mod fixtures;
mod kubernetes;
mod pod;
mod policy;
mod policy_fixes;
mod settings;
mod way;
