//! `lpu flash`: a bitstream onto a board.

use super::Failure;
use super::output::{GOOD, json, paint, spinner};
use lpu_host::board::{self, Board, FlashRequest, Tools};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Load a bitstream onto a board.
///
/// It goes into the FPGA and is gone at power-off, unless --permanent says to write the flash from which the board starts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu flash --board ulx3s-85f
  lpu flash --board ulx3s-85f --permanent
  lpu flash --board ulx3s-85f --bitstream other.bit --json")]
pub struct Arguments {
    /// A board's name (see `lpu boards`), or its folder.
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Write the board's flash: the bitstream starts at every power-on.
    #[arg(long)]
    permanent: bool,
    /// Bitstream [default: the one that `lpu build` made last for this board].
    #[arg(long, value_name = "FILE")]
    bitstream: Option<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    board: String,
    bitstream: PathBuf,
    /// `ram` or `flash`.
    memory: &'static str,
    programmer: String,
    seconds: f64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let board = Board::find(&arguments.board)?;
    let bitstream = match &arguments.bitstream {
        Some(file) => file.clone(),
        None => board::Store::default_root()?.join(&board.name).join(board::BITSTREAM),
    };
    let request =
        FlashRequest { board: board.clone(), bitstream: bitstream.clone(), permanent: arguments.permanent };
    let begin = Instant::now();
    let bar = spinner(format!("loading {}", board.name));
    let result = board::flash(&request, &Tools::of_user());
    bar.finish_and_clear();
    let programmer = result?;
    let memory = if arguments.permanent { "flash" } else { "ram" };
    let seconds = begin.elapsed().as_secs_f64();
    if arguments.json {
        return json(&Report { board: board.name, bitstream, memory, programmer, seconds });
    }
    let lasts = match arguments.permanent {
        true => "in its flash: it starts at every power-on",
        false => "until power-off; --permanent keeps it",
    };
    writeln!(
        anstream::stdout(),
        "{} {} with {}, {lasts}",
        paint(GOOD, "loaded"),
        board.name,
        bitstream.display()
    )?;
    Ok(())
}
