//! `lpu cache`: what this command and `./setup` keep in the user's cache folder.

use super::Failure;
use super::output::{FAINT, STRONG, json, paint, table};
use lpu_runtime::cache;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// List or remove cached files.
///
/// Everything that `lpu` and `./setup` keep lies in one folder, `$XDG_CACHE_HOME/lpu` or `~/.cache/lpu`: `images` (compiled images of
/// large models, at most 2 GB), `build` (stages of `lpu build` and the finished bitstreams), `venv` (place-and-route tools from PyPI),
/// `chat-model` (what `make chat` fetched), and sources that `./setup` fetched. All of it can be removed at any time and is made again
/// when it is needed. Other files are written only where an option says so.
///
/// To uninstall: `lpu cache clear`, then `cargo uninstall lpu-cli` or remove the `lpu` executable.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu cache
  lpu cache clear
  lpu cache clear build
  lpu cache --json")]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Remove cached files.
    Clear {
        /// Entry to remove, as `lpu cache` lists it [default: all of them].
        entry: Option<String>,
    },
}

#[derive(Serialize)]
struct Report {
    folder: PathBuf,
    bytes: u64,
    entries: Vec<Entry>,
}

/// A file or folder of the cache.
#[derive(Serialize)]
struct Entry {
    name: String,
    bytes: u64,
    files: u64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = cache::folder().map_err(Failure::input)?;
    let mut entries = entries(&folder)?;
    if let Some(Action::Clear { entry }) = &arguments.action {
        if let Some(name) = entry {
            let known: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            entries.retain(|entry| entry.name == *name);
            if entries.is_empty() {
                return Err(Failure::input(format!(
                    "no `{name}` in {}; expected one of: {}",
                    folder.display(),
                    known.join(", ")
                )));
            }
        }
        entries.iter().try_for_each(|entry| remove(&folder.join(&entry.name)))?;
    }
    let report = Report { bytes: entries.iter().map(|entry| entry.bytes).sum(), folder, entries };
    if arguments.json { json(&report) } else { print(&report, arguments.action.is_some()) }
}

fn print(report: &Report, removed: bool) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let verb = if removed { "removed from " } else { "" };
    writeln!(out, "{verb}{}  {}", paint(STRONG, report.folder.display()), size(report.bytes))?;
    let rows = report.entries.iter().map(|entry| {
        let files = if entry.files == 1 { "1 file".into() } else { format!("{} files", entry.files) };
        vec![entry.name.clone(), size(entry.bytes), files]
    });
    write!(out, "{}", table(&rows.collect::<Vec<_>>()))?;
    if !removed && !report.entries.is_empty() {
        writeln!(out, "{}", paint(FAINT, "`lpu cache clear` removes them"))?;
    }
    Ok(())
}

/// Sizes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// What lies in the cache, by name; nothing if there is no cache yet.
fn entries(folder: &Path) -> Result<Vec<Entry>, Failure> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(|error| Failure::unreadable(folder, &error))?,
    };
    let mut entries: Vec<Entry> = listed
        .flatten()
        .map(|entry| {
            let (bytes, files) = content(&entry.path());
            Entry { name: entry.file_name().to_string_lossy().into_owned(), bytes, files }
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Bytes and number of the files under a path. Links are not followed: what they name lies elsewhere.
fn content(path: &Path) -> (u64, u64) {
    let Ok(found) = path.symlink_metadata() else { return (0, 0) };
    if !found.is_dir() {
        return (found.len(), 1);
    }
    let inside = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| content(&entry.path()));
    inside.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

fn remove(path: &Path) -> Result<(), Failure> {
    let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|error| Failure::input(format!("cannot remove {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded() {
        assert_eq!([0, 999, 1_500, 12_345_678].map(size), ["0 B", "999 B", "1.5 kB", "12.3 MB"]);
    }
}
