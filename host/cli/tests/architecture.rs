//! The documents name what exists, and the crates depend on each other as ARCHITECTURE.md says.

use std::collections::BTreeSet;
use std::path::Path;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in the workspace")
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

/// The crates of the workspace that each crate uses.
const USES: [(&str, &[&str]); 14] = [
    ("isa", &[]),
    ("firmware", &["isa"]),
    ("hdl", &["isa"]),
    ("hdl/external", &["isa"]),
    ("sim", &["isa", "firmware", "hdl"]),
    ("host/verifier", &["isa"]),
    ("host/assembly", &["isa"]),
    ("host/model", &["isa"]),
    ("host/compiler", &["isa", "model", "verifier"]),
    ("host/random-program", &["isa", "sim", "verifier"]),
    ("host/runtime", &["assembly", "isa", "model", "sim", "verifier"]),
    ("host/serve", &["isa", "model", "runtime", "sim", "verifier"]),
    ("host/board", &["hdl", "isa", "model", "runtime", "sim"]),
    ("host/cli", &["assembly", "board", "compiler", "isa", "model", "runtime", "serve", "sim", "verifier"]),
];

#[test]
fn crates_use_no_other_crates_than_these() {
    for (folder, expected) in USES {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let lines = section(&manifest, "[dependencies]");
        let found: BTreeSet<&str> =
            lines.iter().filter_map(|line| line.strip_prefix("lpu-")?.split(['.', ' ']).next()).collect();
        assert_eq!(found, expected.iter().copied().collect(), "{folder}");
    }
}

#[test]
fn rtl_is_needed_only_behind_a_feature() {
    for (manifest, kind, name) in [
        ("sim/Cargo.toml", "[build-dependencies]", "lpu-hdl "),
        ("sim/Cargo.toml", "[build-dependencies]", "lpu-hdl-external"),
        ("sim/Cargo.toml", "[dependencies]", "lpu-hdl"),
        ("sim/Cargo.toml", "[dependencies]", "cxx"),
        ("host/cli/Cargo.toml", "[dependencies]", "lpu-board"),
    ] {
        let text = read(manifest);
        let lines = section(&text, kind);
        let line = lines.iter().find(|line| line.starts_with(name)).expect("it is used");
        assert!(line.contains("optional = true"), "{manifest}: `{line}` must be optional");
    }
}

/// Files of a folder and all within that hold a word.
fn files_with(folder: &Path, word: &str) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, word));
        } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(word)) {
            found.push(path.strip_prefix(workspace()).expect("within").display().to_string());
        }
    }
    found
}

/// Sources of the host's crates, without their tests, that hold a word.
fn host_sources(word: &str) -> Vec<String> {
    let crates = USES.iter().filter(|(folder, _)| folder.starts_with("host/"));
    crates.flat_map(|(folder, _)| files_with(&workspace().join(folder).join("src"), word)).collect()
}

#[test]
fn only_the_builder_of_bitstreams_emits_verilog() {
    let files = host_sources("lpu_hdl");
    assert!(!files.is_empty());
    for file in files {
        assert!(file.starts_with("host/board/src/"), "{file} knows the hardware's source");
    }
}

/// What executes programs takes a `VerifiedProgram`; no other file of the host hands an image to a device.
#[test]
fn only_verified_programs_are_executed() {
    assert_eq!(host_sources("device.load("), ["host/runtime/src/lib.rs"]);
    for file in host_sources("Emulator::with_image(") {
        let text = read(&file);
        assert!(text.contains("VerifiedProgram"), "{file} executes an image that nobody verified");
    }
}
