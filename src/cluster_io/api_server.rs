//! What the API server says of itself: its version, and what time it is there. One small request that everybody may send.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use kube::client::Body;

use super::{RequestError, request};

/// HTTP's dates are mail's dates.
static DATE: DateTimeParser = DateTimeParser::new();

/// One answer.
#[derive(Clone, Debug)]
pub struct About {
    /// Its version.
    pub version: Option<String>,
    /// The `Date` of the answer.
    pub date: Option<Timestamp>,
    /// When it was asked, by our clock.
    pub asked: Timestamp,
    /// When the answer came, by our clock.
    pub answered: Timestamp,
}

/// Asks.
///
/// # Errors
/// When there is no answer.
pub async fn about(client: &Client) -> Result<About, RequestError> {
    request("ask for the API server's version and time", async {
        let question = http::Request::get("/version").body(Body::empty()).map_err(kube::Error::HttpError)?;
        let asked = Timestamp::now();
        let answer = client.send(question).await?;
        let answered = Timestamp::now();
        let date = answer.headers().get(http::header::DATE).and_then(|date| DATE.parse_timestamp(date.as_bytes()).ok());
        let version = serde_json::from_slice::<Info>(&answer.into_body().collect_bytes().await?).ok().map(|info| info.git_version);
        Ok(About { version, date, asked, answered })
    })
    .await
}
