//! Many streams at once: all end, all with the text that they would have had alone, and nobody is forgotten.

use crate::support::{Served, connect, get, post, request};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

fn body(seed: usize, stream: bool) -> String {
    format!(r#"{{"prompt": "Lily", "max_tokens": 24, "temperature": 1, "seed": {seed}, "stream": {stream}}}"#)
}

#[test]
fn sixty_four_streams_on_two_devices_all_have_their_own_text() {
    let served = Served::start(&[]);
    let address = served.address;
    let threads: Vec<_> = (0..64)
        .map(|number| {
            std::thread::spawn(move || {
                let seed = number % 8;
                let answer = post(address, "/v1/completions", &body(seed, true));
                let text: String = answer
                    .events()
                    .iter()
                    .filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok())
                    .filter_map(|event| event["choices"][0]["text"].as_str().map(String::from))
                    .collect();
                (seed, text, answer.body.ends_with("data: [DONE]\n\n"))
            })
        })
        .collect();
    let alone: Vec<String> = (0..8)
        .map(|seed| {
            post(address, "/v1/completions", &body(seed, false)).json()["choices"][0]["text"]
                .as_str()
                .unwrap_or_default()
                .into()
        })
        .collect();
    for thread in threads {
        let (seed, text, ended) = thread.join().expect("a stream");
        assert!(ended);
        assert_eq!(text, alone[seed], "seed {seed}");
    }
    let devices = get(address, "/lpu/devices").json();
    for device in devices.as_array().expect("a list") {
        assert!(device["positions"].as_u64() > Some(24), "both devices work: {devices}");
    }
}

#[test]
fn a_client_that_goes_away_frees_its_device() {
    let served = Served::start(&["--queue", "64"]);
    let long = r#"{"prompt": "Lily", "n": 32, "max_tokens": 300, "temperature": 1, "stream": true, "x_lpu": {"ignore_eos": true}}"#;
    let mut stream = connect(served.address);
    stream.write_all(request("POST", "/v1/completions", "", long).as_bytes()).expect("sent");
    stream.read_exact(&mut [0; 200]).expect("it has begun");
    drop(stream);
    let begin = Instant::now();
    loop {
        let devices = get(served.address, "/lpu/devices").json();
        let busy =
            devices.as_array().is_some_and(|devices| devices.iter().any(|device| device["state"] == "busy"));
        let metrics = get(served.address, "/metrics").body;
        if !busy && metrics.contains("\nlpu_queue_length 0\n") {
            assert!(metrics.contains("outcome=\"abandoned\""), "{metrics}");
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "the devices still work for nobody: {devices}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_full_queue_refuses_and_says_when_to_come_back() {
    let served = Served::start(&["--queue", "4"]);
    let many = r#"{"prompt": "Lily", "n": 8, "max_tokens": 4}"#;
    let answer = post(served.address, "/v1/completions", many);
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.json()["error"]["code"], "queue_full");
}

#[test]
fn answers_end_before_the_server_does() {
    let mut served = Served::start(&[]);
    let mut stream = connect(served.address);
    let asked = r#"{"prompt": "Lily", "max_tokens": 200, "stream": true, "x_lpu": {"ignore_eos": true}}"#;
    stream.write_all(request("POST", "/v1/completions", "", asked).as_bytes()).expect("sent");
    let mut begin = [0; 300];
    stream.read_exact(&mut begin).expect("it has begun");
    let killed =
        std::process::Command::new("sh").args(["-c", &format!("kill {}", served.process.id())]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the rest");
    assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
    let status = served.process.wait().expect("it ends");
    assert!(status.success(), "{status}");
}
