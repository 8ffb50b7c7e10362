//! Many beats of a `Dot` at once, where nobody watches single ones.
//!
//! Beats fall into *stretches*: rows that follow one another in memory, whose products go to one result, or each to the next. In a stretch only
//! the last beat can emit, so that a kernel computes all of it before anything else happens.

use super::kernel;
use super::matrix::{DotRun, clears};
use super::state::{Issue, State};
use crate::trace::Silent;
use lpu_isa::instruction::{Clear, Dot, Emit};

impl State {
    /// As [`State::beat`] for `count` beats, of which `issue` is the first and the instruction's last is number `last`.
    pub(super) fn burst(&mut self, dot: &Dot, run: &mut DotRun, issue: Issue, count: i64, last: i64) {
        let end = issue.k + count;
        let mut k = issue.k;
        while k < end {
            self.enter(dot, run, k);
            let lane = self.dot_lane(dot, run);
            let row = self.dot_row(dot, run.row + k * i64::from(dot.row_step));
            let stretch = self.stretch(dot, run, (row, lane), k).min((end - k) as usize);
            let clear = clears(dot, run, k);
            self.sum(dot, run, (row, lane), stretch, clear);
            let further = stretch - 1;
            run.entry += if dot.entry_advance { further } else { 0 };
            let lane = if spreads(dot) { lane + further * run.results } else { lane };
            if dot.pieces > 1 {
                run.piece += further
            } else {
                run.result += further
            }
            k += stretch as i64;
            self.finish(dot, run, Issue { k: k - 1, last: k - 1 == last, ..issue }, lane, &mut Silent);
        }
    }

    /// Beats from this one on that make a stretch, at least 1.
    fn stretch(&self, dot: &Dot, run: &DotRun, (row, lane): (usize, usize), k: i64) -> usize {
        let spreads = spreads(dot);
        let emits = matches!(dot.emit, Emit::Wrap | Emit::WrapOrLast);
        let width = self.geometry.vxm_lanes;
        let alone = match dot.clear {
            Clear::Never => false,
            Clear::Always => !spreads,
            Clear::First => spreads && k == 0,
        };
        if alone || dot.row_step != 1 {
            return 1;
        }
        let results = if dot.pieces > 1 {
            dot.pieces as usize - run.piece
        } else if spreads {
            (width - lane) / run.results
        } else if emits && lane + run.results == width {
            1
        } else {
            usize::MAX
        };
        let rows = self.dot_rows(dot) - row;
        let entries = if dot.entry_advance { self.geometry.act_entries - run.entry } else { usize::MAX };
        results.min(rows).min(entries)
    }

    /// Sums of a stretch.
    fn sum(&mut self, dot: &Dot, run: &DotRun, (row, lane): (usize, usize), count: usize, clear: bool) {
        let lanes = self.geometry.mxm_lanes;
        let step = if dot.entry_advance { lanes } else { 0 };
        // The sums are taken out while the kernel borrows the memories.
        let mut sums = std::mem::take(&mut self.sums);
        let matrix = &self.dot_memory(dot)[row * lanes..][..count * lanes];
        let act = &self.act[run.entry * lanes..];
        let kernel = if spreads(dot) { kernel::spread } else { kernel::accumulate };
        let part = if spreads(dot) { count * run.results } else { run.results };
        let part = &mut sums[lane..][..part];
        if clear {
            part.fill(0);
        }
        kernel(matrix, act, lanes, step, part);
        self.sums = sums;
    }
}

/// Whether each beat has results of its own.
fn spreads(dot: &Dot) -> bool {
    dot.pieces <= 1 && dot.lane_advance
}
