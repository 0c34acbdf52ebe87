//! The YAML of the documents: manifests are accepted by the API server, values by the chart. A fragment says so: ```` ```yaml fragment ````.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    markdown::documents,
    support::{manifests, process::random, tools},
    world::Team,
};

#[tokio::test]
async fn every_manifest_of_the_documents_is_accepted() {
    let team = Team::new().await;
    let (mut manifests_seen, mut values_seen) = (0, 0);
    for document in documents() {
        for block in document.blocks().iter().filter(|block| block.language == "yaml") {
            let place = format!("{}:{}", document.path, block.line);
            let file = team.cp.folder().join(format!("shown-{}.yaml", random()));
            match block.attributes.as_str() {
                "" => manifests_seen += 1,
                "values" => values_seen += 1,
                _ => {}
            }
            let said = match block.attributes.as_str() {
                "" => {
                    let mut objects = manifests::parse(&block.text);
                    for object in &mut objects {
                        object.metadata.namespace = object.metadata.namespace.as_ref().map(|_| team.namespace.clone());
                    }
                    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
                    std::fs::write(&file, list.to_string()).unwrap();
                    let file = file.to_string_lossy();
                    let apply = ["apply", "--dry-run=server", "--validate=strict", "--namespace", &team.namespace, "--filename", &file];
                    team.cp.kubectl(&apply).await
                }
                "values" => {
                    std::fs::write(&file, &block.text).unwrap();
                    let chart = tools::repository().join("charts/argocd-access-operator").display().to_string();
                    team.cp.helm(&["template", "shown", &chart, "--namespace", "argocd", "--values", &file.to_string_lossy()]).await
                }
                "fragment" => {
                    for part in serde_yaml::Deserializer::from_str(&block.text) {
                        let _is_yaml = Value::deserialize(part).unwrap_or_else(|error| panic!("{place}: {error}"));
                    }
                    continue;
                }
                other => panic!("{place}: a block of yaml is a manifest, 'values' or a 'fragment', not {other:?}"),
            };
            assert!(said.status.success(), "{place}: {}{}", said.stdout, said.stderr);
        }
    }
    assert!(manifests_seen > 0 && values_seen > 0, "{manifests_seen} manifests, {values_seen} values");
}
