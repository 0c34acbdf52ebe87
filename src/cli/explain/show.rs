//! The answer as text, or as one document. Pure.

use serde_json::{Value, json};

use crate::cli::output::printable_lines;
use crate::explain::{Cause, Explanation, Fix, Link, State};

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// What is said of the whole.
#[derive(Clone, Debug)]
pub struct Said {
    /// When it gets through.
    pub open: String,
    /// When it does not.
    pub closed: String,
    /// When that cannot be told.
    pub unknown: String,
}

/// A line for each link, and then what breaks the chain and what mends it. `coloured` for a terminal.
pub fn text(explanation: &Explanation, said: &Said, coloured: bool) -> String {
    let paint = |colour: &str, text: &str| if coloured { format!("{colour}{text}{PLAIN}") } else { text.to_owned() };
    let mut lines: Vec<String> = Vec::new();
    for link in &explanation.links {
        let (mark, colour) = match link.state {
            State::Open => ("✔", GREEN),
            State::Closed => ("✘", RED),
            State::Unknown => ("?", YELLOW),
        };
        lines.push(format!("{} {:<12} {}", paint(colour, mark), link.name.as_str(), printable_lines(&link.fact)));
    }
    lines.push(String::new());
    let Some(broken) = explanation.broken() else {
        lines.push(paint(BOLD, &format!("{}.", said.open)));
        return lines.join("\n") + "\n";
    };
    let what = broken.cause.map_or_else(|| printable_lines(&broken.fact), |cause| format!("{} ({})", cause.message(), cause.id()));
    let said = if broken.state == State::Closed { &said.closed } else { &said.unknown };
    lines.push(paint(BOLD, &format!("{said}. {}: {what}", broken.name.as_str())));
    if let Some(cause) = broken.cause {
        lines.push(format!("What people see: {}", cause.symptom()));
    }
    lines.extend(mended(broken));
    lines.join("\n") + "\n"
}

fn mended(broken: &Link) -> Vec<String> {
    let Some(fix) = &broken.fix else { return broken.cause.map(|cause| format!("What to do: {}", cause.mend())).into_iter().collect() };
    let mut lines: Vec<String> = fix.notes.iter().map(|note| format!("Note: {}", printable_lines(note))).collect();
    if !fix.commands.is_empty() {
        lines.push("To mend it:".to_owned());
        lines.push(String::new());
        lines.extend(fix.commands.iter().cloned());
    }
    lines
}

/// The document of `-o json` and `-o yaml`. Its keys and the names of causes stay.
pub fn document(question: &Value, explanation: &Explanation) -> Value {
    let fix = |fix: &Fix| json!({"commands": fix.commands, "notes": fix.notes});
    let broken = explanation.broken().map(|link| {
        json!({
            "link": link.name.as_str(),
            "state": link.state.as_str(),
            "cause": link.cause.map(Cause::id),
            "symptom": link.cause.map(Cause::symptom),
            "message": link.cause.map(Cause::message),
            "fact": link.fact,
            "fix": link.fix.as_ref().map(fix),
        })
    });
    let links = explanation.links.iter();
    let links: Vec<Value> =
        links.map(|l| json!({"name": l.name.as_str(), "state": l.state.as_str(), "cause": l.cause.map(Cause::id), "fact": l.fact})).collect();
    json!({
        "question": question,
        "state": explanation.state().as_str(),
        "broken": broken,
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Name;

    fn shown(explanation: &Explanation, coloured: bool) -> String {
        let said = Said { open: "It opens".to_owned(), closed: "It does not open".to_owned(), unknown: "It cannot be told".to_owned() };
        text(explanation, &said, coloured)
    }

    fn explanation() -> Explanation {
        let fix = Fix::command("kubectl patch 'a\nb'").noting("mind \u{1b}[2J".to_owned());
        Explanation {
            links: vec![
                Link::open(Name::Settings, "on"),
                Link::unknown(Name::Way, Cause::WayNone, "nothing seen"),
                Link::closed(Name::Policy, Cause::NoLine, "no \u{1b}]0;line").mended_by(fix),
            ],
        }
    }

    #[test]
    fn a_closed_link_is_the_broken_one_whatever_is_not_known_before_it() {
        let text = shown(&explanation(), false);
        assert!(text.starts_with("✔ settings     on\n? way          nothing seen\n✘ policy       no \\u{1b}]0;line\n\n"), "{text}");
        assert!(text.ends_with("To mend it:\n\nkubectl patch 'a\nb'\n"), "{text}");
        assert!(text.contains("(policy-no-line)") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let mut coloured = shown(&explanation(), true);
        assert!(coloured.contains(RED) && coloured.contains(GREEN) && coloured.contains(YELLOW));
        for code in [RED, GREEN, YELLOW, BOLD, PLAIN] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, shown(&explanation(), false));
    }

    #[test]
    fn an_open_chain_has_nothing_broken() {
        let open = Explanation { links: vec![Link::open(Name::Settings, "on")] };
        assert!(shown(&open, false).ends_with("It opens.\n"));
        assert!(open.broken().is_none());
    }
}
