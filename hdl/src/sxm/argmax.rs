//! The choice of the next token: the candidate of the largest value; of equal ones the lowest number.
//!
//! ```text
//!  result[l] ─► larger than the lane's best? ─►[best[l]]─► tree: log2(lanes) registered levels ─►[reg]─►[reg]─► chosen
//!  cycle 12                                    13                            13 + levels        14..15 + levels
//! ```
//!
//! | port                   | dir | width | meaning                                          | cycle |
//! |------------------------|-----|------:|--------------------------------------------------|-------|
//! | `clock`                | in  |     1 |                                                  |       |
//! | `compare`              | in  |     1 | the result row is compared                       |    12 |
//! | `first`, `last`        | in  |     1 | with `compare`: the instruction's first, last row |    12 |
//! | `restart`              | in  |     1 | with `first`: forget all candidates before       |    12 |
//! | `tail`                 | in  |     8 | lanes that count in the last row, 0 for all      |    12 |
//! | `row`                  | in  |    24 | number of the row                                |    12 |
//! | `result[l]`            | in  |    24 | candidate `row * lanes + l`                      |    12 |
//! | `chosen`               | out |    16 | number of the best candidate so far              | 15 + levels |
//!
//! A candidate travels as one number that is larger for a better candidate: validity, value with its sign bit turned,
//! row complemented. Two candidates of a lane never have the same; of two lanes the lower wins unless it is smaller.
//!
//! # Invariants
//! 1. Rows may come in any order and over many instructions.
//! 2. Numbers are kept to 16 bits.

use crate::kind::Kind;
use crate::primitives::vector::{Fixed, Setting, many};
use crate::widths::LANE;
use lpu_isa::Geometry;
use rust_hdl::prelude::*;

/// Bits of a candidate: valid, 24 of value, 16 of row.
const KEY: usize = 41;

/// The best candidate of one lane.
#[derive(LogicBlock, Default)]
pub struct Contender {
    pub clock: Signal<In, Clock>,
    pub compare: Signal<In, Bit>,
    pub restarts: Signal<In, Bit>,
    pub counts: Signal<In, Bit>,
    pub rest: Signal<In, Bits<16>>,
    pub result: Signal<In, Bits<24>>,
    pub best: Signal<Out, Bits<KEY>>,
    valid: Fixed<{ 1 << 40 }, KEY>,
    sign: Fixed<{ 1 << 23 }, 24>,
    turned: Signal<Local, Bits<24>>,
    candidate: Signal<Local, Bits<KEY>>,
    key: DFF<Bits<KEY>>,
    kind: Kind<Self>,
}

impl Logic for Contender {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, key);
        self.turned.next = self.result.val() ^ self.sign.val();
        self.candidate.next = self.valid.val()
            | (bit_cast::<KEY, 24>(self.turned.val()) << 16)
            | bit_cast::<KEY, 16>(self.rest.val());
        if self.compare.val() {
            if self.counts.val() & (self.candidate.val() > self.key.q.val()) {
                self.key.d.next = self.candidate.val();
            }
            if self.restarts.val() {
                self.key.d.next = 0.into();
                if self.counts.val() {
                    self.key.d.next = self.candidate.val();
                }
            }
        }
        self.best.next = self.key.q.val();
    }
}

/// Two candidates in, the better one out, registered.
#[derive(LogicBlock, Default)]
pub struct Better {
    pub clock: Signal<In, Clock>,
    pub low: Signal<In, Bits<KEY>>,
    pub low_lane: Signal<In, Bits<LANE>>,
    pub high: Signal<In, Bits<KEY>>,
    pub high_lane: Signal<In, Bits<LANE>>,
    pub best: Signal<Out, Bits<KEY>>,
    pub best_lane: Signal<Out, Bits<LANE>>,
    key: DFF<Bits<KEY>>,
    lane: DFF<Bits<LANE>>,
    kind: Kind<Self>,
}

impl Logic for Better {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, key, lane);
        self.key.d.next = self.low.val();
        self.lane.d.next = self.low_lane.val();
        if self.high.val() > self.low.val() {
            self.key.d.next = self.high.val();
            self.lane.d.next = self.high_lane.val();
        }
        self.best.next = self.key.q.val();
        self.best_lane.next = self.lane.q.val();
    }
}

/// Lanewise comparison and tree.
#[derive(LogicBlock, Default)]
pub struct Argmax {
    pub clock: Signal<In, Clock>,
    pub compare: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub restart: Signal<In, Bit>,
    pub tail: Signal<In, Bits<8>>,
    pub row: Signal<In, Bits<24>>,
    pub result: Vec<Signal<In, Bits<24>>>,
    pub chosen: Signal<Out, Bits<16>>,
    row_mask: Setting<16>,
    lane_bits: Setting<4>,
    rest: Signal<Local, Bits<16>>,
    contender: Vec<Contender>,
    /// The tree as a heap: node 1 is the root, nodes `2i` and `2i + 1` feed node `i`; node 0 is not there.
    node: Vec<Better>,
    root_row: Signal<Local, Bits<16>>,
    winner: DFF<Bits<16>>,
    chosen_held: DFF<Bits<16>>,
    _lanes: usize,
    kind: Kind<Self>,
}

impl Argmax {
    /// Cycles from a result row to the choice that knows it.
    pub const fn latency(geometry: &Geometry) -> usize {
        3 + geometry.vxm_lanes.ilog2() as usize
    }

    /// The comparison of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        let lane_bits = u64::from(lanes.ilog2());
        Self {
            result: many(lanes),
            row_mask: Setting::new((1 << (16 - lane_bits)) - 1),
            lane_bits: Setting::new(lane_bits),
            contender: many(lanes),
            node: many(lanes - 1),
            _lanes: lanes,
            ..Self::default()
        }
    }
}

impl Logic for Argmax {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, winner, chosen_held);
        self.rest.next = !self.row.val().get_bits::<16>(0) & self.row_mask.val();
        for l in 0..self._lanes {
            self.contender[l].clock.next = self.clock.val();
            self.contender[l].compare.next = self.compare.val();
            self.contender[l].restarts.next = self.first.val() & self.restart.val();
            self.contender[l].counts.next =
                !self.last.val() | !self.tail.val().any() | (self.tail.val() > l.to_bits());
            self.contender[l].rest.next = self.rest.val();
            self.contender[l].result.next = self.result[l].val();
        }
        // Node `i` of the heap is `node[i - 1]`; a one-trip loop names the number of lanes.
        for n in self._lanes..(self._lanes + 1) {
            for i in (self._lanes / 2)..self._lanes {
                self.node[i - 1].clock.next = self.clock.val();
                self.node[i - 1].low.next = self.contender[2 * i - n].best.val();
                self.node[i - 1].low_lane.next = (2 * i - n).to_bits();
                self.node[i - 1].high.next = self.contender[2 * i + 1 - n].best.val();
                self.node[i - 1].high_lane.next = (2 * i + 1 - n).to_bits();
            }
        }
        for i in 1..(self._lanes / 2) {
            self.node[i - 1].clock.next = self.clock.val();
            self.node[i - 1].low.next = self.node[2 * i - 1].best.val();
            self.node[i - 1].low_lane.next = self.node[2 * i - 1].best_lane.val();
            self.node[i - 1].high.next = self.node[2 * i].best.val();
            self.node[i - 1].high_lane.next = self.node[2 * i].best_lane.val();
        }
        self.root_row.next = !self.node[0].best.val().get_bits::<16>(0) & self.row_mask.val();
        self.winner.d.next = (self.root_row.val() << self.lane_bits.val())
            | bit_cast::<16, LANE>(self.node[0].best_lane.val());
        self.chosen_held.d.next = self.winner.q.val();
        self.chosen.next = self.chosen_held.q.val();
    }
}
