//! parliament's judgement of the policies, and of those of the documents that the project grew from.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::declared::{documents, example};
use crate::support::{reaper, tools};

/// Not by its command line, which writes a log of its own into the common folder for temporary files.
const JUDGE: &str = "
import json, sys
from parliament import analyze_policy_string
print(json.dumps([{'issue': f.issue, 'detail': str(f.detail)} for f in analyze_policy_string(sys.stdin.read()).findings]))
";

fn issues(policy: &str) -> Vec<(String, String)> {
    let mut python = reaper::command(tools::python());
    python.args(["-W", "ignore", "-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    child.stdin.take().unwrap().write_all(policy.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    found.iter().map(|one| (one["issue"].as_str().unwrap().to_owned(), one["detail"].as_str().unwrap().to_owned())).collect()
}

/// Of a trust policy parliament says that it names no resource, and stops there. So it is given the same as a policy that does: its actions,
/// operators and keys are those of the trust policy. A key of a cluster's own issuer is none that it could know.
fn trust_issues(policy: &str) -> Vec<(String, String)> {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    let statement = policy["Statement"][0].as_object_mut().unwrap();
    statement.remove("Principal").expect("a trust policy has a principal");
    statement.insert("Resource".to_owned(), json!("arn:aws:iam::111111111111:role/argocd-mgmt"));
    let of_the_issuer =
        |detail: &str| detail.starts_with("Unknown condition oidc.eks.") && (detail.contains(":sub for ") || detail.contains(":aud for "));
    issues(&policy.to_string()).into_iter().filter(|(issue, detail)| issue != "UNKNOWN_CONDITION_FOR_ACTION" || !of_the_issuer(detail)).collect()
}

#[test]
fn nothing_is_wrong_with_the_policies() {
    for (file, output) in [("eks-pod-identity.yaml", "Text"), ("eks-irsa.yaml", "Text")] {
        let documents = documents(&example(file, &[("/spec/aws/output", json!(output))]));
        assert_eq!(issues(&documents["hub-policy.json"]), [], "{file}");
        for trust in ["hub-trust.json", "spoke-trust.json"] {
            assert_eq!(trust_issues(&documents[trust]), [], "{file} {trust}");
        }
    }
}

#[test]
fn parliament_sees_what_is_wrong() {
    let documents = documents(&example("eks-pod-identity.yaml", &[]));
    let wrong = documents["hub-policy.json"].replace("sts:AssumeRole", "sts:AssumRole");
    assert!(issues(&wrong).iter().any(|(issue, _)| issue == "UNKNOWN_ACTION"), "{:?}", issues(&wrong));
    for (right, wrong, issue) in [
        ("StringEquals", "StringSame", "UNKNOWN_OPERATOR"),
        ("sts:TagSession", "sts:Tag", "UNKNOWN_ACTION"),
        ("aws:RequestTag/", "aws:SessionTag/", "UNKNOWN_CONDITION_FOR_ACTION"),
    ] {
        let found = trust_issues(&documents["hub-trust.json"].replace(right, wrong));
        assert!(found.iter().any(|(known, _)| known == issue), "{issue}: {found:?}");
    }
    // The policy that the project grew from: attaching policies is not about clusters.
    let seed = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["eks:DescribeCluster", "iam:AttachRolePolicy"],
        "Resource": "arn:aws:eks:eu-west-1:222222222222:cluster/my-cluster"}]});
    assert!(issues(&seed.to_string()).iter().any(|(issue, _)| issue == "RESOURCE_MISMATCH"), "{:?}", issues(&seed.to_string()));
}
