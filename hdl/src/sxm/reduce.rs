//! Sum over the lanes of an instruction's rows: lanewise accumulators, then a tree.
//!
//! ```text
//!  result[l] ─► select ─► (+) ─►[sum]─┬─► tree: log2(lanes) registered levels ─► total
//!                          └──────────┘
//!  cycle 13                14                                     14 + levels
//! ```
//!
//! | port               | dir | width | meaning                                             | cycle |
//! |--------------------|-----|------:|-----------------------------------------------------|------:|
//! | `clock`            | in  |     1 |                                                     |       |
//! | `issue_12`, `first_12` | in |  1 | an issue whose result comes next; its instruction's first | 12 |
//! | `reduce_12`        | in  |     2 | `isa::instruction::Reduce`                          |    12 |
//! | `lane_12`          | in  | `LANE` | the one lane that counts, unless all do            |    12 |
//! | `result[l]`        | in  |    24 | the result stream                                   |    13 |
//! | `total`            | out |    36 | sum of all rows up to this one                      | 14 + levels |
//!
//! # Invariants
//! 1. Accumulators wrap at 32 bits; the tree is exact.
//! 2. An issue that is its instruction's first begins a new sum, whether it reduces or not.

use crate::dialect::*;
use crate::primitives::{Extend, LocalCopy};
use crate::widths::LANE;
use lpu_isa::Geometry;
use lpu_isa::instruction::Reduce;

/// Accumulators and tree.
#[derive(LogicBlock, Default)]
pub struct Reducer {
    pub clock: Signal<In, Clock>,
    pub issue_12: Signal<In, Bit>,
    pub first_12: Signal<In, Bit>,
    pub reduce_12: Signal<In, Bits<2>>,
    pub lane_12: Signal<In, Bits<LANE>>,
    pub result: Vec<Signal<In, Bits<24>>>,
    pub total: Signal<Out, Bits<36>>,
    is_all: Fixed<{ Reduce::All as u64 }, 2>,
    is_token: Fixed<{ Reduce::TokenLane as u64 }, 2>,
    is_position: Fixed<{ Reduce::PositionLane as u64 }, 2>,
    by_lane: Signal<Local, Bit>,
    selected_13: Vec<DFF<Bit>>,
    issue_13: Vec<LocalCopy<1>>,
    first_13: Vec<LocalCopy<1>>,
    wide: Vec<Extend<24, 32>>,
    addend: Vec<Signal<Local, Bits<32>>>,
    before: Vec<Signal<Local, Bits<32>>>,
    sum_14: Vec<DFF<Bits<32>>>,
    leaf: Vec<Extend<32, 36>>,
    /// The tree as a heap: node 1 is the root, nodes `2i` and `2i + 1` feed node `i`; node 0 is not there.
    node: Vec<DFF<Bits<36>>>,
    _lanes: usize,
    kind: Kind<Self>,
}

impl Reducer {
    /// Cycles from a result to the total of a chip.
    pub const fn latency(geometry: &Geometry) -> usize {
        1 + geometry.vxm_lanes.ilog2() as usize
    }

    /// The accumulators of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        Self {
            result: many(lanes),
            selected_13: many(lanes),
            wide: many(lanes),
            issue_13: many(lanes),
            first_13: many(lanes),
            addend: many(lanes),
            before: many(lanes),
            sum_14: many(lanes),
            leaf: many(lanes),
            node: many(lanes - 1),
            _lanes: lanes,
            ..Self::default()
        }
    }
}

impl Logic for Reducer {
    #[hdl_gen]
    fn update(&mut self) {
        // Cycle 12: which lanes count.
        self.by_lane.next =
            (self.reduce_12.val() == self.is_token.val()) | (self.reduce_12.val() == self.is_position.val());
        // Cycle 13: accumulation.
        for l in 0..self._lanes {
            clock!(self, clock, issue_13[l], first_13[l], selected_13[l]);
            self.issue_13[l].d.next = self.issue_12.val().into();
            self.first_13[l].d.next = self.first_12.val().into();
            self.selected_13[l].d.next = (self.reduce_12.val() == self.is_all.val())
                | (self.by_lane.val() & (self.lane_12.val() == l.to_bits()));
            self.wide[l].x.next = self.result[l].val();
            self.addend[l].next = 0.into();
            if self.selected_13[l].q.val() {
                self.addend[l].next = self.wide[l].y.val();
            }
            dff_setup!(self, clock, sum_14[l]);
            self.before[l].next = self.sum_14[l].q.val();
            if self.first_13[l].q.val().any() {
                self.before[l].next = 0.into();
            }
            if self.issue_13[l].q.val().any() {
                self.sum_14[l].d.next = self.before[l].val() + self.addend[l].val();
            }
            self.leaf[l].x.next = self.sum_14[l].q.val();
        }
        // The tree. Node `i` of the heap is `node[i - 1]`; a one-trip loop names the number of lanes.
        for n in self._lanes..(self._lanes + 1) {
            for i in (self._lanes / 2)..self._lanes {
                clock!(self, clock, node[i - 1]);
                self.node[i - 1].d.next = self.leaf[2 * i - n].y.val() + self.leaf[2 * i + 1 - n].y.val();
            }
        }
        for i in 1..(self._lanes / 2) {
            clock!(self, clock, node[i - 1]);
            self.node[i - 1].d.next = self.node[2 * i - 1].q.val() + self.node[2 * i].q.val();
        }
        self.total.next = self.node[0].q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const CHIP: Geometry = Geometry::ULX3S_85F;

    /// One cycle: issue, first, lanes that count, result row.
    struct Row {
        issue: bool,
        first: bool,
        reduce: Reduce,
        lane: usize,
        result: Vec<i64>,
    }

    /// Totals after each row.
    fn stream(rows: &[Row]) -> Vec<i64> {
        let bench = Bench::new(&emit(&mut Reducer::new(&CHIP), "reducer").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        let latency = Reducer::latency(&CHIP);
        for t in 0..rows.len() + 1 {
            stimulus.cycle();
            if let Some(row) = rows.get(t) {
                stimulus.set("issue_12", row.issue.into()).set("first_12", row.first.into());
                stimulus.set("reduce_12", row.reduce as u64).set("lane_12", row.lane as u64);
            }
            // The control comes one cycle before its row.
            for (lane, value) in t.checked_sub(1).map_or(&[][..], |t| &rows[t].result).iter().enumerate() {
                stimulus.set_signed(&format!("result${lane}"), *value);
            }
        }
        let response = bench.run(stimulus.idle(latency)).unwrap();
        (0..rows.len()).map(|t| response.signed(t + 1 + latency, "total")).collect()
    }

    fn row(random: &mut Random, bits: u32) -> Vec<i64> {
        (0..CHIP.vxm_lanes).map(|_| random.signed(bits)).collect()
    }

    #[test]
    fn totals_sum_the_lanes_that_count() {
        let mut random = Random::from_seed_variable();
        let rows: Vec<Row> = (0..10_000)
            .map(|t| Row {
                issue: t == 0 || random.below(4) != 0,
                first: t == 0 || random.below(16) == 0,
                reduce: Reduce::TABLE[random.below(4) as usize].0,
                lane: random.below(16) as usize,
                result: row(&mut random, 24),
            })
            .collect();
        let mut sums = [0i32; CHIP.vxm_lanes];
        for (t, (row, found)) in rows.iter().zip(stream(&rows)).enumerate() {
            let counts = |lane: usize| match row.reduce {
                Reduce::None => false,
                Reduce::All => true,
                Reduce::TokenLane | Reduce::PositionLane => lane == row.lane,
            };
            for (lane, sum) in sums.iter_mut().enumerate().filter(|_| row.issue) {
                let addend = if counts(lane) { row.result[lane] as i32 } else { 0 };
                *sum = if row.first { addend } else { sum.wrapping_add(addend) };
            }
            assert_eq!(found, sums.iter().map(|sum| i64::from(*sum)).sum::<i64>(), "cycle {t}");
        }
    }

    /// Lanes wrap at 32 bits, the total does not.
    #[test]
    fn lanes_wrap_and_the_tree_does_not() {
        let most = (1 << 23) - 1;
        let rows: Vec<Row> = (0..300)
            .map(|t| Row {
                issue: true,
                first: t == 0,
                reduce: Reduce::All,
                lane: 0,
                result: vec![most; CHIP.vxm_lanes],
            })
            .collect();
        let totals = stream(&rows);
        assert_eq!(totals[255], 16 * 256 * most);
        assert_eq!(totals[299], 16 * (300 * most - (1 << 32)));
    }
}
