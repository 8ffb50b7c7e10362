//! `lpu doctor`: what is missing between this computer and a running board, and the commands that install it.

use super::Failure;
use super::output::{BAD, FAINT, GOOD, json, paint};
use lpu_board::{Attached, Board, Computer, Tool, Tools, machine};
use serde::Serialize;
use std::io::Write;

/// Check tools, USB devices, serial ports and permissions.
///
/// Prints the command that installs what is missing. Exit codes: 0 if nothing is missing, 2 if something is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu doctor
  lpu doctor --json")]
pub struct Arguments {
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    what: String,
    good: bool,
    found: String,
    /// What to do; empty if nothing is to be done.
    next: String,
}

impl Check {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), good: true, found: found.into(), next: String::new() }
    }

    fn bad(what: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), good: false, found: found.into(), next: next.into() }
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut checks: Vec<Check> =
        Tool::ALL.into_iter().map(|tool| check_tool(&Tools::of_user(), tool)).collect();
    checks.extend(check_boards(&Computer::this().attached()?)?);
    let missing = checks.iter().filter(|check| !check.good).count();
    if arguments.json {
        json(&checks)?;
    } else {
        print(&checks)?;
    }
    match missing {
        0 => Ok(()),
        1 => Err(Failure::input("1 problem found: the lines after it say what to do")),
        _ => Err(Failure::input(format!("{missing} problems found: the lines after each say what to do"))),
    }
}

fn check_tool(tools: &Tools, tool: Tool) -> Check {
    match tools.find(tool) {
        Ok(found) => {
            let other = match tool.pinned() {
                Some(pinned) if !found.version.starts_with(pinned) => {
                    format!(" (results are quoted for {pinned}; get it with: {})", tool.install())
                }
                _ => String::new(),
            };
            Check::good(tool.purpose(), format!("{} at {}{other}", found.name(), found.path.display()))
        }
        Err(error) => {
            let words = error.to_string();
            let (found, next) = words.split_once(". Install it with\n  ").unwrap_or((&words, ""));
            Check::bad(tool.purpose(), found, next)
        }
    }
}

fn check_boards(attached: &[Attached]) -> Result<Vec<Check>, Failure> {
    let mut checks = vec![];
    if attached.is_empty() {
        let usb: Vec<String> =
            Board::all()?.iter().map(|board| format!("{} ({})", board.programmer.usb, board.name)).collect();
        let found = format!("none; looked on USB for {}", usb.join(", "));
        checks.push(Check::bad(
            "board",
            found,
            "plug it in with a cable that carries data, then run `lpu devices`",
        ));
    }
    for Attached { board, usb, port, .. } in attached {
        let node = usb.node.display().to_string();
        checks.push(match usb.usable {
            true => Check::good(format!("{board}: programmer"), node),
            false => {
                let rule = machine::udev_rule(usb.vendor, usb.product);
                let next = format!(
                    "{}\nthen log in again and plug the board in again",
                    machine::install_rule(&rule)
                );
                Check::bad(format!("{board}: programmer"), format!("{node}, which you may not use"), next)
            }
        });
        let what = format!("{board}: serial port");
        checks.push(match port {
            Some(port) if port.usable => Check::good(what, &port.path),
            Some(port) => {
                let next = format!("{}\nthen log in again", machine::JOIN_SERIAL_GROUP);
                Check::bad(what, format!("{}, which you may not use", port.path), next)
            }
            None => Check::bad(what, "none", "sudo modprobe ftdi_sio\nthen plug the board in again"),
        });
    }
    Ok(checks)
}

fn print(checks: &[Check]) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    for check in checks {
        let mark = if check.good { paint(GOOD, "good   ") } else { paint(BAD, "missing") };
        writeln!(out, "{mark}  {}: {}", check.what, check.found)?;
        for line in check.next.lines() {
            writeln!(out, "         {}", paint(FAINT, line))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_board::{SerialPort, UsbDevice};

    fn attached(usable: bool) -> Attached {
        Attached {
            board: "ulx3s-85f".into(),
            title: "ULX3S".into(),
            usb: UsbDevice {
                vendor: 0x0403,
                product: 0x6015,
                name: "ULX3S FPGA".into(),
                node: "/dev/bus/usb/001/007".into(),
                serial_number: None,
                usable,
            },
            port: Some(SerialPort {
                path: "/dev/ttyUSB0".into(),
                vendor: 0x0403,
                product: 0x6015,
                serial_number: None,
                usable,
            }),
        }
    }

    #[test]
    fn what_is_not_allowed_comes_with_the_commands_that_allow_it() {
        let checks = check_boards(&[attached(false)]).unwrap();
        assert_eq!(checks[0].found, "/dev/bus/usb/001/007, which you may not use");
        assert_eq!(
            checks[0].next,
            "echo 'SUBSYSTEM==\"usb\", ATTR{idVendor}==\"0403\", ATTR{idProduct}==\"6015\", MODE=\"0660\", GROUP=\"plugdev\", \
             TAG+=\"uaccess\"' | sudo tee /etc/udev/rules.d/70-lpu.rules\n\
             sudo udevadm control --reload && sudo udevadm trigger\n\
             sudo usermod -aG plugdev $USER\n\
             then log in again and plug the board in again"
        );
        assert_eq!(checks[1].next, "sudo usermod -aG dialout $USER\nthen log in again");
    }

    #[test]
    fn what_is_allowed_is_good() {
        assert!(check_boards(&[attached(true)]).unwrap().iter().all(|check| check.good));
    }

    #[test]
    fn no_board_is_said_with_the_ids_that_were_looked_for() {
        let checks = check_boards(&[]).unwrap();
        assert!(checks[0].found.contains("0403:6015 (ulx3s-85f)"), "{checks:?}");
    }
}
