//! Frames on their way to the line.

use crate::board::Board;
use lpu_isa::link::{CHECKSUM_BYTES, FRAME_BYTES_MAX, LINE_BYTES_MAX, Reply, to_line};
use lpu_isa::soc::CHECKSUM_START;

/// Bytes that wait for the line at most: a large frame and some small ones.
const WAITING_BYTES_MAX: usize = LINE_BYTES_MAX + 256;

/// Bytes of a frame on the line beside the data of [`Reply::Steps`].
const OVERHEAD_BYTES: usize = 24;

/// Frames on their way to the line.
#[derive(Debug)]
pub struct Outbox {
    bytes: [u8; WAITING_BYTES_MAX],
    begin: usize,
    end: usize,
    /// Where a frame is written before it goes through COBS: on the stack it would be zeroed each time.
    frame: [u8; FRAME_BYTES_MAX],
}

impl Outbox {
    pub const fn new() -> Self {
        Self { bytes: [0; WAITING_BYTES_MAX], begin: 0, end: 0, frame: [0; FRAME_BYTES_MAX] }
    }

    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        (self.begin, self.end) = (0, 0);
    }

    /// Whether a frame with this many bytes of data fits.
    pub fn has_room(&self, data_bytes: usize) -> bool {
        WAITING_BYTES_MAX - self.end >= data_bytes + OVERHEAD_BYTES
    }

    /// Adds a message. It is dropped if there is no room: whoever waits for it asks again.
    pub fn add(&mut self, board: &mut impl Board, sequence: u16, reply: &Reply<'_>) {
        let Some(length) = reply.encode(sequence, &mut self.frame[..FRAME_BYTES_MAX - CHECKSUM_BYTES]) else {
            return;
        };
        let (content, rest) = self.frame.split_at_mut(length);
        let sum = !board.checksum(CHECKSUM_START, content);
        if let Some(place) = rest.first_chunk_mut() {
            *place = sum.to_le_bytes();
        }
        let room = self.bytes.get_mut(self.end..);
        let written = self.frame.get(..length + CHECKSUM_BYTES).and_then(|whole| to_line(whole, room?));
        self.end += written.unwrap_or(0);
    }

    /// Gives the line what it takes.
    pub fn drain(&mut self, board: &mut impl Board) {
        let mut waiting = self.bytes.get(self.begin..self.end).unwrap_or_default();
        while let [byte, rest @ ..] = waiting
            && board.has_room()
        {
            board.send(*byte);
            waiting = rest;
        }
        self.begin = self.end - waiting.len();
        if waiting.is_empty() {
            self.clear();
        }
    }
}
