//! `lpu completions`: what the shell must know to complete commands, options and names.

use super::{Cli, Failure};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Print a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu completions bash > ~/.local/share/bash-completion/completions/lpu
  lpu completions zsh > ~/.zfunc/_lpu
  lpu completions fish > ~/.config/fish/completions/lpu.fish")]
pub struct Arguments {
    /// Shell to print the script for.
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    // The generator panics when its output is closed early, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "lpu", &mut script);
    Ok(std::io::stdout().lock().write_all(&script)?)
}
