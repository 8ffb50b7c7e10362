//! `lpu key`: a new key for `lpu serve`.

use super::Failure;
use super::output::{FAINT, STRONG, note, paint};
use lpu_host::serve::create_key;
use std::io::Write;

/// Make a key for `lpu serve --keys`.
///
/// The key itself goes to standard error, once: hand it to its holder. Its entry, which holds only a hash, goes to standard output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu key alice >> keys.toml
  lpu key bob --requests-per-day 1000 --tokens-per-day 100000 >> keys.toml")]
pub struct Arguments {
    /// Names the holder in logs and in the usage file.
    name: String,
    /// Requests of a day, at most.
    #[arg(long, value_name = "N")]
    requests_per_day: Option<u64>,
    /// Tokens of a day, prompts and answers, at most.
    #[arg(long, value_name = "N")]
    tokens_per_day: Option<u64>,
    /// Tokens of all days, at most.
    #[arg(long, value_name = "N")]
    tokens_quota: Option<u64>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { name, requests_per_day, tokens_per_day, tokens_quota } = arguments;
    let (secret, entry) = create_key(name, *requests_per_day, *tokens_per_day, *tokens_quota);
    writeln!(anstream::stdout(), "{}", entry.trim_end())?;
    note(format!("{} {}", paint(STRONG, &secret), paint(FAINT, "(shown this once)")));
    Ok(())
}
