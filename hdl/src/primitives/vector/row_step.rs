//! Address of a memory row from issue to issue: a start at the first, plus a step at each further one.
//!
//! ```text
//!  start ──────────────┐ first
//!  row, step ──► (+) ──┴─►[reg]─┬─► row
//!                               └─► outside
//! ```
//!
//! | port      | dir | width | meaning                                       | cycle   |
//! |-----------|-----|------:|-----------------------------------------------|---------|
//! | `clock`   | in  |     1 |                                               |         |
//! | `issue`   | in  |     1 | an issue: the row moves                       | `t`     |
//! | `first`   | in  |     1 | with `issue`: the instruction's first         | `t`     |
//! | `start`   | in  |    28 | signed, row of the first issue, of [`RowStart`](super::RowStart) | `t` |
//! | `step`    | in  |    24 | signed, added from issue to issue             | `t`     |
//! | `row`     | out |    24 | of the last issue; low bits of the exact sum  | `t + 1` |
//! | `outside` | out |     1 | the exact row is not in 0..2^`row bits`       | `t + 1` |
//!
//! # Invariants
//! 1. `row` and `outside` hold until the next issue.
//! 2. Sums are exact as long as they stay within 28 signed bits.

use crate::dialect::*;
use crate::primitives::value::{bits_of, signed_of};

/// Bits of the exact row, a signed number.
pub const EXACT_ROW: usize = 28;

/// The address generator of a memory of `2^row_bits` rows.
#[derive(LogicBlock, Default)]
pub struct RowStep {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub start: Signal<In, Bits<EXACT_ROW>>,
    pub step: Signal<In, Bits<24>>,
    pub row: Signal<Out, Bits<24>>,
    pub outside: Signal<Out, Bit>,
    _row_bits: u32,
    _exact: i64,
    kind: Kind<Self>,
}

impl RowStep {
    /// Cycles from issue to row.
    pub const LATENCY: usize = 1;

    /// A generator for a memory of `rows` rows, a power of two.
    pub fn new(rows: usize) -> Self {
        assert!(rows.is_power_of_two() && rows <= 1 << 24, "{rows} rows: expected a power of two up to 2^24");
        Self { _row_bits: rows.ilog2(), kind: Kind::named(format!("row_step_{rows}")), ..Self::default() }
    }
}

impl Logic for RowStep {
    fn update(&mut self) {
        if self.clock.pos_edge() && self.issue.val() {
            self._exact = if self.first.val() {
                signed_of(self.start.val())
            } else {
                self._exact + signed_of(self.step.val())
            };
            self.row.next = bits_of(self._exact & 0xff_ffff);
            self.outside.next = !(0..1 << self._row_bits).contains(&self._exact);
        }
    }

    fn hdl(&self) -> Verilog {
        let (top, low) = (EXACT_ROW - 1, self._row_bits);
        Verilog::Custom(format!(
            "\
logic [{top}:0] exact;
logic [{top}:0] moved;
assign moved = exact + {{{{4{{step[23]}}}}, step}};
initial exact = {EXACT_ROW}'h0;
always_ff @(posedge clock) begin
    if (issue) exact <= first ? start : moved;
end
assign row = exact[23:0];
assign outside = exact[{top}:{low}] != {width}'h0;",
            width = EXACT_ROW - low as usize
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn rows_follow_starts_and_steps() {
        let bench = Bench::new(&emit(&mut RowStep::new(512), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let (mut row, mut expected) = (0, vec![]);
        for _ in 0..20_000 {
            let (issue, first) = (random.below(4) != 0, random.below(4) == 0);
            let (start, step) = (random.signed(11), random.signed(6));
            expected.push(row);
            stimulus.cycle().set("issue", issue.into()).set("first", first.into());
            stimulus.set_signed("start", start).set_signed("step", step);
            if issue {
                row = if first { start } else { row + step };
            }
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, row) in expected.iter().enumerate() {
            assert_eq!(response.get(t, "row"), (*row & 0xff_ffff) as u64, "cycle {t}");
            assert_eq!(response.get(t, "outside") == 1, !(0..512).contains(row), "cycle {t}: row {row}");
        }
    }

    /// Needs no model: without an issue nothing moves.
    #[test]
    fn rows_hold_between_issues() {
        let bench = Bench::new(&emit(&mut RowStep::new(16), "dut").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("issue", 1).set("first", 1).set("start", 5);
        for _ in 0..9 {
            stimulus.cycle().set("first", 1).set("start", 11).set("step", 3);
        }
        let response = bench.run(&stimulus).unwrap();
        assert!((1..10).all(|t| response.get(t, "row") == 5));
    }
}
