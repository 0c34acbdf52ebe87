//! Walks the table.

use std::time::Instant;

use serde_json::Value;

use crate::bench::{App, Bench, By, Seen};
use crate::cases::{CASES, Case, NOT_MENDED};
use crate::support::{eventually, eventually::that};

#[tokio::test]
async fn what_is_broken_is_named_and_the_printed_command_opens_the_terminal() {
    let mut bench = Bench::start().await;
    let healthy = Case { name: "nothing is broken", by: By::Itself, ..CASES[0] };
    let before = bench.save().await;
    bench.opens(&healthy).await;
    whole(&bench, &healthy).await;
    let mut tried = 0;
    for case in CASES {
        let began = Instant::now();
        // The proxy of a case is configured from the Ingress that the case breaks.
        bench.opens(&Case { by: By::Itself, ..*case }).await;
        bench.run(case.breaks).await.success();
        let seen = bench.refuses(case).await;
        let said = bench.explain(case).await;
        assert_eq!(said["state"], "closed", "{}: {said:#}", case.name);
        assert_eq!(said["broken"]["cause"], case.cause, "{}: {said:#}", case.name);
        let commands = said["broken"]["fix"]["commands"].as_array().cloned().unwrap_or_default();
        assert!(!commands.is_empty(), "{}: {said:#}", case.name);
        for command in &commands {
            let ran = bench.run(command.as_str().unwrap()).await;
            assert!(ran.status.success(), "{}: {command}\n{}{}", case.name, ran.stdout, ran.stderr);
        }
        bench.opens(case).await;
        whole(&bench, case).await;
        bench.restore(&before).await;
        tried += 1;
        println!("{:>5.1} s  {:<24} {} ({seen:?})", began.elapsed().as_secs_f32(), case.cause, case.name);
    }
    assert!(tried >= 25, "{tried}");

    for case in NOT_MENDED {
        bench.run(case.breaks).await.success();
        let seen = bench.refuses(case).await;
        println!("         {:<24} {} ({seen:?})", case.cause, case.name);
        let said = bench.explain(case).await;
        assert_eq!(said["broken"]["cause"], case.cause, "{}: {said:#}", case.name);
        assert!(said["broken"]["fix"]["commands"].as_array().is_none_or(Vec::is_empty), "{}: {said:#}", case.name);
        bench.restore(&before).await;
    }
    bench.opens(&healthy).await;
    tab(&mut bench, &before).await;
}

/// The terminal itself opens, and this version of the web interface asks for another name before it shows the tab.
async fn tab(bench: &mut Bench, before: &[kube::api::DynamicObject]) {
    let case = Case { name: "a hidden tab", app: App::Elsewhere, by: By::Itself, ..CASES[0] };
    eventually("the web interface shows it", crate::bench::WITHIN, || async { that(bench.may("shop/elsewhere").await == "yes", || "no".to_owned()) })
        .await;
    let lines = r#"kubectl -n $NS patch configmap argocd-rbac-cm --type merge -p "{\"data\":{\"policy.csv\":\"p, role:team, applications, get, */*, allow\np, role:team, exec, create, shop/$TEAM/elsewhere, allow\ng, my-org:team-a, role:team\"}}""#;
    bench.run(lines).await.success();
    eventually("the web interface hides it", crate::bench::WITHIN, || async { that(bench.may("shop/elsewhere").await == "no", || "yes".to_owned()) })
        .await;
    bench.opens(&case).await;
    let said = bench.explain(&case).await;
    assert_eq!((said["state"].as_str(), said["broken"]["cause"].as_str()), (Some("closed"), Some("tab-hidden")), "{said:#}");
    bench.restore(before).await;
}

/// Everything is open, and that is what is said. Argo CD's own view of an Application follows some seconds later.
async fn whole(bench: &Bench, case: &Case) {
    eventually(&format!("{}: everything is open", case.name), crate::bench::WITHIN, || async {
        let said = bench.explain(case).await;
        let closed = |link: &Value| link["state"] != "open";
        that(said["state"] == "open" && !said["links"].as_array().unwrap().iter().any(closed), || format!("{said:#}"))
    })
    .await;
}

/// What a case may see instead of a shell.
pub fn is_refused(seen: &Seen, case: &Case) -> bool {
    match seen {
        Seen::Http(code, _) => case.refused.contains(code),
        Seen::NoShell(_) => case.refused.contains(&crate::cases::NO_SHELL),
        Seen::Ended => case.refused.contains(&crate::cases::ENDED),
        Seen::Shell => false,
    }
}
