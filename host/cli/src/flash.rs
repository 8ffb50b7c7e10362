//! `lpu flash`: a bitstream onto a board.

use super::output::{GOOD, json, paint, spinner};
use super::{Failure, source};
use lpu_board::{Board, Computer, FlashRequest, Tools, machine};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// File of a model's program, as the flash holds it, beside the bitstream.
const PROGRAM: &str = "program.bin";

/// Load a bitstream onto a board.
///
/// By default the bitstream is loaded into the FPGA and lost at power-off; --permanent writes it to the flash memory from which the
/// board starts. --with writes a model beside it, which the board then loads at power-on and serves over its serial port.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu flash --board ulx3s-85f
  lpu flash --board ulx3s-85f --permanent
  lpu flash --board ulx3s-85f --with stories260K.bin
  lpu flash --board ulx3s-85f --serial D00084
  lpu flash --board ulx3s-85f --bitstream other.bit --json")]
pub struct Arguments {
    /// Name of the board (see `lpu boards`), or a folder that describes one.
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Serial number of the board, if several are plugged in (see `lpu devices`).
    #[arg(long, value_name = "NUMBER")]
    serial: Option<String>,
    /// Write the flash memory, so that the board starts with this bitstream.
    #[arg(long)]
    permanent: bool,
    /// Also write a model; both go to the flash memory.
    #[arg(long = "with", value_name = "MODEL")]
    stored: Option<PathBuf>,
    /// Bitstream [default: the latest one of `lpu build` for this board].
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
    /// Of the board, where it was chosen by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    /// Bytes of the model's program in the flash.
    #[serde(skip_serializing_if = "Option::is_none")]
    program_bytes: Option<usize>,
    seconds: f64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let board = Board::find(&arguments.board)?;
    let serial_number =
        machine::choose(&board, &Computer::this().usb_devices(), arguments.serial.as_deref())?;
    let bitstream = match &arguments.bitstream {
        Some(file) => file.clone(),
        None => lpu_board::Store::default_root()?.join(&board.name).join(lpu_board::BITSTREAM),
    };
    let stored =
        arguments.stored.as_ref().map(|model| source::stored(model, board.geometry())).transpose()?;
    let publish = |bytes: &Vec<u8>| {
        lpu_board::Store::open(&lpu_board::Store::default_root()?)?.publish(&board.name, PROGRAM, bytes)
    };
    let request = FlashRequest {
        board: board.clone(),
        bitstream: bitstream.clone(),
        serial_number: serial_number.clone(),
        permanent: arguments.permanent || stored.is_some(),
        program: stored.as_ref().map(publish).transpose()?,
    };
    let begin = Instant::now();
    let bar = spinner(format!("loading {}", board.name));
    let result = lpu_board::flash(&request, &Tools::of_user());
    bar.finish_and_clear();
    let programmer = result?;
    let memory = if request.permanent { "flash" } else { "ram" };
    let program_bytes = stored.map(|bytes| bytes.len());
    let seconds = begin.elapsed().as_secs_f64();
    if arguments.json {
        let board = board.name;
        return json(&Report { board, bitstream, memory, programmer, serial_number, program_bytes, seconds });
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
