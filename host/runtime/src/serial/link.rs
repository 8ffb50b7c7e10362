//! Requests and answers over a line that may lose, flip and double bytes.

use super::Line;
use lpu_isa::link::{
    CHECKSUM_BYTES, FRAME_BYTES_MAX, FromLine, LINE_BYTES_MAX, Refusal, Reply, Request, checked, to_line,
};
use lpu_isa::soc::checksum;
use lpu_sim::device::DeviceError;
use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Times that a request is sent within the patience, and the intervals in which steps are asked for.
const ATTEMPTS: u32 = 6;
/// Bytes that are shown of what is no answer.
const NOISE_SHOWN: usize = 40;
/// Bytes taken from the line at once.
const READ_BYTES: usize = 4096;

/// A frame of the board, without its checksum.
type Frame = Vec<u8>;

/// The host's end of the link.
#[derive(Debug)]
pub struct Link<L> {
    pub line: L,
    pub patience: Duration,
    /// When the call in progress began, and what came since that is no frame.
    since: Duration,
    noise: Noise,
    /// When it gives up.
    end: Duration,
    interval: Duration,
    receiver: FromLine,
    frames: VecDeque<Frame>,
    /// Steps and ends that came while something else was waited for.
    unasked: VecDeque<Frame>,
    sequence: u16,
}

/// Bytes that belong to no frame: another program's or another board's, or of another rate.
#[derive(Debug, Default)]
struct Noise {
    count: u64,
    first: Vec<u8>,
}

impl Noise {
    fn push(&mut self, byte: u8) {
        self.count += 1;
        if self.first.len() < NOISE_SHOWN {
            self.first.push(byte);
        }
    }
}

impl Display for Noise {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = if self.count == 1 { "byte" } else { "bytes" };
        write!(f, "{} {unit} that are no answer (\"{}", self.count, self.first.escape_ascii())?;
        let rest = if self.count > self.first.len() as u64 { "..." } else { "" };
        write!(f, "{rest}\")")
    }
}

/// What a board refused, and its detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u8, pub u32);

impl Refused {
    /// Whether it is this refusal.
    pub fn is(self, refusal: Refusal) -> bool {
        self.0 == refusal as u8
    }
}

impl From<Refused> for DeviceError {
    fn from(Refused(code, detail): Refused) -> Self {
        match Refusal::from_code(code) {
            Some(Refusal::Busy) => DeviceError::Busy,
            Some(Refusal::Program) => DeviceError::NothingLoaded,
            Some(Refusal::Version) => version(detail),
            Some(refusal) => {
                DeviceError::Line(format!("the board refuses: {} (detail {detail})", refusal.text()))
            }
            None => DeviceError::Line(format!(
                "the board refuses with the unknown code {code}: update this command"
            )),
        }
    }
}

/// How the words about a board of another version begin.
pub const OTHER_VERSION: &str = "expected firmware of protocol version";

/// A board of another version.
pub fn version(found: u32) -> DeviceError {
    DeviceError::Line(format!(
        "{OTHER_VERSION} {}, found version {found}: build the board's bitstream from the same source as this command",
        lpu_isa::link::VERSION
    ))
}

/// A request as it goes on the line, between two zeros.
///
/// # Errors
/// It is longer than a frame.
pub fn line_bytes(sequence: u16, request: &Request<'_>) -> Result<Vec<u8>, DeviceError> {
    let mut frame = [0; FRAME_BYTES_MAX];
    let mut line = [0; LINE_BYTES_MAX + 1];
    let too_long = || DeviceError::Line("a request is longer than a frame".into());
    let length =
        request.encode(sequence, &mut frame[..FRAME_BYTES_MAX - CHECKSUM_BYTES]).ok_or_else(too_long)?;
    let sum = checksum(&frame[..length]).to_le_bytes();
    frame[length..length + CHECKSUM_BYTES].copy_from_slice(&sum);
    let sent = to_line(&frame[..length + CHECKSUM_BYTES], &mut line[1..]).ok_or_else(too_long)?;
    Ok(line[..=sent].to_vec())
}

impl<L: Line> Link<L> {
    /// A link whose sequence numbers begin at `sequence`: different ones keep answers to another host apart.
    pub fn new(mut line: L, patience: Duration, sequence: u16) -> Self {
        let since = line.now();
        Self {
            line,
            patience,
            since,
            noise: Noise::default(),
            end: since,
            interval: patience / ATTEMPTS,
            receiver: FromLine::new(),
            frames: VecDeque::new(),
            unasked: VecDeque::new(),
            sequence,
        }
    }

    /// Begins a call, or its patience anew since the board has answered.
    pub fn begin(&mut self) {
        self.begin_parts();
        self.begin_part(1.0);
    }

    /// Begins a call of several parts.
    pub fn begin_parts(&mut self) {
        self.since = self.line.now();
        self.noise = Noise::default();
    }

    /// The part of the patience that has passed since the call began.
    pub fn part_passed(&mut self) -> f64 {
        (self.line.now() - self.since).as_secs_f64() / self.patience.as_secs_f64()
    }

    /// Begins a part of a call that may take this part of the patience.
    pub fn begin_part(&mut self, part: f64) {
        let patience = self.patience.mul_f64(part);
        self.end = self.line.now() + patience;
        self.interval = patience / ATTEMPTS;
    }

    /// Whether the patience of the call has passed.
    pub fn is_over(&mut self) -> bool {
        self.line.now() >= self.end
    }

    /// How long to wait before asking again.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// A sequence number that is not zero, which belongs to what boards send of their own accord.
    pub fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }

    /// Sends a request. A zero before it ends whatever a host that was cut off has left in the board.
    pub fn send(&mut self, sequence: u16, request: &Request<'_>) -> Result<(), DeviceError> {
        self.line.send(&line_bytes(sequence, request)?)
    }

    /// The next sound frame, waiting for it until `deadline`.
    pub fn frame(&mut self, deadline: Duration) -> Result<Option<Frame>, DeviceError> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(Some(frame));
            }
            let now = self.line.now();
            if now >= deadline {
                return Ok(None);
            }
            let mut bytes = [0; READ_BYTES];
            let count = self.line.receive(&mut bytes, deadline - now)?;
            for &byte in &bytes[..count] {
                self.noise.push(byte);
                let Some(length) = self.receiver.push(byte) else { continue };
                if let Some(frame) = checked(self.receiver.frame(length), checksum) {
                    self.noise = Noise::default();
                    self.frames.push_back(frame.to_vec());
                }
            }
        }
    }

    /// A frame that the board sent of its own accord: one that came earlier, or until `deadline`.
    pub fn unasked(&mut self, deadline: Duration) -> Result<Option<Frame>, DeviceError> {
        match self.unasked.pop_front() {
            Some(frame) => Ok(Some(frame)),
            None => self.frame(deadline),
        }
    }

    /// Forgets what the board sent of its own accord.
    pub fn forget_unasked(&mut self) {
        self.unasked.clear();
    }

    /// Keeps a frame that nobody asked for.
    pub fn keep(&mut self, frame: Frame) {
        if let Ok((0, Reply::Steps { .. } | Reply::Ended { .. })) = Reply::decode(&frame) {
            self.unasked.push_back(frame);
        }
    }

    /// Asks until there is an answer that `accept` takes, the board refuses, or the call is over.
    pub fn request<T>(
        &mut self,
        request: &Request<'_>,
        accept: impl FnMut(&Reply<'_>) -> Option<T>,
    ) -> Result<T, DeviceError> {
        self.ask(request, accept)?.map_err(DeviceError::from)
    }

    /// As [`Link::request`], with a refusal as an answer.
    pub fn ask<T>(
        &mut self,
        request: &Request<'_>,
        mut accept: impl FnMut(&Reply<'_>) -> Option<T>,
    ) -> Result<Result<T, Refused>, DeviceError> {
        let sequence = self.next_sequence();
        while !self.is_over() {
            self.send(sequence, request)?;
            let deadline = self.end.min(self.line.now() + self.interval());
            while let Some(frame) = self.frame(deadline)? {
                match Reply::decode(&frame) {
                    Ok((found, Reply::Refused { code, detail })) if found == sequence => {
                        return Ok(Err(Refused(code, detail)));
                    }
                    Ok((found, reply)) if found == sequence => {
                        if let Some(answer) = accept(&reply) {
                            return Ok(Ok(answer));
                        }
                    }
                    _ => self.keep(frame),
                }
            }
        }
        Err(self.silence())
    }

    /// Asks for something that is done or refused.
    pub fn command(&mut self, request: &Request<'_>) -> Result<(), DeviceError> {
        self.request(request, |reply| matches!(reply, Reply::Done {}).then_some(()))
    }

    /// The board did not answer.
    pub fn silence(&mut self) -> DeviceError {
        let seconds = (self.line.now() - self.since).as_secs_f64();
        let (found, advice) = match self.noise.count {
            0 => ("none".into(), "check the cable and that the bitstream is loaded"),
            _ => (
                self.noise.to_string(),
                "check that the port is the board's, that no other program uses it, and that the bitstream is loaded",
            ),
        };
        DeviceError::Line(format!(
            "expected an answer of the board within {seconds:.1} s, found {found}: {advice}, then press the board's reset"
        ))
    }
}
