//! `lpu sim`: a whole board behind a pseudo-terminal, and `lpu run` as its host.
#![cfg(unix)]

mod cli_fixture;
#[path = "../../model/tests/shared/mod.rs"]
mod shared;

use cli_fixture::Fixture;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// A simulated board in a process of its own.
struct Board {
    process: Child,
    path: String,
}

impl Board {
    fn start(fixture: &Fixture, board: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
        command.current_dir(fixture.folder.path()).args(["sim", "--board", board]).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut path = String::new();
        let out = process.stdout.take().expect("standard output is piped");
        BufReader::new(out).read_line(&mut path).expect("the terminal's path");
        Self { process, path: path.trim().into() }
    }

    fn serial(&self, patience: u32) -> String {
        format!("serial:{}?patience={patience}", self.path)
    }

    /// Ends it; what it said beside the path.
    fn end(mut self) -> String {
        self.process.kill().expect("it runs");
        let mut said = String::new();
        let mut errors = self.process.stderr.take().expect("standard error is piped");
        errors.read_to_string(&mut said).expect("UTF-8");
        self.process.wait().expect("it ends");
        said
    }
}

impl Drop for Board {
    /// A test that fails leaves no board behind.
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
    }
}

const RUN: [&str; 6] = ["run", "model.bin", "--geometry", "nano", "--prompt", "abc"];

/// What a run reports, but for the device: text, and of each position token, cycles and hash of the logits.
fn report(fixture: &Fixture, run: &[&str], device: &str, count: &str) -> Value {
    let how = ["--ignore-eos", "--json", "--device", device, "--tokens", count];
    let mut report = fixture.json(&[run, &how].concat());
    let steps = report["steps"].as_array().map_or(0, Vec::len);
    assert!(steps >= count.parse().expect("a number"), "{report}");
    report["device"].take();
    report
}

/// Runs on a board as on the emulator, with the program loaded by the host and then with the one that is there.
fn serves_as_the_emulator_does(arguments: &[&str], made_of: &str) {
    let fixture = Fixture::new();
    let board = Board::start(&fixture, "nano", arguments);
    let expected = report(&fixture, &RUN, "emu", "6");
    for _ in 0..2 {
        assert_eq!(report(&fixture, &RUN, &board.serial(60), "6"), expected);
    }
    let said = board.end();
    assert!(said.contains(made_of), "{said}");
}

#[test]
fn an_emulated_board_serves() {
    serves_as_the_emulator_does(&["--device", "emu"], "its firmware on this machine, its chip emulated");
}

/// Golden prompts of a real model on the chip of the large board.
const STORIES: usize = 3;

#[test]
fn stories260k_on_an_emulated_board_tells_the_emulators_stories() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let golden = std::fs::read(folder.join("golden.json")).expect("readable");
    let golden: Value = serde_json::from_slice(&golden).expect("JSON");
    let checkpoint = folder.join("stories260K.bin").display().to_string();
    let fixture = Fixture::new();
    let board = Board::start(&fixture, "ulx3s-85f", &["--device", "emu"]);
    for case in golden["cases"].as_array().expect("cases").iter().take(STORIES) {
        let run = ["run", &checkpoint, "--prompt", case["prompt"].as_str().expect("a text")];
        let told = report(&fixture, &run, &board.serial(60), "64");
        assert_eq!(told, report(&fixture, &run, "emu", "64"));
        for step in told["steps"].as_array().expect("steps") {
            assert_eq!(step["predicted"], step["measured"], "{step}");
            assert!(step["logits_sha256"].is_string(), "{step}");
        }
    }
    board.end();
}

#[cfg(feature = "rtl")]
#[test]
#[ignore = "minutes: cargo test -p lpu-cli --features rtl --test cli_boards -- --ignored"]
fn a_verilated_board_serves() {
    serves_as_the_emulator_does(&[], "the Verilog of its bitstream, its firmware on the soft core");
}

#[cfg(feature = "rtl")]
#[test]
#[ignore = "minutes: cargo test -p lpu-cli --features rtl --test cli_boards -- --ignored"]
fn a_verilated_board_serves_the_model_in_its_flash_memory() {
    let fixture = Fixture::new();
    let board = Board::start(&fixture, "nano", &["--with", "model.bin"]);
    assert_eq!(report(&fixture, &RUN, &board.serial(120), "2"), report(&fixture, &RUN, "emu", "2"));
    board.end();
}

#[cfg(not(feature = "rtl"))]
#[test]
fn without_verilog_its_absence_is_explained() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refused(&["sim", "--board", "nano", "--device", "rtl"]),
        "error: this `lpu` was built without the RTL device; expected `--device emu`. To have it, install Verilator and build with \
         `cargo build --release -p lpu-cli --features rtl`\n"
    );
}
