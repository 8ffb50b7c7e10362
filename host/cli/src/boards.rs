//! `lpu boards`: the boards that bitstreams can be built for.

use super::Failure;
use super::output::{STRONG, json, paint};
use lpu_board::{Board, Family};
use serde::Serialize;
use std::io::Write;

/// List the supported boards.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu boards
  lpu boards --json")]
pub struct Arguments {
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Entry {
    board: String,
    title: String,
    revision: String,
    family: Family,
    part: String,
    geometry: String,
    clock_mhz: f64,
    usb: String,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let boards = Board::all()?;
    if arguments.json {
        let entry = |board: Board| Entry {
            board: board.name,
            title: board.title,
            revision: board.revision,
            family: board.device.family,
            part: board.device.part,
            geometry: board.geometry_name,
            clock_mhz: board.clocks.datapath_mhz,
            usb: board.programmer.usb,
        };
        return json(&boards.into_iter().map(entry).collect::<Vec<_>>());
    }
    let mut out = anstream::stdout();
    for board in boards {
        writeln!(out, "{}  {}, {}", paint(STRONG, &board.name), board.title, board.revision)?;
        writeln!(
            out,
            "  chip {} at {} MHz on {}; USB {} ({})",
            board.geometry_name,
            board.clocks.datapath_mhz,
            board.device.part,
            board.programmer.usb,
            board.programmer.usb_name
        )?;
    }
    Ok(())
}
