//! Many rows of a transfer at once, where nobody watches single ones.
//!
//! Of all that the other queues do, only what the matrix unit reads of weight memory can tell when a row of it was written. Rows of weights may
//! therefore be written before beats that the plain order puts first, unless one of these beats reads what the row replaces.

use super::dues::Dues;
use super::kernel::{self, Codes, Shape};
use super::state::State;
use super::transfer::{TransferRun, read_row};
use lpu_isa::host::Fault;
use lpu_isa::instruction::Way;
use lpu_isa::transfer::BLOCK_CODES;

/// Rows that are written at once, at most.
const ROWS_MAX: usize = 256;

/// What must stay unwritten, for issues of other queues to come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads {
    /// Everything, from a cycle on.
    From(i64),
    /// What beats read of a ring, one row after the other; and everything, when they are over.
    Ring {
        /// Row that the next beat reads, before it wraps.
        row: i64,
        /// Cycle of the next beat, and from beat to beat.
        next: i64,
        interval: i64,
        /// Beats to come.
        count: i64,
    },
}

impl Reads {
    /// The rows from a target on that may be written.
    fn writable(self, target: i64, ring: usize) -> Writable {
        match self {
            Self::From(cycle) => Writable { rows: ring, cycle, interval: 0, end: cycle },
            Self::Ring { row, next, interval, count } => {
                // The first row written is the one that this beat reads; each further one is that of the beat after, until the ring begins anew.
                let beat = (target - row).rem_euclid(ring as i64);
                let end = next + interval * count;
                Writable { rows: ring - beat as usize, cycle: next + interval * beat, interval, end }
            }
        }
    }
}

/// Rows that may be written: row `n` of so many if it is issued before `cycle + n * interval`, and before the end.
struct Writable {
    rows: usize,
    cycle: i64,
    interval: i64,
    end: i64,
}

impl TransferRun {
    /// Whether many rows can be moved at once: they follow one another in the matrix unit's memories.
    pub fn streams(&self) -> bool {
        matches!(self.transfer.way, Way::Weights | Way::Kv) && self.transfer.row_step == 1
    }

    /// Rows from the next one on that may be written now, at most so many, and the cycles of those after them.
    fn writable(&self, most: usize, writable: &Writable) -> (usize, Dues) {
        let Writable { cycle, interval, end, .. } = *writable;
        let mut dues = self.dues.clone();
        if let Some((rows, last)) = dues.steady(most) {
            // Between the first and the last row, cycles and limits both grow steadily, but for the fraction of a cycle that a row may be early.
            let limit = cycle + interval * (rows as i64 - 1);
            if dues.due() < cycle - 1 && last < limit - 1 && last < end {
                dues.skip(rows);
                return (rows, dues);
            }
        }
        let (mut count, mut limit) = (0, cycle);
        while count < most.min(self.layout.run() - self.k) && dues.due() < limit.min(end) {
            dues.advance();
            limit += interval;
            count += 1;
        }
        (count, dues)
    }

    fn shape(&self) -> Shape {
        let rows = self.layout.rows_per_result();
        Shape {
            lanes: self.layout.lanes,
            rows,
            first: self.k % rows,
            last: self.layout.row_codes(rows - 1).1,
        }
    }
}

impl State {
    /// Moves rows as far as the other queues allow.
    pub(super) fn stream(&mut self, run: &mut TransferRun, reads: Reads) {
        let to_weights = run.transfer.way == Way::Weights;
        let rows = if to_weights { self.geometry.weight_rows } else { self.geometry.kv_rows };
        while !run.done() {
            let writable = reads.writable(run.target(), rows);
            let row = run.target().rem_euclid(rows as i64) as usize;
            let most = writable.rows.min(rows - row).min(ROWS_MAX);
            let (count, dues) = run.writable(most, &writable);
            if count == 0 {
                break;
            }
            if run.is_inside(self.geometry.dram_granules) {
                self.matrix_address(run.target(), rows, to_weights);
                let mut buffer = std::mem::take(&mut self.buffer);
                self.bring_rows(run, row, count, &mut buffer);
                self.buffer = buffer;
            } else {
                self.raise(Fault::DRAM_ADDRESS);
            }
            run.step(count, dues);
        }
    }

    fn bring_rows(&mut self, run: &TransferRun, row: usize, count: usize, buffer: &mut Vec<u8>) {
        let lanes = run.layout.lanes;
        let range = row * lanes..(row + count) * lanes;
        let out = match run.transfer.way {
            Way::Weights => &mut self.weights[range.clone()],
            _ => &mut self.kv_codes[range.clone()],
        };
        let (from, bytes) = run.bytes(0, count);
        match run.layout.block_code_bits() {
            None => kernel::read_nines(self.dram.read(from, bytes, buffer), out),
            Some(bits) if lanes.is_multiple_of(BLOCK_CODES) => {
                let codes = Codes { bits, offset: run.transfer.offset_codes, shift: run.transfer.shift };
                kernel::decode_rows(self.dram.read(from, bytes, buffer), codes, run.shape(), out);
            }
            Some(_) => {
                for (index, row) in out.chunks_exact_mut(lanes).enumerate() {
                    read_row(&self.dram, run, index, buffer, |lane, value| row[lane] = value as i16);
                }
            }
        }
        if run.transfer.way == Way::Kv {
            kernel::kv_values(&self.kv_codes[range.clone()], &mut self.kv_values[range]);
        }
    }
}
