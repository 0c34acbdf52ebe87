//! Tests with the real argocd-agent: what its principal and an agent let through, asked as argocd-server asks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test cannot do fails it")]

#[path = "../support/mod.rs"]
mod support;

mod operated;
mod requests;
mod shop;
mod table;
