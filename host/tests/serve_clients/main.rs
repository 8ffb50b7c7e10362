//! The clients and the browser that users have, against a server with the bundled model. `setup` installs them; without them a test
//! says so and passes.

#[path = "../cli_fixture/mod.rs"]
mod fixture;
#[path = "../serve/support.rs"]
#[allow(dead_code, reason = "the tests of the server use the rest")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::Served;

/// Where `setup` puts what the tests need.
fn tools() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    cache.unwrap_or_else(|| home.join(".cache")).join("lpu")
}

fn url(served: &Served) -> String {
    format!("http://{}", served.address)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve_clients").join(name)
}

/// Whether all of these exist; tells which is missing.
fn have(paths: &[&Path]) -> bool {
    let missing = paths.iter().find(|path| !path.exists());
    if let Some(path) = missing {
        println!("skipped: {} is missing; run `make setup`", path.display());
    }
    missing.is_none()
}

fn passes(command: &mut Command) {
    let output = command.output().expect("the command starts");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    println!("{text}");
}

/// A script for Node beside the packages that it imports.
fn node(name: &str) -> Option<Command> {
    let folder = tools().join("node");
    if !have(&[&folder.join("node_modules/openai")]) {
        return None;
    }
    let copy = folder.join(name);
    std::fs::copy(script(name), &copy).expect("the folder of tools can be written");
    let mut command = Command::new("node");
    command.arg(copy);
    Some(command)
}

#[test]
fn python_clients() {
    let python = tools().join("clients/bin/python");
    if have(&[&python]) {
        let served = Served::start(&[]);
        passes(Command::new(python).arg(script("conformance.py")).arg(url(&served)));
    }
}

#[test]
fn javascript_client() {
    if let Some(mut command) = node("conformance.mjs") {
        let served = Served::start(&[]);
        passes(command.arg(url(&served)));
    }
}

#[test]
fn playground_in_a_browser() {
    let Some(mut command) = node("playground.mjs") else { return };
    if !have(&[Path::new("/usr/bin/chromium")]) {
        return;
    }
    let served = Served::start(&[]);
    let pictures = tempfile::tempdir().expect("a folder");
    let pictures = std::env::var_os("LPU_PICTURES").map_or_else(|| pictures.path().into(), PathBuf::from);
    passes(command.arg(url(&served)).arg(served.process.id().to_string()).arg(pictures));
}

/// Arbitrary and malformed requests, made from the server's own description of its interface.
#[test]
fn malformed_requests() {
    let tool = tools().join("clients/bin/schemathesis");
    if !have(&[&tool]) {
        return;
    }
    // A small model, so that well-formed requests among the others cost little.
    let fixture = fixture::Fixture::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
    command.args(["serve", "--geometry", "nano", "--device", "emu", "--device", "emu", "--port", "0"]);
    command.arg(fixture.path("model.bin")).env("RUST_LOG", "warn");
    let served = Served::run(command);
    let notes = tempfile::tempdir().expect("a folder for what the tool keeps");
    // A few in a bounded time, or as many as asked for.
    let wanted = std::env::var("LPU_MALFORMED");
    let bounds = match &wanted {
        Ok(count) => vec!["--max-examples", count.as_str()],
        Err(_) => vec!["--max-examples", "40", "--max-time", "40"],
    };
    passes(
        Command::new(tool)
            .current_dir(&notes)
            .args(["run", &format!("{}/openapi.json", url(&served)), "--checks", "not_a_server_error"])
            .args(bounds)
            // The machine may have other work.
            .args([
                "--request-timeout",
                "60",
                "--seed",
                "1",
                "--phases",
                "examples,coverage,fuzzing",
                "--no-color",
            ])
            .args(["--suppress-health-check", "all", "--exclude-path", "/metrics"]),
    );
    let ready = support::get(served.address, "/ready");
    assert_eq!(ready.status, 200, "the devices work after all: {ready:?}");
}
