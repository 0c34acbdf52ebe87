//! The remote cluster of a kubeconfig: a client with the caller's rights, and what of it may be handed on. Its credentials may not.

use std::path::{Path, PathBuf};

use k8s_openapi::ByteString;
use kube::config::{Cluster, KubeConfigOptions, Kubeconfig};

use super::ClusterError;
use crate::cli::CliError;

/// A remote cluster.
pub struct Remote {
    /// A client with the caller's rights.
    pub client: kube::Client,
    /// The address by which the kubeconfig reaches it.
    pub server: String,
    cluster: Cluster,
}

/// Opens the one that a kubeconfig's context names.
pub async fn open(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Remote, CliError> {
    let failed = |error| CliError::NamedKubeconfig(Box::new(error));
    let read = kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(failed)?;
    let cluster = cluster(&read, context).ok_or_else(|| ClusterError::Kubeconfig("the kubeconfig names no cluster for that context".to_owned()))?;
    let options = KubeConfigOptions { context: context.map(ToOwned::to_owned), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(read, &options).await.map_err(failed)?;
    let client = kube::Client::try_from(config).map_err(|e| CliError::Client(Box::new(e)))?;
    Ok(Remote { client, server: cluster.server.clone().unwrap_or_default(), cluster })
}

fn cluster(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<Cluster> {
    let name = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|one| one.name == name)?.context.as_ref()?;
    kubeconfig.clusters.iter().find(|one| one.name == context.cluster)?.cluster.clone()
}

impl Remote {
    /// The certificate authority, in PEM: certificates and nothing else that may be in the file.
    pub fn authority(&self) -> Result<String, ClusterError> {
        let cluster = &self.cluster;
        if cluster.insecure_skip_tls_verify == Some(true) {
            return Err(ClusterError::Kubeconfig(
                "the kubeconfig does not verify the API server (insecure-skip-tls-verify), so that it does not say whom the operator may trust"
                    .to_owned(),
            ));
        }
        if cluster.tls_server_name.is_some() {
            return Err(ClusterError::Kubeconfig(
                "the kubeconfig expects another name than that of the address in the server's certificate (tls-server-name); the operator does not, so use an address that the certificate has".to_owned(),
            ));
        }
        let text = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
            (Some(data), _) => decode(data).ok_or_else(|| ClusterError::Kubeconfig("certificate-authority-data is not base64".to_owned()))?,
            (None, Some(file)) => {
                let failed = |source| ClusterError::Authority { path: PathBuf::from(file), source };
                std::fs::read_to_string(file).map_err(failed)?
            }
            (None, None) => String::new(),
        };
        let certificates = certificates(&text);
        if certificates.is_empty() {
            return Err(ClusterError::Kubeconfig(
                "the kubeconfig has no certificate authority for the cluster (certificate-authority-data), and the operator trusts no other"
                    .to_owned(),
            ));
        }
        Ok(certificates)
    }
}

/// As Kubernetes' own types read it.
fn decode(data: &str) -> Option<String> {
    let bytes: ByteString = serde_json::from_value(serde_json::Value::String(data.trim().to_owned())).ok()?;
    String::from_utf8(bytes.0).ok()
}

/// The blocks that are certificates; a file may hold a key beside them.
fn certificates(text: &str) -> String {
    let mut all = String::new();
    let mut within = false;
    for line in text.lines().map(str::trim) {
        within |= line == "-----BEGIN CERTIFICATE-----";
        if within {
            all.push_str(line);
            all.push('\n');
        }
        within &= line != "-----END CERTIFICATE-----";
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_only_the_certificates_are_handed_on() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
        let text = format!("# mine\n{key}{certificate}{key}{}", certificate.replace('\n', "\r\n"));
        assert_eq!(certificates(&text), certificate.repeat(2));
        assert_eq!(certificates(key), "");
        assert_eq!(decode("LS0t\n").as_deref(), Some("---"));
        assert_eq!(decode("?"), None);
    }

    #[test]
    fn the_cluster_is_that_of_the_context() {
        let text = "{current-context: a, contexts: [{name: a, context: {cluster: one, user: u}}, {name: b, context: {cluster: two, user: u}}],
            clusters: [{name: one, cluster: {server: 'https://one'}}, {name: two, cluster: {server: 'https://two'}}]}";
        let kubeconfig: Kubeconfig = serde_yaml::from_str(text).unwrap();
        let server = |context| cluster(&kubeconfig, context).and_then(|cluster| cluster.server);
        assert_eq!(server(None).as_deref(), Some("https://one"));
        assert_eq!(server(Some("b")).as_deref(), Some("https://two"));
        assert_eq!(server(Some("c")), None);
    }
}
