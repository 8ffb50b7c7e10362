//! Reading of memories and registers, and the self-test of memories.

use crate::board::Board;
use crate::dispatch::{Core, Why, refuse};
use crate::load::{Loading, space_of};
use lpu_isa::host::{HOST_WORD_BYTES, Register, Space, status};
use lpu_isa::link::{MARCH_WORDS_MAX, Refusal, Reply, WORDS_MAX};

/// Looks at a run until it pauses: more than a chip takes from a step's record to its pause.
const PAUSE_LOOKS_MAX: u32 = 8;

impl<B: Board> Core<B> {
    /// Answers with host words.
    pub fn read(&mut self, sequence: u16, space: u8, address: u32, count: u16) -> Result<(), Why> {
        let found = space_of(space)?;
        let count = usize::from(count);
        if !(1..=WORDS_MAX).contains(&count) {
            return refuse(Refusal::Length);
        }
        if matches!(found, Space::MatrixQueue | Space::VectorQueue) {
            return refuse(Refusal::Space);
        }
        self.check_place(found, address, count)?;
        if found != Space::Registers && self.runs_a_token()? {
            return refuse(Refusal::Busy);
        }
        let mut words = [[0; HOST_WORD_BYTES]; WORDS_MAX];
        let words = &mut words[..count];
        self.chip.read(found, address, words)?;
        self.answer(sequence, &Reply::Words { space, address, words: words.as_flattened() });
        Ok(())
    }

    fn runs_a_token(&mut self) -> Result<bool, Why> {
        for _ in 0..PAUSE_LOOKS_MAX {
            let bits = self.chip.register(Register::Status)?;
            if !status::ACTIVE.is_set(bits) || status::PAUSED.is_set(bits) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes a number of its own to every word and reads it back, then the inverse.
    pub fn march(&mut self, sequence: u16, space: u8, address: u32, count: u16) -> Result<(), Why> {
        let found = space_of(space)?;
        if !matches!(found, Space::Weights | Space::Kv | Space::Vmem) {
            return refuse(Refusal::Space);
        }
        if !(1..=MARCH_WORDS_MAX).contains(&usize::from(count)) {
            return refuse(Refusal::Length);
        }
        self.check_place(found, address, count.into())?;
        if self.run.is_active() {
            return refuse(Refusal::Busy);
        }
        self.loading = Loading::NONE;
        self.run.clear(0);
        let (mut wrong, mut first) = (0, 0);
        for inverted in [0, 0xff] {
            for place in address..address + u32::from(count) {
                self.chip.write(found, place, &pattern(place, inverted));
            }
            for place in address..address + u32::from(count) {
                let mut words = [[0; HOST_WORD_BYTES]];
                self.chip.read(found, place, &mut words)?;
                if words != [pattern(place, inverted)] {
                    first = if wrong == 0 { place } else { first };
                    wrong += 1;
                }
            }
        }
        self.answer(sequence, &Reply::Marched { wrong, first });
        Ok(())
    }
}

/// A word that no other address has nearby.
fn pattern(place: u32, inverted: u8) -> [u8; HOST_WORD_BYTES] {
    let mut state = place ^ 0x5a5a_a5a5;
    core::array::from_fn(|_| {
        // A shift register with the common 32-bit taps: the soft core has no multiplier.
        for taps in [13, 17, 5] {
            state ^= if taps == 17 { state >> taps } else { state << taps };
        }
        state as u8 ^ inverted
    })
}
