//! The documents and objects for AWS, rendered from the examples.

use std::collections::{BTreeMap, BTreeSet};

use argocd_access::api::ClusterAccess;
use argocd_access::clusters::aws::fold::{ServiceAccount, ServiceAccounts};
use argocd_access::clusters::aws::objects::{self, Kind, Object};
use argocd_access::clusters::aws::{Hub, Input, Outlook, Seen, documents, outlook};
use serde_json::{Value, json};

use crate::{
    head, repository,
    table::{code, table},
};

const NAMESPACE: &str = "argocd";

pub fn page() -> String {
    let mut page = head("What is made in AWS", "src/clusters/aws");
    page += "For a `ClusterAccess` with `credentials.type: EKS`, rendered from the examples. The operator calls nothing in AWS. With `aws.output: Text`\n";
    page +=
        "it puts documents and commands into the ConfigMap `argocd-access-aws-` and the name of the cluster; with `ACK` or `Crossplane` it makes\n";
    page += "the objects below, and those controllers do the rest.\n\n";
    page += "[By Pod Identity](../how-to/eks-pod-identity.md) · [by IRSA](../how-to/eks-irsa.md) · [by aws-auth](../how-to/eks-aws-auth.md)\n\n";

    page += "## The hub's role, by Pod Identity\n\n";
    let pod_identity = example("eks-pod-identity.yaml");
    let data = look(&pod_identity, &Seen::default()).config_map.expect("documents");
    page +=
        "Who may assume it (`hub-trust.json`). EKS assumes the role for whatever association somebody makes; the tags of the session, which EKS\n";
    page += "sets itself, say for which pod of which cluster. The cluster's ARN holds account and region, so that nobody comes in from another.\n\n";
    page += &block("json", &data["hub-trust.json"]);
    page +=
        "What it may do (`hub-policy.json`): assume the spoke roles of all `ClusterAccess` objects of the instance, and nothing else. The token\n";
    page += "that EKS takes is a signed `sts:GetCallerIdentity`, which needs no permission.\n\n";
    page += &block("json", &data["hub-policy.json"]);
    page += "One association for each ServiceAccount (`association-argocd-server.json` and so on):\n\n";
    page += &block("json", &data["association-argocd-server.json"]);

    page += "## The hub's role, by IRSA\n\n";
    page +=
        "The same for exactly three subjects of the cluster's issuer (`hub-trust.json`); its policy is without `sts:TagSession`. The annotations\n";
    page += "of the ServiceAccounts are printed as values of Argo CD's chart (`argo-cd-values.yaml`), never written.\n\n";
    let hub = Hub::of(example("eks-irsa.yaml").spec.aws.as_ref().expect("of EKS"), NAMESPACE, &accounts());
    page += &block("json", &documents::hub_trust(&hub).text());

    page += "## A spoke role\n\n";
    page += "Only the hub's role may assume it (`spoke-trust.json`), and it has no permission at all: what it may do is decided in the remote\n";
    page += "cluster. IAM keeps the hub's role by its unique id: where that role is made anew, this policy must be written anew.\n\n";
    page += &block("json", &data["spoke-trust.json"]);
    page += "Without `aws.spoke.role` the hub's role has an entry of its own in the remote cluster, and `awsAuthConfig` no `roleARN`.\n\n";

    page += "## How the remote cluster knows it\n\n";
    page += "With `mapping: AccessEntry` (`access-entry.json`):\n\n";
    page += &block("json", &data["access-entry.json"]);
    page += "With `mapping: AwsAuth`, one entry of `mapRoles` in `kube-system/aws-auth`. The comment says that it is ours:\n\n";
    page += &block("yaml fragment", &aws_auth());

    page += "## The commands\n\n";
    page += "In the account of the hub (`hub-commands.sh`):\n\n";
    let bash = "bash no-run reason=\"they are for an account of AWS; tests run them against moto\"";
    page += &block(bash, &data["hub-commands.sh"]);
    page += "In that of the remote cluster (`spoke-commands.sh`):\n\n";
    page += &block(bash, &data["spoke-commands.sh"]);

    page += "## Objects of controllers\n\n";
    page +=
        "What belongs to one object carries the label `argocd-access.dev/owner`, what belongs to the instance only `argocd-access.dev/instance`.\n";
    page +=
        "Each waits for the ARN of the role before it (`WaitingForARN`), and one of the same name without the label is somebody else's and left\n";
    page += "alone (`ForeignObject`).\n\n";
    let rows: Vec<Vec<String>> = Kind::ALL
        .iter()
        .map(|kind| {
            let (api_version, name, _) = kind.names();
            let fixed = kind.fixed().iter().map(|field| code(&field.trim_start_matches('/').replace('/', ".").replace("~1", "/")));
            vec![code(name), code(api_version), fixed.collect::<Vec<_>>().join(", ")]
        })
        .collect();
    page += &table(&["kind", "apiVersion", "made anew where it changes"], &rows);
    page += &format!(
        "Their names: {} for the hub's role, the same with a dot and the ServiceAccount for its associations, {} for what belongs to one\ncluster.\n\n",
        code(&objects::hub_name("INSTANCE")),
        code(&objects::spoke_name("INSTANCE", "CLUSTER"))
    );
    for (title, file, output) in [("ACK", "eks-irsa.yaml", "ACK"), ("Crossplane", "eks-pod-identity.yaml", "Crossplane")] {
        page += &format!("### {title}\n\nOf [examples/{file}](../../examples/{file})");
        page += if output == "ACK" { ":\n\n" } else { " with `output: Crossplane`; of the three associations one:\n\n" };
        let mut seen_kinds = BTreeSet::new();
        let objects = all_objects(&changed(file, output));
        let shown = objects.iter().filter(|object| object.key.kind.is_role() || seen_kinds.insert(object.key.kind));
        let texts: Vec<String> = shown.map(|object| serde_yaml::to_string(&object.body).expect("YAML")).collect();
        page += &block("yaml fragment", &texts.join("---\n"));
    }
    page += "## What is not proven\n\n";
    page += "- With `Text`, whether AWS has the documents: `AWSReady` is `True/Rendered`, which says no more than that they are there to be used.\n";
    page += "- The hop through AWS itself: whether the hub's role may really be assumed, and whether EKS takes its token. `CredentialReady` stays\n";
    page += "  `Unknown/NotProvable`.\n";
    page += "- What else a role may do: policies that others attach to it are not looked at.\n";
    page += "- Session policies, permissions boundaries and service control policies, which only take away.\n";
    page.trim_end().to_owned() + "\n"
}

fn block(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```\n\n", text.trim_end())
}

fn changed(file: &str, output: &str) -> ClusterAccess {
    let text = std::fs::read_to_string(repository().join("examples").join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"));
    let mut object: Value = serde_yaml::from_str(&text).expect("an example is YAML");
    object["metadata"]["uid"] = json!("5b1f0c9e-0000-4000-8000-000000000001");
    if !output.is_empty() {
        object["spec"]["aws"]["output"] = json!(output);
    }
    serde_json::from_value(object).expect("an example is a ClusterAccess")
}

fn example(file: &str) -> ClusterAccess {
    changed(file, "")
}

fn accounts() -> ServiceAccounts {
    let account = |name: &str| ServiceAccount { name: name.to_owned(), annotations: Some(BTreeMap::new()) };
    ServiceAccounts {
        server: account("argocd-server"),
        application_controller: account("argocd-application-controller"),
        applicationset_controller: account("argocd-applicationset-controller"),
    }
}

fn look(access: &ClusterAccess, seen: &Seen) -> Outlook {
    outlook(&Input { access, stands: true, all: &[access], unreadable: false, namespace: NAMESPACE, accounts: &accounts() }, seen)
}

fn aws_auth() -> String {
    use argocd_access::clusters::aws::outlook::{AwsAuth, AwsAuthSeen};
    let seen = Seen { aws_auth: AwsAuthSeen::Data(BTreeMap::new()), ..Seen::default() };
    match look(&example("eks-aws-auth.yaml"), &seen).aws_auth {
        AwsAuth::Set(text) => text,
        other => panic!("{other:?}"),
    }
}

/// All objects, as they are once each role before them has its ARN.
fn all_objects(access: &ClusterAccess) -> Vec<Object> {
    let mut seen = Seen::default();
    loop {
        let objects = look(access, &seen).objects;
        if objects.len() == seen.objects.len() {
            return objects;
        }
        for object in &objects {
            seen.objects.insert(object.key.clone(), made(object));
        }
    }
}

fn made(object: &Object) -> Value {
    let mut seen = object.body.clone();
    let (account, role) =
        if object.key.name.starts_with("argocd-access-hub-") { ("111111111111", "argocd-mgmt") } else { ("222222222222", "argocd-spoke-prod-eu") };
    let arn = format!("arn:aws:iam::{account}:role/{role}");
    let conditions = ["ACK.ResourceSynced", "Synced", "Ready"].map(|name| json!({"type": name, "status": "True"}));
    let at_provider = json!({"arn": arn, "assumeRolePolicy": seen["spec"]["forProvider"]["assumeRolePolicy"]});
    seen["status"] = json!({"ackResourceMetadata": {"arn": arn}, "atProvider": at_provider, "conditions": conditions});
    seen
}
