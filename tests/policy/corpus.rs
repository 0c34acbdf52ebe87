//! Policies as they are met, with what Argo CD makes of them: `tests/corpus/policies/`.

use std::path::Path;

use argocd_access::argocd::policy::{Outcome, Policy};
use serde::Deserialize;
use serde_json::Value;

use super::evaluator::ours;
use super::generated::read;
use super::instance::Data;
use super::support::policyjudge::{Judge, Request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    why: String,
    data: Data,
    #[serde(default)]
    projects: Vec<Value>,
    #[serde(default)]
    asks: Vec<Ask>,
    /// Argo CD cannot load it.
    #[serde(default)]
    broken: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    #[serde(default)]
    user: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    anonymous: bool,
    resource: Option<String>,
    action: Option<String>,
    object: String,
    allowed: bool,
}

#[test]
fn policies_as_they_are_met_are_decided_as_argo_cd_decides_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/policies");
    let mut judge = Judge::start();
    let (mut files, mut asked, mut wrong) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let case: Case = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = format!("{} ({})", path.display(), case.why);
        files += 1;
        let requests: Vec<Request> = case
            .asks
            .iter()
            .map(|ask| Request {
                user: ask.user.clone(),
                groups: ask.groups.clone(),
                resource: ask.resource.clone().unwrap_or_else(|| "exec".to_owned()),
                action: ask.action.clone().unwrap_or_else(|| "create".to_owned()),
                object: ask.object.clone(),
                anonymous: ask.anonymous,
            })
            .collect();
        let theirs = judge.allowed(&case.data, &case.projects, &requests);
        let policy = Policy::new(&case.data, &read(&case.projects));
        assert_eq!((theirs.is_err(), policy.is_err()), (case.broken, case.broken), "{name}: {theirs:?} {:?}", policy.as_ref().err());
        let (Ok(theirs), Ok(policy)) = (theirs, policy) else { continue };
        assert!(!case.asks.is_empty(), "{name}: asks nothing");
        for ((request, ask), theirs) in requests.iter().zip(&case.asks).zip(theirs) {
            asked += 1;
            let ours = ours(&policy, request) == Outcome::Allowed;
            if ours != theirs || theirs != ask.allowed {
                wrong.push(format!("{name}: stated {}, Argo CD {theirs}, we {ours}: {request:?}", ask.allowed));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(files >= 14 && asked >= 100, "{files} files, {asked} questions");
}
