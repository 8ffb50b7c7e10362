//! The program of the flash memory, which a board loads when it starts.

use crate::board::Board;
use crate::dispatch::Core;
use lpu_isa::link::{FromLine, LINE_BYTES_MAX, Request, checked};
use lpu_isa::soc::{CHECKSUM_START, FLASH_PROGRAM, FLASH_READ};

impl<B: Board> Core<B> {
    /// Takes the frames of a load from the flash memory, as if they came on the line, until the program is whole. Memory that
    /// was never written, or is damaged, ends it as soon as no sound frame comes.
    pub fn load_stored(&mut self) {
        let mut receiver = FromLine::new();
        let [_, high, middle, low] = FLASH_PROGRAM.to_be_bytes();
        // The ECP5 hands its clock pin over within the first edges.
        self.chip.board.exchange_flash(0);
        self.chip.board.select_flash(true);
        for byte in [FLASH_READ, high, middle, low] {
            self.chip.board.exchange_flash(byte);
        }
        let mut taken = true;
        while taken && self.loading.loaded == 0 {
            let mut pull = || receiver.pull(LINE_BYTES_MAX, || Some(self.chip.board.exchange_flash(0)));
            // A zero stands before each frame, and ends an empty one; memory full of zeros holds no more than that.
            let ended = match pull() {
                (1, None) => pull().1,
                (_, ended) => ended,
            };
            taken = ended.is_some_and(|length| self.take_stored(receiver.frame(length)));
        }
        self.chip.board.select_flash(false);
        self.show();
    }

    /// Takes a frame of the flash memory; whether it was one of a load. Nobody waits for its answer.
    fn take_stored(&mut self, frame: &[u8]) -> bool {
        let board = &mut self.chip.board;
        let Some(frame) = checked(frame, |content| !board.checksum(CHECKSUM_START, content)) else {
            return false;
        };
        let Ok((sequence, request @ (Request::Open { .. } | Request::Load { .. }))) = Request::decode(frame)
        else {
            return false;
        };
        let taken = self.execute(sequence, request).is_ok();
        self.outbox.clear();
        taken
    }
}
