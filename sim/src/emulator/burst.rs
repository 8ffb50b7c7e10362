//! Many beats of a `Dot` at once, where nobody watches single ones.
//!
//! Beats fall into *stretches*: rows that follow one another in memory, whose products go to one result after the other. In a stretch only the
//! last beat can emit, so that a kernel computes all of it before anything else happens.

use super::kernel::{self, Product};
use super::matrix::{DotRun, clears};
use super::state::{Issue, State};
use crate::trace::Silent;
use lpu_isa::instruction::{Clear, Dot, Emit};

/// Beats that are computed at once: `groups` times as many as a group of results has `pieces`.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    groups: usize,
    pieces: usize,
}

impl Stretch {
    const BEAT: Self = Self { groups: 1, pieces: 1 };

    fn beats(self) -> usize {
        self.groups * self.pieces
    }
}

impl State {
    /// As [`State::beat`] for `count` beats, of which `issue` is the first; the instruction's last is number `last`.
    pub(super) fn burst(&mut self, dot: &Dot, run: &mut DotRun, issue: Issue, count: i64, last: i64) {
        let end = issue.k + count;
        let mut k = issue.k;
        while k < end {
            self.enter(dot, run, k);
            let lane = self.dot_lane(dot, run);
            let row = self.dot_row(dot, run.row + k * i64::from(dot.row_step));
            let stretch = self.stretch(dot, run, (row, lane), k, (end - k) as usize);
            self.sum(dot, run, (row, lane), stretch, clears(dot, run, k));
            let Stretch { groups, pieces } = stretch;
            k += stretch.beats() as i64;
            // What `finish` does for the last beat is left to it.
            let entries = if dot.pieces > 1 { pieces } else { stretch.beats() };
            run.entry += if dot.entry_advance { entries - 1 } else { 0 };
            run.piece += if dot.pieces > 1 { pieces - 1 } else { 0 };
            run.result += if dot.pieces > 1 { groups - 1 } else { stretch.beats() - 1 };
            let lane = if dot.lane_advance { lane + (groups - 1) * run.results } else { lane };
            self.finish(dot, run, Issue { k: k - 1, last: k - 1 == last, ..issue }, lane, &mut Silent);
        }
    }

    /// The stretch that begins with a beat, of so many beats at most.
    fn stretch(&self, dot: &Dot, run: &DotRun, (row, lane): (usize, usize), k: i64, beats: usize) -> Stretch {
        if dot.row_step != 1 {
            return Stretch::BEAT;
        }
        let entries = if dot.entry_advance { self.geometry.act_entries - run.entry } else { usize::MAX };
        let rows = beats.min(self.dot_rows(dot) - row);
        let lanes_left = (self.geometry.vxm_lanes - lane) / run.results;
        if dot.pieces > 1 {
            let (all, left) = (dot.pieces as usize, dot.pieces as usize - run.piece);
            let groups = if dot.lane_advance { (rows / all).min(lanes_left) } else { 1 };
            return match dot.clear {
                Clear::Always => Stretch::BEAT,
                _ if left == all && groups > 1 && entries >= all => Stretch { groups, pieces: all },
                _ => Stretch { groups: 1, pieces: left.min(rows).min(entries) },
            };
        }
        let rows = rows.min(entries);
        let emits = matches!(dot.emit, Emit::Wrap | Emit::WrapOrLast);
        match (dot.lane_advance, dot.clear) {
            (true, Clear::First) if k == 0 => Stretch::BEAT,
            (true, _) => Stretch { groups: rows.min(lanes_left), pieces: 1 },
            (false, Clear::Always) => Stretch::BEAT,
            (false, _) if emits && lanes_left == 1 => Stretch::BEAT,
            (false, _) => Stretch { groups: 1, pieces: rows },
        }
    }

    /// Sums of a stretch.
    fn sum(&mut self, dot: &Dot, run: &DotRun, (row, lane): (usize, usize), stretch: Stretch, clear: bool) {
        let lanes = self.geometry.mxm_lanes;
        let step = if dot.entry_advance { lanes } else { 0 };
        // The sums are taken out while the kernel borrows the memories.
        let mut sums = std::mem::take(&mut self.sums);
        let part = &mut sums[lane..][..stretch.groups * run.results];
        if clear {
            part.fill(0);
        }
        let matrix = &self.dot_memory(dot)[row * lanes..][..stretch.beats() * lanes];
        let act = &self.act[run.entry * lanes..];
        let Stretch { groups, pieces } = stretch;
        kernel::multiply(Product { matrix, act, lanes, tap: dot.tap, step, pieces, groups }, part);
        self.sums = sums;
    }
}
