//! Tokens that are made, and what a credential is seen to be able to do.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::Client;

use super::{Again, Connection, Known, Made, PROOF, Subject, version};
use crate::cluster_io::remote::connect::{self, Way};
use crate::cluster_io::remote::mint::{self, Token};
use crate::cluster_io::remote::prove::{self, Unproven};
use crate::clusters::plan::Ask;
use crate::clusters::proof::Proof;
use crate::clusters::remote::Failure;
use crate::clusters::tokens::Order;

impl Known {
    /// Makes a token for the operator itself.
    pub async fn mint_own(&mut self, order: &Order) {
        if !self.minting.is_due() {
            return;
        }
        let Ok(client) = self.client() else { return };
        match mint::mint(&client, order).await {
            Ok(token) => (self.own_made, self.minting) = (Some(token), Again::default()),
            Err(why) => {
                self.minting.failed();
                tracing::warn!(why, "the operator's own credential for a remote cluster could not be replaced");
            }
        }
    }

    /// Makes a token for Argo CD, and sees what it can do before it is used.
    pub async fn mint(&mut self, subject: &Subject, order: &Order, ask: &Ask, expected: &str) {
        if !self.minting.is_due() {
            return;
        }
        match self.try_mint(subject, order, ask, expected).await {
            Ok(made) => {
                (self.made, self.minting, self.failure) = (Some(made), Again::default(), None);
                (self.proved, self.asked) = (Some(Instant::now()), Some(ask.clone()));
            }
            Err(why) => {
                self.minting.failed();
                tracing::warn!(cluster = subject.id.cluster, why, "a credential could not be made");
                self.failure = Some(Failure { why, at: Timestamp::now() });
            }
        }
    }

    async fn try_mint(&self, subject: &Subject, order: &Order, ask: &Ask, expected: &str) -> Result<Made, String> {
        let token = mint::mint(&self.client()?, order).await?;
        let proof = self.see(subject, &token, ask).await?;
        if proof.subject != expected {
            return Err(format!("the new credential is that of {}, and {expected} is declared", proof.subject));
        }
        Ok(Made { token, proof: Arc::new(proof) })
    }

    /// Sees again what the token can do that was made last and is not written yet: it may have been made before it was bound to anything.
    pub async fn prove_made(&mut self, subject: &Subject, ask: &Ask) {
        let Some(made) = self.made.take() else { return };
        if !self.is_to_be_proven(ask) || ask.places.is_empty() {
            self.made = Some(made);
            return;
        }
        (self.proved, self.asked) = (Some(Instant::now()), Some(ask.clone()));
        match self.see(subject, &made.token, ask).await {
            Ok(proof) => self.made = Some(Made { proof: Arc::new(proof), ..made }),
            // It does not work any more: another one is made.
            Err(why) => {
                tracing::warn!(cluster = subject.id.cluster, why, "a credential that was made does not work");
                self.failure = Some(Failure { why, at: Timestamp::now() });
            }
        }
    }

    /// Whether a token was made that is not in the Secret yet.
    #[must_use]
    pub fn has_made(&self) -> bool {
        self.made.is_some()
    }

    async fn see(&self, subject: &Subject, token: &Token, ask: &Ask) -> Result<Proof, String> {
        let manager = self.manager(subject, Timestamp::now()).map_err(|verdict| verdict.message)?.ok_or("the manager's Secret is gone")?;
        let way = Way { server: &subject.id.server, ca: &manager.ca, proxy: subject.proxy.as_deref() };
        let client = connect::with_token(way, &token.token)?;
        prove::prove(&client, ask).await.map_err(|unproven| match unproven {
            Unproven::Refused(why) | Unproven::Failed(why) => format!("the new credential does not work: {why}"),
        })
    }

    /// Whether something has to be proven (again).
    fn is_to_be_proven(&self, ask: &Ask) -> bool {
        if self.asked.as_ref() != Some(ask) {
            return true;
        }
        let age = if self.doubtful { PROOF.1 } else { PROOF.0 };
        self.proved.is_none_or(|at| at.elapsed() >= age)
    }

    /// Sees what the credential of the Secret can do.
    pub async fn prove(&mut self, subject: &Subject, ask: &Ask) {
        if !self.is_to_be_proven(ask) {
            return;
        }
        let of = self.secret_version();
        let answer = match &ask.group {
            Some((user, group)) => match self.client() {
                Ok(client) => prove::review(&client, ask, (user, group)).await,
                Err(why) => Err(Unproven::Failed(why)),
            },
            None => match self.as_argocd(subject) {
                Ok(Some(client)) => prove::prove(&client, ask).await,
                Ok(None) => return,
                Err(why) => Err(Unproven::Failed(why)),
            },
        };
        (self.proved, self.asked) = (Some(Instant::now()), Some(ask.clone()));
        self.refused = None;
        self.proof = Some(match answer {
            Ok(proof) => Ok(Arc::new(proof)),
            Err(Unproven::Failed(why)) => Err(why),
            Err(Unproven::Refused(why)) => {
                self.refused = of;
                Err(why)
            }
        });
    }

    /// Notes that not all is as it should be, so that it is asked again sooner.
    pub fn doubt(&mut self, doubtful: bool) {
        self.doubtful = doubtful;
    }

    fn as_argocd(&mut self, subject: &Subject) -> Result<Option<Client>, String> {
        let Some(whole) = self.whole() else { return Ok(None) };
        let of = version(whole);
        if let Some(connection) = self.argocd.as_ref().filter(|connection| connection.of == of) {
            return Ok(Some(connection.client.clone()));
        }
        // The credential is for the server that the Secret names, and shown to no other.
        let server = whole.get("server").and_then(|server| std::str::from_utf8(server).ok()).map(|server| server.trim_end_matches('/'));
        if server != Some(subject.id.server.as_str()) {
            return Err("the cluster Secret is for another server, so its credential is not sent to this one".to_owned());
        }
        let Some(login) = whole.login() else { return Ok(None) };
        let client = connect::as_argocd(&subject.id.server, subject.proxy.as_deref(), &login)?;
        self.argocd = Some(Connection { of, client: client.clone() });
        Ok(Some(client))
    }
}
