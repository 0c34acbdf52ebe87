//! The commands of the pages: each ```` ```bash ```` block is run, in its order, in a session of its page. One that cannot be run says so
//! and why: ```` ```bash no-run reason="..." ````. A ```` ```text ```` block behind it shows what it prints.

use crate::{
    markdown::{Block, document, documents},
    session::{Before, Session},
};

/// The pages with commands, and what their readers have done before.
const PAGES: &[(&str, Before)] = &[
    ("README.md", Before::ArgoCd),
    ("docs/how-to/argocd-manages-itself.md", Before::Granted),
    ("docs/how-to/break-glass.md", Before::Installed),
    ("docs/how-to/confine.md", Before::Granted),
    ("docs/how-to/emergency-stop.md", Before::Granted),
    ("docs/how-to/explain.md", Before::ArgoCd),
    ("docs/how-to/high-availability.md", Before::Installed),
    ("docs/how-to/install-on-helm-argocd.md", Before::ArgoCd),
    ("docs/how-to/live-resources.md", Before::Agent),
    ("docs/how-to/observe-first.md", Before::Installed),
    ("docs/how-to/on-call-windows.md", Before::Installed),
    ("docs/how-to/other-owners.md", Before::Granted),
    ("docs/how-to/plan-in-ci.md", Before::Installed),
    ("docs/how-to/project-roles.md", Before::Installed),
    ("docs/how-to/remote-clusters.md", Before::Remote),
    ("docs/how-to/removing.md", Before::Granted),
    ("docs/how-to/see-what-it-does.md", Before::Granted),
    ("docs/how-to/several-instances.md", Before::Granted),
    ("docs/how-to/troubleshooting.md", Before::Granted),
    ("docs/how-to/who-else.md", Before::Granted),
];

#[tokio::test]
async fn the_commands_of_the_readme_do_what_it_says() {
    page("README.md").await;
}

#[tokio::test]
async fn the_commands_to_confine_do_what_the_page_says() {
    page("docs/how-to/confine.md").await;
}

#[tokio::test]
async fn the_commands_to_stop_everything_do_what_the_page_says() {
    page("docs/how-to/emergency-stop.md").await;
}

#[tokio::test]
async fn the_commands_about_several_operators_do_what_the_page_says() {
    page("docs/how-to/high-availability.md").await;
}

#[tokio::test]
async fn the_commands_to_see_what_it_does_do_what_the_page_says() {
    page("docs/how-to/see-what-it-does.md").await;
}

#[tokio::test]
async fn the_commands_to_explain_do_what_the_page_says() {
    page("docs/how-to/explain.md").await;
}

#[tokio::test]
async fn the_commands_to_install_on_helms_argo_cd_do_what_the_page_says() {
    page("docs/how-to/install-on-helm-argocd.md").await;
}

#[tokio::test]
async fn the_commands_about_live_resources_do_what_the_page_says() {
    page("docs/how-to/live-resources.md").await;
}

#[tokio::test]
async fn the_commands_to_observe_first_do_what_the_page_says() {
    page("docs/how-to/observe-first.md").await;
}

#[tokio::test]
async fn the_commands_to_plan_do_what_the_page_says() {
    page("docs/how-to/plan-in-ci.md").await;
}

#[tokio::test]
async fn the_commands_where_argo_cd_manages_itself_do_what_the_page_says() {
    page("docs/how-to/argocd-manages-itself.md").await;
}

#[tokio::test]
async fn the_commands_about_other_owners_do_what_the_page_says() {
    page("docs/how-to/other-owners.md").await;
}

#[tokio::test]
async fn the_commands_to_break_the_glass_do_what_the_page_says() {
    page("docs/how-to/break-glass.md").await;
}

#[tokio::test]
async fn the_commands_of_on_call_windows_do_what_the_page_says() {
    page("docs/how-to/on-call-windows.md").await;
}

#[tokio::test]
async fn the_commands_for_roles_in_projects_do_what_the_page_says() {
    page("docs/how-to/project-roles.md").await;
}

#[tokio::test]
async fn the_commands_for_several_instances_do_what_the_page_says() {
    page("docs/how-to/several-instances.md").await;
}

#[tokio::test]
async fn the_commands_about_remote_clusters_do_what_the_page_says() {
    page("docs/how-to/remote-clusters.md").await;
}

#[tokio::test]
async fn the_commands_to_remove_it_do_what_the_page_says() {
    page("docs/how-to/removing.md").await;
}

#[tokio::test]
async fn the_commands_to_find_what_is_wrong_do_what_the_page_says() {
    page("docs/how-to/troubleshooting.md").await;
}

#[tokio::test]
async fn the_commands_about_who_else_can_open_one_do_what_the_page_says() {
    page("docs/how-to/who-else.md").await;
}

#[test]
fn every_page_with_commands_is_run() {
    for document in documents() {
        let runs = document.blocks().iter().any(is_run);
        let listed = PAGES.iter().any(|(path, _)| *path == document.path);
        assert_eq!(runs, listed, "{} (its commands are run: {listed})", document.path);
    }
}

#[test]
fn a_block_that_is_not_run_says_why() {
    for document in documents() {
        for block in document.blocks() {
            let place = format!("{}:{}", document.path, block.line);
            let known = ["bash", "json", "yaml", "text", "mermaid"].contains(&block.language.as_str());
            assert!(known, "{place}: a block of {:?}; shell commands are bash, and what they print is text", block.language);
            if block.language == "bash" && !is_run(&block) {
                let reason = block.attributes.split_once("reason=\"").and_then(|(_, rest)| rest.strip_suffix('"')).unwrap_or_default();
                assert!(reason.len() > 10, "{place}: no reason in {:?}", block.attributes);
            }
        }
    }
}

fn is_run(block: &Block) -> bool {
    block.language == "bash" && !block.attributes.starts_with("no-run ")
}

async fn page(path: &str) {
    let (_, before) = PAGES.iter().find(|(listed, _)| *listed == path).expect("a page that is listed");
    let session = Session::begin(*before).await;
    let mut printed: Option<String> = None;
    for block in document(path).blocks() {
        let place = format!("{path}:{}", block.line);
        if is_run(&block) {
            let finished = session.run(&block.text).await;
            let said = format!("{}\n{}{}", block.text, finished.stdout, finished.stderr);
            let failed = !finished.status.success();
            assert!(!failed, "{place}: {}\n{said}\n{}\n{}", finished.status, session.conditions().await, session.operator_log());
            printed = Some(finished.stdout);
        } else if block.language == "bash" {
            printed = None;
        } else if let Some(printed) = printed.as_ref().filter(|_| block.language == "text") {
            shows(&place, &block.text, printed);
        }
    }
}

/// Every line of the page is among those that were printed, but for spaces and ages; a line with an ellipsis may go on differently.
fn shows(place: &str, said: &str, printed: &str) {
    let lines: Vec<String> = printed.lines().map(alike).collect();
    for line in said.lines().map(alike).filter(|line| !line.is_empty()) {
        let found = match line.split_once('…') {
            Some((begin, _)) => lines.iter().any(|other| other.starts_with(begin.trim_end())),
            None => lines.contains(&line),
        };
        assert!(found, "{place}: {line:?} is not what is printed:\n{printed}");
    }
}

fn alike(line: &str) -> String {
    let is_age = |word: &str| {
        let mut rest = word.trim_end_matches(|c: char| "smhd".contains(c) || c.is_ascii_digit()).chars();
        word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with(['s', 'm', 'h', 'd']) && rest.next().is_none()
    };
    line.split_whitespace().map(|word| if is_age(word) { "AGE" } else { word }).collect::<Vec<_>>().join(" ")
}
