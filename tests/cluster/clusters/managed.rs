//! What Argo CD may do by the roles, asked with its own token: all that is declared, and none of what is not.

use argocd_access::api::cluster_access::Permissions;
use argocd_access::cluster_io::discover::discovery;
use argocd_access::clusters::rights::questions::{Place, negative, positive};
use argocd_access::clusters::rights::{outdated, wanted};
use argocd_access::live::review::Question;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::PostParams;
use kube::{Api, Client};

use super::{MANAGED, Remote, apply, binding, on_both};
use crate::support::{Kubernetes, eventually, eventually::that};
use crate::world::SOON;

on_both!(what_is_declared_is_held_and_nothing_beyond_by_its_own_token, with_the_wildcard_it_reads_everything_and_writes_what_is_declared);

async fn may(client: &Client, question: &Question) -> bool {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let (resource, subresource) =
        question.resource.split_once('/').map_or((question.resource.clone(), None), |(r, s)| (r.to_owned(), Some(s.to_owned())));
    let attributes = ResourceAttributes {
        namespace: some(&question.namespace),
        group: some(&question.group),
        resource: Some(resource),
        subresource,
        verb: Some(question.verb.clone()),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() },
        ..SelfSubjectAccessReview::default()
    };
    Api::<SelfSubjectAccessReview>::all(client.clone()).create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}

/// A remote cluster in which everything is bound, with the terminal, and Argo CD in it.
struct Bound {
    remote: Remote,
    permissions: Permissions,
    managed: Client,
    elsewhere: String,
}

impl Bound {
    async fn new(version: Kubernetes, permissions: &str) -> Self {
        let remote = Remote::bootstrapped(version, &format!("permissions: {permissions}")).await;
        let permissions = serde_yaml::from_str(&permissions.replace("SHOP", &remote.shop)).unwrap();
        let manager = remote.manager().await;
        for role in ["argocd-access-sync", "argocd-access-logs", "argocd-access-exec"] {
            apply(&manager, &binding(Some(&remote.shop), role, role, MANAGED)).await.unwrap();
        }
        apply(&manager, &binding(None, "argocd-access-sync-cluster", "argocd-access-sync-cluster", MANAGED)).await.unwrap();
        let managed = remote.cp.client_for_service_account("argocd-access", "argocd-managed").await;
        let elsewhere = remote.cp.namespace("elsewhere").await;
        Self { remote, permissions, managed, elsewhere }
    }

    /// All questions, everywhere, with the answers that must come.
    async fn prove(&self) {
        let shop = Place { namespace: &self.remote.shop, granted: true, exec: true };
        let everywhere = Place { namespace: "", granted: true, exec: false };
        let elsewhere = ["kube-system", "argocd-access", &self.elsewhere].map(|namespace| Place { namespace, granted: false, exec: false });
        // Other tests may add and remove kinds meanwhile: what the roles say is what counts.
        let roles = wanted(&self.permissions, &discovery(&self.remote.cp.client(), None).await.unwrap());
        eventually("the binding counts", SOON, || async {
            let question = Question {
                namespace: self.remote.shop.clone(),
                group: String::new(),
                resource: "pods".into(),
                verb: "get".into(),
                name: String::new(),
            };
            that(may(&self.managed, &question).await, || "no".to_owned())
        })
        .await;
        for place in [shop, everywhere] {
            for question in positive(&self.permissions, &roles, place) {
                // Of kinds that come and go with other tests only those of Kubernetes are sure.
                let sure = !question.group.contains('.') || question.group.ends_with(".k8s.io");
                assert!(!sure || may(&self.managed, &question).await, "missing: {question:?}");
            }
        }
        for place in [shop, everywhere].into_iter().chain(elsewhere) {
            for (question, reason) in negative(&self.permissions, place) {
                assert!(!may(&self.managed, &question).await, "{reason:?}: {question:?}");
            }
        }
    }
}

const SECRETS: &str = "{namespaces: {names: [SHOP]}, secrets: Deploy, deploy: [{resources: [serviceaccounts]}], clusterResources: [{group: scheduling.k8s.io, resources: [priorityclasses]}]}";

async fn what_is_declared_is_held_and_nothing_beyond_by_its_own_token(version: Kubernetes) {
    let bound = Bound::new(version, SECRETS).await;
    bound.prove().await;

    // The roles that are there are those that are wanted; with less declared they are too much, and it is said which.
    let discovery = discovery(&bound.remote.cp.client(), None).await.unwrap();
    let roles: Api<ClusterRole> = Api::all(bound.remote.manager().await);
    let mut held = std::collections::BTreeMap::new();
    for role in argocd_access::clusters::names::ROLES {
        held.insert(role.to_owned(), roles.get(role).await.unwrap().rules.unwrap_or_default());
    }
    let less = Permissions { secrets: argocd_access::api::cluster_access::DeploySecrets::None, ..bound.permissions.clone() };
    let differ = outdated(&wanted(&less, &discovery), &held);
    assert!(differ.excess.iter().any(|right| right.resource == "secrets" && right.verb == "get"), "{differ:?}");

    // Who allows something is told by the review, without a look at any binding.
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some("system:serviceaccount:argocd-access:argocd-managed".to_owned()),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(bound.remote.shop.clone()),
                verb: Some("get".to_owned()),
                resource: Some("secrets".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(bound.remote.manager().await);
    let reason = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().reason.unwrap_or_default();
    assert!(reason.contains("argocd-access-sync"), "{reason}");
}

const WILDCARD: &str =
    "{namespaces: {names: [SHOP]}, read: Wildcard, secrets: Deploy, clusterResources: [{group: scheduling.k8s.io, resources: [priorityclasses]}]}";

async fn with_the_wildcard_it_reads_everything_and_writes_what_is_declared(version: Kubernetes) {
    let bound = Bound::new(version, WILDCARD).await;
    bound.prove().await;
    // A wildcard is a `get` of every subresource too: on 1.34 that opens a terminal. It was declared, and only there.
    let ask = |namespace: &str| Question {
        namespace: namespace.to_owned(),
        group: String::new(),
        resource: "pods/attach".to_owned(),
        verb: "get".to_owned(),
        name: String::new(),
    };
    assert!(may(&bound.managed, &ask(&bound.remote.shop)).await);
    assert!(!may(&bound.managed, &ask(&bound.elsewhere)).await);
}
