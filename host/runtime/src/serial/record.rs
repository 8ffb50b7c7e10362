//! Traffic of a line as a text file, for reports of faults and for tests.
//!
//! One event a line: microseconds, then `>` for bytes sent, `<` for bytes received, `!` for a rate, then the bytes in
//! hexadecimal digits or the rate.

use super::Line;
use lpu_sim::device::DeviceError;
use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// First line of a recording.
const HEADER: &str = "lpu link recording 1";

/// A line that is recorded.
pub struct Recorder<L, W> {
    line: L,
    out: W,
}

impl<L: Line, W: Write> Recorder<L, W> {
    /// Records a line.
    ///
    /// # Errors
    /// The recording cannot be written.
    pub fn new(line: L, mut out: W) -> Result<Self, DeviceError> {
        writeln!(out, "{HEADER}").map_err(unwritable)?;
        Ok(Self { line, out })
    }

    fn event(&mut self, kind: char, text: &str) -> Result<(), DeviceError> {
        let time = self.line.now().as_micros();
        writeln!(self.out, "{time} {kind} {text}").map_err(unwritable)
    }
}

fn unwritable(error: std::io::Error) -> DeviceError {
    DeviceError::Line(format!("the recording cannot be written: {error}"))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<L: Line, W: Write> Line for Recorder<L, W> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        self.event('>', &digits(bytes))?;
        self.line.send(bytes)
    }

    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        let count = self.line.receive(bytes, wait)?;
        if count > 0 {
            self.event('<', &digits(&bytes[..count]))?;
        }
        Ok(count)
    }

    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        self.event('!', &bits_per_second.to_string())?;
        self.line.set_rate(bits_per_second)
    }

    fn now(&mut self) -> Duration {
        self.line.now()
    }
}

/// One event of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Sent(Vec<u8>),
    Received(Vec<u8>),
    Rate(u32),
}

/// A recording in place of a board: it expects what was sent and gives what was received.
#[derive(Debug)]
pub struct Replay {
    events: VecDeque<(Duration, Event)>,
    now: Duration,
}

impl Replay {
    /// Reads a recording.
    ///
    /// # Errors
    /// Names the first line that is not as expected.
    pub fn new(text: &str) -> Result<Self, DeviceError> {
        let mut lines = text.lines();
        let wrong = |number: usize, line: &str| {
            DeviceError::Line(format!("line {number} of the recording: expected an event, found {line:?}"))
        };
        if lines.next() != Some(HEADER) {
            return Err(DeviceError::Line(format!("expected a recording that begins with `{HEADER}`")));
        }
        let events = lines
            .enumerate()
            .map(|(index, line)| event(line).ok_or_else(|| wrong(index + 2, line)))
            .collect::<Result<_, _>>()?;
        Ok(Self { events, now: Duration::ZERO })
    }

    /// Whether everything was repeated.
    pub fn is_over(&self) -> bool {
        self.events.is_empty()
    }

    fn next(&mut self, asked: &str) -> Result<Event, DeviceError> {
        let over = || DeviceError::Line(format!("the recording is over, but the host {asked}"));
        let (time, event) = self.events.pop_front().ok_or_else(over)?;
        self.now = self.now.max(time);
        Ok(event)
    }
}

/// An event as its line in the recording has it, without the time.
impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sent(bytes) => write!(f, "> {}", digits(bytes)),
            Self::Received(bytes) => write!(f, "< {}", digits(bytes)),
            Self::Rate(rate) => write!(f, "! {rate}"),
        }
    }
}

fn event(line: &str) -> Option<(Duration, Event)> {
    let (time, rest) = line.split_once(' ')?;
    let (kind, text) = rest.split_once(' ')?;
    let bytes = || -> Option<Vec<u8>> {
        let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
        pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
    };
    let event = match kind {
        ">" => Event::Sent(bytes()?),
        "<" => Event::Received(bytes()?),
        "!" => Event::Rate(text.parse().ok()?),
        _ => return None,
    };
    Some((Duration::from_micros(time.parse().ok()?), event))
}

impl Line for Replay {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        match self.next("sends")? {
            Event::Sent(expected) if expected == bytes => Ok(()),
            other => {
                Err(DeviceError::Line(format!("the host sends {}, the recording has {other}", digits(bytes))))
            }
        }
    }

    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        let until = self.now + wait;
        match self.events.front_mut() {
            Some((time, Event::Received(waiting))) if *time <= until => {
                self.now = self.now.max(*time);
                let count = waiting.len().min(bytes.len());
                bytes[..count].copy_from_slice(&waiting[..count]);
                waiting.drain(..count);
                if waiting.is_empty() {
                    self.events.pop_front();
                }
                Ok(count)
            }
            Some(_) => {
                self.now = until;
                Ok(0)
            }
            None => Err(DeviceError::Line("the recording is over, but the host waits".into())),
        }
    }

    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        match self.next("changes the rate")? {
            Event::Rate(expected) if expected == bits_per_second => Ok(()),
            other => {
                Err(DeviceError::Line(format!("the host sets {bits_per_second}, the recording has {other}")))
            }
        }
    }

    fn now(&mut self) -> Duration {
        self.now
    }
}
