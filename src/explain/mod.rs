//! Why a terminal does not open: the chain that argocd-server walks for a terminal, link by link, and for a broken link the fact that
//! breaks it and what mends it. And for whom one opens at all. Pure.
//!
//! [`causes`] is the one table of everything that can be wrong: what people see by it, what it is, how it is mended. [`who_can`] lists
//! everybody who can open a terminal.

pub mod causes;
pub mod link;
pub mod shell;
pub mod who_can;

pub use causes::Cause;
pub use link::{Fix, Link, Name, State};
