//! What the fuzz targets of the serial link do with bytes; `host/runtime/tests/link_corpus.rs` does it with the committed ones.
//!
//! The first byte says what the rest is: even, bytes of the line; odd, bodies of frames, each after a byte with its length, which
//! get head, checksum and encoding here, so that a fuzzer need not find CRC-32 sums by chance.

use lpu_isa::Geometry;
use lpu_isa::instruction::ISA_HASH;
use lpu_isa::link::{
    CHECKSUM_BYTES, FRAME_BYTES_MAX, FromLine, HEAD_BYTES, IDENTITY, LINE_BYTES_MAX, Reply, Request, VERSION,
    checked, to_line,
};
use lpu_isa::soc::checksum;
use lpu_runtime::serial::{Line, Options, SerialDevice};
use lpu_sim::board::{NativeBoard, SimulatedBoard};
use lpu_sim::device::conformance::programs;
use lpu_sim::device::{Device, DeviceError, RunRequest, run_to_end};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// No session may take longer, in the time of its line: some dozens of calls, each with its patience.
const SESSION_MAX: Duration = Duration::from_secs(60);
/// Kind of [`Request::Open`].
const OPEN: u8 = 0x02;
/// How long a host waits for an answer, in the time of the line.
const PATIENCE: Duration = Duration::from_millis(200);
/// Time that passes while a line is silent.
const SILENCE: Duration = Duration::from_millis(10);

/// A frame's bytes on the line, with the zero that ends whatever was before it.
fn line_of(content: &[u8]) -> Vec<u8> {
    let content = &content[..content.len().min(FRAME_BYTES_MAX - CHECKSUM_BYTES)];
    let whole = [content, &checksum(content).to_le_bytes()].concat();
    let mut out = [0; LINE_BYTES_MAX + 1];
    let length = to_line(&whole, &mut out[1..]).expect("a frame fits");
    out[..=length].to_vec()
}

/// The next body of a frame: a byte with its length, then its bytes.
fn body<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&length, rest) = bytes.split_first()?;
    let (body, rest) = rest.split_at(usize::from(length).min(rest.len()));
    *bytes = rest;
    Some(body)
}

/// Puts the hashes of this chip into frames of a kind that begin with them: no fuzzer finds them, and they change.
fn name_chip(frame: &mut [u8], kind: u8) {
    if let Some([_, found, _, _, hashes @ ..]) = frame.get_mut(..HEAD_BYTES + 16)
        && *found == kind
    {
        hashes[..8].copy_from_slice(&ISA_HASH.to_le_bytes());
        hashes[8..].copy_from_slice(&Geometry::NANO.hash().to_le_bytes());
    }
}

/// The first sound frame among bytes of the line.
fn first_frame(line: impl IntoIterator<Item = u8>) -> Option<Vec<u8>> {
    let mut receiver = FromLine::new();
    line.into_iter().find_map(|byte| {
        let length = receiver.push(byte)?;
        checked(receiver.frame(length), checksum).map(<[u8]>::to_vec)
    })
}

fn exchange(board: &mut NativeBoard, bytes: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for byte in bytes {
        board.receive(*byte);
        board.step(1_000);
        sent.extend(std::iter::from_fn(|| board.sent()));
    }
    for _ in 0..20 {
        board.step(10_000);
        sent.extend(std::iter::from_fn(|| board.sent()));
    }
    sent
}

/// Whatever comes, a board takes it and then says who it is.
pub fn board(bytes: &[u8]) {
    let Some((kind, mut rest)) = bytes.split_first() else { return };
    let mut board = NativeBoard::new(Geometry::NANO);
    if kind & 1 == 0 {
        exchange(&mut board, rest);
    }
    while kind & 1 == 1
        && let Some(body) = body(&mut rest)
    {
        let mut frame = [&[VERSION], body].concat();
        name_chip(&mut frame, OPEN);
        exchange(&mut board, &line_of(&frame));
    }
    let mut frame = [0; 8];
    let length = Request::Identify {}.encode(77, &mut frame).expect("it fits");
    // Steps of a run that the bytes have started may come before the answer.
    let mut sent = exchange(&mut board, &line_of(&frame[..length])).into_iter();
    while let Some(frame) = first_frame(sent.by_ref()) {
        if matches!(Reply::decode(&frame), Ok((77, Reply::Identity { .. }))) {
            return;
        }
    }
    panic!("the board does not say who it is");
}

/// A board that answers with given bytes.
struct Answers<'a> {
    bytes: &'a [u8],
    framed: bool,
    waiting: Vec<u8>,
    now: Rc<Cell<Duration>>,
}

impl Line for Answers<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        let Some(request) = first_frame(bytes.iter().copied()).filter(|_| self.framed) else { return Ok(()) };
        // The answer repeats the request's sequence number.
        if let Some([kind, rest @ ..]) = body(&mut self.bytes) {
            let mut frame = [&[VERSION, *kind, request[2], request[3]], rest].concat();
            name_chip(&mut frame, IDENTITY);
            self.waiting.extend(line_of(&frame));
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        if !self.framed {
            let (piece, rest) = self.bytes.split_at(self.bytes.len().min(40));
            self.waiting.extend(piece);
            self.bytes = rest;
        }
        let count = self.waiting.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.waiting[..count]);
        self.waiting.drain(..count);
        let passed = if count == 0 { wait } else { wait.min(SILENCE) };
        self.now.set(self.now.get() + passed.max(Duration::from_micros(1)));
        Ok(count)
    }

    fn set_rate(&mut self, _: u32) -> Result<(), DeviceError> {
        Ok(())
    }

    fn now(&mut self) -> Duration {
        self.now.get()
    }
}

/// Whatever a board answers, a host ends its session in time.
pub fn host(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let now = Rc::new(Cell::new(Duration::ZERO));
    let line = Answers { bytes, framed: kind & 1 == 1, waiting: Vec::new(), now: now.clone() };
    let options = Options { patience: PATIENCE, ..Options::default() };
    // Errors are right answers here; a panic and a session without an end are not.
    let _ = SerialDevice::connect(line, &options).and_then(|mut device| {
        let image = programs::counting(&Geometry::NANO);
        device.load(&image)?;
        run_to_end(&mut device, &RunRequest { pause: true, ..RunRequest::greedy(&[1, 2], 4) })?;
        device.cancel()
    });
    assert!(now.get() < SESSION_MAX, "a session of {:?}", now.get());
}
