//! Reductions: from the payload and the result stream to a scalar.
//!
//! ```text
//!  payload ─► delay ─────────────────────────────────────────► scaling, shift, bias ─┐
//!  cycle 0                                                      14 + levels           ▼
//!  result (13) ─► Reducer: lanewise sums, tree ─► total ─────────────────────────► ScalarUnit ─► write port
//!                                                 14 + levels                                     21 + levels
//! ```
//!
//! Ports named like a field of `isa::instruction::Vector` carry it, with the ISA's width, in cycle 0.
//!
//! | port                          | dir | width           | meaning                                | cycle |
//! |-------------------------------|-----|-----------------|----------------------------------------|------:|
//! | `issue`, `first`, `last`      | in  | 1               | an issue; its instruction's first, last |    0 |
//! | `position`, `token`           | in  | 16              | sampled with the issue                 |     0 |
//! | `result[l]`                   | in  | 24              | the result stream                      |    13 |
//! | `write`, `index`, `value`     | out | 1, `SCALAR`, 24 | write port of the reduction scalars    | `reduction_effect - 1` |
//!
//! # Invariants
//! 1. An instruction that reduces writes once, after its last row; no other writes.

use super::reduce::Reducer;
use super::sfu::ScalarUnit;
use crate::dialect::*;
use crate::primitives::Delay;
use crate::widths::{LANE, SCALAR};
use lpu_isa::Geometry;
use lpu_isa::instruction::Reduce;
use lpu_isa::timing;

/// Accumulators, scalar unit, and the payload that waits for the total.
#[derive(LogicBlock, Default)]
pub struct Reductions {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub last: Signal<In, Bit>,
    pub position: Signal<In, Bits<16>>,
    pub token: Signal<In, Bits<16>>,
    pub reduce: Signal<In, Bits<2>>,
    pub scaling: Signal<In, Bits<2>>,
    pub reduction: Signal<In, Bits<6>>,
    pub sum_shift: Signal<In, Bits<5>>,
    pub bias: Signal<In, Bits<24>>,
    pub result: Vec<Signal<In, Bits<24>>>,
    pub write: Signal<Out, Bit>,
    pub index: Signal<Out, Bits<SCALAR>>,
    pub value: Signal<Out, Bits<24>>,
    none: Fixed<{ Reduce::None as u64 }, 2>,
    index_mask: Setting<SCALAR>,
    issue_12: Delay<1, 12>,
    first_12: Delay<1, 12>,
    reduce_12: Delay<2, 12>,
    is_position: Fixed<{ Reduce::PositionLane as u64 }, 2>,
    lane_mask: Setting<LANE>,
    lane_now: Signal<Local, Bits<LANE>>,
    lane_12: Delay<LANE, 12>,
    reducer: Reducer,
    // Long delays in two parts: memory while the length is the same for all chips, then registers.
    scaling_13: Delay<2, 13>,
    sum_shift_13: Delay<5, 13>,
    reduction_13: Delay<SCALAR, 13>,
    bias_13: Delay<24, 13>,
    done: Delay<1>,
    scaling_total: Delay<2>,
    sum_shift_total: Delay<5>,
    reduction_total: Delay<SCALAR>,
    bias_total: Delay<24>,
    unit: ScalarUnit,
    kind: Kind<Self>,
}

impl Reductions {
    /// Cycles from the last issue to the write port.
    pub const fn latency(geometry: &Geometry) -> usize {
        timing::STREAM as usize + Reducer::latency(geometry) + ScalarUnit::LATENCY
    }

    /// The reductions of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let rest = Reducer::latency(geometry);
        Self {
            result: many(geometry.vxm_lanes),
            lane_mask: Setting::new(geometry.vxm_lanes - 1),
            index_mask: Setting::new(geometry.scalars - 1),
            reducer: Reducer::new(geometry),
            done: Delay::new(timing::STREAM as usize + rest),
            scaling_total: Delay::new(rest),
            sum_shift_total: Delay::new(rest),
            reduction_total: Delay::new(rest),
            bias_total: Delay::new(rest),
            ..Self::default()
        }
    }
}

impl Logic for Reductions {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, issue_12, first_12, reduce_12, lane_12, reducer, scaling_13, sum_shift_13);
        clock!(self, clock, reduction_13, bias_13, done, scaling_total, sum_shift_total, reduction_total);
        clock!(self, clock, bias_total, unit);
        self.issue_12.x.next = self.issue.val().into();
        self.first_12.x.next = self.first.val().into();
        self.reduce_12.x.next = self.reduce.val();
        self.reducer.issue_12.next = self.issue_12.y.val().into();
        self.reducer.first_12.next = self.first_12.y.val().into();
        self.reducer.reduce_12.next = self.reduce_12.y.val();
        // Position and token may change before the row arrives.
        self.lane_now.next = self.token.val().get_bits::<LANE>(0);
        if self.reduce.val() == self.is_position.val() {
            self.lane_now.next = self.position.val().get_bits::<LANE>(0);
        }
        self.lane_12.x.next = self.lane_now.val() & self.lane_mask.val();
        self.reducer.lane_12.next = self.lane_12.y.val();
        for l in 0..self.result.len() {
            self.reducer.result[l].next = self.result[l].val();
        }
        self.done.x.next =
            (self.issue.val() & self.last.val() & (self.reduce.val() != self.none.val())).into();
        self.scaling_13.x.next = self.scaling.val();
        self.scaling_total.x.next = self.scaling_13.y.val();
        self.sum_shift_13.x.next = self.sum_shift.val();
        self.sum_shift_total.x.next = self.sum_shift_13.y.val();
        self.reduction_13.x.next = self.reduction.val().get_bits::<SCALAR>(0) & self.index_mask.val();
        self.reduction_total.x.next = self.reduction_13.y.val();
        self.bias_13.x.next = self.bias.val();
        self.bias_total.x.next = self.bias_13.y.val();
        self.unit.done.next = self.done.y.val().into();
        self.unit.total.next = self.reducer.total.val();
        self.unit.bias.next = self.bias_total.y.val();
        self.unit.scaling.next = self.scaling_total.y.val();
        self.unit.sum_shift.next = self.sum_shift_total.y.val();
        self.unit.reduction.next = self.reduction_total.y.val();
        self.write.next = self.unit.write.val();
        self.index.next = self.unit.index.val();
        self.value.next = self.unit.value.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;
    use crate::emit::emit;

    /// The write falls in the cycle before `reduction_effect`, and an instruction that does not reduce writes nothing.
    #[test]
    fn scalars_arrive_when_timing_says() {
        for chip in Geometry::ALL {
            let bench = Bench::new(&emit(&mut Reductions::new(&chip), "reductions").unwrap()).unwrap();
            let mut stimulus = bench.stimulus();
            let effect = timing::reduction_effect(&chip) as usize;
            assert_eq!(Reductions::latency(&chip) + 1, effect);
            for t in 0..effect + 4 {
                stimulus.cycle().set("issue", (t < 3).into()).set("first", (t != 1).into());
                stimulus.set("last", (t > 0).into());
                // Two rows of ones, then a row that is not summed.
                stimulus.set("reduce", if t < 2 { Reduce::All as u64 } else { 0 });
                stimulus.set("reduction", 7).set("sum_shift", 1).set("bias", 4);
                for lane in 0..chip.vxm_lanes {
                    stimulus.set_signed(&format!("result${lane}"), 1);
                }
            }
            let response = bench.run(&stimulus).unwrap();
            // Issues in cycles 0 and 1; the last of them counts.
            let writes: Vec<usize> = (0..effect + 4).filter(|t| response.get(*t, "write") == 1).collect();
            assert_eq!(writes, [1 + effect - 1], "{}", chip.name);
            let expected = (2 * chip.vxm_lanes as u64 + 4) / 2;
            assert_eq!((response.get(effect, "index"), response.get(effect, "value")), (7, expected));
        }
    }
}
