//! `lpu check`: the verifier's verdict on an image.

use super::output::{GOOD, grouped, json, paint, spinner};
use super::{Failure, source};
use lpu_verifier::verify;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Check that a program image obeys every rule of the instruction set.
///
/// Every position of the context is checked, by a verifier that shares no code with the compiler.
///
/// Exit codes: 0 if the program is legal, 2 if it is not.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu check stories.lpu
  lpu check stories.lpu --json")]
pub struct Arguments {
    /// An image made by `lpu compile`.
    file: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    legal: bool,
    /// The broken rule, when there is one.
    violation: Option<String>,
    geometry: &'static str,
    isa_hash: String,
    context: u32,
    instructions: usize,
    issues: u64,
    reads: u64,
    writes: u64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let image = source::read_image(&arguments.file)?;
    let bar = spinner("checking");
    let verdict = verify(&image);
    bar.finish_and_clear();
    let violation =
        verdict.as_ref().err().map(|violation| format!("{}: {violation}", arguments.file.display()));
    let found = verdict.unwrap_or_default();
    if arguments.json {
        json(&Report {
            legal: violation.is_none(),
            violation: violation.clone(),
            geometry: image.geometry.name,
            isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH),
            context: image.model.context,
            instructions: found.instructions,
            issues: found.issues,
            reads: found.reads,
            writes: found.writes,
        })?;
    }
    if let Some(violation) = violation {
        return Err(Failure::Input(violation));
    }
    if !arguments.json {
        writeln!(
            anstream::stdout(),
            "{}: {} instructions, {} issues, {} reads and {} writes at {} positions obey every rule",
            paint(GOOD, "legal"),
            found.instructions,
            grouped(found.issues),
            grouped(found.reads),
            grouped(found.writes),
            image.model.context,
        )?;
    }
    Ok(())
}
