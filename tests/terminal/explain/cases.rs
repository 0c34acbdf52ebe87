//! The table: how something is broken, what a person then sees, and what it is called.
//!
//! The scripts run in bash as an administrator; `$NS` is Argo CD's namespace, `$DEST` that of the Pods, `$TEAM` one with an Application.

use crate::bench::{App, By, Who};

/// The connection is closed without an answer.
const NO_ANSWER: u16 = 0;
/// The terminal is accepted, and there is no shell in it.
pub const NO_SHELL: u16 = 1;
/// The terminal opens, and ends while nobody types.
pub const ENDED: u16 = 2;

/// A broken set-up.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is.
    pub name: &'static str,
    /// How it is broken.
    pub breaks: &'static str,
    /// The HTTP status that a person gets, or what else is seen.
    pub refused: &'static [u16],
    /// What it is called.
    pub cause: &'static str,
    /// Who is refused.
    pub who: Who,
    /// Where.
    pub app: App,
    /// On which way.
    pub by: By,
}

const CASE: Case = Case { name: "", breaks: "", refused: &[], cause: "", who: Who::Team, app: App::Web, by: By::Itself };
const UNAUTHORIZED: &[u16] = &[401];
const OFF: &[u16] = &[404];
const BAD: &[u16] = &[400];
const SILENT: &[u16] = &[NO_SHELL];

/// Sets argocd-rbac-cm's one key of lines.
macro_rules! policy {
    ($($line:literal),* $(,)?) => {
        concat!("kubectl -n $NS create configmap argocd-rbac-cm --dry-run=client -o json --from-literal=policy.csv=\"", $($line, "\n",)* "\" | kubectl -n $NS patch configmap argocd-rbac-cm --type merge --patch-file /dev/stdin")
    };
}
macro_rules! argocd_cm {
    ($data:literal) => {
        concat!("kubectl -n $NS patch configmap argocd-cm --type merge -p '{\"data\":", $data, "}'")
    };
}
/// Changes the AppProject, and lets Argo CD look at the Application again.
macro_rules! project {
    ($patch:literal, $app:literal) => {
        concat!(
            "kubectl -n $NS patch appproject shop --type merge -p ",
            $patch,
            " && kubectl ",
            $app,
            " annotate applications.argoproj.io --all argocd.argoproj.io/refresh=normal --overwrite"
        )
    };
}

/// Those that a printed command mends.
pub const CASES: &[Case] = &[
    Case { name: "terminals were never switched on", breaks: argocd_cm!(r#"{"exec.enabled":null}"#), refused: OFF, cause: "exec-off", ..CASE },
    Case {
        name: "they are off as the Helm chart has it",
        breaks: argocd_cm!(r#"{"exec.enabled":"false"}"#),
        refused: OFF,
        cause: "exec-off",
        ..CASE
    },
    Case { name: "True is not true", breaks: argocd_cm!(r#"{"exec.enabled":"True"}"#), refused: OFF, cause: "exec-misspelt", ..CASE },
    Case { name: "a blank before true", breaks: argocd_cm!(r#"{"exec.enabled":" true"}"#), refused: OFF, cause: "exec-misspelt", ..CASE },
    Case {
        name: "the key is misspelt",
        breaks: argocd_cm!(r#"{"exec.enabled":null,"exec.enable":"true"}"#),
        refused: OFF,
        cause: "exec-misspelt",
        ..CASE
    },
    Case {
        name: "argocd-cm lost its label",
        breaks: "kubectl -n $NS label configmap argocd-cm app.kubernetes.io/part-of-",
        refused: UNAUTHORIZED,
        cause: "argocd-cm-unlabelled",
        ..CASE
    },
    Case {
        name: "blanks in the list of shells",
        breaks: concat!(argocd_cm!(r#"{"exec.shells":" bash, sh"}"#), " && kubectl -n $NS rollout restart deployment/argocd-server && sleep 1"),
        refused: SILENT,
        cause: "shells-unusable",
        ..CASE
    },
    Case {
        name: "the namespace of the Application is not served",
        breaks: "kubectl -n $NS patch configmap argocd-cmd-params-cm --type merge -p '{\"data\":{\"application.namespaces\":\"somewhere\"}}' && kubectl -n $NS rollout restart deployment/argocd-server && sleep 1",
        refused: &[403],
        cause: "namespace-not-served",
        app: App::Elsewhere,
        ..CASE
    },
    Case {
        name: "the AppProject is deleted",
        breaks: "kubectl -n $NS delete appproject shop && kubectl -n $NS annotate applications.argoproj.io web argocd.argoproj.io/refresh=normal --overwrite",
        refused: BAD,
        cause: "project-missing",
        ..CASE
    },
    Case {
        name: "the AppProject takes no Applications of that namespace",
        breaks: project!(r#"'{"spec":{"sourceNamespaces":["another"]}}'"#, "-n $TEAM"),
        refused: BAD,
        cause: "project-source-namespace",
        app: App::Elsewhere,
        ..CASE
    },
    Case {
        name: "the AppProject does not permit the destination",
        breaks: project!(r#"'{"spec":{"destinations":[{"server":"*","namespace":"another"}]}}'"#, "-n $NS"),
        refused: BAD,
        cause: "project-destination",
        ..CASE
    },
    Case {
        name: "the AppProject forbids Pods",
        breaks: project!(r#"'{"spec":{"namespaceResourceBlacklist":[{"group":"","kind":"Pod"}]}}'"#, "-n $NS"),
        refused: BAD,
        cause: "project-hides-pods",
        ..CASE
    },
    Case { name: "nobody is mentioned", breaks: policy!(""), refused: UNAUTHORIZED, cause: "policy-no-line", ..CASE },
    Case {
        name: "an account is not mentioned",
        breaks: policy!("g, another, role:team"),
        refused: UNAUTHORIZED,
        cause: "policy-no-line",
        who: Who::Account,
        ..CASE
    },
    Case {
        name: "a group without a g line",
        breaks: policy!("p, my-org:team-a, applications, get, shop/web, allow", "p, my-org:team-a, exec, create, shop/web, allow"),
        refused: UNAUTHORIZED,
        cause: "policy-group-unbound",
        ..CASE
    },
    Case {
        name: "the Pods' namespace in place of the project",
        breaks: policy!("p, role:team, applications, get, */*, allow", "p, role:team, exec, create, $DEST/*, allow", "g, my-org:team-a, role:team"),
        refused: UNAUTHORIZED,
        cause: "policy-object",
        ..CASE
    },
    Case {
        name: "three parts for an Application of Argo CD's own namespace",
        breaks: policy!(
            "p, role:team, applications, get, */*, allow",
            "p, role:team, exec, create, shop/$NS/*, allow",
            "g, my-org:team-a, role:team"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-object",
        ..CASE
    },
    Case {
        name: "two parts for an Application in another namespace",
        breaks: policy!(
            "p, role:team, applications, get, */*, allow",
            "p, role:team, exec, create, shop/elsewhere, allow",
            "g, my-org:team-a, role:team"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-object",
        app: App::Elsewhere,
        ..CASE
    },
    Case {
        name: "a blank at the end of the object",
        breaks: policy!("p, role:team, applications, get, */*, allow", "p, role:team, exec, create, shop/web , allow", "g, my-org:team-a, role:team"),
        refused: UNAUTHORIZED,
        cause: "policy-space",
        ..CASE
    },
    Case {
        name: "a comment behind the line",
        breaks: policy!(
            "p, role:team, applications, get, */*, allow",
            "p, role:team, exec, create, shop/web, allow # the shop",
            "g, my-org:team-a, role:team"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-effect",
        ..CASE
    },
    Case {
        name: "capital letters in the group",
        breaks: policy!("p, role:team, applications, get, */*, allow", "p, role:team, exec, create, shop/web, allow", "g, My-Org:Team-A, role:team"),
        refused: UNAUTHORIZED,
        cause: "policy-subject-spelling",
        ..CASE
    },
    Case {
        name: "exec alone",
        breaks: policy!("p, role:team, exec, create, shop/web, allow", "g, my-org:team-a, role:team"),
        refused: UNAUTHORIZED,
        cause: "policy-no-get",
        ..CASE
    },
    Case {
        name: "a deny of this very Application",
        breaks: policy!(
            "p, role:team, applications, get, */*, allow",
            "p, role:team, exec, create, */*, allow",
            "g, my-org:team-a, role:team",
            "p, role:team, exec, create, shop/web, deny"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-denied",
        ..CASE
    },
    Case {
        name: "a line of somebody else cannot be loaded",
        breaks: "kubectl -n $NS patch configmap argocd-rbac-cm --type merge -p '{\"data\":{\"policy.other.csv\":\"p, role:other, exec, create, shop/web\"}}'",
        refused: &[NO_ANSWER],
        cause: "policy-broken",
        ..CASE
    },
    Case {
        name: "regular expressions, and a glob",
        breaks: "kubectl -n $NS patch configmap argocd-rbac-cm --type merge -p '{\"data\":{\"policy.matchMode\":\"regex\",\"policy.csv\":\"p, role:team, applications, get, ^shop/.*$, allow\\np, role:team, exec, create, ^shop/api*$, allow\\ng, my-org:team-a, role:team\\n\"}}'",
        refused: UNAUTHORIZED,
        cause: "policy-object",
        ..CASE
    },
    Case {
        name: "an e-mail address, and scopes without it",
        breaks: concat!(
            policy!(
                "p, role:team, applications, get, shop/web, allow",
                "p, role:team, exec, create, shop/web, allow",
                "g, alice@example.com, role:team"
            ),
            " && kubectl -n $NS patch configmap argocd-rbac-cm --type merge -p '{\"data\":{\"scopes\":\"[groups]\"}}'"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-no-email-scope",
        who: Who::Email,
        ..CASE
    },
    Case {
        name: "a role of the AppProject that cannot be loaded",
        breaks: concat!(
            policy!(""),
            " && ",
            "kubectl -n $NS patch appproject shop --type merge -p '{\"spec\":{\"roles\":[{\"name\":\"dev\",\"groups\":[\"my-org:team-a\"],\"policies\":[\"p, proj:shop:dev, applications, get, shop/*, allow\",\"p, proj:shop:dev, exec, create, shop/*, allow\"]},{\"name\":\"ci\",\"policies\":[\"p, proj:shop:ci, too, few\"]}]}}'"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-project-broken",
        ..CASE
    },
    Case {
        name: "the cluster itself is switched off",
        breaks: argocd_cm!(r#"{"cluster.inClusterEnabled":"false"}"#),
        refused: &[400, 500],
        cause: "destination-disabled",
        ..CASE
    },
    Case {
        name: "only what install.yaml grants",
        breaks: "kubectl -n $DEST delete rolebinding exec",
        refused: SILENT,
        cause: "kubernetes-exec-create",
        ..CASE
    },
    Case {
        name: "the ClusterRole without its wildcard, and pods alone",
        breaks: r#"kubectl patch clusterrole $NS-argocd-server --type json -p '[{"op":"replace","path":"/rules","value":[{"apiGroups":["argoproj.io"],"resources":["*"],"verbs":["*"]},{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]}]' && kubectl -n $DEST delete rolebinding exec"#,
        refused: SILENT,
        cause: "kubernetes-exec",
        ..CASE
    },
    Case {
        name: "the ClusterRole without its wildcard",
        breaks: r#"kubectl patch clusterrole $NS-argocd-server --type json -p '[{"op":"replace","path":"/rules","value":[{"apiGroups":["argoproj.io"],"resources":["*"],"verbs":["*"]}]}]' && kubectl -n $DEST delete rolebinding exec"#,
        refused: BAD,
        cause: "kubernetes-pods-get",
        ..CASE
    },
    Case {
        name: "the Pod has ended",
        breaks: r#"kubectl -n $DEST patch pod healed-0 --subresource status --type merge -p '{"status":{"phase":"Failed"}}'"#,
        refused: BAD,
        cause: "pod-not-running",
        app: App::Healed,
        ..CASE
    },
    Case {
        name: "F5's nginx without its list of WebSockets",
        breaks: r#"kubectl -n $NS patch ingress argocd-server --type merge -p "{\"spec\":{\"ingressClassName\":\"$F5\"}}""#,
        refused: BAD,
        cause: "way-annotation",
        by: By::F5,
        ..CASE
    },
    Case {
        name: "an Ingress for /api alone",
        breaks: r#"kubectl -n $NS patch ingress argocd-server --type json -p '[{"op":"replace","path":"/spec/rules/0/http/paths/0/path","value":"/api"}]'"#,
        refused: OFF,
        cause: "way-no-terminal-path",
        by: By::Nginx,
        ..CASE
    },
    Case {
        name: "HAProxy with three seconds",
        breaks: r#"kubectl -n $NS patch ingress argocd-server --type merge -p "{\"metadata\":{\"annotations\":{\"haproxy-ingress.github.io/timeout-tunnel\":\"3s\"}},\"spec\":{\"ingressClassName\":\"$HAPROXY\"}}""#,
        refused: &[ENDED],
        cause: "way-cut",
        by: By::Haproxy,
        ..CASE
    },
];

/// Those that only people can mend.
pub const NOT_MENDED: &[Case] = &[
    Case {
        name: "an Application of another name",
        breaks: policy!("g, my-org:team-a, role:admin"),
        refused: &[404, 400],
        cause: "application-missing",
        app: App::Missing,
        ..CASE
    },
    Case {
        name: "another project",
        breaks: policy!("g, my-org:team-a, role:admin"),
        refused: BAD,
        cause: "project-differs",
        app: App::OtherProject,
        ..CASE
    },
    Case { name: "a Pod of another name", breaks: "true", refused: BAD, cause: "pod-missing", app: App::OtherPod, ..CASE },
    Case {
        name: "a Pod that somebody made by hand",
        breaks: r#"kubectl -n $DEST run by-hand --image=example.invalid/shell --overrides='{"spec":{"nodeName":"kwok"}}' && kubectl -n $DEST wait --for=jsonpath={.status.phase}=Running pod/by-hand --timeout=20s"#,
        refused: BAD,
        cause: "pod-foreign",
        app: App::ByHand,
        ..CASE
    },
    Case { name: "a container of another name", breaks: "true", refused: BAD, cause: "container-missing", app: App::OtherContainer, ..CASE },
    Case {
        name: "a deny of the whole project",
        breaks: policy!("p, role:team, *, *, */*, allow", "g, my-org:team-a, role:team", "p, role:team, exec, create, shop/*, deny"),
        refused: UNAUTHORIZED,
        cause: "policy-denied",
        ..CASE
    },
    Case {
        name: "a group without a g line, and lines for more",
        breaks: policy!("p, my-org:team-a, applications, get, */*, allow", "p, my-org:team-a, exec, create, */*, allow"),
        refused: UNAUTHORIZED,
        cause: "policy-group-unbound",
        ..CASE
    },
    Case {
        name: "a glob that is no regular expression",
        breaks: concat!(
            policy!("p, role:team, *, *, */*, allow", "g, my-org:team-a, role:team"),
            " && kubectl -n $NS patch configmap argocd-rbac-cm --type merge -p '{\"data\":{\"policy.matchMode\":\"regex\"}}'"
        ),
        refused: UNAUTHORIZED,
        cause: "policy-fault",
        ..CASE
    },
    Case {
        name: "somebody else's admission policy",
        breaks: r#"kubectl apply -f - <<EOF
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: theirs-$NS}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CONNECT], resources: [pods/exec]}]
  validations: [{expression: "request.namespace != '$DEST'"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: theirs-$NS}
spec: {policyName: theirs-$NS, validationActions: [Deny]}
EOF"#,
        refused: SILENT,
        cause: "admission-foreign",
        ..CASE
    },
];
