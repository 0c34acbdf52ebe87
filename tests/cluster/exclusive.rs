//! Who else may open terminals, on the real API server: the list, and an instance that requires that there is nobody.

use crate::half_world::TEAM_A;
use crate::hands::{ARGOCD_CM, RBAC_CM};
use crate::world::{Team, message};

fn others(status: &argocd_access::api::ExecAccessStatus) -> Vec<&str> {
    status.undeclared_grants.iter().map(|g| g.subject.as_str()).collect()
}

#[tokio::test]
async fn whoever_else_may_open_a_terminal_is_listed_with_the_line_that_says_so() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.set(RBAC_CM, "policy.csv", Some("g, ops, role:admin\n")).await;
    team.grant("team-a", TEAM_A).await;
    team.ready("team-a").await;
    let status = team.condition("team-a", "Exclusive", "False", "UndeclaredGrants").await;
    assert_eq!(others(&status), ["admin", "ops"]);
    assert_eq!(status.undeclared_grants[1].source, "argocd-rbac-cm key policy.csv, line 1 (member of role:admin)");

    team.set(RBAC_CM, "policy.csv", None).await;
    team.set(ARGOCD_CM, "admin.enabled", Some("false")).await;
    let status = team.condition("team-a", "Exclusive", "True", "OnlyDeclared").await;
    assert_eq!((others(&status).len(), status.undeclared_grant_count), (0, Some(0)));
    team.ready("team-a").await;
}

#[tokio::test]
async fn where_it_is_required_somebody_else_closes_everything_and_his_going_opens_it_again() {
    let team = Team::with_values("{instance: {requireExclusive: true}}").await;
    team.application("web-1", "shop").await;
    team.grant("team-a", TEAM_A).await;
    let status = team.condition("team-a", "Accepted", "False", "NotExclusive").await;
    assert!(message(&status, "Accepted").contains("admin.enabled"), "{}", message(&status, "Accepted"));
    assert_eq!((team.policy("team-a").await, team.value(ARGOCD_CM, "exec.enabled").await), (None, None));

    team.set(ARGOCD_CM, "admin.enabled", Some("false")).await;
    team.ready("team-a").await;
    team.set(RBAC_CM, "policy.csv", Some("p, eve, exec, *, shop/*, allow\n")).await;
    let status = team.condition("team-a", "Accepted", "False", "NotExclusive").await;
    assert!(message(&status, "Accepted").contains("eve"), "{}", message(&status, "Accepted"));
    assert_eq!((team.policy("team-a").await, team.bound().await.len()), (None, 0));
    team.set(RBAC_CM, "policy.csv", None).await;
    team.ready("team-a").await;
}
