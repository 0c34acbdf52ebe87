//! Which kinds make up a workload, and which ones are never deployed by way of a `ClusterAccess`. Pure.

/// What an application is usually made of (`profile: Workloads`), all of it in namespaces.
///
/// Pods are among them: Argo CD deletes them where somebody restarts one, hooks may be Pods, and whoever makes Deployments makes Pods
/// anyway. ServiceAccounts are not: cloud identities are tied to their names and annotations, so they are named in `deploy` or not given.
pub(super) const WORKLOADS: &[(&str, &[&str])] = &[
    ("", &["configmaps", "persistentvolumeclaims", "pods", "services"]),
    ("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"]),
    ("argoproj.io", &["rollouts"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
];

const RIGHTS: &str = "it gives rights";
const ADMISSION: &str = "it decides what the cluster admits, this credential's own limits included";
const IDENTITY: &str = "it makes credentials, or says who somebody is";
const CONTROLLER: &str = "its controller makes what it says with rights of its own, as a rule those of a cluster administrator";

/// Whole groups of which nothing is deployed, and why.
const GROUPS: &[(&str, &str)] = &[
    (crate::api::GROUP, "it says who may do what through Argo CD"),
    ("admissionregistration.k8s.io", ADMISSION),
    ("apiextensions.k8s.io", "whoever defines kinds can have every object of them rewritten (conversion), and deletes all of them with a definition"),
    ("apiregistration.k8s.io", "whoever serves a group of the API sees the credentials of those who ask it"),
    ("authentication.k8s.io", IDENTITY),
    ("authorization.k8s.io", RIGHTS),
    ("certificates.k8s.io", IDENTITY),
    ("rbac.authorization.k8s.io", RIGHTS),
    // OpenShift.
    ("authorization.openshift.io", RIGHTS),
    ("config.openshift.io", RIGHTS),
    ("machineconfiguration.openshift.io", CONTROLLER),
    ("oauth.openshift.io", IDENTITY),
    ("security.openshift.io", ADMISSION),
    ("user.openshift.io", IDENTITY),
    // Policy engines.
    ("constraints.gatekeeper.sh", ADMISSION),
    ("kyverno.io", ADMISSION),
    ("mutations.gatekeeper.sh", ADMISSION),
    ("policies.kyverno.io", ADMISSION),
    ("templates.gatekeeper.sh", ADMISSION),
    // Controllers that apply manifests for others.
    ("apiextensions.crossplane.io", CONTROLLER),
    ("helm.cattle.io", CONTROLLER),
    ("helm.crossplane.io", CONTROLLER),
    ("helm.toolkit.fluxcd.io", CONTROLLER),
    ("kubernetes.crossplane.io", CONTROLLER),
    ("kustomize.toolkit.fluxcd.io", CONTROLLER),
    ("management.cattle.io", RIGHTS),
    ("operators.coreos.com", CONTROLLER),
    ("pkg.crossplane.io", CONTROLLER),
    ("work.open-cluster-management.io", CONTROLLER),
];

/// Single resources of which nothing is deployed, and why.
const RESOURCES: &[(&str, &str, &str)] = &[
    ("", "bindings", "it puts Pods on nodes"),
    ("", "nodes", "whoever changes nodes decides what runs where, and is close to what runs there"),
    ("", "persistentvolumes", "one with a path of the node reads and writes the node's files"),
    ("argoproj.io", "applications", CONTROLLER),
    ("argoproj.io", "applicationsets", CONTROLLER),
    ("argoproj.io", "appprojects", "it says what another Argo CD may do"),
    ("argoproj.io", "argocds", CONTROLLER),
];

/// Why a resource is never deployed; `None`: it may be. The list has what Kubernetes itself has, and the best-known controllers that act for
/// others with more rights than those have; of another controller's kinds the author of a declaration must know it.
pub(super) fn never(group: &str, resource: &str) -> Option<&'static str> {
    if group.contains('*') || resource.contains('*') {
        return Some("a wildcard would hold kinds that nobody thought of; name each");
    }
    if resource.contains('/') {
        return Some("it is a subresource (such as pods/exec, serviceaccounts/token or nodes/proxy), and nothing is deployed there");
    }
    if is_secret(group, resource) {
        return Some("Secrets have a field of their own, spec.permissions.secrets");
    }
    let whole = GROUPS.iter().find(|(one, _)| *one == group).map(|(_, why)| *why);
    whole.or_else(|| RESOURCES.iter().find(|(g, r, _)| *g == group && *r == resource).map(|(.., why)| *why))
}

/// Whether it is the resource of Secrets.
pub(super) fn is_secret(group: &str, resource: &str) -> bool {
    group.is_empty() && resource == "secrets"
}
