//! The control program of a board: it stands between the serial link and the chip's byte port.
//!
//! ```text
//!  line ─► FromLine ─► frame ─► Core ─┬─ load.rs   programs, in windows
//!  line ◄─ Outbox  ◄─ replies ◄───────┼─ run.rs    steps of a run, until the host has them
//!                                     ├─ stored.rs the program of the flash memory
//!                                     ├─ memory.rs reading, self-test
//!                                     └─ chip.rs   commands of lpu_isa::host
//! ```
//!
//! All of it is this library, over the trait [`Board`]: the same code runs on the soft core, and in tests on the
//! machine of whoever develops it. It allocates nothing, waits for nothing without an end, and never panics: a chip that
//! does not answer ends in a reset with a cause that the next [`lpu_isa::link::Reply::Identity`] tells.
//!
//! # Invariants
//! 1. A request that arrives twice does what it does once.
//! 2. A refused request changes nothing.
//! 3. A step leaves memory only after the host has acknowledged it; the chip waits meanwhile, between two tokens.
#![no_std]
#![forbid(unsafe_code)]

mod board;
mod chip;
mod dispatch;
mod load;
mod memory;
mod outbox;
mod run;
mod stored;

pub use board::Board;

use lpu_isa::link::FromLine;

/// Bytes that one step takes from the line before it looks after the rest, unless a frame ends before.
const BYTES_PER_STEP: usize = 128;

/// The firmware of a board.
#[derive(Debug)]
pub struct Firmware<B> {
    receiver: FromLine,
    core: dispatch::Core<B>,
}

impl<B: Board> Firmware<B> {
    /// The firmware before its start. All of it but the board is zeros, so that a soft core's memory can hold it from the
    /// beginning: made on the stack it would be larger than that.
    pub const fn new(board: B) -> Self {
        Self { receiver: FromLine::new(), core: dispatch::Core::new(board) }
    }

    /// Starts the firmware: finds the chip's place in its commands, ends what it did, and loads the program of the flash memory
    /// if there is one.
    pub fn start(&mut self) {
        self.core.wake();
        self.core.load_stored();
    }

    /// Does what there is to do at once; to be called again and again.
    pub fn step(&mut self) {
        let board = &mut self.core.chip.board;
        let (count, ended) = self.receiver.pull(BYTES_PER_STEP, || board.receive());
        self.core.hear(count);
        if let Some(length) = ended {
            self.core.take(self.receiver.frame(length));
        }
        self.core.advance();
    }

    /// The board.
    pub fn board(&mut self) -> &mut B {
        &mut self.core.chip.board
    }

    /// Ends the firmware and gives the board back, for a reset.
    pub fn into_board(self) -> B {
        self.core.chip.board
    }
}
