//! The people of the demo and their terminals.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    NAMESPACE, SHOP,
    support::{
        argocd::ArgoCd,
        terminal::{Refused, Terminal},
    },
};

/// Somebody who is logged in to Argo CD.
pub struct Person {
    /// The user.
    pub name: &'static str,
    /// The one group.
    pub group: &'static str,
    token: String,
}

/// Alice, whose group examples/team-exec.yaml names, and Bob.
pub fn people(argocd: &ArgoCd) -> [Person; 2] {
    [("alice", "my-org:team-a"), ("bob", "my-org:team-b")].map(|(name, group)| Person { name, group, token: argocd.person_token(name, &[group]) })
}

/// Opens a terminal into the application's pod.
pub async fn attempt(argocd: &ArgoCd, person: &Person, application: &str) -> Result<Terminal, Refused> {
    argocd.terminal(&person.token, application, NAMESPACE, SHOP, &format!("{application}-0"), SHOP).await
}

const TICKETS: &str = "people.json";

/// Notes what `tests/demo/terminal` needs.
pub fn write_tickets(folder: &Path, argocd: &ArgoCd, people: &[Person]) {
    let query = format!("pod=web-1-0&container=main&appName=web-1&appNamespace={NAMESPACE}&projectName={SHOP}&namespace={SHOP}");
    let url = format!("{}/terminal?{query}", argocd.url().replacen("http", "ws", 1));
    let tokens: serde_json::Map<String, Value> = people.iter().map(|person| (person.name.to_owned(), json!(person.token))).collect();
    std::fs::write(folder.join(TICKETS), json!({ "url": url, "tokens": tokens }).to_string()).expect("note the people");
}

/// A terminal into web-1: one command, or line after line of the standard input.
pub async fn terminal(folder: &Path, person: &str, command: &str) {
    let text = std::fs::read_to_string(folder.join(TICKETS)).unwrap_or_else(|error| end(&format!("the demo is not ready: {error}")));
    let tickets: Value = serde_json::from_str(&text).expect("the people are JSON");
    let Some(token) = tickets["tokens"][person].as_str() else { end("there are alice and bob") };
    let url = tickets["url"].as_str().expect("an address");
    let mut terminal = Terminal::open(url, token).await.unwrap_or_else(|refused| end(&format!("argocd-server refused: {refused}")));
    if !command.is_empty() {
        println!("{}", terminal.run(command).await.unwrap_or_else(|message| end(&message)));
        return;
    }
    eprintln!("A shell in web-1. Each line is one command; ctrl-D ends it.");
    for line in std::io::stdin().lines() {
        let line = line.expect("read the standard input");
        if line.trim() == "exit" {
            return;
        }
        let output = terminal.run(&line).await.unwrap_or_else(|message| end(&message));
        if !output.is_empty() {
            println!("{output}");
        }
    }
}

fn end(message: &str) -> ! {
    eprintln!("demo: {message}");
    std::process::exit(1)
}
