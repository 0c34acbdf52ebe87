//! `argocd-access completions` and `argocd-access man`: made from the same definition of the command line that parses it.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError, output};

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions.
pub fn completions(args: &CompletionsArgs) {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "argocd-access", &mut text);
    output::print(&text);
}

/// Prints the manual page: the program, then each command.
///
/// # Errors
/// When it cannot be rendered.
pub fn man() -> Result<(), CliError> {
    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text).map_err(CliError::Man)?;
    pages(&command, &mut text)?;
    output::print(&text);
    Ok(())
}

fn pages(command: &clap::Command, text: &mut Vec<u8>) -> Result<(), CliError> {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        clap_mangen::Man::new(sub.clone()).render(text).map_err(CliError::Man)?;
        pages(sub, text)?;
    }
    Ok(())
}
