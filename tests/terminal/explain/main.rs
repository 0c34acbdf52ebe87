//! `argocd-access explain terminal` against the real terminal: set-ups that are really broken, where a person is really refused, the true
//! cause is named, and the printed command, run as it is printed, really opens the terminal.
//!
//! One Argo CD for all of them, in a cluster without the operator and without its kinds. [`cases`] is the table, [`bench`] what they share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what a test cannot do fails it")]

#[path = "../../support/mod.rs"]
mod support;

mod bench;
mod cases;
mod table;
