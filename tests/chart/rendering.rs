//! `helm template`, and questions to what it rendered.

use serde_json::Value;

use crate::support::{reaper, tools};

/// The folder of the chart.
pub fn chart() -> String {
    tools::repository().join("charts/argocd-access-operator").to_string_lossy().into_owned()
}

/// What one rendering gave.
pub struct Rendered {
    /// The text, comments included.
    pub text: String,
    /// Its objects.
    pub objects: Vec<Value>,
}

/// Renders the release `operator` in the namespace `argocd` with these `--set` values; a refusal fails the test.
pub fn render(settings: &[&str]) -> Rendered {
    render_release("operator", "argocd", settings)
}

/// Renders a release of another name or namespace.
pub fn render_release(release: &str, namespace: &str, settings: &[&str]) -> Rendered {
    let text = template(release, namespace, settings).unwrap_or_else(|error| panic!("render with {settings:?}: {error}"));
    let objects = crate::support::manifests::parse(&text);
    let objects = objects.iter().map(|object| serde_json::to_value(object).expect("a manifest as JSON")).collect();
    Rendered { text, objects }
}

/// What helm says when it refuses these values; rendering them fails the test.
pub fn refusal(settings: &[&str]) -> String {
    match template("operator", "argocd", settings) {
        Ok(_) => panic!("helm renders the chart with {settings:?}"),
        Err(message) => message,
    }
}

/// Runs helm without any cluster and gives its output, or what it complains of.
pub fn helm(arguments: &[&str]) -> Result<String, String> {
    let mut command = reaper::command(tools::path("helm"));
    command.args(arguments).env_remove("KUBECONFIG").env("HOME", env!("CARGO_TARGET_TMPDIR"));
    let output = command.output().unwrap_or_else(|error| panic!("run helm: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

fn template(release: &str, namespace: &str, settings: &[&str]) -> Result<String, String> {
    let chart = chart();
    let mut arguments = vec!["template", release, &chart, "--namespace", namespace];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    helm(&arguments)
}

impl Rendered {
    /// The one object of this kind whose name ends as given.
    pub fn object(&self, kind: &str, name_ending: &str) -> &Value {
        let found: Vec<&Value> = self.of_kind(kind).filter(|object| name(object).ends_with(name_ending)).collect();
        match found[..] {
            [object] => object,
            _ => panic!("{} objects {kind} *{name_ending}: {:?}", found.len(), found.iter().map(|o| name(o)).collect::<Vec<_>>()),
        }
    }

    /// All objects of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    /// Every rule of every Role and ClusterRole, with the name of where it stands.
    pub fn rules(&self) -> Vec<(&str, &Value)> {
        self.objects
            .iter()
            .filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole")
            .flat_map(|role| elements(&role["rules"]).iter().map(|rule| (name(role), rule)))
            .collect()
    }

    /// The names of the roles to which the operator's ServiceAccount is bound.
    pub fn roles_of_the_operator(&self) -> Vec<&str> {
        self.roles_of("operator")
    }

    /// The Deployment of one of the operator's processes, by its component.
    pub fn deployment(&self, component: &str) -> &Value {
        let is = |deployment: &&Value| deployment["metadata"]["labels"]["app.kubernetes.io/component"] == component;
        self.of_kind("Deployment").find(is).unwrap_or_else(|| panic!("no Deployment of {component}"))
    }

    /// The names of the roles to which the ServiceAccount of one of its processes is bound.
    pub fn roles_of(&self, component: &str) -> Vec<&str> {
        let account = &self.deployment(component)["spec"]["template"]["spec"]["serviceAccountName"];
        self.objects
            .iter()
            .filter(|object| object["kind"] == "RoleBinding" || object["kind"] == "ClusterRoleBinding")
            .filter(|binding| elements(&binding["subjects"]).iter().any(|subject| subject["name"] == *account))
            .map(|binding| binding["roleRef"]["name"].as_str().expect("a role's name"))
            .collect()
    }

    /// What is a pod in the end: the templates of Deployments and Jobs, and the Pods of `helm test`.
    pub fn pods(&self) -> Vec<&Value> {
        let templates = self.objects.iter().map(|object| &object["spec"]["template"]).filter(|template| template.is_object());
        templates.chain(self.of_kind("Pod")).collect()
    }

    /// The text of the operator's configuration file.
    pub fn configuration_text(&self) -> &str {
        self.of_kind("ConfigMap").find_map(|map| map["data"]["config.yaml"].as_str()).expect("a configuration file")
    }

    /// The operator's configuration file.
    pub fn configuration(&self) -> Value {
        let text = self.configuration_text();
        serde_yaml::from_str(text).unwrap_or_else(|error| panic!("read the configuration file: {error}\n{text}"))
    }
}

/// The name of an object.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("an object has a name")
}

/// The elements of a list; none where it is absent.
pub fn elements(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The strings of a list of a rule.
pub fn strings<'a>(rule: &'a Value, list: &str) -> Vec<&'a str> {
    elements(&rule[list]).iter().map(|element| element.as_str().expect("a string")).collect()
}
