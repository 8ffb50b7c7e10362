//! Difference of two words both ways: `lpu_isa::arith::subtract`, and the magnitude that the exponential looks up.
//!
//! ```text
//!  x ──┬─► x - s ──► saturate ─────────► difference
//!  s ──┴─► s - x ──► limit to 0..2^17 ─► below
//! ```
//!
//! | port         | dir | width | meaning                                    | cycle |
//! |--------------|-----|------:|--------------------------------------------|-------|
//! | `x`          | in  |    18 | signed                                     | `t`   |
//! | `s`          | in  |    18 | signed                                     | `t`   |
//! | `difference` | out |    18 | `x - s`, saturated                         | `t`   |
//! | `below`      | out |    18 | unsigned: `-difference`, or 0 if positive  | `t`   |
//!
//! Both subtractions run side by side: negating the difference would put a second carry chain behind the first.

use crate::primitives::arith::saturated;
use lpu_isa::arith;
use rust_hdl::prelude::*;

combinational! {
    /// Saturating difference and its negative part.
    Difference(signed x: 18, signed s: 18) -> (signed difference: 18, unsigned below: 18);
    model |x: i64, s: i64| {
        let difference = i64::from(arith::subtract(x as i32, s as i32));
        (difference, (-difference).max(0))
    };
    verilog format!("\
logic signed [18:0] forward;
logic signed [18:0] backward;
assign forward = $signed({{x[17], x}}) - $signed({{s[17], s}});
assign backward = $signed({{s[17], s}}) - $signed({{x[17], x}});
assign difference = {};
assign below = backward[18] ? 18'h0 : backward[17] ? 18'h20000 : backward[17:0];", saturated("forward", 19, 18));
}
