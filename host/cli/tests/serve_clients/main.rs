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

fn passes(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    println!("{text}");
    text
}

/// Runs tests of pytest against a server, without plugins that look at the network.
fn pytest(served: &Served, file: &str) -> Option<String> {
    let python = tools().join("frameworks/bin/python");
    if !have(&[&python]) {
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder for what the tool keeps");
    let mut command = Command::new(python);
    command.current_dir(&folder).env("LPU_ADDRESS", url(served)).env("PYTHONDONTWRITEBYTECODE", "1");
    // Nothing is told to anybody: neither traces nor prices are looked up.
    command.env("LANGSMITH_TRACING", "false").env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    command.args([
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "--no-header",
        "--tb=short",
    ]);
    command.args(["-W", "ignore", "-rs"]).arg(script(file));
    Some(passes(&mut command))
}

/// A number before a word in the last line of pytest: `34 passed, 40 skipped in 9.1s`.
fn counted(told: &str, word: &str) -> usize {
    let last = told.lines().rev().find(|line| line.contains(" in ")).unwrap_or_default();
    let before = last.split(word).next().unwrap_or_default().trim();
    before.rsplit([' ', '=']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
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
fn ai_sdk() {
    if let Some(mut command) = node("ai_sdk.mjs") {
        let served = Served::start(&[]);
        passes(command.arg(url(&served)));
    }
}

#[test]
fn frameworks() {
    // Instructions of instructor are longer than the context that fits on the default chip.
    pytest(&Served::start(&["--geometry", "virtual"]), "frameworks.py");
}

#[test]
fn langchain_standard_suites() {
    let second = format!("second={}", support::model().display());
    let served = Served::start(&[&second]);
    if let Some(told) = pytest(&served, "langchain_suites.py") {
        assert!(counted(&told, " passed") >= 34, "{told}");
    }
}

/// A short benchmark by users' own tool: all of its requests are answered, and its counts are the server's.
#[test]
fn guidellm() {
    let tool = tools().join("clients/bin/guidellm");
    if !have(&[&tool]) {
        return;
    }
    let served = Served::start(&[]);
    let folder = tempfile::tempdir().expect("a folder for its report");
    let prompts: String = (0..8)
        .map(|number| format!("{{\"prompt\": \"Lily had {number} cats\", \"output_tokens_count\": 12}}\n"))
        .collect();
    std::fs::write(folder.path().join("prompts.jsonl"), prompts).expect("the folder can be written");
    for route in ["/v1/chat/completions", "/v1/completions"] {
        let mut command = Command::new(&tool);
        command.current_dir(&folder).env("PYTHONPATH", script("")).env("PYTHONDONTWRITEBYTECODE", "1");
        // One process: each imports all over again.
        command.env("HF_HUB_OFFLINE", "1").env("GUIDELLM__MAX_WORKER_PROCESSES", "1");
        let backend = format!("kind=openai_http,target={},request_format={route}", url(&served));
        command.args(["run", "--backend", &backend, "--profile", "kind=concurrent,streams=2"]);
        command.args([
            "--constraint",
            "kind=max_requests,count=8",
            "--data",
            "kind=json_file,path=prompts.jsonl",
        ]);
        command.args(["--output", "kind=json,path=report.json", "--disable-console"]);
        passes(&mut command);
        let report = std::fs::read(folder.path().join("report.json")).expect("a report");
        let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
        let requests = &report["benchmarks"][0]["requests"];
        let count = |kind: &str| requests[kind].as_array().map_or(0, Vec::len);
        assert_eq!((count("successful"), count("errored")), (8, 0), "{route}: {requests}");
        let tokens = |request: &serde_json::Value| request["output_metrics"]["text_tokens"] == 12;
        assert!(requests["successful"].as_array().is_some_and(|all| all.iter().all(tokens)), "{requests}");
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
