//! Serial ports of this machine.

use super::Line;
use lpu_sim::device::DeviceError;
use serialport::{ErrorKind, SerialPort, SerialPortType};
use std::io;
use std::time::{Duration, Instant};

/// USB vendor and product numbers of the boards' serial adapters.
const BOARDS: [(u16, u16, &str); 1] = [(0x0403, 0x6015, "ULX3S")];
/// How long sending may take; a port whose other side has gone takes nothing.
const SEND_MAX: Duration = Duration::from_secs(2);

/// An open port.
pub struct Port {
    port: Box<dyn SerialPort>,
    name: String,
    begin: Instant,
}

/// A port that looks like a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The port's name.
    pub port: String,
    /// The board's name.
    pub board: String,
}

/// Opens a port.
///
/// # Errors
/// It is missing, in use, or not for this user; says what to do.
pub fn open(name: &str, bits_per_second: u32) -> Result<Port, DeviceError> {
    let opened = serialport::new(name, bits_per_second).timeout(SEND_MAX).open();
    let port = opened.map_err(|error| DeviceError::Line(explain(name, &error)))?;
    Ok(Port { port, name: name.to_owned(), begin: Instant::now() })
}

fn explain(name: &str, error: &serialport::Error) -> String {
    let text = error.description.to_lowercase();
    if text.contains("permission") {
        format!(
            "no permission to open {name}: add yourself to its group (`sudo usermod -aG dialout $USER`), then log in again"
        )
    } else if text.contains("busy") || text.contains("lock") || text.contains("temporarily unavailable") {
        format!("{name} is in use by another program: close it (`fuser {name}` says which it is)")
    } else if matches!(error.kind, ErrorKind::NoDevice | ErrorKind::Io(io::ErrorKind::NotFound)) {
        format!("expected a serial port, found none called {name}: plug the board in, or name another port")
    } else if ["typewriter", "inappropriate ioctl", "is a directory"].iter().any(|words| text.contains(words))
    {
        format!(
            "expected a serial port, found {name}, which is none: `lpu devices` lists the ports of boards"
        )
    } else {
        format!("cannot open {name}: {error}")
    }
}

/// Ports whose USB numbers are those of a board.
///
/// # Errors
/// The system does not list its ports.
pub fn find() -> Result<Vec<Found>, DeviceError> {
    let ports = serialport::available_ports().map_err(|error| DeviceError::Line(error.to_string()))?;
    let board = |port: serialport::SerialPortInfo| {
        let SerialPortType::UsbPort(usb) = port.port_type else { return None };
        let (.., name) =
            BOARDS.into_iter().find(|&(vendor, product, _)| (vendor, product) == (usb.vid, usb.pid))?;
        let serial = usb.serial_number.map_or(String::new(), |number| format!(" {number}"));
        Some(Found { port: port.port_name, board: format!("{name}{serial}") })
    };
    Ok(ports.into_iter().filter_map(board).collect())
}

/// The one board among those found.
///
/// # Errors
/// There is none, or more than one: says how to name it.
pub fn only(found: &[Found]) -> Result<&str, DeviceError> {
    match found {
        [one] => Ok(&one.port),
        [] => Err(DeviceError::Line(
            "expected a board, found none: plug it in, or name its port with `--device serial:PORT`".into(),
        )),
        many => {
            let list: Vec<String> = many
                .iter()
                .map(|Found { port, board }| format!("`--device serial:{port}` ({board})"))
                .collect();
            Err(DeviceError::Line(format!(
                "expected one board, found {}: choose {}",
                many.len(),
                list.join(" or ")
            )))
        }
    }
}

impl Port {
    fn failed(&self, error: &io::Error) -> DeviceError {
        DeviceError::Line(format!("{}: {error}: check the cable, then run the command again", self.name))
    }
}

impl Line for Port {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.port.write_all(bytes).map_err(|error| self.failed(&error))
    }

    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        // A timeout of zero means for ever.
        self.port
            .set_timeout(wait.max(Duration::from_millis(1)))
            .map_err(|error| DeviceError::Line(format!("{}: {error}", self.name)))?;
        match self.port.read(bytes) {
            Ok(count) => Ok(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                Ok(0)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        self.port.flush().map_err(|error| self.failed(&error))?;
        self.port.set_baud_rate(bits_per_second).map_err(|error| {
            DeviceError::Line(format!("{}: {bits_per_second} bits per second: {error}", self.name))
        })
    }

    fn now(&mut self) -> Duration {
        self.begin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(port: &str) -> Found {
        Found { port: port.into(), board: "ULX3S".into() }
    }

    #[test]
    fn one_board_is_taken_none_and_two_are_explained() {
        assert_eq!(only(&[found("/dev/ttyUSB0")]), Ok("/dev/ttyUSB0"));
        let text = |found: &[Found]| only(found).expect_err("refused").to_string();
        assert_eq!(
            text(&[]),
            "the line to the device failed: expected a board, found none: plug it in, or name its port with `--device serial:PORT`"
        );
        assert_eq!(
            text(&[found("a"), found("b")]),
            "the line to the device failed: expected one board, found 2: choose `--device serial:a` (ULX3S) or `--device serial:b` (ULX3S)"
        );
    }

    #[test]
    fn failures_to_open_say_what_to_do() {
        let text = |kind, description: &str| explain("/dev/x", &serialport::Error::new(kind, description));
        assert!(text(ErrorKind::NoDevice, "No such file").contains("plug the board in"));
        assert_eq!(
            text(ErrorKind::Unknown, "Not a typewriter"),
            "expected a serial port, found /dev/x, which is none: `lpu devices` lists the ports of boards"
        );
        assert!(text(ErrorKind::Unknown, "Device or resource busy").contains("close it"));
        assert!(
            text(ErrorKind::Io(io::ErrorKind::PermissionDenied), "Permission denied").contains("dialout")
        );
    }
}
