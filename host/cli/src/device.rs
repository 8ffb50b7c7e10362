//! The machines that `--device` names, and how each is opened.

use super::output::progress;
use super::{DeviceKind, Failure, session};
use lpu_isa::host::HOST_WORD_BYTES;
use lpu_isa::image::Image;
use lpu_isa::link::RATE_DEFAULT;
use lpu_runtime::serial::{self, Line, Options, Recorder, SerialDevice};
use lpu_sim::device::Device;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where Linux keeps the ends of pseudo-terminals; no board is plugged in there.
const PSEUDO_TERMINALS: &str = "/dev/pts";
/// How long a board may be silent unless `patience` says otherwise: a simulated one is slow.
const PATIENCE_DEFAULT_SECONDS: f64 = 2.0;

/// The machines and boards that can execute a program.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceChoice {
    /// A machine inside this command.
    Inside(DeviceKind),
    /// The one board that is plugged in.
    Auto,
    /// A board on a serial port.
    Serial {
        /// The port's name.
        port: String,
        /// Bits per second; the fastest that the board can do, if it is none.
        baud: Option<u32>,
        /// Seconds that the board may be silent.
        patience: f64,
    },
}

impl DeviceChoice {
    /// Whether it only computes what a board would do: a device of this process, or a board that `lpu sim` keeps behind a pseudo-terminal.
    pub fn is_simulated(&self) -> bool {
        match self {
            Self::Inside(_) => true,
            Self::Serial { port, .. } => {
                Path::new(port).canonicalize().is_ok_and(|port| port.starts_with(PSEUDO_TERMINALS))
            }
            Self::Auto => false,
        }
    }

    /// Name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inside(kind) => kind.name(),
            Self::Auto | Self::Serial { .. } => "serial",
        }
    }

    /// Name in sentences.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Inside(kind) => kind.title(),
            Self::Auto | Self::Serial { .. } => "the board",
        }
    }
}

/// Reads `emu`, `rtl`, `netlist`, `auto`, or `serial:PORT` with `?baud=N&patience=SECONDS`.
pub fn parse(text: &str) -> Result<DeviceChoice, String> {
    let serial = match text {
        "emu" => return Ok(DeviceChoice::Inside(DeviceKind::Emu)),
        "rtl" => return Ok(DeviceChoice::Inside(DeviceKind::Rtl)),
        "netlist" => return Ok(DeviceChoice::Inside(DeviceKind::Netlist)),
        "auto" => return Ok(DeviceChoice::Auto),
        _ => text.strip_prefix("serial:"),
    };
    let refused = || {
        format!("expected emu, rtl, netlist, auto or serial:PORT[?baud=N&patience=SECONDS], found {text:?}")
    };
    let (port, settings) =
        serial.map(|rest| rest.split_once('?').unwrap_or((rest, ""))).ok_or_else(refused)?;
    if port.is_empty() {
        return Err(refused());
    }
    let (mut baud, mut patience) = (None, PATIENCE_DEFAULT_SECONDS);
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=') {
            Some(("baud", rate)) => baud = Some(rate.parse().map_err(|_| refused())?),
            Some(("patience", seconds)) => {
                patience = seconds
                    .parse()
                    .ok()
                    .filter(|found| (0.1..=3600.0).contains(found))
                    .ok_or_else(refused)?;
            }
            _ => return Err(refused()),
        }
    }
    Ok(DeviceChoice::Serial { port: port.to_owned(), baud, patience })
}

/// A device of the image's geometry, with nothing loaded; the traffic of a serial one is written to `record`.
pub fn make(choice: &DeviceChoice, image: &Image, record: Option<File>) -> Result<Box<dyn Device>, Failure> {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Serial { .. } => serial(choice, record),
        DeviceChoice::Inside(kind) if record.is_some() => Err(Failure::input(format!(
            "--record writes the traffic of a serial line; expected `--device serial:PORT` or `auto`, found `{}`",
            kind.name()
        ))),
        DeviceChoice::Inside(kind) => session::device(*kind, image),
    }
}

/// A board on a serial port.
fn serial(choice: &DeviceChoice, record: Option<File>) -> Result<Box<dyn Device>, Failure> {
    let (port, baud, patience) = match choice {
        DeviceChoice::Serial { port, baud, patience } => (port.clone(), *baud, *patience),
        _ => {
            let found = serial::find().map_err(Failure::machine)?;
            (serial::only(&found).map_err(Failure::input)?.to_owned(), None, PATIENCE_DEFAULT_SECONDS)
        }
    };
    let line = serial::open(&port, RATE_DEFAULT).map_err(Failure::input)?;
    let line: Box<dyn Line> = match record {
        Some(file) => Box::new(Recorder::new(line, BufWriter::new(file)).map_err(Failure::machine)?),
        None => Box::new(line),
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nonce = since.as_secs() as u32 ^ since.subsec_nanos();
    let options = Options { bits_per_second: baud, patience: Duration::from_secs_f64(patience), nonce };
    let mut device = SerialDevice::connect(line, &options).map_err(Failure::machine)?;
    let mut bar = None;
    device.on_progress(move |words, all| {
        let bar =
            bar.get_or_insert_with(|| progress(u64::from(all) * HOST_WORD_BYTES as u64, "loading", "bytes"));
        bar.set_position(u64::from(words) * HOST_WORD_BYTES as u64);
        if words == all {
            bar.finish_and_clear();
        }
    });
    Ok(Box::new(device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_with_their_settings() {
        assert_eq!(parse("emu"), Ok(DeviceChoice::Inside(DeviceKind::Emu)));
        assert_eq!(parse("netlist"), Ok(DeviceChoice::Inside(DeviceKind::Netlist)));
        assert_eq!(parse("auto"), Ok(DeviceChoice::Auto));
        let serial = |port: &str, baud, patience| DeviceChoice::Serial { port: port.into(), baud, patience };
        assert_eq!(parse("serial:/dev/ttyUSB0"), Ok(serial("/dev/ttyUSB0", None, 2.0)));
        assert_eq!(parse("serial:COM3?baud=921600&patience=20"), Ok(serial("COM3", Some(921_600), 20.0)));
        for bad in ["board", "serial:", "serial:x?baud=fast", "serial:x?speed=1", "serial:x?patience=0"] {
            assert_eq!(
                parse(bad),
                Err(format!(
                    "expected emu, rtl, netlist, auto or serial:PORT[?baud=N&patience=SECONDS], found {bad:?}"
                ))
            );
        }
    }
}
