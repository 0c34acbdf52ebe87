//! `examples/dev-operators.yaml`: one role for one group, with terminals into every application of every project.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;

use crate::instance::{NO_PERMISSION, OFF, Shared};
use crate::support::snapshot::differences;
use crate::world::example;

#[tokio::test]
async fn the_role_dev_operators_opens_every_application_for_its_group_until_it_is_deleted() {
    let (_guard, shared) = Shared::take().await;
    let (instance, team) = (&shared.instance, &shared.instance.team);
    let member = instance.argocd.person_token("alice", &["my-team"]);
    let others = [instance.argocd.person_token("bob", &["my-team-b"]), instance.argocd.person_token("carol", &[])];
    let before = team.shared().await;
    assert_eq!(instance.answer(&member, &shared.web).await, OFF);

    let name = team.apply(&example("dev-operators.yaml")).await;
    team.ready(&name).await;
    let policy = team.config_map("argocd-rbac-cm").await.data.unwrap().remove("policy.argocd-access.dev-operators.csv").unwrap();
    assert!(policy.lines().any(|line| line == "p, role:dev-operators, exec, create, */*, allow"), "{policy}");
    assert!(policy.lines().any(|line| line == "g, my-team, role:dev-operators"), "{policy}");
    for place in [&shared.web, &shared.tools] {
        instance.shell(&member, place).await;
        for other in &others {
            assert_eq!(instance.answer(other, place).await, NO_PERMISSION, "{place:?}");
        }
    }

    let binding = format!("argocd-access-exec-{}", team.namespace);
    let bindings = Api::<ClusterRoleBinding>::all(team.client());
    assert!(bindings.get_opt(&binding).await.unwrap().is_some(), "scope Cluster is one ClusterRoleBinding");
    team.delete(&name).await;
    assert_eq!(differences(&before, &team.shared().await), Vec::<String>::new());
    assert!(bindings.get_opt(&binding).await.unwrap().is_none());
    instance.answers(OFF, &member, &shared.web).await;
}
