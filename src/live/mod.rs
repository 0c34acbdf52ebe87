//! `LiveResourceAccess`: from what is declared and what the Applications consist of to the rights that an agent needs. Pure.
//!
//! ```text
//! Applications --derive (projects, discovery, child kinds, hard list, ceiling)--> rules and bindings for each namespace
//! ```

pub mod agent;
pub mod ceiling;
pub mod children;
pub mod derive;
pub mod discovery;
pub mod grant;
pub mod rules;
pub mod sensitive;
pub mod wanted;

#[cfg(test)]
mod tests;

pub use derive::derive;
