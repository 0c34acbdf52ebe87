//! Applications go on while credentials come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use argocd_access::api::ROTATE_AFTER;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::bench::token;
use crate::hub::{Hub, OVERLAP, WITHIN, errors};
use crate::support::{eventually, eventually::that};

/// A former credential is dead so long after its overlap at the latest.
const DEAD: Duration = Duration::from_secs(15);
const APPLICATION: &str = "steady";

/// When a token was issued, as it says itself.
fn issued_at(token: &str) -> Timestamp {
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    Timestamp::from_second(claims["iat"].as_i64().unwrap()).unwrap()
}

/// Waits by the clock.
async fn until(at: Timestamp) {
    let left = at.duration_since(Timestamp::now());
    tokio::time::sleep(left.try_into().unwrap_or(Duration::ZERO)).await;
}

impl Hub {
    /// The token that Argo CD has now.
    async fn token(&self) -> String {
        token(&self.bench.cluster_secret().await.unwrap())
    }

    /// The HTTP status of what Argo CD reads all the time, with a token.
    async fn answer(&self, token: &str) -> u16 {
        let maps = Api::<ConfigMap>::namespaced(self.bench.client_with(token), &self.bench.shop);
        match maps.list(&ListParams::default().limit(1)).await {
            Ok(_) => 200,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_application_syncs_through_three_rotations_and_each_old_credential_is_dead_soon_after_its_overlap() {
    let hub = Hub::shared().await;
    hub.application(APPLICATION).await;
    hub.commit(APPLICATION, 0).await;
    hub.arrives(APPLICATION, 0).await;

    // Everything that goes wrong in between is seen.
    let done = Arc::new(AtomicBool::new(false));
    let watched = tokio::spawn({
        let (done, mut seen) = (Arc::clone(&done), Vec::new());
        async move {
            while !done.load(Ordering::Relaxed) {
                seen.extend(errors(&hub.status(APPLICATION).await.unwrap()));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            seen.dedup();
            seen
        }
    });

    for number in 1..=3 {
        let old = hub.token().await;
        hub.bench.annotate(ROTATE_AFTER, Some(&Timestamp::now().to_string())).await;
        let new = eventually("another credential", WITHIN, || async {
            let token = hub.token().await;
            that(token != old, || format!("it is the same; {}", hub.bench.log()))?;
            Ok::<_, String>(token)
        })
        .await;
        let end = issued_at(&new).checked_add(SignedDuration::from_secs(OVERLAP)).unwrap();
        hub.commit(APPLICATION, number).await;
        hub.arrives(APPLICATION, number).await;
        assert_eq!(hub.answer(&new).await, 200);
        let (still, now) = (hub.answer(&old).await, Timestamp::now());
        assert!(
            still == 200 || now >= end,
            "rotation {number}: HTTP {still} for the old one, {} before the end of its overlap",
            end.duration_since(now)
        );
        until(end).await;
        eventually(&format!("the old credential of rotation {number} is dead"), DEAD, || async {
            let seen = hub.answer(&old).await;
            that(seen == 401, || format!("HTTP {seen}"))
        })
        .await;
    }

    done.store(true, Ordering::Relaxed);
    assert_eq!(watched.await.unwrap(), Vec::<String>::new());
    hub.bench.ready().await;
}
