//! `lpu sim`: a whole board in simulation, behind a pseudo-terminal.
//!
//! ```text
//!  lpu run --device serial:/dev/pts/N ─► terminal ─► this loop ─► firmware ─► emulated chip
//! ```

use super::output::note;
use super::{Failure, source};
use lpu_firmware::LED_RUNS;
use lpu_isa::Geometry;
use lpu_sim::board::{Flash, NativeBoard};
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
/// The first line of output is the terminal's path; any program can open it as it would a board's serial port. The board's
/// firmware runs on this machine, its chip is the emulator. The simulation ends when it is interrupted.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu sim --board nano
  lpu sim --board ulx3s-85f
  lpu sim --board ulx3s-85f --with stories260K.bin
  lpu run stories260K.bin --device serial:/dev/pts/3?patience=30")]
pub struct Arguments {
    /// Board to simulate.
    #[arg(long, value_name = "NAME", value_parser = board)]
    board: Geometry,
    /// Model in the board's flash memory: the board loads it when it starts, and needs no load from a host.
    #[arg(long = "with", value_name = "MODEL")]
    stored: Option<PathBuf>,
    /// End after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

fn board(name: &str) -> Result<Geometry, String> {
    let names = || Geometry::ALL.map(|geometry| geometry.name).join(" or ");
    Geometry::by_name(name).ok_or_else(|| format!("expected {}, found {name:?}", names()))
}

/// Lets some time pass: the board takes bytes that fit, and gives bytes that came.
fn turn(board: &mut NativeBoard, to_board: &mut VecDeque<u8>, from_board: &mut Vec<u8>) {
    // As many bytes as the receiver's queue holds; the firmware has its turn before the next.
    for byte in to_board.drain(..to_board.len().min(64)) {
        board.receive(byte);
    }
    board.step(TURN_CYCLES);
    from_board.extend(std::iter::from_fn(|| board.sent()));
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut board = make(arguments)?;
    let (near, _far, path) =
        terminal().map_err(|error| Failure::machine(format!("no pseudo-terminal: {error}")))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{path}")?;
    out.flush()?;
    note(format!(
        "a simulated {} listens there; run a model with --device serial:{path}?patience=30",
        arguments.board.name
    ));
    let end = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut to_board, mut from_board, mut quiet) = (VecDeque::new(), Vec::new(), 0);
    let broken = |error: Errno| Failure::machine(format!("the pseudo-terminal failed: {error}"));
    while end.is_none_or(|end| Instant::now() < end) {
        if to_board.len() < READ_BYTES {
            let wait = if quiet > QUIET_TURNS { QUIET_WAIT } else { Duration::ZERO };
            take(&near, wait, &mut to_board).map_err(broken)?;
        }
        let is_quiet = board.leds() & LED_RUNS == 0 && to_board.is_empty() && from_board.is_empty();
        quiet = if is_quiet { quiet + 1 } else { 0 };
        turn(&mut board, &mut to_board, &mut from_board);
        give(&near, &mut from_board).map_err(broken)?;
    }
    Ok(())
}

fn make(arguments: &Arguments) -> Result<NativeBoard, Failure> {
    let stored = arguments.stored.as_ref().map(|model| source::stored(model, arguments.board)).transpose()?;
    Ok(NativeBoard::with_flash(arguments.board, Flash::new(&stored.unwrap_or_default())))
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
