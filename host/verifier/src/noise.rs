//! Random numbers: whether a row is ready when one is taken.

use super::rules::Rule;
use lpu_isa::{Geometry, timing};

/// Rows of random numbers: empty at the start of the token, which is the worst case.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    row_cycles: i64,
    rows: i64,
    /// Generator cycles in the rows that are ready, up to `cycle`.
    ready: i64,
    cycle: i64,
    taken: i64,
}

impl Noise {
    pub fn new(geometry: &Geometry) -> Self {
        // The row being taken still holds its place for some cycles: one row less is sure to be kept.
        let rows = geometry.noise_rows as i64 - 1;
        let row_cycles = timing::noise_row_cycles(geometry);
        Self { row_cycles, rows: rows.max(1), ready: 0, cycle: timing::NOISE_START_CYCLES, taken: 0 }
    }

    /// Takes a row in a cycle not before the last one.
    pub fn take(&mut self, cycle: i64) -> Result<(), Rule> {
        self.pass(cycle);
        if self.ready < self.row_cycles {
            return Err(Rule::Noise { made: self.taken + self.ready / self.row_cycles, taken: self.taken });
        }
        self.ready -= self.row_cycles;
        self.taken += 1;
        Ok(())
    }

    /// Rows taken and what is ready in a cycle: equal cycles from then on and equal takes get equal verdicts.
    pub fn state(&self, cycle: i64) -> (i64, [i64; 2]) {
        let mut then = *self;
        then.pass(cycle);
        (self.taken, [then.ready, then.cycle - cycle])
    }

    /// What happened before `cycle` happened `cycles` later, after `taken` further takes.
    pub fn shift(&mut self, cycle: i64, cycles: i64, taken: i64) {
        self.pass(cycle);
        self.cycle += cycles;
        self.taken += taken;
    }

    fn pass(&mut self, cycle: i64) {
        let made = (cycle - self.cycle).max(0);
        self.ready = (self.ready + made).min(self.rows * self.row_cycles);
        self.cycle = self.cycle.max(cycle);
    }
}
