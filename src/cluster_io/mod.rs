//! All the IO there is with the Kubernetes API: watches in, writes, reviews, statuses and events out.
//!
//! `apply` is the only module that writes to anything but our own status and Events.

pub mod api_server;
pub mod apply;
pub mod declared;
pub mod discover;
pub mod events;
pub mod lease;
pub mod outlets;
pub mod own_rules;
pub mod parsed;
pub mod probe;
pub mod recent;
pub mod remote;
pub mod report;
pub mod review;
pub mod snapshot;
pub mod watch;

use futures::future::BoxFuture;
use futures::{StreamExt, stream};

use crate::causes::chain;
use crate::hidden::hide;

/// The longest that one request may take; kube has no limit of its own, and a hung request would hold up everything.
pub const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// So many requests are on their way at once; more would only wait in the API server, whose time is shared with everybody else.
pub const AT_ONCE: usize = 8;

/// Runs them, some at once; the answers come in their order. In boxes, so that the compiler need not prove for all lifetimes what holds for
/// these.
pub async fn some_at_once<T>(all: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(all).buffered(AT_ONCE).collect().await
}

/// Why a request brought no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The API server, or the way to it, said no.
    #[error("{action}")]
    Api {
        /// What was tried, and on which object.
        action: String,
        /// What came back.
        #[source]
        source: Box<kube::Error>,
    },
    /// It could not be sent.
    #[error("{action}: {why}")]
    Unsent {
        /// What was tried, and on which object.
        action: String,
        /// Why not.
        why: String,
    },
    /// No answer came.
    #[error("{action}: no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout {
        /// What was tried, and on which object.
        action: String,
    },
}

impl RequestError {
    /// The chain of causes in one line, for a person.
    #[must_use]
    pub fn chain(&self) -> String {
        match self {
            Self::Api { action, source } => format!("{action}: {}", describe(source)),
            Self::Timeout { .. } | Self::Unsent { .. } => self.to_string(),
        }
    }

    /// The HTTP status that the API server answered with.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Timeout { .. } | Self::Unsent { .. } => None,
        }
    }
}

/// What an error of the client says, without its debug form, and without a credential that was said in the answer.
#[must_use]
pub fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => hide(&status.message).into_owned(),
        // What it says itself is "client error (Connect)": whether nobody listens there or the certificate is another one comes after that.
        kube::Error::Service(_) => hide(&chain(error)).into_owned(),
        other => hide(&other.to_string()).into_owned(),
    }
}

/// Sends one request, within the time limit.
///
/// # Errors
/// When the API server refuses, cannot be reached, or does not answer in time.
pub async fn request<T>(action: impl Into<String>, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, RequestError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(RequestError::Api { action: action.into(), source: Box::new(source) }),
        Err(_) => Err(RequestError::Timeout { action: action.into() }),
    }
}
