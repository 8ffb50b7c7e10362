//! The documents name what exists, and the crates depend on each other as ARCHITECTURE.md says.

use std::path::Path;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Words in backticks that look like paths of this repository.
fn paths(text: &str) -> Vec<&str> {
    let crates =
        ["isa/", "hdl/", "sim/", "host/", "models/", "firmware/", "fuzz/", "constraints/", "deploy/"];
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| crates.iter().any(|start| word.starts_with(start)) && !word.contains([' ', '*', '<']))
        .collect()
}

#[test]
fn every_path_in_the_documents_exists() {
    for document in ["ARCHITECTURE.md", "README.md"] {
        let text = read(document);
        let paths = paths(&text);
        assert!(!paths.is_empty(), "{document} names no path");
        for path in paths {
            assert!(workspace().join(path).exists(), "{document} names `{path}`, which does not exist");
        }
    }
}

/// The lines of a manifest's section.
fn section<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let start = manifest.lines().skip_while(|line| line.trim() != name).skip(1);
    start.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn the_isa_depends_on_nothing() {
    let manifest = read("isa/Cargo.toml");
    assert!(section(&manifest, "[dependencies]").iter().all(|line| line.trim().is_empty()));
}

#[test]
fn rtl_is_needed_only_behind_a_feature() {
    let uses = |path: &str, name: &str| {
        let manifest = read(path);
        let lines: Vec<String> =
            section(&manifest, "[dependencies]").iter().map(|line| line.to_string()).collect();
        lines.into_iter().find(|line| line.starts_with(name))
    };
    assert_eq!(uses("host/Cargo.toml", "lpu-hdl"), None, "the host library knows no RTL");
    assert_eq!(uses("host/Cargo.toml", "rust-hdl"), None, "the host library knows no RTL");
    assert_eq!(uses("isa/Cargo.toml", "lpu-"), None, "the ISA is below everything");
    for name in ["lpu-host", "lpu-sim"] {
        assert_eq!(uses("hdl/Cargo.toml", name), None, "the hardware knows neither simulator nor host");
    }
    assert_eq!(uses("sim/Cargo.toml", "lpu-host"), None, "the simulator does not know the host");
    for name in ["lpu-hdl", "cxx"] {
        if let Some(line) = uses("sim/Cargo.toml", name) {
            assert!(line.contains("optional = true"), "sim/Cargo.toml: `{line}` must be optional");
        }
    }
}
