//! Rules for the source of this crate: no circular dependencies between modules, and short constructors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest constructor, in lines.
const CONSTRUCTOR_LINES_MAX: usize = 40;

/// The source files, tests and comments removed, by path without extension.
fn sources() -> BTreeMap<PathBuf, String> {
    fn visit(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "tidy");
            if path.is_dir() && !is_test {
                visit(root, &path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let name = path.strip_prefix(root).unwrap().with_extension("");
                found.insert(name, code.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    visit(&root, &root, &mut found);
    found
}

/// The identifiers that follow `before`, such as the modules after `crate::`.
fn named_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// A path from a node back to itself, if there is one.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    fn follow(graph: &Graph, way: &mut Vec<String>) -> bool {
        let last = way.last().cloned().unwrap_or_default();
        graph.get(&last).into_iter().flatten().any(|next| {
            let closes = *next == way[0];
            if !closes && way.contains(next) {
                return false;
            }
            way.push(next.clone());
            if closes || follow(graph, way) {
                return true;
            }
            way.pop();
            false
        })
    }
    graph.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        follow(graph, &mut way).then_some(way)
    })
}

#[test]
fn modules_have_no_circular_dependencies() {
    let mut graph = Graph::new();
    for (path, text) in sources() {
        let module = path.iter().next().unwrap().to_string_lossy().into_owned();
        let used: Vec<&str> = named_after(&text, "crate::").filter(|used| **used != *module).collect();
        graph.entry(module).or_default().extend(used.into_iter().map(str::to_owned));
    }
    assert!(graph["chip"].contains("mxm") && graph["mxm"].contains("dialect"), "{graph:?}");
    assert_eq!(circle(&graph), None);
}

#[test]
fn files_of_a_folder_have_no_circular_dependencies() {
    let sources = sources();
    let mut graph = Graph::new();
    for (path, text) in &sources {
        let folder = path.parent().unwrap();
        let is_folder = path.ends_with("mod");
        // `mod.rs` names its files without `super`; re-exports do not count as dependencies.
        let code: String = text.lines().filter(|line| !line.contains("pub use ")).collect();
        let used: Vec<&str> = named_after(&code, if is_folder { "use " } else { "super::" }).collect();
        let files = used.into_iter().map(|used| folder.join(used)).filter(|file| sources.contains_key(file));
        let mut files: BTreeSet<String> = files.map(|file| file.display().to_string()).collect();
        if !is_folder && named_after(&code, "super::").any(|used| !sources.contains_key(&folder.join(used))) {
            files.insert(folder.join("mod").display().to_string());
        }
        graph.insert(path.display().to_string(), files);
    }
    assert!(graph["mxm/side"].contains("mxm/store"), "{graph:?}");
    assert_eq!(circle(&graph), None);
}

#[test]
fn a_circular_dependency_is_found() {
    let edge = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
    assert_eq!(circle(&Graph::from([edge("a", "b"), edge("b", "c")])), None);
    let graph = Graph::from([edge("a", "b"), edge("b", "c"), edge("c", "b")]);
    assert_eq!(circle(&graph), Some(["b", "c", "b"].map(str::to_owned).to_vec()));
}

#[test]
fn constructors_are_short() {
    let mut constructors = 0;
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if !line.contains("fn new(") && !line.contains("fn default(") {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[at..].iter().position(|line| *line == end).map_or(0, |length| length + 1);
            assert!(length <= CONSTRUCTOR_LINES_MAX, "{}: {length} lines: {line}", path.display());
            constructors += 1;
        }
    }
    assert!(constructors > 30, "{constructors} constructors");
}
