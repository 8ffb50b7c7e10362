//! A folder with a small random checkpoint and its tokenizer, and the command to run on it.

#![allow(dead_code, reason = "each test binary takes what it needs of the fixture")]

use assert_cmd::Command;
use lpu_model::tokenizer::TokenizerBuilder;
use lpu_model::{Tokenizer, llama2c, synthetic};
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

pub struct Fixture {
    pub folder: TempDir,
    pub tokenizer: Tokenizer,
}

/// What a finished command left.
pub struct Finished {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Finished {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("an exit code"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Fixture {
    /// `model.bin` and `tokenizer.bin`.
    pub fn new() -> Self {
        let config = synthetic::tiny_llama();
        let model = synthetic(&config, 5).expect("a sound configuration");
        let tokenizer = tokenizer(config.vocab);
        let folder = TempDir::new().expect("a temporary folder");
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("writable");
        write("model.bin", &llama2c::to_bytes(&model).expect("a model that the format can hold"));
        write("tokenizer.bin", &tokenizer.to_bytes());
        Self { folder, tokenizer }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("writable");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("readable")
    }

    /// `lpu` in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("lpu").expect("the command is built with its tests");
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    /// Runs `lpu` in the folder.
    pub fn lpu(&self, arguments: &[&str]) -> Finished {
        Finished::of(self.command(arguments).output().expect("it starts"))
    }

    /// Runs `lpu` in the folder with this standard input.
    pub fn fed(&self, arguments: &[&str], input: &[u8]) -> Finished {
        Finished::of(self.command(arguments).write_stdin(input).output().expect("it starts"))
    }

    /// Runs `lpu`, which must succeed, and gives its standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let Finished { code, out, err } = self.lpu(arguments);
        assert_eq!(code, 0, "lpu {arguments:?}: {err}");
        out
    }

    /// Runs `lpu`, which must refuse its input, and gives the error.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let Finished { code, out, err } = self.lpu(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "lpu {arguments:?}: {err}");
        err
    }

    /// The JSON that a command reports.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let out = self.ok(arguments);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Names of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = self.folder.path().read_dir().expect("readable");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// Bytes and pairs of letters.
fn tokenizer(vocab: usize) -> Tokenizer {
    let mut builder = TokenizerBuilder::with_bytes();
    let letters = |index: usize| [b'a' + (index / 7 % 26) as u8, b'a' + (index % 26) as u8];
    for index in 0..vocab - 259 {
        builder = builder.piece(letters(index), index as f32);
    }
    builder.build().expect("a vocabulary with a start")
}
