//! A manifest that says why it is as it is. Pure.

use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

/// One object, with a comment; of a role each rule has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    why: String,
    object: Value,
    rules: Option<Vec<Explained>>,
}

/// A rule of a role, and why it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Why, in one line.
    pub why: String,
    /// The rule.
    pub rule: PolicyRule,
}

impl Explained {
    /// A rule of one API group.
    pub(super) fn new(why: impl Into<String>, group: &str, resources: &[&str], names: &[String], verbs: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rule = PolicyRule {
            api_groups: Some(vec![group.to_owned()]),
            resources: Some(owned(resources)),
            resource_names: (!names.is_empty()).then(|| names.to_vec()),
            verbs: owned(verbs),
            non_resource_urls: None,
        };
        Self { why: why.into(), rule }
    }
}

impl Document {
    /// An object that is no role.
    pub(super) fn new(why: impl Into<String>, object: Value) -> Self {
        Self { why: why.into(), object, rules: None }
    }

    /// A role.
    pub(super) fn role(why: impl Into<String>, object: Value, rules: Vec<Explained>) -> Self {
        Self { why: why.into(), object, rules: Some(rules) }
    }

    /// The object as it is applied.
    #[must_use]
    pub fn object(&self) -> Value {
        let mut object = self.object.clone();
        if let (Some(rules), Some(fields)) = (&self.rules, object.as_object_mut()) {
            fields.insert("rules".to_owned(), json!(rules.iter().map(|one| &one.rule).collect::<Vec<_>>()));
        }
        object
    }

    /// The rules of a role.
    #[must_use]
    pub fn rules(&self) -> &[Explained] {
        self.rules.as_deref().unwrap_or_default()
    }
}

/// All of them as YAML, with the comments.
///
/// # Errors
/// When one cannot be written.
pub fn yaml(documents: &[Document]) -> Result<String, serde_yaml::Error> {
    let mut text = String::new();
    for document in documents {
        text.push_str("---\n");
        comment(&mut text, &document.why);
        text.push_str(&serde_yaml::to_string(&document.object)?);
        match document.rules.as_deref() {
            None => {}
            Some([]) => text.push_str("rules: []\n"),
            Some(rules) => {
                text.push_str("rules:\n");
                for one in rules {
                    comment(&mut text, &one.why);
                    text.push_str(&serde_yaml::to_string(&[&one.rule])?);
                }
            }
        }
    }
    Ok(text)
}

/// All of them as one list, for `kubectl` to take as JSON.
#[must_use]
pub fn list(documents: &[Document]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": documents.iter().map(Document::object).collect::<Vec<_>>()})
}

/// Comments do not leave their lines, whatever they say.
fn comment(text: &mut String, why: &str) {
    const WIDTH: usize = 118;
    let mut line = String::new();
    for word in why.split_whitespace() {
        if !line.is_empty() && line.len() + word.len() + 1 > WIDTH {
            let _ = writeln!(text, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "# {line}");
}
