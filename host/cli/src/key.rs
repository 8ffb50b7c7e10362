//! `lpu key`: a new key for `lpu serve`.

use super::Failure;
use super::number::whole;
use super::output::{FAINT, STRONG, note, paint};
use lpu_serve::create_key;
use std::io::Write;

/// Create an API key for `lpu serve --keys`.
///
/// The key is shown once, on standard error: give it to the user. The entry for the file of keys, which holds only a hash of it,
/// goes to standard output.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu key alice >> keys.toml
  lpu key bob --requests-per-day 1000 --tokens-per-day 100000 >> keys.toml")]
pub struct Arguments {
    /// Name of the user, in logs and in the usage file.
    name: String,
    /// Maximum number of requests a day.
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0))]
    requests_per_day: Option<u64>,
    /// Maximum number of tokens a day, prompts and answers together.
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0))]
    tokens_per_day: Option<u64>,
    /// Maximum number of tokens in total.
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0))]
    tokens_quota: Option<u64>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { name, requests_per_day, tokens_per_day, tokens_quota } = arguments;
    let (secret, entry) = create_key(name, *requests_per_day, *tokens_per_day, *tokens_quota);
    writeln!(anstream::stdout(), "{}", entry.trim_end())?;
    note(format!("{} {}", paint(STRONG, &secret), paint(FAINT, "(shown this once)")));
    Ok(())
}
