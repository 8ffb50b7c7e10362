//! Four lanes of the path by which matrix rows become vector rows: those of one group out of all groups, lane by lane.
//!
//! ```text
//!  group 0, lanes 0 to 3 ─►[four registers, shifted]─┬─► 2:1 ─►[reg]─┐
//!  group 1, lanes 0 to 3 ─►[four registers, shifted]─┘               ├─► 2:1 ─►[reg]─┐
//!  group 2, 3            ─► ...                                ─►[reg]─┘               ├─► 2:1 ─►[reg]─┬─►[reg]─►[reg]─►[reg]─► word[0]
//!  group 4 to 7          ─► ...                                            ─►[reg]─┘               └─► word[3] ...
//!                cycle 4                             5 to 8               6 to 9          7 to 10         8 to 11                 11
//! ```
//!
//! | port      | dir | width   | meaning                                                    | cycle |
//! |-----------|-----|---------|------------------------------------------------------------|------:|
//! | `load`    | in  | 1       | a row is wanted                                            |     3 |
//! | `chunk`   | in  | `GROUP` | the group that holds it                                    |     3 |
//! | `lane[4 g + i]` | in | 10 | matrix operand of lane `i` in group `g`                    |     4 |
//! | `word[i]` | out | 10      | `lane[4 chunk + i]`                                        |    11 |
//!
//! Throughput: a row every [`GATHER_INTERVAL`] cycles. A row that is spread over four cycles needs a quarter of the wires, and those
//! from every group to vector memory are among the longest of the chip. `load` and `chunk` come a cycle early, for copies.
//!
//! # Invariants
//! 1. There are 2 to 8 groups; with fewer than 8, the last steps are registers.
//! 2. `load` comes no sooner than `GATHER_INTERVAL` cycles after the one before.

use crate::dialect::*;
use crate::primitives::LocalCopy;
use crate::widths::GROUP;
use lpu_isa::timing::GATHER_INTERVAL;

/// Lanes that share a wire.
pub const LANES: usize = GATHER_INTERVAL as usize;

/// The operands of one group's lanes, given one after the other.
#[derive(LogicBlock, Default)]
pub struct Shifter {
    pub clock: Signal<In, Clock>,
    pub load: Signal<In, Bit>,
    pub lane: [Signal<In, Bits<10>>; LANES],
    pub first: Signal<Out, Bits<10>>,
    load_4: LocalCopy<1>,
    held: [DFF<Bits<10>>; LANES],
    kind: Kind<Self>,
}

impl Logic for Shifter {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, load_4);
        self.load_4.d.next = self.load.val().into();
        for i in 0..LANES {
            clock!(self, clock, held[i]);
            self.held[i].d.next = self.lane[i].val();
        }
        if !self.load_4.q.val().get_bit(0) {
            for i in 1..LANES {
                self.held[i - 1].d.next = self.held[i].q.val();
            }
        }
        self.first.next = self.held[0].q.val();
    }
}

/// The path of four lanes.
#[derive(LogicBlock, Default)]
pub struct Gather {
    pub clock: Signal<In, Clock>,
    pub load: Signal<In, Bit>,
    pub chunk: Signal<In, Bits<GROUP>>,
    pub lane: Vec<Signal<In, Bits<10>>>,
    pub word: [Signal<Out, Bits<10>>; LANES],
    load_4: DFF<Bit>,
    choice_4: DFF<Bits<GROUP>>,
    choice_5: LocalCopy<GROUP>,
    choice_6: DFF<Bits<GROUP>>,
    choice_7: DFF<Bits<GROUP>>,
    group_5: Vec<Shifter>,
    pair_6: Vec<DFF<Bits<10>>>,
    quad_7: Vec<DFF<Bits<10>>>,
    /// The lane that comes, and those that came before it, the last first.
    came_8: [DFF<Bits<10>>; LANES],
    _pairs_per_quad: usize,
    _last: usize,
    kind: Kind<Self>,
}

impl Gather {
    /// Cycles from `lane` to `word`.
    pub const LATENCY: usize = 3 + LANES;

    /// A selector among `groups` groups, a power of two from 2 to 8.
    pub fn new(groups: usize) -> Self {
        assert!((2..=8).contains(&groups), "a gather path takes 2 to 8 groups, not {groups}");
        let (pairs, quads) = (groups / 2, groups.div_ceil(4));
        Self {
            lane: many(LANES * groups),
            group_5: many(groups),
            pair_6: many(pairs),
            quad_7: many(quads),
            _pairs_per_quad: pairs / quads,
            _last: LANES - 1,
            kind: Kind::named(format!("gather_{groups}")),
            ..Self::default()
        }
    }
}

impl Logic for Gather {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, load_4, choice_4, choice_6, choice_7);
        clock!(self, clock, choice_5);
        // The choice stays while the lanes pass.
        self.load_4.d.next = self.load.val();
        self.choice_4.d.next = self.chunk.val();
        self.choice_5.d.next = self.choice_5.q.val();
        if self.load_4.q.val() {
            self.choice_5.d.next = self.choice_4.q.val();
        }
        self.choice_6.d.next = self.choice_5.q.val();
        self.choice_7.d.next = self.choice_6.q.val();
        for g in 0..self.group_5.len() {
            clock!(self, clock, group_5[g]);
            self.group_5[g].load.next = self.load.val();
            for i in 0..LANES {
                self.group_5[g].lane[i].next = self.lane[4 * g + i].val();
            }
        }
        for p in 0..self.pair_6.len() {
            clock!(self, clock, pair_6[p]);
            self.pair_6[p].d.next = self.group_5[2 * p].first.val();
            if self.choice_5.q.val().get_bit(0) {
                self.pair_6[p].d.next = self.group_5[2 * p + 1].first.val();
            }
        }
        for q in 0..self.quad_7.len() {
            clock!(self, clock, quad_7[q]);
            self.quad_7[q].d.next = self.pair_6[2 * q].q.val();
            for i in 1..self._pairs_per_quad {
                if self.choice_6.q.val().get_bit(1) {
                    self.quad_7[q].d.next = self.pair_6[2 * q + i].q.val();
                }
            }
        }
        self.came_8[0].d.next = self.quad_7[0].q.val();
        for q in 1..self.quad_7.len() {
            if self.choice_7.q.val().get_bit(2) {
                self.came_8[0].d.next = self.quad_7[q].q.val();
            }
        }
        for i in 0..LANES {
            clock!(self, clock, came_8[i]);
        }
        for i in 1..LANES {
            self.came_8[i].d.next = self.came_8[i - 1].q.val();
        }
        for last in self._last..(self._last + 1) {
            for i in 0..LANES {
                self.word[i].next = self.came_8[last - i].q.val();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    /// Random operands every cycle; rows wanted at least an interval apart come out whole.
    #[test]
    fn the_words_are_the_lanes_of_the_group_chosen() {
        for groups in [2, 4, 8] {
            let bench = Bench::new(&emit(&mut Gather::new(groups), "gather").unwrap()).unwrap();
            let mut random = Random::from_seed_variable();
            let (mut stimulus, mut wanted, mut expected) = (bench.stimulus(), None, vec![]);
            let mut rest = 0;
            for t in 0..5000 {
                let lanes: Vec<i64> = (0..LANES * groups).map(|_| random.signed(10)).collect();
                let chunk = random.below(groups as u64);
                stimulus.cycle().set("chunk", chunk);
                for (l, lane) in lanes.iter().enumerate() {
                    stimulus.set_signed(&format!("lane${l}"), *lane);
                }
                // The chunk was said one cycle before its lanes come.
                if let Some(chunk) = wanted.take() {
                    let at = LANES * chunk as usize;
                    expected.push((t + Gather::LATENCY, lanes[at..at + LANES].to_vec()));
                }
                if rest == 0 {
                    stimulus.set("load", 1);
                    wanted = Some(chunk);
                    rest = LANES - 1 + random.below(3) as usize;
                } else {
                    rest -= 1;
                }
            }
            let response = bench.run(stimulus.idle(Gather::LATENCY)).unwrap();
            for (t, lanes) in expected {
                let found: Vec<i64> = (0..LANES).map(|i| response.signed(t, &format!("word${i}"))).collect();
                assert_eq!(found, lanes, "cycle {t} of {groups} groups");
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
            stimulus.cycle().set("chunk", random.below(8)).set("load", u64::from(t % LANES as u64 == 0));
            (0..8 * LANES).for_each(|l| {
                stimulus.set(&format!("lane${l}"), t);
            });
        }
        let response = bench.run(stimulus.idle(Gather::LATENCY)).unwrap();
        let row = |t: usize| {
            (0..LANES).all(|i| response.get(t + Gather::LATENCY, &format!("word${i}")) == t as u64)
        };
        assert!((1..500).step_by(LANES).all(row));
    }
}
