//! `lpu flash`: a bitstream onto a board.

use super::output::{GOOD, json, paint, spinner};
use super::{Failure, source};
use lpu_host::board::{self, Board, FlashRequest, Tools};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// File of a model's program, as the flash holds it, beside the bitstream.
const PROGRAM: &str = "program.bin";

/// Load a bitstream onto a board.
///
/// It goes into the FPGA and is gone at power-off, unless --permanent says to write the flash from which the board starts. With a
/// model, both are written there: the board then loads the model by itself and serves it over its serial line.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu flash --board ulx3s-85f
  lpu flash --board ulx3s-85f --permanent
  lpu flash --board ulx3s-85f --with stories260K.bin
  lpu flash --board ulx3s-85f --bitstream other.bit --json")]
pub struct Arguments {
    /// A board's name (see `lpu boards`), or its folder.
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Write the board's flash: the bitstream starts at every power-on.
    #[arg(long)]
    permanent: bool,
    /// Write this model beside the bitstream, and both into the board's flash.
    #[arg(long = "with", value_name = "MODEL")]
    stored: Option<PathBuf>,
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
    /// Bytes of the model's program in the flash.
    #[serde(skip_serializing_if = "Option::is_none")]
    program_bytes: Option<usize>,
    seconds: f64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let board = Board::find(&arguments.board)?;
    let bitstream = match &arguments.bitstream {
        Some(file) => file.clone(),
        None => board::Store::default_root()?.join(&board.name).join(board::BITSTREAM),
    };
    let stored =
        arguments.stored.as_ref().map(|model| source::stored(model, board.geometry())).transpose()?;
    let publish = |bytes: &Vec<u8>| {
        board::Store::open(&board::Store::default_root()?)?.publish(&board.name, PROGRAM, bytes)
    };
    let request = FlashRequest {
        board: board.clone(),
        bitstream: bitstream.clone(),
        permanent: arguments.permanent || stored.is_some(),
        program: stored.as_ref().map(publish).transpose()?,
    };
    let begin = Instant::now();
    let bar = spinner(format!("loading {}", board.name));
    let result = board::flash(&request, &Tools::of_user());
    bar.finish_and_clear();
    let programmer = result?;
    let memory = if request.permanent { "flash" } else { "ram" };
    let program_bytes = stored.map(|bytes| bytes.len());
    let seconds = begin.elapsed().as_secs_f64();
    if arguments.json {
        return json(&Report { board: board.name, bitstream, memory, programmer, program_bytes, seconds });
    }
    let lasts = match (&arguments.stored, arguments.permanent) {
        (Some(model), _) => {
            format!("in its flash with {}: it serves that model at every power-on", model.display())
        }
        (None, true) => "in its flash: it starts at every power-on".into(),
        (None, false) => "until power-off; --permanent keeps it".to_owned(),
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
