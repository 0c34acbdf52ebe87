//! Whether the certificate authorities of the cluster are still those that this process knows.
//!
//! kube reads them once, when a client is made. When a cluster gets other ones, its Pods get another file; who still has the old ones
//! reaches the API server no more as soon as it shows a certificate of the new ones, and has to be started again.

use std::time::Duration;

use crate::causes::chain;

/// As often as kube reads a token again.
const EVERY: Duration = Duration::from_secs(60);

/// Waits until others are found where those of this process were.
pub async fn replaced(known: &[Vec<u8>]) {
    let found = async || match kube::Config::infer().await {
        Ok(config) => config.root_cert,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the cluster's authorities cannot be read again; those from the start are used");
            None
        }
    };
    loop {
        tokio::time::sleep(EVERY).await;
        if are_others(known, found().await.as_deref()) {
            return;
        }
    }
}

/// Without any, nothing can be reached; that is no replacement.
fn are_others(known: &[Vec<u8>], found: Option<&[Vec<u8>]>) -> bool {
    found.is_some_and(|found| !found.is_empty() && found != known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_authorities_that_are_there_and_are_others_are_a_replacement() {
        let one = |name: &str| name.as_bytes().to_vec();
        let known = [one("a"), one("b")];
        assert!(!are_others(&known, Some(&known)));
        assert!(!are_others(&known, Some(&[])), "a file that is just being written");
        assert!(!are_others(&known, None), "none to be read");
        assert!(are_others(&known, Some(&[one("a")])));
        assert!(are_others(&known, Some(&[one("a"), one("b"), one("c")])));
    }
}
