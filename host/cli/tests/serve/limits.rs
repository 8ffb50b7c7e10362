//! Clients that send too much, too slowly, or stop reading: each takes a bounded share, and others are served meanwhile.

use crate::flaky;
use crate::support::{Served, connect, get, post, read, request, send};
use lpu_serve::Limits;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const BODY: &str = r#"{"prompt": "Lily", "max_tokens": 2, "temperature": 0}"#;

fn resident_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn serves(address: SocketAddr) {
    assert_eq!(post(address, "/v1/completions", BODY).status, 200);
}

#[test]
fn bodies_headers_prompts_and_stop_strings_have_limits() {
    let served = Served::start(&[]);
    let address = served.address;
    let large = format!("{{\"prompt\": \"{}\"}}", "a".repeat(1 << 21));
    // The server may close before all is sent: then the answer is lost on the way, which is the client's trouble alone.
    if let Ok(answer) = send(address, &request("POST", "/v1/completions", "", &large)) {
        assert_eq!(answer.status, 413);
    }
    let header = format!("x-long: {}\r\n", "a".repeat(1 << 16));
    if let Ok(answer) = send(address, &request("GET", "/health", &header, "")) {
        assert_eq!(answer.status, 431);
    }
    let lines: String = (0..200).map(|line| format!("x-{line}: 1\r\n")).collect();
    assert_eq!(send(address, &request("GET", "/health", &lines, "")).expect("an answer").status, 431);
    let long = post(address, "/v1/completions", &format!("{{\"prompt\": \"{}\"}}", "word ".repeat(1000)));
    assert_eq!((long.status, long.json()["error"]["code"].as_str()), (400, Some("context_length_exceeded")));
    let stop = format!(r#"{{"prompt": "a", "stop": "{}"}}"#, "x".repeat(257));
    assert_eq!(post(address, "/v1/completions", &stop).status, 400);
    assert_eq!(post(address, "/v1/completions", r#"{"prompt": "a", "n": 33}"#).status, 400);
    assert_eq!(post(address, "/v1/completions", &"[".repeat(100_000)).status, 400);
    serves(address);
}

#[test]
fn a_thousand_idle_connections_take_little_and_hinder_nobody() {
    let served = Served::start(&[]);
    serves(served.address);
    let before_kb = resident_kb(served.process.id());
    // The test's own files are limited too.
    let raised = rlimit::increase_nofile_limit(2200).unwrap_or(0);
    let count = 1000.min(raised.saturating_sub(200));
    let idle: Vec<_> = (0..count).map(|_| connect(served.address)).collect();
    serves(served.address);
    let grown_kb = resident_kb(served.process.id()).saturating_sub(before_kb);
    assert!(grown_kb < 64 * 1024, "{count} idle connections took {grown_kb} kB");
    assert_eq!(idle.len() as u64, count);
}

#[test]
fn more_connections_than_allowed_wait_their_turn() {
    let served = Served::start(&["--connections", "8"]);
    let mut idle: Vec<_> = (0..8).map(|_| connect(served.address)).collect();
    let mut waiting = connect(served.address);
    waiting
        .write_all(request("GET", "/health", "", "").as_bytes())
        .expect("the system accepts for the server");
    waiting.set_read_timeout(Some(Duration::from_millis(200))).expect("a time limit");
    assert!(waiting.peek(&mut [0; 1]).is_err(), "the ninth is not served yet");
    idle.pop();
    waiting.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    assert_eq!(read(waiting).expect("an answer").status, 200);
}

#[test]
fn whoever_does_not_read_holds_up_nobody() {
    let served = Served::start(&[]);
    let long = r#"{"prompt": "Lily", "n": 16, "max_tokens": 300, "stream": true, "temperature": 1, "x_lpu": {"tokens": true, "ignore_eos": true}}"#;
    let deaf: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(served.address);
            stream.write_all(request("POST", "/v1/completions", "", long).as_bytes()).expect("sent");
            stream
        })
        .collect();
    let begin = Instant::now();
    serves(served.address);
    assert!(begin.elapsed() < Duration::from_secs(60), "the devices went on without the deaf");
    drop(deaf);
}

#[test]
fn whoever_does_not_read_is_let_go_in_the_end() {
    let limits = Limits { write_timeout: Duration::from_millis(300), ..Limits::default() };
    let served = flaky::Served::start(1, limits);
    // Far more than the system holds for a reader that takes nothing.
    let long = r#"{"prompt": "Lily", "n": 32, "max_tokens": 480, "stream": true, "temperature": 1, "logprobs": 5, "x_lpu": {"tokens": true, "ignore_eos": true}}"#;
    let mut deaf = connect(served.address);
    deaf.write_all(request("POST", "/v1/completions", "", long).as_bytes()).expect("sent");
    let begin = Instant::now();
    loop {
        let metrics = get(served.address, "/metrics").body;
        // The one that asks for the metrics.
        if metrics.contains("outcome=\"abandoned\"") && metrics.contains("\nlpu_connections 1\n") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(100), "the deaf one is still served: {metrics}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(deaf);
    serves(served.address);
}

#[test]
fn whoever_writes_too_slowly_is_let_go() {
    let pause = Duration::from_millis(300);
    let limits = Limits { header_timeout: pause, body_timeout: pause, ..Limits::default() };
    let served = flaky::Served::start(1, limits);
    for begun in ["", "GET /health HTTP/1.1\r\nhost: x\r\n"] {
        let mut slow = connect(served.address);
        slow.write_all(begun.as_bytes()).expect("sent");
        let mut rest = Vec::new();
        // The server closes: whether with an answer or without is not promised.
        let ended = slow.read_to_end(&mut rest);
        assert!(ended.is_ok() && !rest.starts_with(b"HTTP/1.1 200"), "{ended:?} {rest:?}");
    }
    let mut slow = connect(served.address);
    let whole = request("POST", "/v1/completions", "", BODY);
    slow.write_all(&whole.as_bytes()[..whole.len() - 10]).expect("sent");
    let answer = read(slow).expect("an answer");
    assert_eq!(answer.status, 408, "{answer:?}");
    serves(served.address);
}

#[test]
fn unknown_routes_and_methods_are_refused_in_the_clients_form() {
    let served = Served::start(&[]);
    let missing = get(served.address, "/v1/nothing");
    assert_eq!(
        (missing.status, missing.json()["error"]["type"].as_str()),
        (404, Some("invalid_request_error"))
    );
    let wrong = get(served.address, "/generate");
    assert_eq!((wrong.status, wrong.json()["error_type"].as_str()), (405, Some("not_found")));
    for path in ["/health", "/ready", "/docs", "/", "/openapi.json", "/info", "/metrics"] {
        let answer = get(served.address, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("x-request-id").is_some() && answer.header("inference-id").is_some(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}
