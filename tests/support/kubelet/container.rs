//! From a container of a Pod to a command of this machine: its files, its environment, its arguments, its ports.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, EnvVarSource, KeyToPath, Pod, Secret, Volume};
use kube::{Api, Client, ResourceExt};

use super::super::{process::free_port, reaper};

/// What a container's process needs, made once per Pod: restarts find the same files and ports.
pub struct Prepared {
    /// The arguments as they are on this machine.
    pub arguments: Vec<String>,
    /// The ports of this machine, by the container's port.
    pub ports: BTreeMap<i32, u16>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
}

impl Prepared {
    /// Writes the mounted files and works out the rest. `kubeconfig` is that of the Pod's ServiceAccount.
    pub async fn new(client: &Client, pod: &Pod, container: &Container, folder: &Path, kubeconfig: &Path) -> Result<Self, String> {
        let volumes: BTreeMap<&str, &Volume> =
            pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()).map(|volume| (volume.name.as_str(), volume)).collect();
        let mut mounts = Vec::new();
        for mount in container.volume_mounts.iter().flatten() {
            let path = folder.join(&mount.name);
            let volume = volumes.get(mount.name.as_str()).ok_or_else(|| format!("no volume {}", mount.name))?;
            fill(client, &pod.namespace().unwrap_or_default(), volume, &path).await?;
            let target = match mount.sub_path.as_deref() {
                None | Some("") => path,
                Some(part) => path.join(part),
            };
            mounts.push((mount.mount_path.trim_end_matches('/').to_owned(), target));
        }
        let ports: BTreeMap<i32, u16> = container.ports.iter().flatten().map(|port| (port.container_port, free_port())).collect();
        let here = |text: &str| local_ports(&local_paths(text, &mounts), &ports);

        let mut environment = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), folder.display().to_string()),
            ("HOSTNAME".to_owned(), pod.name_any()),
            ("KUBECONFIG".to_owned(), kubeconfig.display().to_string()),
        ];
        environment.extend(variables(client, pod, container).await?.into_iter().map(|(name, value)| (name, here(&value))));
        let words = container.command.iter().flatten().skip(1).chain(container.args.iter().flatten());
        let arguments = words.map(|word| here(&expand(word, &environment))).collect();
        Ok(Self { arguments, ports, environment, folder: folder.to_owned() })
    }

    /// The command, with nothing of the test's own environment.
    pub fn command(&self) -> Command {
        let mut command = reaper::command(program());
        command.args(&self.arguments).env_clear().envs(self.environment.iter().cloned()).current_dir(&self.folder);
        command.env("RUST_BACKTRACE", "1");
        command
    }
}

/// The operator; that which was built with the tests, unless it is said which one.
fn program() -> PathBuf {
    std::env::var_os("ARGOCD_ACCESS_PROGRAM").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_argocd-access")), PathBuf::from)
}

async fn fill(client: &Client, namespace: &str, volume: &Volume, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("make {}: {error}", folder.display()))?;
    if let Some(source) = &volume.config_map {
        let files = config_map(client, namespace, &source.name, source.optional).await?;
        return write(folder, files, source.items.as_deref());
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let files = secret(client, namespace, name, source.optional).await?;
        return write(folder, files, source.items.as_deref());
    }
    if volume.empty_dir.is_some() || volume.projected.is_some() {
        return Ok(());
    }
    Err(format!("the bench's kubelet cannot mount the volume {}", volume.name))
}

type Files = BTreeMap<String, Vec<u8>>;

async fn config_map(client: &Client, namespace: &str, name: &str, optional: Option<bool>) -> Result<Files, String> {
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace).get_opt(name).await;
    let Some(found) = found.map_err(|error| format!("read the ConfigMap {name}: {error}"))? else {
        return missing("ConfigMap", name, optional);
    };
    let texts = found.data.into_iter().flatten().map(|(key, text)| (key, text.into_bytes()));
    Ok(texts.chain(found.binary_data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0))).collect())
}

async fn secret(client: &Client, namespace: &str, name: &str, optional: Option<bool>) -> Result<Files, String> {
    let found = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await;
    match found.map_err(|error| format!("read the Secret {name}: {error}"))? {
        Some(found) => Ok(found.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)).collect()),
        None => missing("Secret", name, optional),
    }
}

fn missing(kind: &str, name: &str, optional: Option<bool>) -> Result<Files, String> {
    if optional == Some(true) { Ok(Files::new()) } else { Err(format!("no {kind} {name}")) }
}

fn write(folder: &Path, files: Files, items: Option<&[KeyToPath]>) -> Result<(), String> {
    for (key, content) in files {
        let path = match items {
            None => key.clone(),
            Some(items) => match items.iter().find(|item| item.key == key) {
                Some(item) => item.path.clone(),
                None => continue,
            },
        };
        std::fs::write(folder.join(&path), content).map_err(|error| format!("write {path}: {error}"))?;
    }
    Ok(())
}

/// The variables of a container, from wherever it says.
pub async fn variables(client: &Client, pod: &Pod, container: &Container) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for variable in container.env.iter().flatten() {
        if let Some(value) = value_of(client, pod, variable).await? {
            all.push((variable.name.clone(), value));
        }
    }
    Ok(all)
}

async fn value_of(client: &Client, pod: &Pod, variable: &EnvVar) -> Result<Option<String>, String> {
    if let Some(value) = &variable.value {
        return Ok(Some(value.clone()));
    }
    let namespace = pod.namespace().unwrap_or_default();
    let spec = pod.spec.as_ref().ok_or("a Pod without spec")?;
    match &variable.value_from {
        Some(EnvVarSource { field_ref: Some(field), .. }) => match field.field_path.as_str() {
            "metadata.name" => Ok(Some(pod.name_any())),
            "metadata.namespace" => Ok(Some(namespace)),
            "metadata.uid" => Ok(pod.uid()),
            "spec.serviceAccountName" => Ok(spec.service_account_name.clone()),
            "spec.nodeName" => Ok(Some(super::NODE.to_owned())),
            "status.podIP" | "status.hostIP" => Ok(Some("127.0.0.1".to_owned())),
            path => Err(format!("the bench's kubelet does not know the field {path} of {}", variable.name)),
        },
        Some(EnvVarSource { config_map_key_ref: Some(source), .. }) => {
            let mut files = config_map(client, &namespace, &source.name, source.optional).await?;
            Ok(files.remove(&source.key).and_then(|bytes| String::from_utf8(bytes).ok()))
        }
        Some(EnvVarSource { secret_key_ref: Some(source), .. }) => {
            let mut files = secret(client, &namespace, &source.name, source.optional).await?;
            Ok(files.remove(&source.key).and_then(|bytes| String::from_utf8(bytes).ok()))
        }
        Some(_other) => Err(format!("the bench's kubelet does not know the source of {}", variable.name)),
        None => Ok(Some(String::new())),
    }
}

/// `$(NAME)` in an argument is the value of that variable.
fn expand(text: &str, environment: &[(String, String)]) -> String {
    environment.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}

/// Every path below a mount becomes one below the folder of its volume. In one pass: a folder's path may itself contain a mount's.
fn local_paths(text: &str, mounts: &[(String, PathBuf)]) -> String {
    let part_of_a_path = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    let mut result = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let begins = !result.ends_with(part_of_a_path) || result.is_empty();
        let hit = mounts
            .iter()
            .filter(|(mount, _folder)| {
                rest.strip_prefix(mount.as_str()).is_some_and(|after| after.starts_with('/') || !after.starts_with(part_of_a_path))
            })
            .max_by_key(|(mount, _folder)| mount.len());
        if let (true, Some((mount, folder))) = (begins, hit) {
            result.push_str(&folder.display().to_string());
            rest = &rest[mount.len()..];
            // What follows belongs to the path: no other mount begins in it.
            let end = rest.find(|c| !part_of_a_path(c)).unwrap_or(rest.len());
            result.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            result.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    result
}

/// A listening address, or a number alone, that names a port of the container gets this machine's instead.
fn local_ports(text: &str, ports: &BTreeMap<i32, u16>) -> String {
    let (option, value) = text.split_once('=').map_or(("", text), |(option, value)| (option, value));
    let joint = if option.is_empty() { "" } else { "=" };
    for (container, here) in ports {
        if value == container.to_string() {
            return format!("{option}{joint}{here}");
        }
        if let Some(address) = value.strip_suffix(&format!(":{container}"))
            && ["", "0.0.0.0", "[::]", "127.0.0.1", "localhost"].contains(&address)
        {
            return format!("{option}{joint}127.0.0.1:{here}");
        }
    }
    text.to_owned()
}
