//! The command line, as clap has it.

use argocd_access::cli::Cli;
use clap::{Arg, Command, CommandFactory};

use crate::{
    head,
    table::{code, table},
};

pub fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = head("The command line", "src/cli");
    page += &format!("{}.\n\n", about(&command));
    page += "The image's entry point is `argocd-access`. Without `KUBECONFIG` in the environment it uses the ServiceAccount of its Pod, and on a\n";
    page += "person's machine the usual kubeconfig. An option wins over its environment variable. The exit status is 0 when everything was\n";
    page += "done, 1 when something failed, and 2 for a wrong command line, unless a command says otherwise.\n\n";
    page += "## Options of every command\n\n";
    page += &options(command.get_arguments().filter(|argument| argument.is_global_set()));
    page += &commands("argocd-access", &command);
    page.trim_end().to_owned() + "\n"
}

/// The commands below one; of one that only leads to others, the others.
fn commands(path: &str, command: &Command) -> String {
    let mut page = String::new();
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.has_subcommands() {
            page += &commands(&path, sub);
            continue;
        }
        page += &format!("## {path}\n\n{}.\n\n", about(sub));
        let own: Vec<&Arg> = sub.get_arguments().filter(|argument| !argument.is_global_set()).collect();
        let table = options(own.into_iter());
        page += if table.is_empty() { "No options of its own.\n\n" } else { &table };
    }
    page
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default().trim_end_matches('.').to_owned()
}

fn options<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let shown = arguments.filter(|argument| !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str()));
    let rows: Vec<Vec<String>> = shown.map(row).collect();
    table(&["option", "environment", "default", "meaning"], &rows)
}

fn row(argument: &Arg) -> Vec<String> {
    let value = argument.get_value_names().filter(|_| argument.get_action().takes_values()).and_then(|names| names.first());
    let value = value.map(|name| format!(" {name}")).unwrap_or_default();
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let name = match argument.get_long() {
        Some(long) => format!("{short}--{long}{value}"),
        None => value.trim_start().to_owned(),
    };
    let environment = argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let takes_a_value = argument.get_action().takes_values();
    let default: Vec<String> =
        argument.get_default_values().iter().filter(|_| takes_a_value).map(|value| value.to_string_lossy().into_owned()).collect();
    let choices: Vec<String> = argument.get_possible_values().iter().filter(|_| takes_a_value).map(|value| code(value.get_name())).collect();
    let mut meaning = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    if !choices.is_empty() {
        meaning = format!("{}: {}", meaning.trim_end_matches('.'), choices.join(" or "));
    }
    vec![code(&name), code(&environment), code(&default.join(",")), meaning]
}
