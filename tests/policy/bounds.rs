//! Ten thousand objects end in a policy that still loads, within its bounds, with the older ones in it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::instance::{Instance, access};
use super::support::policyjudge::{Judge, Request};

#[test]
fn ten_thousand_objects_end_in_a_bounded_policy_that_argo_cd_loads() {
    let instance = Instance { live: vec![("argocd".to_owned(), "shop".to_owned(), "web".to_owned())], ..Instance::default() };
    let all: Vec<_> = (0..10_000)
        .map(|i| {
            let spec = json!({"subjects": [{"kind": "Group", "name": format!("group-{i}")}, {"kind": "User", "name": "\"".repeat(200) + &i.to_string()}], "applications": [{"project": "shop", "name": "web"}, {"project": format!("p{i}")}]});
            let mut object = access(&format!("x{i:05}"), &spec);
            object.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::from_second(i).unwrap()));
            object
        })
        .rev()
        .collect();
    let start = Instant::now();
    let (data, refused) = instance.policy(all);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert!(refused.is_empty());
    let size: usize = data.iter().map(|(k, v)| k.len() + v.len()).sum();
    assert!((256 * 1024..=512 * 1024).contains(&size), "{size}");
    let keys: Vec<String> = data.keys().cloned().collect();
    let oldest: Vec<String> = (0..keys.len()).map(|i| format!("policy.argocd-access.x{i:05}.csv")).collect();
    assert_eq!(keys, oldest, "the oldest are in it, without a gap");
    let last = keys.len() - 1;
    let requests = [0, last, last + 1].map(|i| Request::exec("nobody", &[&format!("group-{i}")], "shop/web"));
    assert_eq!(Judge::start().allowed(&data, &[], &requests).unwrap(), [true, true, false]);
}
