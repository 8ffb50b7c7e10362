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
    assert_eq!(uses("host/Cargo.toml", "rust-hdl"), None, "the host library knows no RTL");
    assert_eq!(uses("isa/Cargo.toml", "lpu-"), None, "the ISA is below everything");
    for name in ["lpu-host", "lpu-sim"] {
        assert_eq!(uses("hdl/Cargo.toml", name), None, "the hardware knows neither simulator nor host");
    }
    assert_eq!(uses("sim/Cargo.toml", "lpu-host"), None, "the simulator does not know the host");
    for (manifest, name) in
        [("sim/Cargo.toml", "lpu-hdl"), ("sim/Cargo.toml", "cxx"), ("host/Cargo.toml", "lpu-hdl")]
    {
        if let Some(line) = uses(manifest, name) {
            assert!(line.contains("optional = true"), "{manifest}: `{line}` must be optional");
        }
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

#[test]
fn only_the_builder_of_bitstreams_emits_verilog() {
    let files = files_with(&workspace().join("host/src"), "lpu_hdl");
    assert!(!files.is_empty());
    for file in files {
        assert!(file.starts_with("host/src/board/"), "{file} knows the hardware's source");
    }
}

/// What executes programs takes a `VerifiedProgram`; no other file of the host hands an image to a device.
#[test]
fn only_verified_programs_are_executed() {
    let host = workspace().join("host/src");
    assert_eq!(files_with(&host, "device.load("), ["host/src/verify/verified.rs"]);
    for file in files_with(&host, "Emulator::with_image(") {
        let text = read(&file);
        assert!(text.contains("VerifiedProgram"), "{file} executes an image that nobody verified");
    }
}
