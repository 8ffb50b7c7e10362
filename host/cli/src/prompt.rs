//! Where the text comes from that a model continues: an argument, a file, or a pipe.

use super::Failure;
use super::output::note;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How long a pipe that nobody named may stay silent: scripts often leave one open that will never carry anything.
const PATIENCE_SECONDS: i64 = 3;
/// More than any context holds.
const BYTES_MAX: u64 = 16 << 20;
const STANDARD_INPUT: &str = "-";

/// The text that the model continues.
#[derive(clap::Args)]
pub struct PromptArguments {
    /// Text that the model continues; - reads it from standard input, as a pipe does without this option.
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_file", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Read the text that the model continues from a file, or from standard input if it is -.
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
}

impl PromptArguments {
    /// Reads the text. One line break at its end belongs to the file or to `echo`, not to the text.
    pub fn read(&self) -> Result<String, Failure> {
        match (&self.prompt, &self.prompt_file) {
            (Some(text), _) if text != STANDARD_INPUT => Ok(text.clone()),
            (_, Some(file)) if file != Path::new(STANDARD_INPUT) => {
                let opened = File::open(file).map_err(|error| Failure::unreadable(file, &error))?;
                text_of(opened, file)
            }
            (None, None) if !is_piped() => Ok(String::new()),
            _ => text_of(io::stdin().lock(), Path::new("standard input")),
        }
    }
}

/// Whether standard input is a file or a pipe that carries something, or has come to its end.
fn is_piped() -> bool {
    let stdin = io::stdin();
    let kind = fstat(&stdin).map(|found| FileType::from_raw_mode(found.st_mode));
    match kind {
        Ok(FileType::RegularFile) => true,
        Ok(FileType::Fifo | FileType::Socket) => {
            let wait = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
            let carries = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&wait)) != Ok(0);
            if !carries {
                note(format!(
                    "nothing came from standard input within {PATIENCE_SECONDS} s: running without a prompt. To wait for \
                     one, use --prompt-file -"
                ));
            }
            carries
        }
        _ => false,
    }
}

fn text_of(source: impl Read, name: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    source.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| Failure::unreadable(name, &error))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failure::input(format!(
            "{} is longer than {BYTES_MAX} bytes; expected a prompt",
            name.display()
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| Failure::not_utf8(name, error.as_bytes()))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_left_out() {
        let text = |bytes: &[u8]| text_of(bytes, Path::new("p"));
        for (bytes, expected) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("\n", ""), ("", "")]
        {
            assert_eq!(text(bytes.as_bytes()).ok().as_deref(), Some(expected));
        }
        let Err(Failure::Input(words)) = text(b"ab\xff") else { panic!("accepted") };
        assert_eq!(words, "p is not UTF-8 from byte 2 on; expected a text");
    }
}
