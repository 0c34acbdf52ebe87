//! Who has a field of a shared object, and what follows from it. Pure.
//!
//! Shared objects (argocd-cm, Ingresses, argocd-server's own roles, AppProjects, the `ArgoCD` of argocd-operator) belong to somebody else.
//! For each value of ours in them this module says who has it ([`owner`]), whether it may be set and how ([`decision`]), what the owner
//! would have to change themselves ([`remedy`]), and what comes back when it is withdrawn ([`before`], [`value`]).

pub mod before;
pub mod behalf;
pub mod decision;
pub mod managed_fields;
pub mod owner;
pub mod remedy;
pub mod value;

pub use before::{Before, Record};
pub use decision::{Course, Decision, Terms, course, decide};
pub use owner::{Holding, Keeper, Manner, Owner};
