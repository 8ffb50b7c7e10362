//! The choice of the next token: the candidate of the largest value; of equal ones the lowest number.
//!
//! ```text
//!  result[l] ─► tree of `Better`: log2(lanes) registered levels ─► best of the row ─► better than all before? ─►[best]
//!  cycle 13                                                        13 + levels                                  14 + levels
//!                                                                                      best ─►[number]─►[chosen]
//!                                                                                                        16 + levels
//! ```
//!
//! | port                   | dir | width | meaning                                          | cycle |
//! |------------------------|-----|------:|--------------------------------------------------|-------|
//! | `clock`                | in  |     1 |                                                  |       |
//! | `compare`              | in  |     1 | the result row is compared                       |    12 |
//! | `first`, `last`        | in  |     1 | with `compare`: the instruction's first, last row |   12 |
//! | `restart`              | in  |     1 | with `first`: forget all candidates before       |    12 |
//! | `tail`                 | in  |     8 | lanes that count in the last row, 0 for all      |    12 |
//! | `row`                  | in  |    24 | number of the row                                |    13 |
//! | `result[l]`            | in  |    24 | candidate `row * lanes + l`                      |    13 |
//! | `chosen`               | out |    16 | number of the best candidate so far              | 16 + levels |
//!
//! Candidates are compared as unsigned numbers: validity above the value with its sign bit turned. The tree is asked
//! for one row at a time, so within it lanes need no row: of equal ones the lower lane stays.
//!
//! # Invariants
//! 1. Rows may come in any order and over many instructions.
//! 2. Numbers of candidates are kept to 16 bits.

use crate::dialect::*;
use crate::primitives::Delay;
use crate::primitives::vector::Larger;
use crate::widths::LANE;
use lpu_isa::Geometry;

/// Bits of a candidate in the tree: valid, 24 of value.
const KEY: usize = 25;
/// Bits of a candidate with its number's complement below: a lower number is better.
const RANK: usize = KEY + 16;

/// Two candidates of a row in, the better one out, registered.
#[derive(LogicBlock, Default)]
pub struct Better {
    pub clock: Signal<In, Clock>,
    pub low: Signal<In, Bits<KEY>>,
    pub low_lane: Signal<In, Bits<LANE>>,
    pub high: Signal<In, Bits<KEY>>,
    pub high_lane: Signal<In, Bits<LANE>>,
    pub best: Signal<Out, Bits<KEY>>,
    pub best_lane: Signal<Out, Bits<LANE>>,
    comparison: Larger<KEY>,
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
        self.comparison.a.next = self.high.val();
        self.comparison.b.next = self.low.val();
        if self.comparison.larger.val() {
            self.key.d.next = self.high.val();
            self.lane.d.next = self.high_lane.val();
        }
        self.best.next = self.key.q.val();
        self.best_lane.next = self.lane.q.val();
    }
}

/// A lane's candidate as the tree compares it.
#[derive(LogicBlock, Default)]
pub struct Candidate {
    pub value: Signal<In, Bits<24>>,
    pub counts: Signal<In, Bit>,
    pub key: Signal<Out, Bits<KEY>>,
    valid: Fixed<{ 1 << 24 }, KEY>,
    sign: Fixed<{ 1 << 23 }, 24>,
    turned: Signal<Local, Bits<24>>,
    kind: Kind<Self>,
}

impl Logic for Candidate {
    #[hdl_gen]
    fn update(&mut self) {
        self.turned.next = self.value.val() ^ self.sign.val();
        self.key.next = bit_cast::<KEY, 24>(self.turned.val());
        if self.counts.val() {
            self.key.next = bit_cast::<KEY, 24>(self.turned.val()) | self.valid.val();
        }
    }
}

/// The tree, and the best of all rows.
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
    lane_bits: Setting<4>,
    counts_13: Vec<DFF<Bit>>,
    candidate: Vec<Candidate>,
    /// The tree as a heap: node 1 is the root, nodes `2i` and `2i + 1` feed node `i`; node 0 is not there.
    node: Vec<Better>,
    compares: Delay<1>,
    restarts: Delay<1>,
    rows: Delay<16>,
    number: Signal<Local, Bits<16>>,
    rank: Signal<Local, Bits<RANK>>,
    comparison: Larger<RANK>,
    best: DFF<Bits<RANK>>,
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
        let levels = lanes.ilog2() as usize;
        Self {
            result: many(lanes),
            lane_bits: Setting::new(levels),
            counts_13: many(lanes),
            candidate: many(lanes),
            node: many(lanes - 1),
            compares: Delay::new(1 + levels),
            restarts: Delay::new(1 + levels),
            rows: Delay::new(levels),
            _lanes: lanes,
            ..Self::default()
        }
    }
}

impl Logic for Argmax {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, best);
        clock!(self, clock, compares, restarts, rows, winner, chosen_held);
        for l in 0..self._lanes {
            self.candidate[l].value.next = self.result[l].val();
            self.candidate[l].counts.next = self.counts_13[l].q.val();
            clock!(self, clock, counts_13[l]);
            self.counts_13[l].d.next =
                !self.last.val() | !self.tail.val().any() | (self.tail.val() > l.to_bits());
        }
        // Node `i` of the heap is `node[i - 1]`; a one-trip loop names the number of lanes.
        for n in self._lanes..(self._lanes + 1) {
            for i in (self._lanes / 2)..self._lanes {
                clock!(self, clock, node[i - 1]);
                self.node[i - 1].low.next = self.candidate[2 * i - n].key.val();
                self.node[i - 1].low_lane.next = (2 * i - n).to_bits();
                self.node[i - 1].high.next = self.candidate[2 * i + 1 - n].key.val();
                self.node[i - 1].high_lane.next = (2 * i + 1 - n).to_bits();
            }
        }
        for i in 1..(self._lanes / 2) {
            clock!(self, clock, node[i - 1]);
            self.node[i - 1].low.next = self.node[2 * i - 1].best.val();
            self.node[i - 1].low_lane.next = self.node[2 * i - 1].best_lane.val();
            self.node[i - 1].high.next = self.node[2 * i].best.val();
            self.node[i - 1].high_lane.next = self.node[2 * i].best_lane.val();
        }
        // The row's best against the best before.
        self.compares.x.next = self.compare.val().into();
        self.restarts.x.next = (self.first.val() & self.restart.val()).into();
        self.rows.x.next = self.row.val().get_bits::<16>(0) << self.lane_bits.val();
        self.number.next = !(self.rows.y.val() | bit_cast::<16, LANE>(self.node[0].best_lane.val()));
        self.rank.next =
            (bit_cast::<RANK, KEY>(self.node[0].best.val()) << 16) | bit_cast::<RANK, 16>(self.number.val());
        self.comparison.a.next = self.rank.val();
        self.comparison.b.next = self.best.q.val();
        if self.compares.y.val().any() & (self.restarts.y.val().any() | self.comparison.larger.val()) {
            self.best.d.next = self.rank.val();
        }
        self.winner.d.next = !self.best.q.val().get_bits::<16>(0);
        self.chosen_held.d.next = self.winner.q.val();
        self.chosen.next = self.chosen_held.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const CHIP: Geometry = Geometry::NANO;

    /// One row of candidates.
    struct Row {
        compare: bool,
        first: bool,
        last: bool,
        restart: bool,
        tail: u64,
        row: u64,
        result: Vec<i64>,
    }

    /// The choice after each row, from the cycle in which it must show.
    fn stream(rows: &[Row]) -> Vec<u64> {
        let bench = Bench::new(&emit(&mut Argmax::new(&CHIP), "argmax").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for t in 0..rows.len() + 1 {
            stimulus.cycle();
            // What decides which candidates count comes a cycle before them.
            if let Some(row) = rows.get(t) {
                stimulus.set("compare", row.compare.into()).set("first", row.first.into());
                stimulus.set("last", row.last.into()).set("restart", row.restart.into());
                stimulus.set("tail", row.tail);
            }
            let Some(row) = t.checked_sub(1).map(|t| &rows[t]) else { continue };
            stimulus.set("row", row.row);
            for (lane, value) in row.result.iter().enumerate() {
                stimulus.set_signed(&format!("result${lane}"), *value);
            }
        }
        let latency = Argmax::latency(&CHIP);
        let response = bench.run(stimulus.idle(latency)).unwrap();
        (0..rows.len()).map(|t| response.get(1 + t + latency, "chosen")).collect()
    }

    #[test]
    fn the_largest_is_chosen_and_of_equals_the_lowest() {
        let mut random = Random::from_seed_variable();
        let rows: Vec<Row> = (0..20_000)
            .map(|t| Row {
                compare: t == 0 || random.below(4) != 0,
                first: t == 0 || random.below(8) == 0,
                last: random.below(8) == 0,
                restart: t == 0 || random.below(4) == 0,
                tail: random.below(CHIP.vxm_lanes as u64),
                row: random.below(64),
                // Few values, so that many are equal.
                result: (0..CHIP.vxm_lanes).map(|_| random.signed(24) >> 21).collect(),
            })
            .collect();
        let mut best: Option<(i64, u64)> = None;
        for (t, (row, found)) in rows.iter().zip(stream(&rows)).enumerate() {
            if row.compare {
                best = if row.first && row.restart { None } else { best };
                let counted = if row.last && row.tail != 0 { row.tail as usize } else { row.result.len() };
                for (lane, value) in row.result[..counted].iter().enumerate() {
                    let number = row.row * CHIP.vxm_lanes as u64 + lane as u64;
                    if best.is_none_or(|(most, holder)| *value > most || (*value == most && number < holder))
                    {
                        best = Some((*value, number));
                    }
                }
            }
            assert_eq!(Some(found), best.map(|(_, number)| number), "cycle {t}");
        }
    }

    /// Needs no model: one raised candidate among equals is chosen, wherever it stands.
    #[test]
    fn a_single_peak_is_found() {
        let lanes = CHIP.vxm_lanes as u64;
        let row = |peak: u64| Row {
            compare: true,
            first: true,
            last: false,
            restart: true,
            tail: 0,
            row: peak / lanes,
            result: (0..lanes).map(|lane| if lane == peak % lanes { -5 } else { -6 }).collect(),
        };
        let rows: Vec<Row> = (0..512).map(row).collect();
        assert_eq!(stream(&rows), (0..512).collect::<Vec<u64>>());
    }
}
