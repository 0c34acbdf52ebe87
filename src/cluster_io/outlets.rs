//! Where writes go: to the API server of the hub, or to that of a remote cluster; and what is put into them just before they are sent.

use kube::Client;
use serde_json::Value;

use crate::reconcile::Kind;
use crate::reconcile::write::{Action, Seal};

/// Where writes go.
pub trait Outlets: Send + Sync {
    /// The API server of objects of a kind.
    ///
    /// # Errors
    /// Why there is none.
    fn client(&self, kind: Kind) -> Result<Client, String>;

    /// Completes a write into which something is put that no plan holds.
    ///
    /// # Errors
    /// Why it cannot be completed. The text holds nothing of what is secret.
    fn unseal(&self, seal: Seal, body: &Value) -> Result<Action, String>;
}

/// The hub alone; nothing that is sealed goes there.
pub struct Hub(pub Client);

impl Outlets for Hub {
    fn client(&self, kind: Kind) -> Result<Client, String> {
        if kind.is_remote() { Err("there is no remote cluster here".to_owned()) } else { Ok(self.0.clone()) }
    }

    fn unseal(&self, _: Seal, _: &Value) -> Result<Action, String> {
        Err("there is no credential here".to_owned())
    }
}
