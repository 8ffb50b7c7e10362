//! Boards behind their serial lines, simulated: real firmware, the emulator as their chip, a process that can be killed.

use crate::support::{Served, connect, get, model, post, read, request};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

struct Board {
    process: Child,
    path: String,
}

impl Board {
    /// A board that holds the bundled model.
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
        command.args(["sim", "--device", "emu", "--board", "ulx3s-85f", "--with"]).arg(model());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut path = String::new();
        let told =
            BufReader::new(process.stdout.take().expect("standard output is piped")).read_line(&mut path);
        assert!(told.is_ok_and(|bytes| bytes > 1), "the terminal's path");
        Self { process, path: path.trim().into() }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

const LONG: &str = r#"{"prompt": "Lily", "max_tokens": 300, "temperature": 1, "seed": 5, "stream": true, "x_lpu": {"ignore_eos": true}}"#;

#[test]
fn a_board_killed_in_mid_stream_changes_no_text() {
    let mut board = Board::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
    let serial = format!("serial:{}?patience=30", board.path);
    command.args(["serve", "--port", "0", "--device", &serial, "--device", "emu"]).arg(model());
    command.env("RUST_LOG", "error");
    let served = Served::run(command);
    let pinned = |device: &str| {
        let asked = format!(
            r#"{{"prompt": "Lily", "max_tokens": 8, "temperature": 1, "seed": 5, "x_lpu": {{"device": "{device}"}}}}"#
        );
        let answer = post(served.address, "/v1/completions", &asked).json();
        assert_eq!(answer["x_lpu"]["device"], device, "{answer}");
        assert_eq!(answer["x_lpu"]["cycles_measured"], answer["x_lpu"]["cycles_predicted"], "{answer}");
        answer["choices"][0]["text"].clone()
    };
    assert_eq!(pinned("serial-0"), pinned("emu-0"));
    let text = |body: &str| -> String {
        let events = body.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
        events
            .filter_map(|event: serde_json::Value| Some(event["choices"][0]["text"].as_str()?.to_owned()))
            .collect()
    };
    let expected = text(&post(served.address, "/v1/completions", LONG).body);
    let streams = [(); 2].map(|()| {
        let mut stream = connect(served.address);
        stream.write_all(request("POST", "/v1/completions", "", LONG).as_bytes()).expect("sent");
        stream
    });
    // One of the two is the board's.
    for stream in &streams {
        stream.peek(&mut [0; 1]).expect("it has begun");
    }
    board.process.kill().expect("it was running");
    for stream in streams {
        let answer = read(stream).expect("an answer");
        assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
        assert_eq!(text(&answer.body), expected);
    }
    // On a slow machine, the board's stream may have ended before the board did: then the next one meets its death.
    for _ in 0..100 {
        let devices = get(served.address, "/lpu/devices").json();
        assert_eq!(devices[0]["name"], "serial-0");
        if devices[0]["state"] == "failed" {
            break;
        }
        std::thread::scope(|scope| {
            let asked = [(); 2].map(|()| scope.spawn(|| post(served.address, "/v1/completions", LONG)));
            for answer in asked {
                assert_eq!(text(&answer.join().expect("an answer").body), expected);
            }
        });
    }
    assert_eq!(get(served.address, "/lpu/devices").json()[0]["state"], "failed");
    assert_eq!(get(served.address, "/ready").status, 200, "the emulator works");
}
