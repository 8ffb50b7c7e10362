//! The random generator with its row buffer: one number a cycle while the buffer has room.

use lpu_isa::arith::{Taus88, gumbel};
use lpu_isa::{Geometry, timing};

/// Generator and buffer. Numbers are made when they are taken; of the buffer only the fill is kept, to know an underrun.
#[derive(Clone, Debug)]
pub struct Noise {
    generator: Taus88,
    sampling: bool,
    row_cycles: i64,
    capacity: i64,
    stored: i64,
    counted_until: i64,
}

impl Noise {
    /// A generator for a chip, as after reset.
    pub fn new(geometry: &Geometry) -> Self {
        let row_cycles = timing::noise_row_cycles(geometry);
        Self {
            generator: Taus88::new(0),
            sampling: false,
            row_cycles,
            capacity: geometry.noise_rows as i64 * row_cycles,
            stored: 0,
            counted_until: 0,
        }
    }

    /// Begins a run.
    pub fn start(&mut self, seed: u32, sampling: bool) {
        self.generator = Taus88::new(seed);
        self.sampling = sampling;
        self.stored = 0;
        self.counted_until = timing::NOISE_START_CYCLES;
    }

    /// Lets a token end: cycles are counted from the start of the next one.
    pub fn end_token(&mut self, cycles: i64) {
        self.fill_until(cycles);
        self.counted_until = 0;
    }

    /// Takes a row in a cycle; false if it was not made yet.
    pub fn take(&mut self, cycle: i64, row: &mut [i32]) -> bool {
        self.fill_until(cycle);
        for lane in row {
            *lane = if self.sampling { gumbel(self.generator.next()) } else { 0 };
        }
        let ready = self.stored >= self.row_cycles;
        self.stored = (self.stored - self.row_cycles).max(0);
        ready
    }

    fn fill_until(&mut self, cycle: i64) {
        self.stored = (self.stored + (cycle - self.counted_until).max(0)).min(self.capacity);
        self.counted_until = self.counted_until.max(cycle);
    }
}
