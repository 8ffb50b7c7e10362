//! One lane of the path by which matrix rows become vector rows: picks the lane of one group out of all groups.
//!
//! ```text
//!  lane[0] ─┬─► 2:1 ─►[reg]─┐
//!  lane[1] ─┘                ├─► 2:1 ─►[reg]─┐
//!  lane[2] ─┬─► 2:1 ─►[reg]─┘                ├─► 2:1 ─►[reg]─► word
//!  lane[3] ─┘            lanes 4 to 7: [reg]─┘
//!         cycle 4             5              6              7
//! ```
//!
//! | port     | dir | width   | meaning                                            | cycle |
//! |----------|-----|---------|----------------------------------------------------|------:|
//! | `lane[g]` | in | 10      | the lane's matrix operand in group `g`             |     4 |
//! | `chunk`  | in  | `GROUP` | the group wanted                                   |     3 |
//! | `word`   | out | 10      | `lane[chunk]`                                      |     7 |
//!
//! `chunk` comes a cycle early because every lane keeps its own copy of it: one copy for all would drive hundreds of
//! multiplexers. Each step is one table a bit and joins neighbours, so that ten wires go on where twenty came.
//!
//! # Invariants
//! 1. There are 2 to 8 groups; with fewer than 8, the last steps are registers.

use crate::kind::Kind;
use crate::primitives::LocalCopy;
use crate::widths::GROUP;
use rust_hdl::prelude::*;

/// The chunk selector of one lane.
#[derive(LogicBlock)]
pub struct Gather {
    pub clock: Signal<In, Clock>,
    pub lane: Vec<Signal<In, Bits<10>>>,
    pub chunk: Signal<In, Bits<GROUP>>,
    pub word: Signal<Out, Bits<10>>,
    choice_4: LocalCopy<GROUP>,
    choice_5: DFF<Bits<GROUP>>,
    choice_6: DFF<Bits<GROUP>>,
    pair_5: Vec<DFF<Bits<10>>>,
    quad_6: Vec<DFF<Bits<10>>>,
    word_7: DFF<Bits<10>>,
    _pairs_per_quad: usize,
    kind: Kind<Self>,
}

impl Gather {
    /// Cycles from `lane` to `word`.
    pub const LATENCY: usize = 3;

    /// A selector among `groups` groups, a power of two from 2 to 8.
    pub fn new(groups: usize) -> Self {
        assert!((2..=8).contains(&groups), "a gather path takes 2 to 8 groups, not {groups}");
        let (pairs, quads) = (groups / 2, groups.div_ceil(4));
        Self {
            clock: Default::default(),
            lane: (0..groups).map(|_| Default::default()).collect(),
            chunk: Default::default(),
            word: Default::default(),
            choice_4: Default::default(),
            choice_5: Default::default(),
            choice_6: Default::default(),
            pair_5: (0..pairs).map(|_| Default::default()).collect(),
            quad_6: (0..quads).map(|_| Default::default()).collect(),
            word_7: Default::default(),
            _pairs_per_quad: pairs / quads,
            kind: Kind::named(format!("gather_{groups}")),
        }
    }
}

impl Logic for Gather {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, choice_5, choice_6, word_7);
        self.choice_4.clock.next = self.clock.val();
        self.choice_4.d.next = self.chunk.val();
        self.choice_5.d.next = self.choice_4.q.val();
        self.choice_6.d.next = self.choice_5.q.val();
        for p in 0..self.pair_5.len() {
            self.pair_5[p].clock.next = self.clock.val();
            self.pair_5[p].d.next = self.lane[2 * p].val();
            if self.choice_4.q.val().get_bit(0) {
                self.pair_5[p].d.next = self.lane[2 * p + 1].val();
            }
        }
        for q in 0..self.quad_6.len() {
            self.quad_6[q].clock.next = self.clock.val();
            self.quad_6[q].d.next = self.pair_5[2 * q].q.val();
            for i in 1..self._pairs_per_quad {
                if self.choice_5.q.val().get_bit(1) {
                    self.quad_6[q].d.next = self.pair_5[2 * q + i].q.val();
                }
            }
        }
        self.word_7.d.next = self.quad_6[0].q.val();
        for q in 1..self.quad_6.len() {
            if self.choice_6.q.val().get_bit(2) {
                self.word_7.d.next = self.quad_6[q].q.val();
            }
        }
        self.word.next = self.word_7.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn the_word_is_the_group_chosen() {
        for groups in [2, 4, 8] {
            let bench = Bench::new(&emit(&mut Gather::new(groups), "gather").unwrap()).unwrap();
            let mut random = Random::from_seed_variable();
            let (mut stimulus, mut rows) = (bench.stimulus(), vec![]);
            for _ in 0..5000 {
                let lanes: Vec<i64> = (0..groups).map(|_| random.signed(10)).collect();
                let chunk = random.below(groups as u64);
                stimulus.cycle().set("chunk", chunk);
                for (g, lane) in lanes.iter().enumerate() {
                    stimulus.set_signed(&format!("lane${g}"), *lane);
                }
                rows.push((chunk, lanes));
            }
            let response = bench.run(stimulus.idle(Gather::LATENCY)).unwrap();
            // The chunk is said one cycle before its lanes come.
            for t in 1..rows.len() {
                let expected = rows[t].1[rows[t - 1].0 as usize];
                assert_eq!(
                    response.signed(t + Gather::LATENCY, "word"),
                    expected,
                    "cycle {t} of {groups} groups"
                );
            }
        }
    }

    /// Needs no model: where all groups hold the same, the choice does not matter.
    #[test]
    fn equal_groups_give_that_word() {
        let bench = Bench::new(&emit(&mut Gather::new(8), "gather").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for t in 0..500 {
            stimulus.cycle().set("chunk", random.below(8));
            (0..8).for_each(|g| {
                stimulus.set(&format!("lane${g}"), t);
            });
        }
        let response = bench.run(stimulus.idle(Gather::LATENCY)).unwrap();
        assert!((0..500).all(|t| response.get(t + Gather::LATENCY, "word") == t as u64));
    }
}
