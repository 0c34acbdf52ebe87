//! How long a derivation takes: to be run by hand, in release mode, with `--ignored --nocapture`.

use std::time::Instant;

use super::fixtures::{Cluster, KINDS, application, granting, namespace};

#[test]
#[ignore = "prints a time; no machine is the judge of it"]
fn five_hundred_applications_with_thirty_resources_each() {
    let kinds: Vec<_> = KINDS.iter().filter(|(.., namespaced)| *namespaced).collect();
    let mut cluster = Cluster::with(&[]);
    for app in 0..500 {
        let place = format!("team-{}", app % 100);
        let resources: Vec<String> = (0..30)
            .map(|n| {
                let (group, kind, ..) = kinds[n % kinds.len()];
                format!("{group}/{kind}/{place}/app{app}-{n}")
            })
            .collect();
        cluster.applications.push(application(&format!("app{app}"), "shop", &resources.iter().map(String::as_str).collect::<Vec<_>>()));
        cluster.namespaces.push(namespace(&place, &serde_json::json!({})));
    }
    for (what, grant) in [
        ("by kind", "{features: [View, Events, Logs]}"),
        ("by name, everything", "{precision: Name, features: [View, Edit, Actions, Delete, Logs, Terminal, Events], secrets: Named}"),
    ] {
        let access = granting(grant);
        let began = Instant::now();
        let wanted = cluster.derive(&access);
        println!("{what}: {:?}, {} namespaces, too many: {:?}", began.elapsed(), wanted.namespaces.len(), wanted.too_many);
    }
}
