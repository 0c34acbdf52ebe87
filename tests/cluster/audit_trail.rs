//! The audit trail: one log line and one Event for each grant that is opened, changed and closed, whatever happens to the operator.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::live::Edge;
use crate::support::trail::Trail;
use crate::support::{eventually, eventually::that};
use crate::uninstall::laptop;
use crate::world::{SOON, Team};

const SPEC: &str = "{reason: INC-1, subjects: [{kind: Group, name: g}], applications: [{project: shop}]}";

impl Team {
    async fn told(&self, name: &str, events: &[&str]) -> Vec<Value> {
        Trail { client: self.client(), kubelet: &self.release.kubelet, namespace: &self.namespace }.told(name, events).await
    }
}

#[tokio::test]
async fn that_of_live_resources_says_what_the_agent_may_and_when_no_more() {
    let edge = Edge::new().await;
    edge.web().await;
    edge.declare("live", "[{features: [View]}]", ", reason: INC-3").await;
    edge.ready("live").await;
    let lines = edge.team.told("live", &["GrantOpened"]).await;
    for (field, value) in
        [("kind", "LiveResourceAccess/Agent"), ("whom", r#"["the agent"]"#), ("what", r#"["View of */*"]"#), ("reason", "INC-3"), ("until", "")]
    {
        assert_eq!(lines[0][field], value, "{field}: {:#}", lines[0]);
    }
    edge.declare("live", "[{features: [View, Logs]}]", ", reason: INC-3").await;
    let lines = edge.team.told("live", &["GrantOpened", "GrantChanged"]).await;
    assert_eq!((&lines[1]["changed"], &lines[1]["what"]), (&json!("what"), &json!(r#"["View Logs of */*"]"#)));
    // Another Application is not another grant.
    edge.application("api", &[&format!("apps/Deployment/{}/api", edge.shop())]).await;
    edge.delete("live").await;
    let lines = edge.team.told("live", &["GrantOpened", "GrantChanged", "GrantClosed"]).await;
    assert_eq!(lines[2]["cause"], "Deleting");
}

#[tokio::test]
async fn each_opening_change_and_closing_is_told_once_also_over_a_restart_and_a_deletion() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.grant("web", SPEC).await;
    team.ready("web").await;
    let lines = team.told("web", &["GrantOpened"]).await;
    let line = &lines[0];
    for (field, value) in [
        ("kind", json!("ExecAccess")),
        ("whom", json!(r#"["Group g"]"#)),
        ("whom_count", json!(1)),
        ("what", json!(r#"["exec create shop/*","pods of the Applications' namespaces"]"#)),
        ("until", json!("")),
        ("reason", json!("INC-1")),
        ("level", json!("INFO")),
    ] {
        assert_eq!(line[field], value, "{field}: {line:#}");
    }
    let by: Value = serde_json::from_str(line["by"].as_str().unwrap()).unwrap();
    let manager = by[0]["manager"].as_str().unwrap();
    assert!(!manager.is_empty() && manager != "argocd-access" && by[0]["time"].is_string(), "who wrote the spec: {by}");

    // What changes nothing of the grant is not told; what does is.
    team.change("web", json!({"reason": "INC-2"})).await;
    team.change("web", json!({"subjects": [{"kind": "Group", "name": "g"}, {"kind": "User", "name": "u"}]})).await;
    let lines = team.told("web", &["GrantOpened", "GrantChanged"]).await;
    assert_eq!((&lines[1]["changed"], &lines[1]["whom"]), (&json!("whom"), &json!(r#"["Group g","User u"]"#)));
    assert_eq!(lines[1]["since"], lines[0]["since"]);

    team.release.kubelet.kill_operator();
    eventually("another operator runs", SOON, async || {
        let starts = team.release.kubelet.operator_starts();
        that(starts == 2 && !team.release.kubelet.operators().is_empty(), || format!("{starts} start(s)"))
    })
    .await;
    team.release.ready().await;
    team.told("web", &["GrantOpened", "GrantChanged"]).await;

    team.change("web", json!({"suspend": true})).await;
    let lines = team.told("web", &["GrantOpened", "GrantChanged", "GrantClosed"]).await;
    assert_eq!((&lines[2]["cause"], &lines[2]["whom"]), (&json!("Suspended"), &lines[1]["whom"]));
    team.change("web", json!({"suspend": false})).await;
    team.told("web", &["GrantOpened", "GrantChanged", "GrantClosed", "GrantOpened"]).await;
    team.delete("web").await;
    let lines = team.told("web", &["GrantOpened", "GrantChanged", "GrantClosed", "GrantOpened", "GrantClosed"]).await;
    assert_eq!(lines[4]["cause"], "Deleting");
}

#[tokio::test]
async fn the_end_of_a_validity_and_a_stop_close_a_grant_and_what_never_took_effect_is_not_told() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    let end = Timestamp::from_second(Timestamp::now().as_second() + 15).unwrap();
    let rest = SPEC.trim_start_matches('{');
    team.grant("short", &format!("{{validity: {{notAfter: '{end}'}}, {rest}")).await;
    team.grant("long", SPEC).await;
    team.grant("rests", &format!("{{suspend: true, {rest}")).await;
    team.grant("looks", &format!("{{mode: Observe, {rest}")).await;
    let lines = team.told("short", &["GrantOpened"]).await;
    assert_eq!(lines[0]["until"], end.to_string());
    team.condition("short", "Ready", "False", "Expired").await;
    let lines = team.told("short", &["GrantOpened", "GrantClosed"]).await;
    assert_eq!(lines[1]["cause"], "Expired");

    team.told("long", &["GrantOpened"]).await;
    // The command takes everything back beside the operator, and leaves it to that one to tell.
    let stopped = laptop(team.cp, &["stop", "--namespace", &team.namespace, "--reason", "INC-7"]).await;
    assert!(stopped.status.success(), "{}{}", stopped.stdout, stopped.stderr);
    assert!(!stopped.stderr.contains("GrantClosed"), "{}", stopped.stderr);
    let lines = team.told("long", &["GrantOpened", "GrantClosed"]).await;
    assert_eq!(lines[1]["cause"], "Stopped");
    for name in ["rests", "looks"] {
        team.told(name, &[]).await;
    }
}
