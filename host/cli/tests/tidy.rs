//! What no compiler checks of the sources: documentation, line length, stray files, undocumented variables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest line of code, in characters: prose in comments may be wider than code, which rustfmt limits.
const LINE_CHARACTERS_MAX: usize = 160;
/// Endings of files that people write as code.
const CODE: [&str; 8] = ["rs", "sv", "h", "cpp", "py", "mjs", "js", "toml"];
/// Files and folders of the top level; the documents say what each is.
const TOP_LEVEL: [&str; 28] = [
    ".ci",
    ".config",
    ".editorconfig",
    ".github",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "ISA.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "constraints",
    "deploy",
    "docs",
    "firmware",
    "fuzz",
    "hdl",
    "host",
    "isa",
    "models",
    "rustfmt.toml",
    "setup",
    "sim",
    "tools",
];
/// Names that are Verilog's or C++'s, and no variables of the environment.
const DEFINES: [&str; 9] = [
    "LPU_ECP5",
    "LPU_BITSTREAM",
    "LPU_CLOCK_ARGUMENT",
    "LPU_WAVES",
    "LPU_CHIPS",
    "LPU_BOARDS",
    "LPU_MAKE",
    "LPU_MAKE_BOARD",
    "LPU_TAPS",
];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in the workspace")
}

/// All files of the repository that are text, with their contents; what builds leave behind is not looked at.
fn files() -> Vec<(String, String)> {
    let mut folders = vec![workspace().to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> = folder
            .read_dir()
            .expect("it can be listed")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "__pycache__", "node_modules"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let path =
                    path.strip_prefix(workspace()).expect("it lies there").to_string_lossy().into_owned();
                found.push((path, text));
            }
        }
    }
    found
}

fn is_code(path: &str) -> bool {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| CODE.contains(&ending)) && !path.contains("/goldens/")
}

#[test]
fn lines_are_short_enough_to_read_side_by_side() {
    let mut long = Vec::new();
    for (path, text) in files().iter().filter(|(path, _)| is_code(path)) {
        for (number, line) in text.lines().enumerate() {
            // A row of a table has to be one line, and a text that is compared whole may be.
            let is_whole = line.trim_start_matches(['/', '!', ' ', '#', '*']).starts_with('|')
                || line.contains("r\"")
                || line.contains("r#");
            if line.chars().count() > LINE_CHARACTERS_MAX && !is_whole {
                long.push(format!("{path}:{}", number + 1));
            }
        }
    }
    assert!(long.is_empty(), "lines of more than {LINE_CHARACTERS_MAX} characters: {long:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    let begins =
        |text: &str| text.lines().any(|line| line.starts_with("//!")) || text.starts_with("// Rendered by");
    let silent: Vec<String> = files()
        .into_iter()
        .filter(|(path, text)| path.ends_with(".rs") && !begins(text))
        .map(|file| file.0)
        .collect();
    assert!(silent.is_empty(), "modules without a header: {silent:#?}");
}

#[test]
fn nothing_strays_into_the_top_level() {
    let known: BTreeSet<&str> = TOP_LEVEL.into_iter().chain([".git", "target"]).collect();
    let found = workspace().read_dir().expect("it can be listed");
    let names = found.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let stray: Vec<String> = names.filter(|name| !known.contains(name.as_str())).collect();
    assert!(stray.is_empty(), "unknown files in the top level: {stray:?}");
}

/// The names in a text that begin with `LPU_`.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("LPU_").filter_map(|(at, _)| {
        let is_letter =
            |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
        if text[..at].ends_with(is_letter) {
            return None;
        }
        let end = text[at..].find(|letter| !is_letter(letter)).map_or(text.len(), |length| at + length);
        Some(text[at..end].trim_end_matches('_')).filter(|name| name.len() > "LPU_".len())
    })
}

#[test]
fn every_variable_of_the_environment_is_documented() {
    const PAGE: &str = "docs/environment.md";
    let files = files();
    let page = &files.iter().find(|(path, _)| path == PAGE).expect("the page is there").1;
    let documented: BTreeSet<&str> = variables(page).collect();
    let others = files.iter().filter(|(path, _)| path != PAGE && path != "host/cli/tests/tidy.rs");
    let named: BTreeSet<&str> =
        others.flat_map(|(_, text)| variables(text)).filter(|name| !DEFINES.contains(name)).collect();
    let missing: Vec<_> = named.difference(&documented).collect();
    assert!(missing.is_empty(), "{PAGE} does not name {missing:?}");
    let stale: Vec<_> = documented.difference(&named).collect();
    assert!(stale.is_empty(), "{PAGE} names {stale:?}, which nothing reads");
}
