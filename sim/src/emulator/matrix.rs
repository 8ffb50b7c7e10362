//! What the matrix queue's instructions compute: `Dot` and `Gather`.

use super::kernel::{self, Product};
use super::queue::Block;
use super::state::{Issue, State};
use crate::trace::{Location, Sink};
use lpu_isa::arith::{Scalar, WORD_MIN};
use lpu_isa::instruction::{Clear, Dot, Emit, Gather, Index, Memory};
use lpu_isa::timing;
use std::ops::Range;

/// What a `Dot` carries from beat to beat.
#[derive(Clone, Copy, Debug)]
pub(super) struct DotRun {
    pub row: i64,
    pub results: usize,
    pub entry: usize,
    first_entry: usize,
    /// Piece of the result that the next beat adds to, and the number of that result.
    pub piece: usize,
    pub result: usize,
    emitted: i64,
    maximum: i32,
}

/// Whether a beat replaces the sums.
pub(super) fn clears(dot: &Dot, run: &DotRun, k: i64) -> bool {
    match dot.clear {
        Clear::Never => false,
        Clear::Always => true,
        Clear::First => run.piece == 0 && (dot.pieces > 1 || k == 0),
    }
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
        self.enter(dot, run, issue.k);
        let lane = self.dot_lane(dot, run);
        let row = self.dot_row(dot, run.row + issue.k * i64::from(dot.row_step));
        self.accumulate(dot, run, row, lane, clears(dot, run, issue.k));
        self.finish(dot, run, issue, lane, sink);
    }

    /// Goes to the entry of a beat.
    pub(super) fn enter(&mut self, dot: &Dot, run: &mut DotRun, k: i64) {
        if k == 0 && dot.entry_continue {
            // Only now: the beats of the instruction before have set it.
            run.entry = self.next_entry_read;
        } else if dot.pieces > 1 && run.piece == 0 {
            run.entry = run.first_entry;
        } else if k > 0 && dot.entry_advance {
            run.entry = (run.entry + 1) & (self.geometry.act_entries - 1);
        }
        if k == 0 {
            run.first_entry = run.entry;
        }
    }

    /// The lane of the first result of a beat.
    pub(super) fn dot_lane(&self, dot: &Dot, run: &DotRun) -> usize {
        let moved = if dot.lane_advance { run.result * run.results } else { 0 };
        (dot.lane as usize + moved) & (self.geometry.vxm_lanes - 1)
    }

    /// What follows the sums of a beat, whose results begin with `lane`.
    pub(super) fn finish<S: Sink>(
        &mut self,
        dot: &Dot,
        run: &mut DotRun,
        issue: Issue,
        lane: usize,
        sink: &mut S,
    ) {
        self.next_entry_read = (run.entry + 1) & (self.geometry.act_entries - 1);
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

    fn accumulate(&mut self, dot: &Dot, run: &DotRun, row: usize, lane: usize, clear: bool) {
        let lanes = self.geometry.mxm_lanes;
        // The sums are taken out while the kernel borrows the memories.
        let mut sums = std::mem::take(&mut self.sums);
        let matrix = &self.dot_memory(dot)[row * lanes..][..lanes];
        let act = &self.act[run.entry * lanes..][..lanes];
        let part = &mut sums[lane..][..run.results];
        if clear {
            part.fill(0);
        }
        kernel::multiply(Product { matrix, act, lanes, tap: dot.tap, step: 0, pieces: 1, groups: 1 }, part);
        self.sums = sums;
    }

    /// Rows of vector memory that the beats to come may store, if they are all inside.
    pub(super) fn stored_rows(&self, dot: &Dot, run: &DotRun, beats: i64) -> Option<Range<i64>> {
        let first = i64::from(dot.store) + run.emitted;
        let results = beats / i64::from(dot.pieces.max(1)) + 1;
        let width = self.geometry.vxm_lanes / run.results;
        let most = match dot.emit {
            Emit::Never => 0,
            Emit::Last => 1,
            Emit::Wrap | Emit::WrapOrLast if dot.lane_advance => results / width as i64 + 2,
            Emit::Wrap | Emit::WrapOrLast => results + 1,
        };
        let end = first + most;
        (end <= self.geometry.vmem_rows as i64).then_some(first..end)
    }

    pub(super) fn dot_memory(&self, dot: &Dot) -> &[i16] {
        match dot.memory {
            Memory::Weights => &self.weights,
            Memory::Kv => &self.kv_values,
        }
    }

    /// Rows of its memory.
    pub(super) fn dot_rows(&self, dot: &Dot) -> usize {
        match dot.memory {
            Memory::Weights => self.geometry.weight_rows,
            Memory::Kv => self.geometry.kv_rows,
        }
    }

    /// The row of its memory that an address falls on.
    pub(super) fn dot_row(&mut self, dot: &Dot, row: i64) -> usize {
        let ring = dot.memory == Memory::Weights && self.geometry.has_external_memory();
        self.matrix_address(row, self.dot_rows(dot), ring)
    }

    /// Sends the row of sums to vector memory.
    fn emit<S: Sink>(&mut self, dot: &Dot, run: &mut DotRun, issue: Issue, sink: &mut S) {
        let width = self.geometry.vxm_lanes;
        let row = self.vmem_address(i64::from(dot.store) + run.emitted);
        run.emitted += 1;
        let out = &mut self.vmem[row * width..][..width];
        self.saturations += u64::from(kernel::round_sums(&self.sums, dot.shift, out));
        if dot.mask && issue.last {
            out[(self.position & (width - 1)) + 1..].fill(WORD_MIN);
        }
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
