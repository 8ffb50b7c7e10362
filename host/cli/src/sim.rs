//! `lpu sim`: a whole board in simulation, behind a pseudo-terminal.
//!
//! ```text
//!  lpu run --device serial:/dev/pts/N ─► terminal ─► this loop ─► board: Verilated, or native
//! ```

use super::number::{whole, whole_between};
use super::output::note;
use super::{Failure, source};
use lpu_isa::Geometry;
use lpu_sim::board::{Flash, NativeBoard, SimulatedBoard};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A clock at which the line carries its first bytes at nearly the most that a receiver can follow, since simulated cycles are dear.
const CLOCK_MHZ: u32 = 2;
/// Time that passes on a board in one turn of the loop.
const TURN_CYCLES: u32 = 2_000;
/// Turns without a byte after which the loop waits for the terminal, since a board that listens changes nothing.
const QUIET_TURNS: u32 = 200;
/// How long it waits then.
const QUIET_WAIT: Duration = Duration::from_millis(5);
/// Bytes taken from the terminal at once.
const READ_BYTES: usize = 1024;

/// Simulate a whole board behind a pseudo-terminal.
///
/// The first line of output is the path of the pseudo-terminal, which any program can open like the serial port of a board.
/// `--device rtl` simulates the Verilog of the bitstream, with the firmware on its soft core; `--device emu` runs the firmware
/// natively on top of the emulator, which is much faster. The simulation runs until Ctrl-C.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu sim --board nano
  lpu sim --board ulx3s-85f --device emu
  lpu sim --board ulx3s-85f --with stories260K.bin
  lpu run stories260K.bin --device serial:/dev/pts/3?patience=60")]
pub struct Arguments {
    /// Board to simulate.
    #[arg(long, value_name = "NAME", value_parser = board)]
    board: Geometry,
    /// How the board is simulated [default: rtl if this `lpu` was built with it, else emu].
    #[arg(long, value_name = "DEVICE")]
    device: Option<Made>,
    /// Clock frequency in MHz that the firmware of the Verilated board assumes. The ULX3S runs at 50; a lower one needs fewer
    /// simulated cycles for each byte on the serial line.
    #[arg(long, value_name = "MHZ", default_value_t = CLOCK_MHZ, value_parser = whole_between::<u32>(2, 100))]
    clock: u32,
    /// Model in the board's flash memory, which the board loads when it starts.
    #[arg(long = "with", value_name = "MODEL")]
    stored: Option<PathBuf>,
    /// Stop after this many seconds [default: run until Ctrl-C].
    #[arg(long, value_name = "SECONDS", value_parser = whole::<u64>(0))]
    seconds: Option<u64>,
}

/// What a simulated board is made of.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Made {
    /// The firmware compiled for this computer, on top of the emulator.
    Emu,
    /// The Verilog of the bitstream, with the firmware on its soft core.
    Rtl,
}

fn board(name: &str) -> Result<Geometry, String> {
    let names = || Geometry::ALL.map(|geometry| geometry.name).join(" or ");
    Geometry::by_name(name).ok_or_else(|| format!("expected {}, found {name:?}", names()))
}

/// Lets some time pass: the board takes bytes that fit, and gives bytes that came.
fn turn(board: &mut dyn SimulatedBoard, to_board: &mut VecDeque<u8>, from_board: &mut Vec<u8>) {
    // As many bytes as the receiver's queue holds; the firmware has its turn before the next.
    for byte in to_board.drain(..to_board.len().min(64)) {
        board.receive(byte);
    }
    board.step(TURN_CYCLES);
    from_board.extend(std::iter::from_fn(|| board.sent()));
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (mut board, made_of) = make(arguments)?;
    let (near, far, path) =
        terminal().map_err(|error| Failure::machine(format!("no pseudo-terminal: {error}")))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{path}")?;
    out.flush()?;
    note(format!(
        "a simulated {} listens there, {made_of}; run a model with --device serial:{path}?patience=60",
        arguments.board.name
    ));
    let end = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut to_board, mut from_board, mut quiet) = (VecDeque::new(), Vec::new(), 0);
    let broken = |error: Errno| Failure::machine(format!("the pseudo-terminal failed: {error}"));
    while end.is_none_or(|end| Instant::now() < end) {
        if to_board.len() < READ_BYTES {
            let wait = if quiet > QUIET_TURNS { QUIET_WAIT } else { Duration::ZERO };
            take(&near, wait, &mut to_board).map_err(broken)?;
            // Read after the bytes, so that no byte meets an older rate than the one it was sent at.
            board.set_rate(tcgetattr(&far).map_err(broken)?.input_speed());
        }
        let is_quiet = !board.is_busy() && to_board.is_empty() && from_board.is_empty();
        quiet = if is_quiet { quiet + 1 } else { 0 };
        turn(&mut *board, &mut to_board, &mut from_board);
        give(&near, &mut from_board).map_err(broken)?;
    }
    Ok(())
}

/// The board, and what it is made of.
fn make(arguments: &Arguments) -> Result<(Box<dyn SimulatedBoard>, &'static str), Failure> {
    let stored = arguments.stored.as_ref().map(|model| source::stored(model, arguments.board)).transpose()?;
    let flash = Flash::new(&stored.unwrap_or_default());
    let wanted = if cfg!(feature = "rtl") { Made::Rtl } else { Made::Emu };
    match arguments.device.unwrap_or(wanted) {
        Made::Emu => {
            let board = Box::new(NativeBoard::with_flash(arguments.board, flash));
            Ok((board, "its firmware on this machine, its chip emulated"))
        }
        Made::Rtl => {
            let clock_hz = arguments.clock * 1_000_000;
            let board = verilated(&arguments.board, flash, clock_hz)?;
            Ok((board, "the Verilog of its bitstream, its firmware on the soft core"))
        }
    }
}

#[cfg(feature = "rtl")]
fn verilated(chip: &Geometry, flash: Flash, clock_hz: u32) -> Result<Box<dyn SimulatedBoard>, Failure> {
    let board = lpu_sim::board::RtlBoard::with_clock(chip, flash, clock_hz).ok_or_else(|| {
        Failure::input(format!(
            "this `lpu` was built without the Verilated board of `{0}`; expected `--device emu`. To have it, build with \
             LPU_BOARD_GEOMETRY unset or naming `{0}`",
            chip.name
        ))
    })?;
    Ok(Box::new(board))
}

#[cfg(not(feature = "rtl"))]
fn verilated(_: &Geometry, _: Flash, _: u32) -> Result<Box<dyn SimulatedBoard>, Failure> {
    Err(super::session::without_rtl())
}

/// Both ends of a pseudo-terminal that changes no byte, and its path. The far end stays open here, so that programs may
/// come and go.
fn terminal() -> Result<(OwnedFd, OwnedFd, String), Errno> {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&near)?;
    unlockpt(&near)?;
    let path = ptsname(&near, Vec::new())?.to_string_lossy().into_owned();
    let far = open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    let mut settings = tcgetattr(&far)?;
    settings.make_raw();
    settings.set_speed(lpu_isa::link::RATE_DEFAULT)?;
    tcsetattr(&far, OptionalActions::Now, &settings)?;
    Ok((near, far, path))
}

/// Takes what the terminal has, waiting at most `wait`.
fn take(near: &OwnedFd, wait: Duration, to_board: &mut VecDeque<u8>) -> Result<(), Errno> {
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    let mut ends = [PollFd::new(near, PollFlags::IN)];
    match poll(&mut ends, Some(&wait)) {
        Ok(0) | Err(Errno::INTR) => return Ok(()),
        other => other.map(|_| ())?,
    }
    let mut bytes = [0; READ_BYTES];
    match read(near, &mut bytes) {
        Ok(count) => to_board.extend(&bytes[..count]),
        // Nobody has the far end open for a moment, or a signal came.
        Err(Errno::IO | Errno::INTR | Errno::AGAIN) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Gives the terminal what the board has sent.
fn give(near: &OwnedFd, from_board: &mut Vec<u8>) -> Result<(), Errno> {
    if !from_board.is_empty() {
        let count = write(near, from_board)?;
        from_board.drain(..count);
    }
    Ok(())
}
