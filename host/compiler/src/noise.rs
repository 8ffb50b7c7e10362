//! When the next row of random numbers is there: the scheduler's view of the generator, in closed form.
//!
//! The generator makes one row after another, a row every `noise_row_cycles`, and pauses while its store is full. A token may begin with
//! an empty store, since the run may begin with it. Row `n`, ready in cycle `r[n]` and taken in cycle `t[n] >= r[n]`, therefore has
//!
//! ```text
//! r[0]     = NOISE_START_CYCLES + row
//! r[n + 1] = max(r[n] + row,                    the generator did not pause
//!                t[n] + row - (kept - 1) row)   it did: the store was full when row n was taken
//! ```
//!
//! with `kept` the rows that the store is sure to hold. One cycle for each number of blocks is all that there is to remember, and a token
//! that satisfies this leaves the next one at least what it found.

use lpu_isa::{Geometry, timing};

/// The next row of random numbers. Cycles are the scheduler's: they count from the activation of a segment's first instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    row_cycles: i64,
    kept: i64,
    /// Cycle from which the next row may be taken, for each number of blocks.
    ready: Vec<i64>,
    /// Rows taken.
    pub taken: usize,
}

impl Noise {
    /// The empty store at the start of a token.
    pub fn new(geometry: &Geometry, blocks: usize) -> Self {
        let row_cycles = timing::noise_row_cycles(geometry);
        let first = timing::NOISE_START_CYCLES + row_cycles - timing::START_CYCLES;
        Self { row_cycles, kept: kept_rows(geometry) as i64, ready: vec![first; blocks], taken: 0 }
    }

    /// The earliest first issue of an instruction that takes rows in the cycles `takes` after it.
    pub fn bound(&self, takes: &[i64], index: usize) -> Option<i64> {
        takes
            .iter()
            .enumerate()
            .map(|(row, take)| self.ready[index] + row as i64 * self.row_cycles - take)
            .max()
    }

    /// Takes a row in a cycle.
    pub fn take(&mut self, cycle: i64, index: usize) {
        let ready = &mut self.ready[index];
        debug_assert!(
            *ready <= cycle,
            "a row of random numbers is taken in cycle {cycle} and ready in {ready}"
        );
        self.taken += 1;
        *ready = (*ready + self.row_cycles).max(cycle + self.row_cycles * (2 - self.kept));
    }

    /// Takes over a later store if it is worse; true when it is.
    pub fn wait_for(&mut self, later: &Noise) -> bool {
        let mut changed = false;
        for (mine, theirs) in self.ready.iter_mut().zip(&later.ready) {
            changed |= theirs > mine;
            *mine = (*mine).max(*theirs);
        }
        changed
    }

    /// Counts cycles from `origin` on.
    pub fn shift(&mut self, origin: &[i64]) {
        self.ready.iter_mut().zip(origin).for_each(|(ready, origin)| *ready -= origin);
    }
}

/// Rows that the store is sure to hold: the row that is being taken still has its place for some cycles.
pub fn kept_rows(geometry: &Geometry) -> usize {
    (geometry.noise_rows - 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows made and taken one cycle after the other, as [`Noise`] must have it.
    struct Generator {
        progress: i64,
        taken: i64,
    }

    impl Generator {
        fn ready(&self, row_cycles: i64) -> bool {
            self.progress >= (self.taken + 1) * row_cycles
        }
    }

    #[test]
    fn the_closed_form_is_the_generator_cycle_by_cycle() {
        for geometry in [Geometry::NANO, Geometry::ULX3S_85F, Geometry { noise_rows: 4, ..Geometry::NANO }] {
            let row_cycles = timing::noise_row_cycles(&geometry);
            let kept = kept_rows(&geometry) as i64;
            let mut noise = Noise::new(&geometry, 1);
            let mut generator = Generator { progress: 0, taken: 0 };
            let mut cycle = timing::NOISE_START_CYCLES - timing::START_CYCLES;
            // Pauses between rows: none, such as fill part of the store, such as fill it.
            for pause in (0..400).map(|row| [0, 0, 3, 40, 0, 0, 0, 700][row * row % 8]) {
                let mut waited = 0;
                while waited < pause || !generator.ready(row_cycles) {
                    cycle += 1;
                    waited += 1;
                    generator.progress = (generator.progress + 1).min((generator.taken + kept) * row_cycles);
                }
                let earliest = noise.bound(&[0], 0).expect("one row");
                assert!(earliest <= cycle);
                assert!(pause > 0 || earliest == cycle || waited == 0, "{earliest} instead of {cycle}");
                noise.take(cycle, 0);
                generator.taken += 1;
            }
        }
    }
}
