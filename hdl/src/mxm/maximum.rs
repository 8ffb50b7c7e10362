//! The largest lane of all rows that an instruction emits: lane by lane while rows go by, then across the lanes.
//!
//! ```text
//!  row[l] ─► larger ─►[reg]─┬─► tree of larger, a register a level ─► value
//!               ▲           │
//!               └───────────┘
//!       cycle 11+tree       12+tree            12+tree+log2(lanes)
//! ```
//!
//! | port     | dir | width    | meaning                                              | cycle                |
//! |----------|-----|----------|------------------------------------------------------|----------------------|
//! | `valid`  | in  | 1        | `row` is a row of sums                               | 11+tree              |
//! | `fresh`  | in  | 1        | it is the first that its instruction emits           | 11+tree              |
//! | `last`   | in  | 1        | its instruction ends with it and wants the maximum   | 11+tree              |
//! | `scalar` | in  | `SCALAR` | where the maximum goes                               | 11+tree              |
//! | `row[l]` | in  | 18       | words as stored                                      | 11+tree              |
//! | `write`  | out | 1        | `value` is a maximum to be written                   | 12+tree+log2(lanes)  |
//! | `index`  | out | `SCALAR` | scalar written                                       | 12+tree+log2(lanes)  |
//! | `value`  | out | 18       | the maximum                                          | 12+tree+log2(lanes)  |
//!
//! The scalar shows the value one cycle later: [`maximum_effect`](lpu_isa::timing::maximum_effect).
//!
//! # Invariants
//! 1. A maximum covers every row with `valid` since the last `fresh` one, both included.

use crate::dialect::*;
use crate::primitives::{Delay, SignedMax};
use crate::widths::SCALAR;
use lpu_isa::Geometry;

/// Maximum over rows and lanes.
#[derive(LogicBlock, Default)]
pub struct Maximum {
    pub clock: Signal<In, Clock>,
    pub valid: Signal<In, Bit>,
    pub fresh: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub scalar: Signal<In, Bits<SCALAR>>,
    pub row: Vec<Signal<In, Bits<18>>>,
    pub write: Signal<Out, Bit>,
    pub index: Signal<Out, Bits<SCALAR>>,
    pub value: Signal<Out, Bits<18>>,
    over_rows: Vec<SignedMax<18>>,
    best: Vec<DFF<Bits<18>>>,
    over_lanes: Vec<SignedMax<18>>,
    node: Vec<DFF<Bits<18>>>,
    write_later: Delay<1>,
    index_later: Delay<SCALAR>,
    _leaves: usize,
    kind: Kind<Self>,
}

impl Maximum {
    /// The maximum unit of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let lanes = geometry.vxm_lanes;
        let latency = Self::latency(geometry);
        Self {
            row: many(lanes),
            over_rows: many(lanes),
            best: many(lanes),
            over_lanes: many(lanes - 1),
            node: many(lanes - 1),
            write_later: Delay::new(latency),
            index_later: Delay::new(latency),
            _leaves: lanes / 2,
            kind: Kind::named(format!("maximum_{lanes}")),
            ..Self::default()
        }
    }

    /// Cycles from the last row to the value.
    pub const fn latency(geometry: &Geometry) -> usize {
        1 + geometry.vxm_lanes.ilog2() as usize
    }
}

impl Logic for Maximum {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, write_later, index_later);
        for l in 0..self.best.len() {
            self.over_rows[l].a.next = self.row[l].val();
            self.over_rows[l].b.next = self.best[l].q.val();
            dff_setup!(self, clock, best[l]);
            if self.valid.val() {
                self.best[l].d.next = self.over_rows[l].y.val();
                if self.fresh.val() {
                    self.best[l].d.next = self.row[l].val();
                }
            }
        }
        for leaves in self._leaves..(self._leaves + 1) {
            for i in 1..self._leaves {
                self.over_lanes[i - 1].a.next = self.node[2 * i - 1].q.val();
                self.over_lanes[i - 1].b.next = self.node[2 * i].q.val();
            }
            for i in 0..self._leaves {
                self.over_lanes[leaves + i - 1].a.next = self.best[2 * i].q.val();
                self.over_lanes[leaves + i - 1].b.next = self.best[2 * i + 1].q.val();
            }
        }
        for i in 0..self.node.len() {
            clock!(self, clock, node[i]);
            self.node[i].d.next = self.over_lanes[i].y.val();
        }
        self.write_later.x.next = (self.valid.val() & self.last.val()).into();
        self.write.next = self.write_later.y.val().get_bit(0);
        self.index_later.x.next = self.scalar.val();
        self.index.next = self.index_later.y.val();
        self.value.next = self.node[0].q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    fn check(chip: &Geometry) {
        let bench = Bench::new(&emit(&mut Maximum::new(chip), "maximum").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut expected, mut most) = (bench.stimulus(), vec![], 0);
        for _ in 0..5000 {
            let row: Vec<i64> = (0..chip.vxm_lanes).map(|_| random.signed(18)).collect();
            let [valid, fresh, last] = [random.below(2), random.below(4) / 3, random.below(2)];
            let scalar = random.below(chip.scalars as u64);
            stimulus.cycle().set("valid", valid).set("fresh", fresh).set("last", last).set("scalar", scalar);
            for (l, lane) in row.iter().enumerate() {
                stimulus.set_signed(&format!("row${l}"), *lane);
            }
            if valid == 1 {
                let largest = row.into_iter().max().unwrap_or(0);
                most = if fresh == 1 { largest } else { most.max(largest) };
            }
            expected.push((valid & last, scalar, most));
        }
        let latency = Maximum::latency(chip);
        let response = bench.run(stimulus.idle(latency)).unwrap();
        for (t, (write, scalar, most)) in expected.into_iter().enumerate() {
            let at = t + latency;
            assert_eq!(response.get(at, "write"), write, "cycle {t}");
            assert_eq!(
                (response.get(at, "index"), response.signed(at, "value")),
                (scalar, most),
                "cycle {t}"
            );
        }
    }

    #[test]
    fn the_largest_lane_of_all_rows_is_found() {
        Geometry::ALL.iter().for_each(check);
    }

    /// Needs no model: a single large lane among small ones is found wherever it stands.
    #[test]
    fn no_lane_is_overlooked() {
        let chip = Geometry::ULX3S_85F;
        let bench = Bench::new(&emit(&mut Maximum::new(&chip), "maximum").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for lane in 0..chip.vxm_lanes {
            stimulus.cycle().set("valid", 1).set("fresh", 1).set("last", 1);
            for l in 0..chip.vxm_lanes {
                stimulus.set_signed(&format!("row${l}"), if l == lane { -1 - l as i64 } else { -131_072 });
            }
        }
        let latency = Maximum::latency(&chip);
        let response = bench.run(stimulus.idle(latency)).unwrap();
        assert!((0..chip.vxm_lanes).all(|l| response.signed(l + latency, "value") == -1 - l as i64));
    }
}
