//! How an Argo CD instance is recognised from what runs in its namespace: the Deployment of argocd-server, its ServiceAccount,
//! its version, and the switches that change what a grant means. Pure.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Service};

use super::policy::{Data, NamePattern};
use super::{ARGOCD_CMD_PARAMS_CM, PART_OF};

/// The switch by which Applications may live in other namespaces.
const APPLICATION_NAMESPACES: &str = "--application-namespaces";

/// argocd-server as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name of the Deployment.
    pub deployment: String,
    /// The ServiceAccount that its pods run as.
    pub service_account: String,
    /// Version of Argo CD, from the image's tag (or the version label), without the `v`.
    pub version: Option<String>,
    /// `--disable-auth`: everybody is admin. `None`: it cannot be decided.
    pub auth_disabled: Option<bool>,
    /// Whether Applications may live in other namespaces. When it cannot be decided, yes: that is the careful answer.
    pub applications_elsewhere: bool,
    /// The namespaces, beside its own, whose Applications it serves, as they are set; `None`: it cannot be decided.
    pub application_namespaces: Option<String>,
    /// Under which path people reach it, such as `/argo-cd`; `/` where it is none. `None`: it cannot be decided.
    pub base: Option<String>,
    /// The labels of its pods.
    pub pod_labels: std::collections::BTreeMap<String, String>,
}

impl Server {
    /// Whether Argo CD serves the Applications of another namespace. What cannot be decided here (a regular expression, a class of
    /// characters) counts as served.
    #[must_use]
    pub fn serves(&self, namespace: &str) -> bool {
        let covers = |pattern: &str| NamePattern::parse(pattern).map_or(!pattern.is_empty(), |pattern| pattern.matches(namespace));
        self.application_namespaces.as_deref().is_none_or(|text| text.split(',').any(|pattern| covers(pattern.trim())))
    }
}

/// Why there is no one argocd-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoServer {
    /// None was found.
    Missing,
    /// More than one looks like it: their names.
    Ambiguous(Vec<String>),
}

/// Finds argocd-server among the Deployments of the instance's namespace. `params` is argocd-cmd-params-cm: `None` when it cannot be
/// read, empty when it does not exist.
///
/// # Errors
/// When there is none, or more than one.
pub fn find_server<'a>(deployments: impl IntoIterator<Item = &'a Deployment>, params: Option<&Data>) -> Result<Server, NoServer> {
    let mut candidates: Vec<&Deployment> = deployments.into_iter().filter(|d| looks_like_server(d)).collect();
    candidates.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    match candidates.as_slice() {
        [] => Err(NoServer::Missing),
        [one] => Ok(read_server(one, params)),
        many => Err(NoServer::Ambiguous(many.iter().filter_map(|d| d.metadata.name.clone()).collect())),
    }
}

pub(crate) fn label<'a>(deployment: &'a Deployment, key: &str) -> Option<&'a str> {
    deployment.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// By the labels that the manifests, the Helm chart and argocd-operator all set, or by what the container runs.
fn looks_like_server(deployment: &Deployment) -> bool {
    let labelled = label(deployment, PART_OF.0) == Some(PART_OF.1) && label(deployment, "app.kubernetes.io/component") == Some("server");
    labelled || containers(deployment).iter().any(runs_server)
}

pub(crate) fn containers(deployment: &Deployment) -> &[Container] {
    deployment.spec.as_ref().and_then(|s| s.template.spec.as_ref()).map_or(&[], |p| p.containers.as_slice())
}

pub(crate) fn words(container: &Container) -> impl Iterator<Item = &str> {
    container.command.iter().flatten().chain(container.args.iter().flatten()).map(String::as_str)
}

fn runs_server(container: &Container) -> bool {
    words(container).any(|word| word.rsplit('/').next() == Some("argocd-server"))
}

/// The container of a Deployment of argocd-server that runs it.
pub(crate) fn server_container(deployment: &Deployment) -> Option<&Container> {
    let containers = containers(deployment);
    containers.iter().find(|c| runs_server(c)).or_else(|| containers.first())
}

fn read_server(deployment: &Deployment, params: Option<&Data>) -> Server {
    let main = server_container(deployment);
    let pod = deployment.spec.as_ref().and_then(|s| s.template.spec.as_ref());
    let setting = |flag: &str, env: &str| setting(main, params, flag, env);
    // A list that is given several times is joined.
    let lists = main.map_or(0, |c| words(c).filter(|w| w.starts_with(APPLICATION_NAMESPACES)).count());
    let namespaces = setting(APPLICATION_NAMESPACES, "ARGOCD_APPLICATION_NAMESPACES");
    Server {
        deployment: deployment.metadata.name.clone().unwrap_or_default(),
        service_account: pod.and_then(|p| p.service_account_name.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned()),
        version: main
            .and_then(|c| c.image.as_deref())
            .and_then(image_version)
            .or_else(|| label(deployment, "app.kubernetes.io/version").and_then(version)),
        auth_disabled: switched_on(main, setting("--disable-auth", "ARGOCD_SERVER_DISABLE_AUTH")),
        applications_elsewhere: namespaces.as_ref().is_none_or(|v| !v.is_empty()),
        application_namespaces: namespaces.filter(|_| lists < 2),
        base: base(setting("--rootpath", "ARGOCD_SERVER_ROOTPATH"), setting("--basehref", "ARGOCD_SERVER_BASEHREF")),
        pod_labels: deployment.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.labels.clone()).unwrap_or_default(),
    }
}

/// One setting of argocd-server, which the manifests wire to argocd-cmd-params-cm.
fn setting(container: Option<&Container>, params: Option<&Data>, flag: &str, env: &str) -> Option<String> {
    setting_from(container, flag, env, |config_map, key| {
        (config_map == ARGOCD_CMD_PARAMS_CM).then_some(params?).map(|data| data.get(key).cloned().unwrap_or_default())
    })
}

/// One setting: the flag counts most, then the environment, then the ConfigMap that this is taken from. `None`: it cannot be decided.
/// Empty: not set. `look` says what a ConfigMap has under a key; `None`: it is not read.
pub(crate) fn setting_from(container: Option<&Container>, flag: &str, env: &str, look: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    let Some(container) = container else { return Some(String::new()) };
    let mut args = words(container).peekable();
    let mut last = None;
    while let Some(arg) = args.next() {
        if let Some(value) = arg.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
            last = Some(value.to_owned());
        } else if arg == flag {
            last = Some(args.peek().filter(|next| !next.starts_with('-')).map_or_else(|| "true".to_owned(), |next| (*next).to_owned()));
        }
    }
    // Of several the last one counts, for flags and for environment variables.
    if last.is_some() {
        return last;
    }
    let Some(var) = container.env.iter().flatten().rfind(|v| v.name == env) else { return Some(String::new()) };
    let Some(source) = &var.value_from else { return Some(var.value.clone().unwrap_or_default()) };
    let reference = source.config_map_key_ref.as_ref()?;
    look(&reference.name, &reference.key)
}

/// The path that stands before every path of argocd-server: its root path, or the one that a proxy before it takes off again.
fn base(root: Option<String>, href: Option<String>) -> Option<String> {
    let (root, href) = (root?, href?);
    let base = if root.is_empty() { href } else { root };
    Some(format!("/{}", base.trim_matches('/')))
}

/// What a switch's text means, in the careful direction: whatever is not clearly off is on, as is a flag inside a shell's command line.
/// A switch takes no word of its own: `--disable-auth false` switches on.
fn switched_on(container: Option<&Container>, setting: Option<String>) -> Option<bool> {
    const FLAG: &str = "--disable-auth";
    let alone = container.is_some_and(|c| words(c).any(|w| w == FLAG || (w.contains(FLAG) && !w.starts_with(FLAG))));
    if alone {
        return Some(true);
    }
    setting.map(|value| !matches!(value.to_ascii_lowercase().as_str(), "" | "false" | "f" | "0"))
}

pub(crate) fn image_version(image: &str) -> Option<String> {
    let name = image.split('@').next().unwrap_or(image);
    name.rsplit('/').next()?.split_once(':').and_then(|(_, tag)| version(tag))
}

fn version(text: &str) -> Option<String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    parse_version(text).map(|_| text.to_owned())
}

/// Major and minor of a version such as `3.2.11`, `v1.36.3` or `1.34+`.
#[must_use]
pub fn parse_version(text: &str) -> Option<(u32, u32)> {
    super::versions::parse(text).map(|(major, minor, _)| (major, minor))
}

/// Who installed Argo CD, as its Deployment shows it.
#[must_use]
pub fn installer(deployment: &Deployment) -> &'static str {
    let owned = deployment.metadata.owner_references.iter().flatten().any(|o| o.kind == "ArgoCD");
    let tracked = deployment.metadata.annotations.as_ref().is_some_and(|a| a.contains_key("argocd.argoproj.io/tracking-id"));
    match label(deployment, "app.kubernetes.io/managed-by") {
        _ if owned => "Operator",
        _ if tracked => "ArgoCD",
        Some("Helm") => "Helm",
        _ => "Manifests",
    }
}

/// The Services that lead to argocd-server's pods.
#[must_use]
pub fn services_of<'a>(server: &Server, services: impl IntoIterator<Item = &'a Service>) -> Vec<String> {
    let leads = |service: &Service| {
        // The Service of the metrics leads to the same pods, and to no terminal.
        let ports = service.spec.as_ref().and_then(|s| s.ports.as_deref()).unwrap_or_default();
        if !ports.is_empty() && ports.iter().all(|p| p.port == 8083 || p.name.as_deref().is_some_and(|n| n.contains("metrics"))) {
            return false;
        }
        let selector = service.spec.as_ref().and_then(|s| s.selector.as_ref());
        selector.is_some_and(|s| !s.is_empty() && s.iter().all(|(k, v)| server.pod_labels.get(k) == Some(v)))
    };
    let mut names: Vec<String> = services.into_iter().filter(|s| leads(s)).filter_map(|s| s.metadata.name.clone()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(yaml: &str) -> Deployment {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn stock(extra: &str) -> Deployment {
        deployment(&format!(
            r"
metadata: {{name: cd-server, labels: {{app.kubernetes.io/part-of: argocd, app.kubernetes.io/component: server}}}}
spec:
  selector: {{}}
  template:
    metadata: {{labels: {{app.kubernetes.io/name: cd-server}}}}
    spec:
      serviceAccountName: cd-sa
      containers:
      - name: server
        image: quay.io/argoproj/argocd:v3.2.11
        {extra}
"
        ))
    }

    #[test]
    fn the_service_account_comes_from_the_deployment_not_from_a_name() {
        let server = find_server([&stock("args: [/usr/local/bin/argocd-server]")], Some(&Data::new())).unwrap();
        assert_eq!((server.service_account.as_str(), server.version.as_deref()), ("cd-sa", Some("3.2.11")));
        assert!(server.auth_disabled == Some(false) && !server.applications_elsewhere);
    }

    #[test]
    fn two_candidates_are_not_guessed_between() {
        let (a, mut b) = (stock(""), stock(""));
        b.metadata.name = Some("other-server".to_owned());
        assert_eq!(find_server([&a, &b], None), Err(NoServer::Ambiguous(vec!["cd-server".to_owned(), "other-server".to_owned()])));
        assert_eq!(find_server([], None), Err(NoServer::Missing));
    }

    #[test]
    fn switches_are_read_from_flag_then_environment_then_params() {
        let from_params =
            "env: [{name: ARGOCD_APPLICATION_NAMESPACES, valueFrom: {configMapKeyRef: {name: argocd-cmd-params-cm, key: application.namespaces}}}]";
        let on = Data::from([("application.namespaces".to_owned(), "team-*".to_owned())]);
        let elsewhere = |extra: &str, params: Option<&Data>| find_server([&stock(extra)], params).unwrap().applications_elsewhere;
        assert!(elsewhere(from_params, Some(&on)));
        assert!(!elsewhere(from_params, Some(&Data::new())));
        assert!(elsewhere(from_params, None), "unreadable counts as on");
        assert!(elsewhere("args: [argocd-server, --application-namespaces, 'a,b']", Some(&Data::new())));
        assert_eq!(find_server([&stock("args: [argocd-server, --disable-auth]")], None).unwrap().auth_disabled, Some(true));
        assert_eq!(find_server([&stock("args: [argocd-server, --disable-auth=false]")], None).unwrap().auth_disabled, Some(false));
    }

    #[test]
    fn the_namespaces_that_are_served_are_those_that_are_set_and_in_doubt_all() {
        let serves = |args: &str, namespace: &str| find_server([&stock(&format!("args: [argocd-server, {args}]"))], None).unwrap().serves(namespace);
        for (args, namespace, expected) in [
            ("'--application-namespaces=team-*, cd'", "team-a", true),
            ("'--application-namespaces=team-*, cd'", "cd", true),
            ("'--application-namespaces=team-*, cd'", "xteam-a", false),
            ("'--application-namespaces=team-*, cd'", "cd-two", false),
            ("'--application-namespaces=/^a{1,2}$/'", "whatever", true),
            ("'--application-namespaces=team-[ab]'", "whatever", true),
            ("--application-namespaces=a, --application-namespaces=b", "a", true),
            ("--insecure", "a", false),
        ] {
            assert_eq!(serves(args, namespace), expected, "{args} {namespace}");
        }
    }

    #[test]
    fn authentication_counts_as_off_unless_it_is_clearly_on() {
        let off = |extra: &str| find_server([&stock(extra)], Some(&Data::new())).unwrap().auth_disabled;
        for on in [
            "--disable-auth=1",
            "--disable-auth=T",
            "'--disable-auth=$(X)'",
            "--disable-auth, 'false'",
            "--disable-auth=false, --disable-auth",
            "--disable-auth=false, --disable-auth=true",
        ] {
            assert_eq!(off(&format!("args: [argocd-server, {on}]")), Some(true), "{on}");
        }
        assert_eq!(off("command: [sh, -c, 'exec argocd-server --disable-auth']"), Some(true));
        assert_eq!(off("env: [{name: ARGOCD_SERVER_DISABLE_AUTH, value: 'false'}, {name: ARGOCD_SERVER_DISABLE_AUTH, value: 'True'}]"), Some(true));
        assert_eq!(off("env: [{name: ARGOCD_SERVER_DISABLE_AUTH}]"), Some(false), "an empty value is not sent by the API server");
        assert_eq!(off("args: [argocd-server, --disable-auth=0]"), Some(false));
        let other = "env: [{name: ARGOCD_SERVER_DISABLE_AUTH, valueFrom: {secretKeyRef: {name: s, key: k}}}]";
        assert_eq!(off(other), None, "taken from what we do not read");
    }

    #[test]
    fn the_base_path_is_the_root_path_or_else_the_base_reference() {
        let base = |extra: &str| find_server([&stock(extra)], Some(&Data::new())).unwrap().base;
        assert_eq!(base("").as_deref(), Some("/"));
        assert_eq!(base("args: [argocd-server, --basehref, /cd/]").as_deref(), Some("/cd"));
        assert_eq!(base("args: [argocd-server, --basehref=/x, --rootpath=/cd]").as_deref(), Some("/cd"));
        let from = |kind: &str| {
            format!("env: [{{name: ARGOCD_SERVER_BASEHREF, valueFrom: {{{kind}: {{name: argocd-cmd-params-cm, key: server.basehref}}}}}}]")
        };
        assert_eq!(base(&from("configMapKeyRef")).as_deref(), Some("/"));
        assert_eq!(base(&from("secretKeyRef")), None, "taken from what we do not read");
    }

    #[test]
    fn versions_are_read_from_tags_of_many_shapes() {
        for (image, expected) in [
            ("argocd:v2.14.21", Some("2.14.21")),
            ("host:5000/argoproj/argocd:v3.4.5@sha256:00", Some("3.4.5")),
            ("host:5000/argoproj/argocd", None),
            ("argocd@sha256:00", None),
            ("argocd:latest", None),
        ] {
            assert_eq!(image_version(image).as_deref(), expected, "{image}");
        }
        assert_eq!(parse_version("v1.34+"), Some((1, 34)));
        assert_eq!(parse_version("1.34.4-eks"), Some((1, 34)));
    }
}
