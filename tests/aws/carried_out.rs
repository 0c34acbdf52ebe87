//! The commands of the ConfigMap, run as a person runs them: with the real aws command line, against moto instead of AWS.
//!
//! moto has IAM and clusters of EKS, but neither access entries nor associations: of those it is tried that the command line takes what is
//! put out, since it checks every parameter before it asks anybody.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use argocd_access::clusters::aws::{documents, evaluate};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::declared::{documents as rendered, example, hub};
use crate::support::process::{Finished, Process, free_port, run, wait_for_port};
use crate::support::{reaper, tools};

/// One account of AWS, and a shell in it.
struct Account {
    folder: TempDir,
    port: u16,
    _moto: Process,
}

impl Account {
    fn new(id: &str) -> Self {
        let folder = reaper::folder("aws");
        let port = free_port();
        let arguments = ["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()].map(ToOwned::to_owned);
        let moto = Process::start("moto", &tools::python(), arguments, &[("MOTO_ACCOUNT_ID", id)], &folder.path().join("moto.log"));
        wait_for_port(&moto, port, Duration::from_secs(60)).unwrap();
        let program = folder.path().join("aws");
        std::fs::write(&program, format!("#!/bin/sh\nexec '{}' -m awscli \"$@\"\n", tools::python().display())).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder, port, _moto: moto }
    }

    /// Puts the keys of a ConfigMap there as files.
    fn with(self, data: &BTreeMap<String, String>) -> Self {
        for (name, text) in data {
            std::fs::write(self.folder.path().join(name), text).unwrap();
        }
        self
    }

    async fn shell(&self, line: &str) -> Finished {
        let mut shell = reaper::command(PathBuf::from("sh"));
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap_or_default());
        shell.args(["-c", line]).current_dir(self.folder.path()).env("PATH", path);
        // Nobody's credentials, and nobody's settings.
        shell.env("HOME", self.folder.path()).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        shell.env("AWS_ACCESS_KEY_ID", "nobody").env("AWS_SECRET_ACCESS_KEY", "nothing").env("AWS_DEFAULT_REGION", "eu-west-1");
        shell.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN").env("AWS_PAGER", "");
        run(shell).await
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.shell(line).await.success()).unwrap()
    }

    /// Runs each command of a file. Returns those that moto does not have.
    async fn run_all(&self, commands: &str) -> usize {
        let mut unknown = 0;
        for line in commands.lines().filter(|line| !line.starts_with('#')) {
            let said = self.shell(line).await;
            if line.starts_with("aws eks create-access-entry") || line.starts_with("aws eks create-pod-identity-association") {
                assert!(said.status.success() || said.stderr.contains("(404) when calling"), "{line}: {}", said.stderr);
                unknown += 1;
            } else {
                assert!(said.status.success(), "{line}: {}", said.stderr);
            }
        }
        unknown
    }
}

async fn role(account: &Account, name: &str) -> (Value, String) {
    let role = account.json(&format!("aws iam get-role --role-name {name}")).await["Role"].clone();
    let trust = role["AssumeRolePolicyDocument"].to_string();
    (role, trust)
}

#[tokio::test]
async fn the_commands_make_the_roles_of_pod_identity() {
    let access = example("eks-pod-identity.yaml", &[("/spec/aws/permissionsBoundary", json!("arn:aws:iam::aws:policy/AWSDenyAll"))]);
    let data = rendered(&access);
    let (hub, aws) = (hub(&access), access.spec.aws.as_ref().unwrap());

    let account = Account::new(&aws.hub.account_id).with(&data);
    assert_eq!(account.run_all(&data["hub-commands.sh"]).await, 3, "one association for each ServiceAccount");
    let (found, trust) = role(&account, "argocd-mgmt").await;
    assert_eq!(found["Arn"], hub.role.arn());
    assert_eq!(found["PermissionsBoundary"]["PermissionsBoundaryArn"], "arn:aws:iam::aws:policy/AWSDenyAll");
    assert_eq!(evaluate::hub(&trust, &hub), []);
    let policies = account.json("aws iam list-role-policies --role-name argocd-mgmt").await;
    assert_eq!(policies["PolicyNames"], json!([documents::POLICY_NAME]));
    let policy = account.json("aws iam get-role-policy --role-name argocd-mgmt --policy-name argocd-access").await["PolicyDocument"].clone();
    assert_eq!(policy, serde_json::from_str::<Value>(&data["hub-policy.json"]).unwrap());
    assert_eq!(policy["Statement"][0]["Resource"], json!(["arn:aws:iam::222222222222:role/argocd-spoke-prod-eu"]));

    let account = Account::new(&aws.spoke.account_id).with(&data);
    assert_eq!(account.run_all(&data["spoke-commands.sh"]).await, 1, "the access entry");
    let (found, trust) = role(&account, "argocd-spoke-prod-eu").await;
    assert_eq!(found["Arn"], "arn:aws:iam::222222222222:role/argocd-spoke-prod-eu");
    assert_eq!(evaluate::spoke(&trust, &hub), []);
    for list in ["list-role-policies", "list-attached-role-policies"] {
        let lists = account.json(&format!("aws iam {list} --role-name argocd-spoke-prod-eu")).await;
        assert!(lists.as_object().unwrap().values().filter_map(Value::as_array).all(Vec::is_empty), "a spoke role has no permission: {lists}");
    }
}

#[tokio::test]
async fn the_commands_make_the_roles_of_irsa_for_the_issuer_of_a_cluster() {
    let account = Account::new("111111111111");
    let role_arn = "arn:aws:iam::111111111111:role/eks";
    let create = format!("aws eks create-cluster --name hub --role-arn {role_arn} --resources-vpc-config subnetIds=subnet-1,subnet-2");
    let cluster = account.json(&create).await["cluster"].clone();
    let issuer = cluster["identity"]["oidc"]["issuer"].as_str().unwrap().to_owned();
    let provider = account.json(&format!("aws iam create-open-id-connect-provider --url {issuer} --client-id-list sts.amazonaws.com")).await;
    let changes = [("/spec/aws/output", json!("Text")), ("/spec/aws/hub/oidcIssuer", json!(issuer))];
    let access = example("eks-irsa.yaml", &changes);
    assert_eq!(kube::core::cel::validate_cel(&access).map_err(|errors| format!("{errors:?}")), Ok(()));
    let data = rendered(&access);
    let trust: Value = serde_json::from_str(&data["hub-trust.json"]).unwrap();
    assert_eq!(trust["Statement"][0]["Principal"]["Federated"], provider["OpenIDConnectProviderArn"]);
    // moto gives clusters of its own ARNs, of the same form.
    assert!(cluster["arn"].as_str().unwrap().ends_with(":111111111111:cluster/hub"));
    let account = account.with(&data);
    assert_eq!(account.run_all(&data["hub-commands.sh"]).await, 0);
    assert_eq!(evaluate::hub(&role(&account, "argocd-mgmt").await.1, &hub(&access)), []);
}

#[tokio::test]
async fn what_aws_takes_is_not_always_what_was_meant() {
    let hub = hub(&example("eks-irsa.yaml", &[]));
    let issuer = hub.declared.oidc_issuer.clone().unwrap().replace("https://", "");
    let seeds = [
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"eks:awsserviceaccount.name": "argoCD:argoCD-controller"}}}]}),
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::111111111111:oidc-provider/{issuer}")},
            "Condition": {"StringLike": {format!("{issuer}:sub"): "system:serviceaccount:argocd:*"}}}]}),
    ];
    let account = Account::new("111111111111");
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(account.folder.path().join("seed.json"), seed.to_string()).unwrap();
        let name = format!("seed-{number}");
        for command in ["create-role", "update-assume-role-policy"] {
            let argument = if command == "create-role" { "assume-role-policy-document" } else { "policy-document" };
            account.shell(&format!("aws iam {command} --role-name {name} --{argument} file://seed.json")).await.success();
        }
        let findings = evaluate::hub(&role(&account, &name).await.1, &hub);
        assert!(findings.iter().any(|finding| matches!(finding, evaluate::Finding::TooWide(_))), "{seed}: {findings:?}");
    }
}
