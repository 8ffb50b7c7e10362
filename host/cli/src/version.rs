//! `lpu version`: what this build is and can do.

use super::Failure;
use super::output::{STRONG, json, paint};
use lpu_isa::Geometry;
use lpu_isa::instruction::ISA_HASH;
use lpu_isa::link;
use serde::Serialize;
use std::io::Write;

/// Show version, instruction set and features of this build.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu version
  lpu version --json")]
pub struct Arguments {
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    /// Hash of the instruction set: images and boards must have the same.
    isa_hash: String,
    /// Version of the protocol between host and board.
    link_version: u8,
    geometries: Vec<&'static str>,
    /// Features of the build.
    features: Vec<&'static str>,
    /// Whether the build is optimised.
    optimised: bool,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let features = [
        ("fpga", cfg!(feature = "fpga")),
        ("rtl", cfg!(feature = "rtl")),
        ("waves", cfg!(feature = "waves")),
    ];
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        isa_hash: format!("{ISA_HASH:016x}"),
        link_version: link::VERSION,
        geometries: Geometry::known().map(|geometry| geometry.name).collect(),
        features: features.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect(),
        optimised: !cfg!(debug_assertions),
    };
    if arguments.json {
        return json(&report);
    }
    let features = if report.features.is_empty() { "none".into() } else { report.features.join(", ") };
    let build = if report.optimised { "release" } else { "development" };
    writeln!(
        anstream::stdout(),
        "{} {}\nisa        {}\nlink       version {}\nchips      {}\nfeatures   {features}\nbuild      {build}",
        paint(STRONG, "lpu"),
        report.version,
        report.isa_hash,
        report.link_version,
        report.geometries.join(", "),
    )?;
    Ok(())
}
