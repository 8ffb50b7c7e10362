//! What the matrix queue's instructions compute: `Dot` and `Gather`.

use super::queue::Block;
use super::state::{Issue, State};
use crate::trace::{Location, Sink};
use lpu_isa::arith::{self, Scalar, WORD_BITS, WORD_MIN};
use lpu_isa::instruction::{Clear, Dot, Emit, Gather, Index, Memory};
use lpu_isa::timing;

/// What a `Dot` carries from beat to beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct DotRun {
    row: i64,
    results: usize,
    entry: usize,
    first_entry: usize,
    /// Piece of the result that the next beat adds to, and the number of that result.
    piece: usize,
    result: usize,
    emitted: i64,
    maximum: i32,
}

impl State {
    pub(super) fn begin_dot(&self, dot: &Dot, block: &Block) -> DotRun {
        let offset = match (dot.offset, dot.memory) {
            (false, _) => 0,
            (true, Memory::Weights) => block.offsets[0],
            (true, Memory::Kv) => block.offsets[1],
        };
        let mask = self.geometry.act_entries - 1;
        DotRun {
            row: i64::from(dot.row) + offset,
            results: self.geometry.mxm_lanes >> dot.tap,
            entry: dot.entry as usize & mask,
            first_entry: dot.entry as usize & mask,
            piece: 0,
            result: 0,
            emitted: 0,
            maximum: i32::MIN,
        }
    }

    /// One beat.
    pub(super) fn beat<S: Sink>(&mut self, dot: &Dot, run: &mut DotRun, issue: Issue, sink: &mut S) {
        let entry_mask = self.geometry.act_entries - 1;
        if issue.k == 0 && dot.entry_continue {
            // Only now: the beats of the instruction before have set it.
            run.entry = self.next_entry_read;
        } else if dot.pieces > 1 && run.piece == 0 {
            run.entry = run.first_entry;
        } else if issue.k > 0 && dot.entry_advance {
            run.entry = (run.entry + 1) & entry_mask;
        }
        if issue.k == 0 {
            run.first_entry = run.entry;
        }
        self.next_entry_read = (run.entry + 1) & entry_mask;
        let moved = if dot.lane_advance { run.result * run.results } else { 0 };
        let lane = (dot.lane as usize + moved) & (self.geometry.vxm_lanes - 1);
        let clear = match dot.clear {
            Clear::Never => false,
            Clear::Always => true,
            Clear::First => run.piece == 0 && (dot.pieces > 1 || issue.k == 0),
        };
        self.accumulate(dot, run, run.row + issue.k * i64::from(dot.row_step), lane, clear);
        run.piece += 1;
        let whole = run.piece >= dot.pieces as usize;
        if whole {
            run.piece = 0;
            run.result += 1;
        }
        let full = whole && lane + run.results == self.geometry.vxm_lanes;
        let emit = match dot.emit {
            Emit::Never => false,
            Emit::Wrap => full,
            Emit::Last => issue.last,
            Emit::WrapOrLast => full || issue.last,
        };
        if emit {
            self.emit(dot, run, issue, sink);
        }
        if dot.maximum && issue.last {
            let number = dot.scalar as usize % self.geometry.scalars;
            self.maxima[number] = Scalar { mantissa: run.maximum, exponent: 0 };
            let port = timing::maximum_effect(&self.geometry) - 1;
            issue.tell(sink, self.position, port, Location::Scalar(number), &[run.maximum, 0]);
        }
    }

    fn accumulate(&mut self, dot: &Dot, run: &DotRun, row: i64, lane: usize, clear: bool) {
        let lanes = self.geometry.mxm_lanes;
        let rows = match dot.memory {
            Memory::Weights => self.geometry.weight_rows,
            Memory::Kv => self.geometry.kv_rows,
        };
        let ring = dot.memory == Memory::Weights && self.geometry.has_external_memory();
        let row = self.matrix_address(row, rows, ring);
        let memory = match dot.memory {
            Memory::Weights => &self.weights,
            Memory::Kv => &self.kv_values,
        };
        let matrix = &memory[row * lanes..][..lanes];
        let act = &self.act[run.entry * lanes..][..lanes];
        let sums = &mut self.sums[lane..][..run.results];
        if clear {
            sums.fill(0);
        }
        match dot.tap {
            2 => add_dots::<4>(matrix, act, sums),
            3 => add_dots::<8>(matrix, act, sums),
            4 => add_dots::<16>(matrix, act, sums),
            5 => add_dots::<32>(matrix, act, sums),
            6 => add_dots::<64>(matrix, act, sums),
            7 => add_dots::<128>(matrix, act, sums),
            _ => {
                let width = lanes / run.results;
                for (sum, (matrix, act)) in sums.iter_mut().zip(matrix.chunks(width).zip(act.chunks(width))) {
                    *sum = sum.wrapping_add(arith::dot(matrix, act));
                }
            }
        }
    }

    /// Sends the row of sums to vector memory.
    fn emit<S: Sink>(&mut self, dot: &Dot, run: &mut DotRun, issue: Issue, sink: &mut S) {
        let width = self.geometry.vxm_lanes;
        let row = self.vmem_address(i64::from(dot.store) + run.emitted);
        run.emitted += 1;
        let out = &mut self.vmem[row * width..][..width];
        let mut saturated = false;
        for (out, &sum) in out.iter_mut().zip(&self.sums) {
            let exact = arith::round_shift(i64::from(sum), dot.shift);
            *out = arith::saturate(exact, WORD_BITS) as i32;
            saturated |= i64::from(*out) != exact;
        }
        if dot.mask && issue.last {
            out[(self.position & (width - 1)) + 1..].fill(WORD_MIN);
        }
        self.saturations += u64::from(saturated);
        if dot.maximum {
            run.maximum = out.iter().fold(run.maximum, |maximum, &lane| maximum.max(lane));
        }
        let port = timing::dot_store_port(&self.geometry);
        issue.tell(sink, self.position, port, Location::Vmem(row), &self.vmem[row * width..][..width]);
    }

    /// One chunk of a `Gather`.
    pub(super) fn gather<S: Sink>(&mut self, gather: &Gather, issue: Issue, sink: &mut S) {
        let (lanes, width) = (self.geometry.mxm_lanes, self.geometry.vxm_lanes);
        let groups = self.geometry.groups() as i64;
        let item = match gather.index {
            Index::Token => self.token,
            Index::Position => self.position,
        };
        let chunk = ((item as i64) << gather.chunks) + issue.k;
        let from =
            self.matrix_address(i64::from(gather.row) + chunk / groups, self.geometry.weight_rows, false);
        let to = self.vmem_address(i64::from(gather.store) + issue.k);
        let source = &self.weights[from * lanes + (chunk % groups) as usize * width..][..width];
        let out = &mut self.vmem[to * width..][..width];
        for (out, &weight) in out.iter_mut().zip(source) {
            *out = i32::from(weight);
        }
        issue.tell(sink, self.position, timing::GATHER_STORE_PORT, Location::Vmem(to), out);
    }
}

/// Adds to each sum the products of `CHUNK` lanes. The fixed width lets the compiler use the host's vector unit.
#[inline]
fn add_dots<const CHUNK: usize>(matrix: &[i16], act: &[i16], sums: &mut [i32]) {
    let (matrix, _) = matrix.as_chunks::<CHUNK>();
    let (act, _) = act.as_chunks::<CHUNK>();
    for (sum, (matrix, act)) in sums.iter_mut().zip(matrix.iter().zip(act)) {
        *sum = sum.wrapping_add(arith::dot(matrix, act));
    }
}
