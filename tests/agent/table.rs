//! Every request that Argo CD's server makes for a resource of an agent's cluster, and the rights that the agent needs for the answer.

use crate::shop::{Request, Right};
use crate::support::{Kubernetes, kwok};

/// A row of the table.
pub struct Row {
    /// What a person does.
    pub what: &'static str,
    pub request: Request,
    /// All of these and no others.
    pub needs: &'static [Right],
    /// What is in the answer.
    pub shows: &'static str,
}

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/NS/deployments/web";

/// The rows that are alike on every Kubernetes.
pub const TABLE: &[Row] = &[
    Row { what: "view what is in Git", request: Request::Get(DEPLOYMENT), needs: &[("get", "apps", "deployments")], shows: r#""kind":"Deployment""# },
    Row {
        what: "view what an owner made",
        request: Request::Get("/api/v1/namespaces/NS/pods/CANARY"),
        needs: &[("get", "", "pods"), ("get", "apps", "replicasets"), ("get", "argoproj.io", "rollouts")],
        shows: r#""kind":"Pod""#,
    },
    Row {
        what: "view the Pod of a Deployment",
        request: Request::Get("/api/v1/namespaces/NS/pods/POD"),
        // Not the Deployment: Kubernetes copies its annotations to its ReplicaSets, Argo CD's mark among them.
        needs: &[("get", "", "pods"), ("get", "apps", "replicasets")],
        shows: r#""kind":"Pod""#,
    },
    Row {
        what: "view a Secret",
        request: Request::Get("/api/v1/namespaces/NS/secrets/password"),
        needs: &[("get", "", "secrets")],
        // Whole: only argocd-server masks it.
        shows: "c2VjcmV0",
    },
    Row {
        what: "read the events of one object",
        request: Request::Get("/api/v1/namespaces/NS/events?fieldSelector=involvedObject.name%3Dweb%2CinvolvedObject.namespace%3DNS"),
        needs: &[("list", "", "events")],
        shows: "web.1",
    },
    Row { what: "read logs", request: Request::Logs, needs: &[("get", "", "pods/log")], shows: kwok::LOG },
    Row {
        what: "edit, scale, restart",
        request: Request::Patch(DEPLOYMENT, r#"{"metadata":{"annotations":{"edited":"true"}}}"#),
        needs: &[("get", "apps", "deployments"), ("patch", "apps", "deployments")],
        shows: r#""edited":"true""#,
    },
    Row {
        what: "promote a Rollout",
        request: Request::Patch("/apis/argoproj.io/v1alpha1/namespaces/NS/rollouts/canary/status", r#"{"status":{"promoteFull":true}}"#),
        needs: &[("get", "argoproj.io", "rollouts"), ("patch", "argoproj.io", "rollouts/status")],
        shows: r#""promoteFull":true"#,
    },
    Row {
        what: "create a Job from a CronJob",
        request: Request::Post(
            "/apis/batch/v1/namespaces/NS/jobs",
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"generateName":"once-"},"spec":{"suspend":true,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"x"}]}}}}"#,
        ),
        needs: &[("create", "batch", "jobs")],
        shows: r#""name":"once-"#,
    },
    Row {
        what: "note an action as an event",
        request: Request::Post(
            "/api/v1/namespaces/NS/events",
            r#"{"apiVersion":"v1","kind":"Event","metadata":{"generateName":"web."},"reason":"ResourceActionRan","involvedObject":{"kind":"Deployment","name":"web","namespace":"NS"}}"#,
        ),
        needs: &[("create", "", "events")],
        shows: "ResourceActionRan",
    },
    Row {
        what: "delete",
        request: Request::Delete("/api/v1/namespaces/NS/configmaps/settings"),
        needs: &[("get", "", "configmaps"), ("delete", "", "configmaps")],
        shows: "",
    },
];

/// The row that is not: what a terminal needs.
pub fn terminal(version: Kubernetes) -> Row {
    let needs: &[Right] = match version {
        // Before Kubernetes 1.35 a WebSocket is a GET and nothing else; `create` alone does not even help.
        Kubernetes::V1_34 => &[("get", "", "pods/exec")],
        Kubernetes::V1_36 => &[("get", "", "pods/exec"), ("create", "", "pods/exec")],
    };
    Row { what: "open a terminal", request: Request::Terminal, needs, shows: "42\nend-" }
}
