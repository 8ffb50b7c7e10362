//! Loading of programs, window by window.

use crate::board::Board;
use crate::chip::words_in;
use crate::dispatch::{Core, Why, refuse};
use lpu_isa::host::{HOST_WORD_BYTES, Register, Space};
use lpu_isa::link::{Refusal, Reply, WORDS_MAX};
use lpu_isa::soc::CHECKSUM_START;

/// The program in the chip's memories, and the one on its way there.
#[derive(Debug)]
pub struct Loading {
    /// The loaded program; zero if there is none.
    pub loaded: u64,
    /// The program of the load in progress, or of the one that ended last; zero if there is none.
    pub program: u64,
    /// Its words that have come.
    pub taken: u32,
    words: u32,
    checksum: u32,
    state: u32,
    /// The host was told that something was lost, and nothing has come since.
    told: bool,
}

impl Loading {
    /// No program, and none on its way.
    pub const NONE: Self =
        Self { loaded: 0, program: 0, taken: 0, words: 0, checksum: 0, state: 0, told: false };
}

impl<B: Board> Core<B> {
    /// Begins a load, or goes on with one.
    pub fn open(&mut self, sequence: u16, program: u64, words: u32, checksum: u32) -> Result<(), Why> {
        if program == 0 || words == 0 {
            return refuse(Refusal::Program);
        }
        let known = (self.loading.program, self.loading.words, self.loading.checksum);
        if known != (program, words, checksum) {
            self.stop()?;
            self.run.clear(0);
            self.loading = Loading { program, words, checksum, state: CHECKSUM_START, ..Loading::NONE };
        }
        self.loading.told = false;
        self.loaded(sequence, false);
        Ok(())
    }

    fn loaded(&mut self, sequence: u16, again: bool) {
        let Loading { loaded, program, taken, .. } = self.loading;
        let done = program != 0 && loaded == program;
        self.answer(sequence, &Reply::Loaded { words: taken, again: again.into(), done: done.into() });
    }

    /// Takes words of the program, if they are those that come next.
    pub fn load(
        &mut self,
        sequence: u16,
        first: u32,
        space: u8,
        address: u32,
        words: &[u8],
    ) -> Result<(), Why> {
        if self.loading.program == 0 {
            return refuse(Refusal::Program);
        }
        let space = space_of(space)?;
        if !is_loaded(space) {
            return refuse(Refusal::Space);
        }
        let count = count_of(words)?;
        self.check_place(space, address, count)?;
        if first != self.loading.taken {
            let lost = first > self.loading.taken && !self.loading.told;
            self.loading.told |= lost;
            self.loaded(sequence, lost);
            return Ok(());
        }
        if count as u32 > self.loading.words - self.loading.taken {
            return Err(Why::Refused(Refusal::Address, self.loading.words));
        }
        self.chip.write(space, address, words);
        self.loading.state = self.chip.board.checksum(self.loading.state, words);
        self.loading.taken += count as u32;
        self.loading.told = false;
        if self.loading.taken == self.loading.words {
            self.finish()?;
        }
        self.loaded(sequence, false);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Why> {
        if !self.loading.state != self.loading.checksum {
            self.loading = Loading::NONE;
            return refuse(Refusal::Checksum);
        }
        self.chip.set(Register::Faults, u64::from(u32::MAX));
        self.loading.loaded = self.loading.program;
        Ok(())
    }
}

/// Whether a program has words for this space.
fn is_loaded(space: Space) -> bool {
    matches!(space, Space::Weights | Space::Vmem | Space::MatrixQueue | Space::VectorQueue)
}

/// The space of a number.
pub fn space_of(number: u8) -> Result<Space, Why> {
    let space = Space::ALL.get(usize::from(number)).copied();
    space.map_or_else(|| refuse(Refusal::Space), Ok)
}

/// The number of whole words, one at least and as many as a frame holds at most.
fn count_of(words: &[u8]) -> Result<usize, Why> {
    let count = words_in(words);
    let sound = count * HOST_WORD_BYTES == words.len() && (1..=WORDS_MAX).contains(&count);
    if sound { Ok(count) } else { refuse(Refusal::Length) }
}
