//! A Team whose operator goes through a proxy, and what the operator's metrics say.

use std::time::{Duration, Instant};

use crate::hands::key;
use crate::support::eventually::{eventually, that};
use crate::support::process::get;
use crate::support::proxy::Proxy;
use crate::support::{ControlPlane, Kubernetes, chart};
use crate::world::{Team, condition};

/// Long enough for what is to come once the fault is over: the longest pauses are half a minute.
pub const AFTER: Duration = Duration::from_secs(75);

/// A grant to a group.
pub fn spec(group: &str) -> String {
    format!("{{subjects: [{{kind: Group, name: {group}}}], applications: [{{project: shop, name: 'web-*'}}], ingress: {{mode: None}}}}")
}

/// A grant whose validity ends in so many seconds.
pub fn until(group: &str, seconds: i64) -> String {
    let end = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap();
    spec(group).trim_end_matches('}').to_owned() + &format!("}}, validity: {{notAfter: '{end}'}}}}")
}

/// It.
pub struct Behind {
    pub team: Team,
    pub proxy: Proxy,
}

impl Behind {
    /// On the control plane that the tests share, which are not to change it.
    pub async fn shared() -> Self {
        Self::on(ControlPlane::shared(Kubernetes::V1_36).await).await
    }

    /// On one of its own.
    pub async fn own() -> Self {
        Self::on(ControlPlane::own(Kubernetes::V1_36).await).await
    }

    async fn on(cp: &'static ControlPlane) -> Self {
        let namespace = cp.instance("team").await;
        let proxy = Proxy::start(cp);
        let destination = cp.namespace("shop").await;
        let release = chart::install_behind(&proxy, cp, &namespace, "").await;
        let team = Team { cp, namespace, destination, release };
        team.application("web-1", "shop").await;
        Self { team, proxy }
    }

    /// Ends everything of a control plane of its own; first what would ask it for ever.
    pub fn end(self) {
        let cp = self.team.cp;
        drop(self);
        cp.end();
    }

    /// Waits until an object is Ready, however long the operator's pauses have become.
    pub async fn ready(&self, name: &str) {
        self.says(name, "Ready", "True", "Ready").await;
    }

    /// Waits until a condition is so.
    pub async fn says(&self, name: &str, kind: &str, status: &str, reason: &str) -> String {
        eventually(&format!("{name}: {kind} is {status}/{reason}"), AFTER, async || {
            let access = self.team.accesses().get(name).await.map_err(|error| error.to_string())?;
            let found = access.status.unwrap_or_default();
            let current = found.observed_generation == access.metadata.generation;
            that(current && condition(&found, kind) == (status.to_owned(), reason.to_owned()), || {
                format!("{:?} {}\n{}", condition(&found, kind), crate::world::message(&found, kind), self.log())
            })?;
            Ok::<_, String>(crate::world::message(&found, kind))
        })
        .await
    }

    /// Whether lines of an object stand in the policy.
    pub async fn has_lines(&self, name: &str) -> bool {
        self.try_lines(name).await.unwrap()
    }

    async fn try_lines(&self, name: &str) -> Result<bool, String> {
        let data = self.team.config_maps().get("argocd-rbac-cm").await.map_err(|error| error.to_string())?.data;
        Ok(data.is_some_and(|data| data.contains_key(&key(name))))
    }

    /// Waits until they do, or do not; how long that took.
    pub async fn lines_become(&self, name: &str, there: bool) -> Duration {
        let began = Instant::now();
        eventually(&format!("{name} has lines: {there}"), AFTER, async || {
            let seen = self.try_lines(name).await?;
            that(seen == there, || self.log())
        })
        .await;
        began.elapsed()
    }

    /// The value of a metric of the running operator, by its name with its labels as they are scraped; `None`: it is not there.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = get(&self.team.release.kubelet.metrics_url()).await.ok()?;
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Whether every watch of a kind works, as the metric has it.
    pub async fn healthy(&self, kind: &str) -> Option<f64> {
        self.metric(&format!("argocd_access_watch_healthy{{kind=\"{kind}\"}}")).await
    }

    /// How many rounds have failed.
    pub async fn failed_rounds(&self) -> f64 {
        self.metric("argocd_access_rounds_total{outcome=\"failed\"}").await.unwrap_or_default()
    }

    /// Waits until a metric is so.
    pub async fn healthy_becomes(&self, kind: &str, value: f64) {
        eventually(&format!("watch_healthy of {kind} is {value}"), AFTER, async || {
            let seen = self.healthy(kind).await;
            that(seen == Some(value), || format!("{seen:?}\n{}", self.log()))
        })
        .await;
    }

    /// What `/livez` and `/readyz` answer.
    pub async fn probes(&self) -> (u16, u16) {
        let url = self.team.release.kubelet.url("metrics");
        let of = async |path: &str| get(&format!("{url}/{path}")).await.map_or(0, |(code, _)| code);
        (of("livez").await, of("readyz").await)
    }

    pub fn starts(&self) -> usize {
        self.team.release.kubelet.operator_starts()
    }

    /// The last lines of what the operator printed.
    pub fn log(&self) -> String {
        let text = self.team.release.kubelet.operator_log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}
