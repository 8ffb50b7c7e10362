//! `lpu sim`: a whole board behind a pseudo-terminal, and `lpu run` as its host.
#![cfg(unix)]

mod cli_fixture;

use cli_fixture::Fixture;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// A simulated board in a process of its own.
struct Board {
    process: Child,
    path: String,
}

impl Board {
    fn start(fixture: &Fixture, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
        command.current_dir(fixture.folder.path()).args(["sim", "--board", "nano"]).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut path = String::new();
        let out = process.stdout.take().expect("standard output is piped");
        BufReader::new(out).read_line(&mut path).expect("the terminal's path");
        Self { process, path: path.trim().into() }
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

const RUN: [&str; 9] =
    ["run", "model.bin", "--geometry", "nano", "--prompt", "abc", "--ignore-eos", "--json", "--device"];

/// What a run reports, but for the device: text, and of each position token, cycles and hash of the logits.
fn report(fixture: &Fixture, device: &str, count: &str) -> serde_json::Value {
    let mut report = fixture.json(&[&RUN[..], &[device, "--tokens", count]].concat());
    let steps = report["steps"].as_array().map_or(0, Vec::len);
    assert!(steps >= count.parse().expect("a number"), "{report}");
    report["device"].take();
    report
}

/// Runs on a board as on the emulator, with the program loaded by the host and then with the one that is there.
fn serves_as_the_emulator_does(arguments: &[&str], made_of: &str) {
    let fixture = Fixture::new();
    let board = Board::start(&fixture, arguments);
    let serial = format!("serial:{}?patience=60", board.path);
    let expected = report(&fixture, "emu", "6");
    for _ in 0..2 {
        assert_eq!(report(&fixture, &serial, "6"), expected);
    }
    let said = board.end();
    assert!(said.contains(made_of), "{said}");
}

#[test]
fn an_emulated_board_serves() {
    serves_as_the_emulator_does(&["--device", "emu"], "its firmware on this machine, its chip emulated");
}

#[cfg(feature = "rtl")]
#[test]
#[ignore = "minutes: cargo test -p lpu-host --features rtl --test cli_boards -- --ignored"]
fn a_verilated_board_serves() {
    serves_as_the_emulator_does(&[], "the Verilog of its bitstream, its firmware on the soft core");
}

#[cfg(feature = "rtl")]
#[test]
#[ignore = "minutes: cargo test -p lpu-host --features rtl --test cli_boards -- --ignored"]
fn a_verilated_board_serves_the_model_in_its_flash_memory() {
    let fixture = Fixture::new();
    let board = Board::start(&fixture, &["--with", "model.bin"]);
    let serial = format!("serial:{}?patience=120", board.path);
    assert_eq!(report(&fixture, &serial, "2"), report(&fixture, "emu", "2"));
    board.end();
}

#[cfg(not(feature = "rtl"))]
#[test]
fn without_verilog_its_absence_is_explained() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refused(&["sim", "--board", "nano", "--device", "rtl"]),
        "error: this `lpu` was built without the RTL device; expected `--device emu`. To have it, install Verilator and build with \
         `cargo build --release -p lpu-host --features rtl`\n"
    );
}
