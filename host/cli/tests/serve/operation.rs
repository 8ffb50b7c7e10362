//! What an operator sets up: the shipped files, several models, the log.

use crate::support::{Served, get, model, post, request, send};
use std::path::Path;
use std::process::Command;

#[test]
fn the_shipped_unit_and_settings_start_a_server_that_logs_each_request() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let unit = std::fs::read_to_string(shipped.join("lpu.service")).expect("the shipped unit");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/lpu "));
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
    for word in line.expect("the command of the unit").split(' ') {
        match word {
            "/etc/lpu/serve.toml" => command.arg(shipped.join("serve.toml")),
            "/var/lib/lpu/usage.redb" => command.arg(folder.path().join("usage.redb")),
            word => command.arg(word),
        };
    }
    // The environment goes before the file, which names a port.
    command.env("LPU_SERVE_PORT", "0").env("RUST_LOG", "info");
    let served = Served::run(command);
    assert_ne!(served.address.port(), 8080);
    assert_eq!(get(served.address, "/v1/models").json()["data"][0]["id"], "stories");
    assert_eq!(get(served.address, "/lpu/devices").json().as_array().map(Vec::len), Some(2));
    let body = r#"{"prompt": "Lily", "max_tokens": 2}"#;
    let asked = request("POST", "/v1/completions", "x-request-id: mine-1\r\n", body);
    let answer = send(served.address, &asked).expect("an answer");
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("mine-1")));
    let log = served.end();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let logged = lines.find(|line| line["span"]["id"] == "mine-1").unwrap_or_else(|| panic!("not in {log}"));
    assert_eq!((&logged["status"], &logged["span"]["path"]), (&200.into(), &"/v1/completions".into()));
    assert!(logged["timestamp"].is_string() && logged["level"] == "INFO", "{logged}");
}

#[test]
fn several_models_share_the_devices() {
    let second = format!("second={}", model().display());
    let served = Served::start(&[&second]);
    let ask = |name: &str| {
        let body = format!(r#"{{"model": "{name}", "prompt": "Lily", "max_tokens": 8, "temperature": 0}}"#);
        post(served.address, "/v1/completions", &body)
    };
    let answers = std::thread::scope(|scope| {
        let asked = ["stories-lpu", "second"].repeat(8);
        let asked: Vec<_> = asked.into_iter().map(|name| (name, scope.spawn(move || ask(name)))).collect();
        asked.into_iter().map(|(name, answer)| (name, answer.join().expect("an answer"))).collect::<Vec<_>>()
    });
    let text = answers[0].1.json()["choices"][0]["text"].clone();
    for (name, answer) in &answers {
        let answer = answer.json();
        assert_eq!((&answer["model"], &answer["choices"][0]["text"]), (&(*name).into(), &text), "{answer}");
    }
    let unknown = ask("third");
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_str()), (404, Some("model_not_found")));
    let metrics = get(served.address, "/metrics").body;
    for name in ["stories-lpu", "second"] {
        let counted = format!("lpu_answers_total{{model=\"{name}\",outcome=\"finished\"}} 8\n");
        assert!(metrics.contains(&counted), "{metrics}");
    }
}
