//! The tap ladder: of the tree's levels, the one that an instruction wants, spread over all lanes of a row of sums.
//!
//! ```text
//!  bus below ────────────────────┐
//!                                ├─► 2:1 ─►[reg]─► to the rung of n/2 results ... ─► bus
//!  result[l mod n] of level n ───┘
//!  wanted[0] ─►[a copy a lane]─── chooses
//!           cycle t                  t + 1
//! ```
//!
//! | port        | dir | width | meaning                                                                  | cycle   |
//! |-------------|-----|------:|--------------------------------------------------------------------------|---------|
//! | `wanted[r]` | in  |     1 | the tap is at or above the rung `r` from here                            | `t-1+r` |
//! | `sum[i]`    | in  |    32 | node `i + 1` of the tree: the level of `n` results is nodes `n` to `2n-1` | `t` for that level, one more for each narrower |
//! | `below[l]`  | in  |    32 | what the rung before chose                                               | `t`     |
//! | `bus[l]`    | out |    32 | result `l mod n` of the narrowest level wanted, or `below`               | `t` + rungs |
//!
//! A rung holds the rungs of fewer results inside itself. The data of one beat climb one rung a cycle, in step with the
//! levels of the tree.
//!
//! # Invariants
//! 1. `wanted[r]` implies `wanted[r - 1]` of the same beat.

use crate::dialect::*;
use crate::primitives::LocalCopy;

/// One lane of a rung: with `wanted`, the level's result goes up, else what came from below.
#[derive(LogicBlock, Default)]
pub struct RungLane {
    pub clock: Signal<In, Clock>,
    pub wanted: Signal<In, Bits<1>>,
    pub result: Signal<In, Bits<32>>,
    pub below: Signal<In, Bits<32>>,
    pub up: Signal<Out, Bits<32>>,
    wanted_here: LocalCopy<1>,
    held: DFF<Bits<32>>,
    kind: Kind<Self>,
}

impl Logic for RungLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, held);
        clock!(self, clock, wanted_here);
        self.wanted_here.d.next = self.wanted.val();
        self.held.d.next = self.below.val();
        if self.wanted_here.q.val().get_bit(0) {
            self.held.d.next = self.result.val();
        }
        self.up.next = self.held.q.val();
    }
}

/// A rung and those above it.
#[derive(LogicBlock, Default)]
pub struct TapLadder {
    pub clock: Signal<In, Clock>,
    pub wanted: Vec<Signal<In, Bits<1>>>,
    pub sum: Vec<Signal<In, Bits<32>>>,
    pub below: Vec<Signal<In, Bits<32>>>,
    pub bus: Vec<Signal<Out, Bits<32>>>,
    rung: Vec<RungLane>,
    upper: Vec<TapLadder>,
    _results: usize,
    _tops: usize,
    kind: Kind<Self>,
}

impl TapLadder {
    /// The rungs of `results`, half as many, ... one result, over `lanes` lanes.
    pub fn new(results: usize, lanes: usize) -> Self {
        Self {
            wanted: many(Self::latency(results)),
            sum: many(2 * results - 1),
            below: many(lanes),
            bus: many(lanes),
            rung: many(lanes),
            upper: if results > 1 { vec![Self::new(results / 2, lanes)] } else { vec![] },
            _results: results,
            _tops: usize::from(results == 1),
            kind: Kind::named(format!("tap_ladder_{results}_of_{lanes}")),
            ..Self::default()
        }
    }

    /// Cycles from `below` to `bus` with a lowest rung of `results` results: one a rung.
    pub const fn latency(results: usize) -> usize {
        results.ilog2() as usize + 1
    }
}

impl Logic for TapLadder {
    #[hdl_gen]
    fn update(&mut self) {
        for n in self._results..(self._results + 1) {
            for l in 0..self.rung.len() {
                clock!(self, clock, rung[l]);
                self.rung[l].wanted.next = self.wanted[0].val();
                self.rung[l].result.next = self.sum[n - 1 + l % n].val();
                self.rung[l].below.next = self.below[l].val();
            }
        }
        for u in 0..self.upper.len() {
            clock!(self, clock, upper[u]);
            for r in 1..self.wanted.len() {
                self.upper[u].wanted[r - 1].next = self.wanted[r].val();
            }
            for i in 0..(self._results - 1) {
                self.upper[u].sum[i].next = self.sum[i].val();
            }
            for l in 0..self.rung.len() {
                self.upper[u].below[l].next = self.rung[l].up.val();
                self.bus[l].next = self.upper[u].bus[l].val();
            }
        }
        for _top in 0..self._tops {
            for l in 0..self.rung.len() {
                self.bus[l].next = self.rung[l].up.val();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const LANES: usize = 8;
    const RESULTS: usize = 4;
    const RUNGS: usize = TapLadder::latency(RESULTS);

    /// A beat: how many rungs it climbs by, the nodes of the tree, and what comes from below.
    struct Beat {
        climbs: usize,
        nodes: Vec<i64>,
        below: Vec<i64>,
    }

    impl Beat {
        fn random(random: &mut Random) -> Self {
            Self {
                climbs: random.below(RUNGS as u64 + 1) as usize,
                nodes: (0..2 * RESULTS - 1).map(|_| random.signed(32)).collect(),
                below: (0..LANES).map(|_| random.signed(32)).collect(),
            }
        }

        fn lane(&self, l: usize) -> i64 {
            if self.climbs == 0 {
                return self.below[l];
            }
            let results = RESULTS >> (self.climbs - 1);
            self.nodes[results - 1 + l % results]
        }
    }

    #[test]
    fn beats_climb_to_their_tap() {
        let bench = Bench::new(&emit(&mut TapLadder::new(RESULTS, LANES), "tap_ladder").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let beats: Vec<Beat> = (0..2000).map(|_| Beat::random(&mut random)).collect();
        let mut stimulus = bench.stimulus();
        // Beat b meets rung r in cycle b + 1 + r; its choice is said a cycle before.
        for t in 0..beats.len() + RUNGS + 1 {
            stimulus.cycle();
            for r in 0..RUNGS {
                if let Some(beat) = t.checked_sub(r).and_then(|b| beats.get(b)) {
                    stimulus.set(&format!("wanted${r}"), u64::from(beat.climbs > r));
                }
                let results = RESULTS >> r;
                if let Some(beat) = t.checked_sub(r + 1).and_then(|b| beats.get(b)) {
                    for node in results - 1..2 * results - 1 {
                        stimulus.set_signed(&format!("sum${node}"), beat.nodes[node]);
                    }
                }
            }
            if let Some(beat) = t.checked_sub(1).and_then(|b| beats.get(b)) {
                for (l, value) in beat.below.iter().enumerate() {
                    stimulus.set_signed(&format!("below${l}"), *value);
                }
            }
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (b, beat) in beats.iter().enumerate() {
            for l in 0..LANES {
                assert_eq!(
                    response.signed(b + 1 + RUNGS, &format!("bus${l}")),
                    beat.lane(l),
                    "beat {b}, lane {l}"
                );
            }
        }
    }

    /// Needs no model: with the last rung wanted, all lanes are equal.
    #[test]
    fn one_result_fills_all_lanes() {
        let bench = Bench::new(&emit(&mut TapLadder::new(RESULTS, LANES), "tap_ladder").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..200 {
            stimulus.cycle();
            (0..RUNGS).for_each(|r| {
                stimulus.set(&format!("wanted${r}"), 1);
            });
            (0..2 * RESULTS - 1).for_each(|i| {
                stimulus.set_signed(&format!("sum${i}"), random.signed(32));
            });
        }
        let response = bench.run(&stimulus).unwrap();
        for t in RUNGS + 1..200 {
            let first = response.get(t, "bus$0");
            assert!((1..LANES).all(|l| response.get(t, &format!("bus${l}")) == first), "cycle {t}");
        }
    }
}
