//! Reads one Secret of the hub by its name.

use http::Request;
use kube::Client;
use zeroize::Zeroizing;

use crate::api::conditions::{Reason, Verdict};
use crate::cluster_io::request;
use crate::clusters::secret::Whole;

/// Reads it; `None`: it does not exist. `cluster`: for which cluster, as the chart lists them.
///
/// # Errors
/// The verdict of whoever needs it.
pub async fn read(client: &Client, namespace: &str, name: &str, cluster: &str) -> Result<Option<Whole>, Verdict> {
    let action = format!("get Secret {namespace}/{name}");
    let asked = Request::get(format!("/api/v1/namespaces/{namespace}/secrets/{name}")).body(Vec::new());
    let asked = asked.map_err(|_| Verdict::no(Reason::Invalid, format!("{action}: no such name")))?;
    match request(action.clone(), client.request_text(asked)).await {
        Ok(text) => {
            let text = Zeroizing::new(text);
            Whole::read(&text).map(Some).ok_or_else(|| Verdict::unknown(Reason::NotReadable, format!("{action}: the answer is no Secret")))
        }
        Err(error) if error.code() == Some(404) => Ok(None),
        Err(error) if error.code() == Some(403) => {
            let message = format!(
                "the operator may not touch Secret {namespace}/{name}; the platform admin adds {cluster} to the Helm value clusterAccess.clusters (with adoptSecret, where one is adopted)"
            );
            Err(Verdict::no(Reason::NotPermitted, message))
        }
        Err(error) => Err(Verdict::unknown(Reason::NotReadable, error.chain())),
    }
}
