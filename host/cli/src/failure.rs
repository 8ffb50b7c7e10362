//! What went wrong, and the exit code that says so: 2 for wrong input, 1 for a machine that did not do what was predicted or a
//! question answered with no, 130 after Ctrl-C, 0 when whoever read our output has seen enough.

use super::output::{BAD, paint};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// What shells report for a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// Files or arguments are not what they should be.
    Input(String),
    /// A device failed, or did something that was not predicted.
    Machine(String),
    /// The reader of our output went away, as `head` does.
    Closed,
    /// The user ended it with Ctrl-C.
    Interrupted,
    /// The report has answered with no.
    No,
}

impl Failure {
    pub fn input(message: impl Display) -> Self {
        Self::Input(message.to_string())
    }

    pub fn machine(message: impl Display) -> Self {
        Self::Machine(message.to_string())
    }

    /// A file that could not be read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Input(format!("cannot read {}: {error}", path.display()))
    }

    /// A text that is none.
    pub fn not_utf8(path: &Path, bytes: &[u8]) -> Self {
        let good = str::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
        Self::Input(format!("{} is not UTF-8 from byte {good} on; expected a text", path.display()))
    }

    /// Tells the user and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Input(message) => (message, 2),
            Self::Machine(message) => (message, 1),
            Self::Closed => return ExitCode::SUCCESS,
            Self::No => return ExitCode::FAILURE,
            Self::Interrupted => return ExitCode::from(INTERRUPTED),
        };
        // If even standard error is closed, the exit code alone must do.
        _ = writeln!(anstream::stderr(), "{} {message}", paint(BAD, "error:"));
        ExitCode::from(code)
    }
}

#[cfg(feature = "fpga")]
impl From<lpu_board::Error> for Failure {
    fn from(error: lpu_board::Error) -> Self {
        match error {
            lpu_board::Error::Input(words) => Self::Input(words),
            lpu_board::Error::Failed(words) => Self::Machine(words),
        }
    }
}

/// Only writing to standard output gives bare I/O errors.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Machine(format!("cannot write to standard output: {error}")),
        }
    }
}
