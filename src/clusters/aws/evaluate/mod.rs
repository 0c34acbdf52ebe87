//! Who may assume a role, by its trust policy. Pure.
//!
//! Two ways that check each other: [`policy::Policy::answer`] decides over one request as IAM does, and [`judge`] proves of a whole policy
//! that it lets in nobody but those who are meant. Neither knows all of IAM. What they do not know counts against the policy: an unknown
//! operator "may" let somebody in, and an unknown statement is too wide.

pub mod condition;
pub mod judge;
pub mod policy;
mod read;

pub use judge::{Finding, hub, spoke};
pub use policy::{Answer, Caller, Policy, Request};
