//! openFPGALoader: puts a bitstream into a board, and says in words what stands in the way.

use super::machine::{install_rule, udev_rule};
use super::{Board, Error, Tool, Tools};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What to load, and where to.
#[derive(Clone, Debug)]
pub struct FlashRequest {
    pub board: Board,
    pub bitstream: PathBuf,
    /// Into the flash, from which the board starts at power-on; else into the FPGA until power-off.
    pub permanent: bool,
}

/// Loads a board, and gives the name of the program that did it.
pub fn flash(request: &FlashRequest, tools: &Tools) -> Result<String, Error> {
    let size = check(request)?;
    let loader = tools.find(Tool::OpenFpgaLoader)?;
    let flash_bytes = request.board.programmer.flash_bytes;
    if request.permanent && size > flash_bytes {
        return Err(Error::Input(format!(
            "{} has {size} bytes; expected at most {flash_bytes}, the flash of {}",
            request.bitstream.display(),
            request.board.name
        )));
    }
    let place = if request.permanent { "--write-flash" } else { "--write-sram" };
    let output = loader
        .command(Path::new("."))
        .args(["--board", &request.board.programmer.board, place])
        .arg(&request.bitstream)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Input(format!("{} does not start: {error}", loader.path.display())))?;
    if output.status.success() {
        return Ok(loader.name());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(explain(&request.board, &String::from_utf8_lossy(&said)))
}

/// The bitstream's size, if it is one.
fn check(request: &FlashRequest) -> Result<u64, Error> {
    let path = &request.bitstream;
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
