//! `lpu devices`: boards that are plugged in, and their serial ports.

use super::Failure;
use super::output::{BAD, STRONG, json, note, paint};
use lpu_board::{Attached, Computer, SerialPort};
use serde::Serialize;
use std::io::Write;

/// List the boards that are plugged in.
///
/// Boards are recognised by their USB bridge. If several known boards have the same bridge, all of them are listed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu devices
  lpu devices --json")]
pub struct Arguments {
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    boards: Vec<Attached>,
    serial_ports: Vec<SerialPort>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let computer = Computer::this();
    let report = Report { boards: computer.attached()?, serial_ports: computer.serial_ports().to_vec() };
    if arguments.json {
        return json(&report);
    }
    if report.boards.is_empty() {
        note("no board is plugged in; expected one of `lpu boards` on USB. If one is, run `lpu doctor`");
    }
    let mut out = anstream::stdout();
    for Attached { board, title, usb, port } in &report.boards {
        writeln!(
            out,
            "{}  {title}, USB {:04x}:{:04x} {}",
            paint(STRONG, board),
            usb.vendor,
            usb.product,
            usb.name
        )?;
        let may = |usable: bool| {
            if usable { String::new() } else { format!(", {}", paint(BAD, "permission denied")) }
        };
        if let Some(number) = &usb.serial_number {
            writeln!(out, "  number     {number}")?;
        }
        writeln!(out, "  programmer {}{}", usb.node.display(), may(usb.usable))?;
        match port {
            Some(port) => writeln!(out, "  serial     {}{}", port.path, may(port.usable))?,
            None => writeln!(out, "  serial     none")?,
        }
    }
    if report
        .boards
        .iter()
        .any(|found| !found.usb.usable || found.port.as_ref().is_some_and(|port| !port.usable))
    {
        note("`lpu doctor` shows how to get permission");
    }
    Ok(())
}
