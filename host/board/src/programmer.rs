//! openFPGALoader: puts a bitstream, and a program beside it, into a board, and says in words what stands in the way.

use super::machine::{install_rule, udev_rule};
use super::{Board, Error, Found, Tool, Tools};
use lpu_isa::soc::FLASH_PROGRAM;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What to load, and where to.
#[derive(Clone, Debug)]
pub struct FlashRequest {
    pub board: Board,
    pub bitstream: PathBuf,
    /// Into the flash, from which the board starts at power-on; else into the FPGA until power-off.
    pub permanent: bool,
    /// Serial number of the board's programmer, if there is a choice.
    pub serial_number: Option<String>,
    /// A program for the flash, which the board loads when it starts ([`lpu_runtime::serial::stored_program`]).
    pub program: Option<PathBuf>,
}

/// Loads a board, and gives the name of the program that did it.
pub fn flash(request: &FlashRequest, tools: &Tools) -> Result<String, Error> {
    let size = size_of(request, &request.bitstream)?;
    let loader = tools.find(Tool::OpenFpgaLoader)?;
    check_room(request, size)?;
    let place = if request.permanent { "--write-flash" } else { "--write-sram" };
    write(request, &loader, &[place], &request.bitstream)?;
    if let Some(program) = &request.program {
        // Last, since the board starts anew after it.
        write(request, &loader, &["--write-flash", "--offset", &FLASH_PROGRAM.to_string()], program)?;
    }
    Ok(loader.name())
}

/// The flash holds the bitstream from zero on, and a program from its own place on.
fn check_room(request: &FlashRequest, bitstream_bytes: u64) -> Result<(), Error> {
    let (board, flash_bytes) = (&request.board.name, request.board.programmer.flash_bytes);
    let (room, what) = match request.program {
        Some(_) => (u64::from(FLASH_PROGRAM), "the place before the program"),
        None => (flash_bytes, "the flash"),
    };
    if request.permanent && bitstream_bytes > room {
        return Err(Error::Input(format!(
            "{} has {bitstream_bytes} bytes; expected at most {room}, {what} of {board}",
            request.bitstream.display()
        )));
    }
    let Some(program) = &request.program else { return Ok(()) };
    let (bytes, room) = (size_of(request, program)?, flash_bytes.saturating_sub(FLASH_PROGRAM.into()));
    if bytes > room {
        return Err(Error::Input(format!(
            "the program has {bytes} bytes; expected at most {room}, what the flash of {board} has behind the bitstream's place"
        )));
    }
    Ok(())
}

/// Has openFPGALoader write a file.
fn write(request: &FlashRequest, loader: &Found, place: &[&str], file: &Path) -> Result<(), Error> {
    let output = loader
        .command(Path::new("."))
        .args(["--board", &request.board.programmer.board])
        .args(request.serial_number.iter().flat_map(|number| ["--ftdi-serial", number]))
        .args(place)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Input(format!("{} does not start: {error}", loader.path.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(explain(&request.board, &String::from_utf8_lossy(&said)))
}

/// The bitstream's size, if it is one.
fn size_of(request: &FlashRequest, path: &Path) -> Result<u64, Error> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        Error::Input(format!(
            "cannot read the bitstream {}: {error}. Make it with `lpu build --board {}`, or name one with --bitstream",
            path.display(),
            request.board.name
        ))
    })?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Err(Error::Input(format!(
            "{} is no bitstream; expected a file made by `lpu build --board {}`",
            path.display(),
            request.board.name
        )));
    }
    Ok(metadata.len())
}

/// What openFPGALoader's words mean, and what to do.
fn explain(board: &Board, said: &str) -> Error {
    let (vendor, product) = board.usb_id().expect("checked when the description was read");
    let (name, bridge) = (&board.title, &board.programmer.usb_name);
    let has = |words: &[&str]| words.iter().any(|word| said.to_lowercase().contains(word));
    // Codes of libftdi and libusb stand in its messages.
    if has(&["device not found", "no device found", "cable not found"]) {
        return Error::Input(format!(
            "expected {name} on USB ({bridge}, {vendor:04x}:{product:04x}), found none: plug it in, check the cable, and see \
             `lpu devices`"
        ));
    }
    if has(&["permission", "usb_open() failed", "access denied"]) {
        return Error::Input(format!(
            "you may not use {name} on USB ({bridge}, {vendor:04x}:{product:04x}). Let your user at it with\n{}\nthen plug it in again; \
             `lpu doctor` checks",
            install_rule(&udev_rule(vendor, product))
        ));
    }
    if has(&["unable to claim", "resource busy", "device or resource busy"]) {
        return Error::Input(format!(
            "{name} is in use by another program: close what has its serial port or USB device open, and run the command again"
        ));
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let words = lines[lines.len().saturating_sub(6)..].join("\n  ");
    Error::Failed(format!(
        "openFPGALoader failed; it said:\n  {words}\nplug the board in again and run the command again"
    ))
}
