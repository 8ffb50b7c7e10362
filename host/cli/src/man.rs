//! `lpu man`: manual pages, made from the same definitions as the help.

use super::output::note;
use super::write::write_whole;
use super::{Cli, Failure};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};

/// Write manual pages into a folder.
///
/// One page for `lpu` and one for each command: lpu.1, lpu-run.1 and so on. The folder is created if it does not exist.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu man ~/.local/share/man/man1
  man lpu-run")]
pub struct Arguments {
    /// Folder to write the pages to.
    folder: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder)
        .map_err(|error| Failure::input(format!("cannot create the folder {}: {error}", folder.display())))?;
    let mut lpu = Cli::command().disable_help_subcommand(true);
    lpu.build();
    let pages = write_pages(&lpu, folder)?;
    note(format!("wrote {pages} manual pages to {}", folder.display()));
    Ok(())
}

/// Writes the page of a command and those of its subcommands; their number.
fn write_pages(command: &Command, folder: &Path) -> Result<usize, Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    write_whole(&folder.join(format!("{name}.1")), &page)?;
    let inside = command.get_subcommands().map(|command| write_pages(command, folder));
    inside.sum::<Result<usize, Failure>>().map(|pages| pages + 1)
}
