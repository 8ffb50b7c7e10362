//! Frames on their way to the line.

use crate::board::Board;
use lpu_isa::link::{CHECKSUM_BYTES, FRAME_BYTES_MAX, LINE_BYTES_MAX, Reply, close_frame};
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
}

impl Outbox {
    pub const fn new() -> Self {
        Self { bytes: [0; WAITING_BYTES_MAX], begin: 0, end: 0 }
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
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        self.end += framed(board, sequence, reply, room).unwrap_or(0);
    }

    /// Gives the line what it takes.
    pub fn drain(&mut self, board: &mut impl Board) {
        let waiting = self.bytes.get(self.begin..self.end).unwrap_or_default();
        if !waiting.is_empty() {
            self.begin += board.send(waiting);
            if self.begin == self.end {
                self.clear();
            }
        }
    }
}

/// Writes a message as a frame of the line; its length if there is room for it.
fn framed(board: &mut impl Board, sequence: u16, reply: &Reply<'_>, room: &mut [u8]) -> Option<usize> {
    // The place of the first code stands before the frame.
    let (_, frame) = room.split_first_mut()?;
    let length = reply.encode(sequence, frame)?;
    let (content, rest) = frame.split_at_mut_checked(length)?;
    *rest.first_chunk_mut()? = (!board.checksum(CHECKSUM_START, content)).to_le_bytes();
    let length = length + CHECKSUM_BYTES;
    if length > FRAME_BYTES_MAX { None } else { close_frame(room, length) }
}
