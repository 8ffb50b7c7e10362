//! What passes through weight memory where it is a ring: rows that transfers bring and `Dot`s read, numbered in the order of both.
//!
//! A row that arrives takes the place of the row `ring` numbers before it, which must have been read. Arrivals and reads of one segment are
//! closed forms of their first cycle, so that a matrix of ten thousand rows is two entries here.

use super::schedule::Times;
use lpu_isa::transfer::{Frames, Layout};

/// Rows of weight memory that a transfer brings.
#[derive(Clone)]
pub struct Arrival {
    /// Number of its first row.
    pub first: usize,
    pub rows: usize,
    pub layout: Layout,
    /// First slot, for each number of blocks.
    pub slots: Times,
}

impl Arrival {
    /// The cycle in which a row is issued, with the number of blocks of `index`: its last bit comes then.
    pub fn issue(&self, frames: &Frames, row: usize, index: usize) -> i64 {
        let (granule, word) = self.layout.word_of(self.layout.row_bits(row).1 - 1);
        frames.begin(self.slots[index] + granule as i64) + word as i64
    }
}

/// Rows that a `Dot` reads, one a beat.
#[derive(Clone)]
pub struct Reads {
    pub first: usize,
    pub rows: usize,
    pub interval: i64,
    pub start: Times,
}

/// The ring within one segment.
#[derive(Clone, Default)]
pub struct Stream {
    /// Number of the next row that a transfer brings.
    pub next: usize,
    pub arrivals: Vec<Arrival>,
    pub reads: Vec<Reads>,
    /// Whether the last transfer of the segment went back to external memory.
    pub back: Option<bool>,
}

impl Stream {
    /// The issue of the beat that reads a row, if it was read in this segment. Rows of earlier segments have been read.
    pub fn read(&self, row: usize, index: usize) -> Option<i64> {
        let reads = self.reads.iter().find(|reads| (reads.first..reads.first + reads.rows).contains(&row))?;
        Some(reads.start[index] + (row - reads.first) as i64 * reads.interval)
    }

    /// Forgets the segment that has ended: every row that came in it has come, every beat of it has been issued.
    pub fn end_segment(&mut self) {
        self.arrivals.clear();
        self.reads.clear();
        self.back = None;
    }
}
