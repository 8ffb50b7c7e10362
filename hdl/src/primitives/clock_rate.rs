//! The frequency of a board's control clock, as a number for its firmware: a constant, but for simulations that ask for another.
//!
//! ```text
//!  hertz of the plan ──────────────────────────┬─► hertz
//!  +control_hz=N of the simulation's arguments ┘    under the define LPU_CLOCK_ARGUMENT
//! ```
//!
//! | port    | dir | width | meaning                              |
//! |---------|-----|-------|--------------------------------------|
//! | `hertz` | out | 32    | never changes                        |
//!
//! A firmware that believes in a slower clock sends its bits, and waits its fractions of a second, in fewer cycles. Nothing else of it
//! changes: simulated seconds become cheap.

use crate::dialect::*;

/// The frequency as a number.
#[derive(LogicBlock, Default)]
pub struct ClockRate {
    pub hertz: Signal<Out, Bits<32>>,
    _plan: u32,
    kind: Kind<Self>,
}

impl ClockRate {
    /// The frequency of a plan.
    pub fn new(hertz: u32) -> Self {
        Self { _plan: hertz, kind: Kind::named(format!("clock_rate_{hertz}")), ..Self::default() }
    }
}

impl Logic for ClockRate {
    fn update(&mut self) {
        self.hertz.next = u64::from(self._plan).into();
    }

    fn hdl(&self) -> Verilog {
        let plan = self._plan;
        Verilog::Custom(format!(
            "`ifdef LPU_CLOCK_ARGUMENT
logic [31:0] asked = 32'd{plan};
initial begin
    if ($value$plusargs(\"control_hz=%d\", asked)) begin end
end
assign hertz = asked;
`else
assign hertz = 32'd{plan};
`endif"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, cells};
    use crate::emit::emit;

    #[test]
    fn it_is_the_plan_s_and_costs_nothing() {
        let design = emit(&mut ClockRate::new(48_000_000), "clock_rate").unwrap();
        let bench = Bench::new(&design).unwrap();
        let mut stimulus = bench.stimulus();
        let response = bench.run(stimulus.idle(3)).unwrap();
        assert!((0..3).all(|t| response.get(t, "hertz") == 48_000_000));
        assert_eq!(cells(&design, Family::Ecp5).unwrap().get("LUT4"), None);
    }
}
