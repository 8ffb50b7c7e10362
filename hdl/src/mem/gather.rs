//! One lane of the path by which matrix rows become vector rows: picks the lane of one group out of all groups.
//!
//! ```text
//!  lane[0] ─┐
//!  lane[1] ─┼─► 4:1 ─►[reg]──┐
//!  lane[2] ─┤                ├─► 4:1 ─►[reg]─► word
//!  lane[3] ─┘    4:1 ─►[reg]─┘
//!         cycle 4         5             6
//! ```
//!
//! | port     | dir | width   | meaning                                            | cycle |
//! |----------|-----|---------|----------------------------------------------------|------:|
//! | `lane[g]` | in | 10      | the lane's matrix operand in group `g`             |     4 |
//! | `chunk`  | in  | `GROUP` | the group wanted                                   |     3 |
//! | `word`   | out | 10      | `lane[chunk]`                                      |     6 |
//!
//! `chunk` comes a cycle early because every lane keeps its own copy of it: one copy for all would drive hundreds of
//! multiplexers.
//!
//! # Invariants
//! 1. There are at most 16 groups: two stages of four-to-one multiplexers.

use crate::kind::Kind;
use crate::primitives::LocalCopy;
use crate::widths::GROUP;
use rust_hdl::prelude::*;

/// Groups that one multiplexer takes.
const INPUTS: usize = 4;

/// The chunk selector of one lane.
#[derive(LogicBlock)]
pub struct Gather {
    pub clock: Signal<In, Clock>,
    pub lane: Vec<Signal<In, Bits<10>>>,
    pub chunk: Signal<In, Bits<GROUP>>,
    pub word: Signal<Out, Bits<10>>,
    choice: LocalCopy<GROUP>,
    low: Signal<Local, Bits<2>>,
    upper_choice: Vec<DFF<Bits<GROUP>>>,
    first: Vec<DFF<Bits<10>>>,
    second: DFF<Bits<10>>,
    _width: usize,
    kind: Kind<Self>,
}

impl Gather {
    /// Cycles from `lane` to `word`.
    pub const LATENCY: usize = 2;

    /// A selector among `groups` groups, a power of two from 2 to 16.
    pub fn new(groups: usize) -> Self {
        assert!((2..=INPUTS * INPUTS).contains(&groups), "a gather path takes 2 to 16 groups, not {groups}");
        Self {
            clock: Default::default(),
            lane: (0..groups).map(|_| Default::default()).collect(),
            chunk: Default::default(),
            word: Default::default(),
            choice: Default::default(),
            low: Default::default(),
            upper_choice: (0..usize::from(groups > INPUTS)).map(|_| Default::default()).collect(),
            first: (0..groups.div_ceil(INPUTS)).map(|_| Default::default()).collect(),
            second: Default::default(),
            _width: groups.min(INPUTS),
            kind: Kind::named(format!("gather_{groups}")),
        }
    }
}

impl Logic for Gather {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, second);
        self.choice.clock.next = self.clock.val();
        self.choice.d.next = self.chunk.val();
        self.low.next = bit_cast::<2, GROUP>(self.choice.q.val());
        for q in 0..self.first.len() {
            self.first[q].clock.next = self.clock.val();
            self.first[q].d.next = self.lane[4 * q].val();
            for i in 1..self._width {
                if self.low.val() == i.to_bits::<2>() {
                    self.first[q].d.next = self.lane[4 * q + i].val();
                }
            }
        }
        self.second.d.next = self.first[0].q.val();
        for u in 0..self.upper_choice.len() {
            self.upper_choice[u].clock.next = self.clock.val();
            self.upper_choice[u].d.next = self.choice.q.val() >> 2;
            for q in 1..self.first.len() {
                if self.upper_choice[u].q.val() == q.to_bits::<GROUP>() {
                    self.second.d.next = self.first[q].q.val();
                }
            }
        }
        self.word.next = self.second.q.val();
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
