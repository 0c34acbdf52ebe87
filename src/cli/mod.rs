//! The commands. One file for each.

mod authorities;
pub mod cluster;
pub mod crds;
pub mod explain;
pub mod generate;
pub mod output;
pub mod plan;
pub mod restore;
pub mod run;
pub mod stop;
pub mod who_can;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::causes::chain;
use crate::config::{Config, ConfigError};
use crate::controller::Serve;
use crate::hidden::hide;
use crate::live::world::Shipped;

/// Declare who may open a terminal through Argo CD.
#[derive(Debug, Parser)]
#[command(name = "argocd-access", version, about, long_about = None)]
pub struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct LogArgs {
    /// How log lines are written.
    #[arg(long, env = "ARGOCD_ACCESS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    /// Which log lines are written: a level (error, warn, info, debug, trace), or a filter such as `info,argocd_access=debug`.
    #[arg(long, env = "ARGOCD_ACCESS_LOG_LEVEL", default_value = "info", global = true)]
    log_level: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(run::RunArgs),
    /// Withdraw all access of an Argo CD instance at once, and hold it back until it is released. It works with your own rights, whether the
    /// operator runs or not.
    Stop(stop::StopArgs),
    /// Take back everything that the operator has set, and let go of the ExecAccess objects (they stay as records).
    Restore(restore::RestoreArgs),
    /// Show what would change, without changing anything: what ExecAccess objects in files would do, or what the operator would do now.
    /// The exit status is 0 when nothing would change, 2 when something would, 1 when no plan can be made.
    Plan(plan::PlanArgs),
    /// Say why something does not open, and what mends it.
    Explain(explain::ExplainArgs),
    /// Answer who can do something by Argo CD's policy.
    #[command(subcommand)]
    WhoCan(who_can::WhoCan),
    /// Remote clusters.
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Print the CustomResourceDefinitions.
    Crds,
    /// Print the completions for a shell.
    Completions(generate::CompletionsArgs),
    /// Print the manual page, in roff.
    Man,
}

/// Where an instance is, and what holds for it.
#[derive(Clone, Debug, Args)]
pub struct InstanceArgs {
    /// The configuration file; without it every setting has its default.
    #[arg(long, env = "ARGOCD_ACCESS_CONFIG")]
    pub config: Option<PathBuf>,
    /// The namespace of the Argo CD instance, when the configuration names none. Default: the namespace of the kubeconfig or the Pod.
    #[arg(long, short, env = "ARGOCD_ACCESS_NAMESPACE")]
    pub namespace: Option<String>,
    /// The fixed ClusterRole that is bound to argocd-server (the chart installs it).
    #[arg(long, env = "ARGOCD_ACCESS_EXEC_CLUSTER_ROLE", default_value = "argocd-access-operator-exec")]
    pub exec_cluster_role: String,
    /// The fixed ClusterRole that lets an agent list Events (the chart installs it).
    #[arg(long, env = "ARGOCD_ACCESS_EVENTS_CLUSTER_ROLE", default_value = "argocd-access-operator-live-events")]
    pub events_cluster_role: String,
    /// The fixed ClusterRole that lets an agent read logs (the chart installs it).
    #[arg(long, env = "ARGOCD_ACCESS_LOGS_CLUSTER_ROLE", default_value = "argocd-access-operator-live-logs")]
    pub logs_cluster_role: String,
}

/// Whose part of the operator is meant.
#[derive(Clone, Copy, Debug, Args)]
pub struct ServeArgs {
    /// Which resources are meant: ExecAccess and LiveResourceAccess, or ClusterAccess, which has a process of its own.
    #[arg(long, value_enum, default_value_t = Serve::Access)]
    pub serve: Serve,
}

impl InstanceArgs {
    /// The chart's fixed ClusterRoles.
    #[must_use]
    pub fn shipped(&self) -> Shipped {
        Shipped { events: self.events_cluster_role.clone(), logs: self.logs_cluster_role.clone(), exec: self.exec_cluster_role.clone() }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A log filter that is none.
    #[error("--log-level {value:?}")]
    LogLevel {
        /// What was given.
        value: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The configuration file cannot be read.
    #[error("read the configuration file {path}")]
    ReadConfig {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The two crypto providers of rustls met.
    #[error("install the crypto provider: another one is installed already")]
    Crypto,
    /// Neither a kubeconfig nor a Pod's ServiceAccount.
    #[error("find a cluster: neither a kubeconfig nor a Pod's ServiceAccount is usable")]
    Kubeconfig(#[source] Box<kube::config::InferConfigError>),
    /// The client cannot be made.
    #[error("make a client for the cluster")]
    Client(#[source] Box<kube::Error>),
    /// The CRD cannot be written.
    #[error("write the CRD")]
    Crd(#[source] serde_yaml::Error),
    /// The operator ended.
    #[error(transparent)]
    Run(#[from] crate::controller::RunError),
    /// No plan could be made.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The file of the rights that the operator needs cannot be used.
    #[error("--rights {path}: {why}")]
    Rights {
        /// Its path.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Nothing could be said of a remote cluster.
    #[error(transparent)]
    Cluster(#[from] cluster::ClusterError),
    /// The manual page cannot be rendered.
    #[error("render the manual page")]
    Man(#[source] std::io::Error),
    /// Something cannot be written as JSON.
    #[error("write JSON")]
    Json(#[source] serde_json::Error),
    /// Something cannot be written as YAML.
    #[error("write YAML")]
    Yaml(#[source] serde_yaml::Error),
    /// A kubeconfig that was named cannot be used.
    #[error("read the kubeconfig")]
    NamedKubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// Something could not be taken back.
    #[error("{0}")]
    Restore(String),
    /// It is not known that everything is stopped.
    #[error("{0}")]
    Stop(String),
    /// The arguments do not say what to do.
    #[error("{0}")]
    Usage(&'static str),
    /// Signals cannot be listened to.
    #[error("listen to signals")]
    Signal(#[source] std::io::Error),
}

impl Cli {
    /// Does what was asked, and says how the process is to end.
    ///
    /// # Errors
    /// Whatever kept it from being done.
    pub async fn execute(self) -> Result<ExitCode, CliError> {
        start_log(&self.log)?;
        // Explicitly, and first: with two providers in the tree rustls would panic at its first use.
        rustls::crypto::ring::default_provider().install_default().map_err(|_| CliError::Crypto)?;
        match self.command {
            Command::Run(args) => run::run(args).await?,
            Command::Stop(args) => Box::pin(stop::stop(args)).await?,
            Command::Restore(args) => restore::restore(args).await?,
            Command::Plan(args) => return plan::plan(args).await,
            Command::Explain(args) => return Ok(Box::pin(explain::run(args)).await.unwrap_or_else(|error| cannot_tell(&error))),
            Command::WhoCan(question) => return who_can::run(question).await,
            Command::Cluster(command) => return Box::pin(cluster::run(command)).await,
            Command::Crds => crds::print()?,
            Command::Completions(args) => generate::completions(&args),
            Command::Man => generate::man()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn start_log(args: &LogArgs) -> Result<(), CliError> {
    let filter =
        tracing_subscriber::EnvFilter::try_new(&args.log_level).map_err(|source| CliError::LogLevel { value: args.log_level.clone(), source })?;
    // Whatever else is left out, the audit trail is not, unless somebody says so by its name.
    let filter = match "audit=info".parse() {
        Ok(always) if !args.log_level.contains("audit=") => filter.add_directive(always),
        _ => filter,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Discreet(std::io::stderr()));
    match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Where log lines go, without credentials: libraries log at some levels what a server has answered, whatever is in it.
struct Discreet(std::io::Stderr);

impl std::io::Write for Discreet {
    /// A line comes as a whole.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(hide(text).as_bytes())?,
            Err(_) => self.0.write_all(hide(&String::from_utf8_lossy(line)).as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A client for the cluster, and the namespace that is meant when none is named.
async fn connect() -> Result<(kube::Client, String), CliError> {
    client_of(cluster().await?)
}

/// Which cluster, and how it is reached: a kubeconfig, or else a Pod's ServiceAccount.
async fn cluster() -> Result<kube::Config, CliError> {
    kube::Config::infer().await.map_err(|e| CliError::Kubeconfig(Box::new(e)))
}

fn client_of(config: kube::Config) -> Result<(kube::Client, String), CliError> {
    let namespace = config.default_namespace.clone();
    let client = kube::Client::try_from(config).map_err(|e| CliError::Client(Box::new(e)))?;
    Ok((client, namespace))
}

/// The same for a kubeconfig or a context that is named; without either, the usual one.
async fn connect_to(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<(kube::Client, String), CliError> {
    if kubeconfig.is_none() && context.is_none() {
        return connect().await;
    }
    let failed = |error| CliError::NamedKubeconfig(Box::new(error));
    let read = kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(failed)?;
    let options = KubeConfigOptions { context: context.map(ToOwned::to_owned), ..KubeConfigOptions::default() };
    client_of(kube::Config::from_custom_kubeconfig(read, &options).await.map_err(failed)?)
}

/// Where 1 is an answer, a failure must not look like one.
fn cannot_tell(error: &CliError) -> ExitCode {
    eprintln!("argocd-access: {}", chain(error));
    ExitCode::from(explain::UNKNOWN)
}

impl InstanceArgs {
    fn load(&self, default_namespace: &str) -> Result<Config, CliError> {
        load(self.config.as_deref(), self.namespace.as_deref().unwrap_or(default_namespace))
    }
}

/// The configuration; without a file every setting has its default, for the instance of this namespace.
fn load(config: Option<&Path>, namespace: &str) -> Result<Config, CliError> {
    let text = match config {
        Some(path) => std::fs::read_to_string(path).map_err(|source| CliError::ReadConfig { path: path.to_owned(), source })?,
        None => String::new(),
    };
    Ok(Config::parse(&text, namespace)?)
}

/// Waits for the signals by which a process is asked to end.
async fn asked_to_end() -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signal)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
