//! `policyTarget: Project`: roles in AppProjects that belong to others.

use argocd_access::argocd::kinds::AppProject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hands::{RBAC_CM, becomes, granted_and_taken};
use crate::support::policyjudge::{Judge, Request};
use crate::support::{managers, manifests};
use crate::world::{SOON, Team, message};

const SPEC: &str = "{policyTarget: Project, subjects: [{kind: Group, name: 'CN=a,OU=b'}, {kind: Group, name: team-a}], applications: [{project: shop, name: 'web-*'}, {project: bank}]}";

/// A role of somebody else, with what older versions of Argo CD keep in it.
fn ci() -> Value {
    json!({"name": "ci", "description": "builds", "policies": ["p, proj:bank:ci, applications, sync, bank/*, allow"], "groups": ["bots"],
        "jwtTokens": [{"iat": 1_535_390_316_i64, "exp": 1_735_390_316_i64, "id": "x"}]})
}

impl Team {
    pub fn projects(&self) -> Api<AppProject> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// An AppProject, applied by a manager; without `roles` the field is not spoken of.
    pub async fn project(&self, manager: &str, name: &str, roles: Option<Value>) -> Result<(), kube::Error> {
        let mut body = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": name},
            "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}});
        if let Some(roles) = roles {
            body["spec"]["roles"] = roles;
        }
        let api: Api<DynamicObject> = manifests::api(&self.client(), &self.namespace, "argoproj.io/v1alpha1", "AppProject");
        api.patch(name, &PatchParams::apply(manager), &Patch::Apply(body)).await.map(drop)
    }

    /// The project as it stands.
    pub async fn project_roles(&self, project: &str) -> Vec<Value> {
        let api: Api<DynamicObject> = manifests::api(&self.client(), &self.namespace, "argoproj.io/v1alpha1", "AppProject");
        api.get(project).await.unwrap().data.pointer("/spec/roles").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The name of an object's role.
    pub async fn role_name(&self, name: &str) -> String {
        let uid = self.access(name).await.metadata.uid.unwrap();
        format!("exec-access-{}-{}", name.replace('.', "-"), &uid[..8])
    }

    /// Its names of roles are these, sooner or later.
    async fn has_roles(&self, project: &str, expected: &[&str]) {
        let expected: Vec<String> = expected.iter().map(|n| (*n).to_owned()).collect();
        becomes(&format!("the roles of {project}"), SOON, expected, async || {
            self.project_roles(project).await.iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
        })
        .await;
    }
}

#[tokio::test]
async fn a_role_comes_into_each_named_project_and_leaves_it_as_it_was() {
    let team = Team::new().await;
    team.application("web-1", "shop").await;
    team.application("ledger", "bank").await;
    team.project("owner", "shop", None).await.unwrap();
    team.project("owner", "bank", Some(json!([ci()]))).await.unwrap();
    let before = team.shared().await;
    let mark = team.cp.audit_mark().await;
    team.grant("team.a", SPEC).await;
    let status = team.ready("team.a").await.policy.unwrap();
    let role = team.role_name("team.a").await;
    assert_eq!((status.role.as_str(), status.projects.as_slice()), (role.as_str(), ["bank".to_owned(), "shop".to_owned()].as_slice()));
    team.has_roles("shop", &[&role]).await;
    assert_eq!(team.project_roles("bank").await[0], ci(), "to the letter");
    let writes = granted_and_taken(&team.writes(mark).await);
    let at = |what: &str| writes.iter().position(|w| w == what).unwrap_or_else(|| panic!("no {what} in {writes:#?}"));
    assert!(at("patch appprojects/shop") > at(&format!("patch rolebindings/{}", team.binding_name())), "{writes:#?}");
    assert_eq!(writes.iter().filter(|w| w.starts_with("patch appprojects/")).count(), 4, "each is written, and no entry of ours stays");

    // Argo CD's own code: it would save both projects, and the group may exec, and nobody else.
    let api: Api<DynamicObject> = manifests::api(&team.client(), &team.namespace, "argoproj.io/v1alpha1", "AppProject");
    let projects = [api.get("shop").await.unwrap(), api.get("bank").await.unwrap()].map(|p| serde_json::to_value(p).unwrap());
    let data = team.config_map(RBAC_CM).await.data.unwrap_or_default();
    let judged = tokio::task::spawn_blocking(move || {
        let mut judge = Judge::start();
        let ask = |group: &str, object: &str| Request::exec("alice", &[group], object);
        let requests = [
            ask("team-a", "shop/web-1"),
            ask("CN=a,OU=b", "bank/ledger"),
            ask("CN=a", "bank/ledger"),
            ask("bots", "bank/ledger"),
            ask("team-a", "shop/api"),
        ];
        (judge.refusals(&projects), judge.allowed(&data, &projects, &requests).unwrap())
    });
    let (refusals, allowed) = judged.await.unwrap();
    assert_eq!(refusals, ["", ""]);
    assert_eq!(allowed, [true, true, false, false, false]);

    let mark = team.cp.audit_mark().await;
    team.delete("team.a").await;
    let writes = granted_and_taken(&team.writes(mark).await);
    assert!(writes[0].starts_with("patch appprojects/") && writes[1].starts_with("patch appprojects/"), "first of all: {writes:#?}");
    assert_eq!(team.shared().await, before);
    for name in ["shop", "bank"] {
        let left = managers(&team.projects().get(name).await.unwrap());
        assert!(!left.iter().any(|manager| manager.starts_with("argocd-access")), "{name}: {left:?}");
    }
    // The former owner needs no force, to the same list and to another.
    team.project("owner", "bank", Some(json!([ci()]))).await.unwrap();
    team.project("owner", "bank", Some(json!([]))).await.unwrap();
}

#[tokio::test]
async fn the_owners_own_apply_meets_no_conflict_while_a_role_of_ours_is_there_and_it_comes_back() {
    let team = Team::new().await;
    team.application("ledger", "bank").await;
    team.project("owner", "bank", Some(json!([ci()]))).await.unwrap();
    team.grant("a", "{policyTarget: Project, subjects: [{kind: Group, name: g}], applications: [{project: bank}]}").await;
    team.ready("a").await;
    let role = team.role_name("a").await;
    let mut more = ci();
    more["groups"] = json!(["bots", "more"]);
    becomes("our managedFields entry is gone", SOON, false, async || {
        managers(&team.projects().get("bank").await.unwrap()).iter().any(|m| m.starts_with("argocd-access"))
    })
    .await;
    team.project("owner", "bank", Some(json!([more]))).await.unwrap();
    team.has_roles("bank", &["ci", &role]).await;
    assert_eq!(team.project_roles("bank").await[0], more);
    team.delete("a").await;
    assert_eq!(team.project_roles("bank").await, [more]);
}

#[tokio::test]
async fn a_missing_project_is_named_and_a_token_of_the_role_does_not_last() {
    let team = Team::new().await;
    team.application("ledger", "bank").await;
    team.grant("a", "{policyTarget: Project, subjects: [{kind: Group, name: g}], applications: [{project: bank}]}").await;
    let status = team.condition("a", "PolicyApplied", "False", "ProjectNotFound").await;
    assert!(message(&status, "PolicyApplied").contains("no AppProject bank"), "{status:#?}");
    team.project("owner", "bank", None).await.unwrap();
    team.ready("a").await;
    let role = team.role_name("a").await;
    // What argocd-server writes for `argocd proj role create-token`.
    let items = json!({"items": [{"iat": 1_735_390_316_i64, "id": "t"}]});
    let made = json!({"status": {"jwtTokensByRole": {&role: items, "ci": items}}});
    team.edit("argoproj.io/v1alpha1", "AppProject", "bank", made).await;
    becomes("only the token of the other role is left", SOON, vec!["ci".to_owned()], async || {
        team.projects().get("bank").await.unwrap().status.unwrap_or_default().jwt_tokens_by_role.into_keys().collect()
    })
    .await;
    team.has_roles("bank", &[&role]).await;
    team.ready("a").await;
    // A quiet project is left in peace.
    let mark = team.cp.audit_mark().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(team.writes(mark).await, []);
}

#[tokio::test]
async fn edits_by_others_at_the_same_time_are_not_lost() {
    let team = Team::new().await;
    team.application("ledger", "bank").await;
    team.project("owner", "bank", None).await.unwrap();
    team.grant("a", "{policyTarget: Project, subjects: [{kind: Group, name: g}], applications: [{project: bank}]}").await;
    team.ready("a").await;
    let person = async {
        for i in 0..12 {
            // As argocd-server does: read, change the list, write with the version that was read.
            loop {
                let mut project = team.projects().get("bank").await.unwrap();
                project.metadata = ObjectMeta { resource_version: project.metadata.resource_version, ..ObjectMeta::default() };
                let mut roles: Vec<Value> = project.roles().iter().map(|r| serde_json::to_value(r).unwrap()).collect();
                roles.push(json!({"name": format!("r{i}")}));
                let patch = json!({"metadata": project.metadata, "spec": {"roles": roles}});
                match team.projects().patch("bank", &PatchParams::default(), &Patch::Merge(patch)).await {
                    Ok(_) => break,
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let author = async {
        for i in 0..8 {
            team.change("a", json!({"suspend": i % 2 == 0})).await;
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    };
    tokio::join!(person, author);
    team.ready("a").await;
    team.delete("a").await;
    let left: Vec<String> = team.project_roles("bank").await.iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, (0..12).map(|i| format!("r{i}")).collect::<Vec<_>>());
}
