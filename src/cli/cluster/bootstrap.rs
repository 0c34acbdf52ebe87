//! `argocd-access cluster bootstrap`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::kubeconfig::{self, Remote};
use super::{ClusterError, credential, declared};
use crate::api::ClusterAccess;
use crate::cli::CliError;
use crate::cli::output::{self, printable};
use crate::cluster_io::discover::discovery;
use crate::clusters::bootstrap::credential::same_server;
use crate::clusters::bootstrap::{Bootstrap, document};
use crate::clusters::rights::{LeftOut, Why};
use crate::live::discovery::Discovery;

/// The arguments of `cluster bootstrap`.
#[derive(Debug, Args)]
pub struct BootstrapArgs {
    /// The name of the ClusterAccess.
    name: String,
    /// The file that holds it (YAML or JSON, several documents allowed), or `-` for standard input.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    file: PathBuf,
    /// The context of the kubeconfig that leads to the remote cluster, as an administrator. Default: its current one.
    #[arg(long)]
    context: Option<String>,
    /// The kubeconfig. Default: the usual one.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// The namespace of the Argo CD instance, for the Secret of --credential. Default: that of the object in the file.
    #[arg(long, short, env = "ARGOCD_ACCESS_NAMESPACE")]
    namespace: Option<String>,
    /// Print the Secret by which the operator comes to the remote cluster, to be applied in the hub. For it a token of the operator's
    /// ServiceAccount there is made, bound to an empty Secret there. It needs the bootstrap to be applied.
    #[arg(long)]
    credential: bool,
    /// The kubeconfig reaches that same cluster by another address than the object's.
    #[arg(long)]
    server_differs: bool,
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Form::Yaml)]
    output: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// YAML, with the reason for each rule as a comment.
    Yaml,
    /// One JSON document.
    Json,
}

/// Looks at the remote cluster, and prints.
///
/// # Errors
/// When the object is not to be found or not accepted, or the cluster does not answer.
pub async fn run(args: BootstrapArgs) -> Result<ExitCode, CliError> {
    let access = declared::declared(&args.file, &args.name)?;
    // Before anything is asked of the cluster: an object that is refused needs no look at it.
    let blind = Discovery::default();
    let limits = check(&access, &blind)?;
    let instance = args.credential.then(|| instance(&access, args.namespace.as_deref())).transpose()?;
    let remote = kubeconfig::open(args.kubeconfig.as_deref(), args.context.as_deref()).await?;
    same(&access, &remote, args.server_differs)?;
    let text = if let Some(instance) = instance {
        let secret = credential::secret(&access, &limits, &remote, &instance).await?;
        if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
            eprintln!("argocd-access: this is a credential; it goes into `kubectl apply -f -` on the hub rather than onto a screen");
        }
        match args.output {
            Form::Yaml => output::yaml(&secret)?,
            Form::Json => output::json(&secret)?,
        }
    } else {
        let kinds = discovery(&remote.client, None).await.map_err(ClusterError::Request)?;
        let bootstrap = check(&access, &kinds)?;
        remark(&bootstrap, &kinds);
        let documents = bootstrap.documents();
        match args.output {
            Form::Yaml => document::yaml(&documents).map_err(CliError::Yaml)?,
            Form::Json => output::json(&document::list(&documents))?,
        }
    };
    output::print(zeroize::Zeroizing::new(text).as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn check<'a>(access: &'a ClusterAccess, kinds: &Discovery) -> Result<Bootstrap<'a>, ClusterError> {
    let name = access.metadata.name.clone().unwrap_or_default();
    Bootstrap::of(access, kinds).map_err(|refusal| ClusterError::Refused { name, message: refusal.message })
}

/// The certificate authority and the kinds are those of the kubeconfig's cluster, so it has to be the object's.
fn same(access: &ClusterAccess, remote: &Remote, differs: bool) -> Result<(), ClusterError> {
    let declared = &access.spec.server;
    if !same_server(declared, declared) {
        let name = access.metadata.name.clone().unwrap_or_default();
        return Err(ClusterError::Refused { name, message: "spec.server must be https:// with a host and perhaps a port".to_owned() });
    }
    if differs || same_server(declared, &remote.server) {
        return Ok(());
    }
    Err(ClusterError::Kubeconfig(format!(
        "the kubeconfig leads to {}, and the ClusterAccess is about {declared}; choose another --context, or, if both are the same cluster, add --server-differs",
        printable(&remote.server)
    )))
}

/// Where the Secret belongs: to the object.
fn instance(access: &ClusterAccess, named: Option<&str>) -> Result<String, ClusterError> {
    match (named, access.metadata.namespace.as_deref()) {
        (Some(named), Some(own)) if named != own => {
            Err(ClusterError::Instance(format!("the object in the file is for the namespace {own:?}, and --namespace is {named:?}")))
        }
        (Some(namespace), _) | (None, Some(namespace)) => Ok(namespace.to_owned()),
        (None, None) => {
            Err(ClusterError::Instance("name the namespace of the Argo CD instance by --namespace: the object in the file has none".to_owned()))
        }
    }
}

/// Says on standard error what is not in the manifests, and what should be known of them.
fn remark(bootstrap: &Bootstrap<'_>, kinds: &Discovery) {
    for LeftOut { field, group, resource, why } in &bootstrap.roles().left_out {
        let why = match why {
            Why::Unknown => "the cluster has no such kind (yet); bootstrap again when it has",
            Why::Namespaced => "it lies in namespaces, and belongs to deploy",
            Why::WithoutNamespace => "it has no namespace, and belongs to clusterResources",
        };
        let whole = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        eprintln!("argocd-access: not granted: permissions.{field} {}: {why}", printable(&whole));
    }
    for group in kinds.without_kinds() {
        eprintln!("argocd-access: the group {} has no kinds now: its own API server may not answer; bootstrap again when it does", printable(group));
    }
    for warning in bootstrap.warnings() {
        eprintln!("argocd-access: {warning}");
    }
}
