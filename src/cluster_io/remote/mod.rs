//! Remote clusters: the two Secrets in the hub, the way there, what is looked at, tokens, and what a credential can do.
//!
//! Nothing of a credential gets into an error, a log or a metric. Secrets and tokens are read as text: what the client cannot parse it
//! would log as a whole.

pub mod connect;
pub mod identities;
pub mod look;
pub mod mint;
pub mod prove;
pub mod secrets;
