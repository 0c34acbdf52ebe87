//! The pages about EKS show what the examples come to, to the letter.

use serde_json::Value;

use crate::declared::{documents, example};
use crate::support::tools;

/// The blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(tools::repository().join("docs/how-to").join(page)).unwrap();
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|part| part.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

#[test]
fn the_documents_on_the_pages_are_those_that_are_put_out() {
    for (page, file, shown) in [("eks-pod-identity.md", "eks-pod-identity.yaml", 2), ("eks-irsa.md", "eks-irsa.yaml", 1)] {
        let documents = documents(&example(file, &[("/spec/aws/output", "Text".into())]));
        let on_the_page = blocks(page, "json");
        assert_eq!(on_the_page.len(), shown);
        for block in on_the_page {
            assert!(documents.values().any(|document| *document == block), "{page} shows what is not put out:\n{block}");
        }
    }
    let documents = documents(&example("eks-irsa.yaml", &[("/spec/aws/output", "Text".into())]));
    assert_eq!(blocks("eks-irsa.md", "yaml fragment"), [documents["argo-cd-values.yaml"].clone()]);
}

#[test]
fn the_entry_on_the_page_is_the_one_that_is_written() {
    use argocd_access::clusters::aws::outlook::{AwsAuth, AwsAuthSeen};
    let seen = argocd_access::clusters::aws::Seen { aws_auth: AwsAuthSeen::Data(std::collections::BTreeMap::new()), ..Default::default() };
    let access = example("eks-aws-auth.yaml", &[]);
    let written = crate::declared::look(&access, &crate::declared::accounts(&[]), &seen).aws_auth;
    let shown = blocks("eks-aws-auth.md", "yaml fragment");
    assert_eq!(written, AwsAuth::Set(shown[0].clone()));
    let entries: Vec<Value> = serde_yaml::from_str(&shown[0]).unwrap();
    assert_eq!(entries.len(), 1);
}
