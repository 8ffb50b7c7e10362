//! A vector register lane as a multiplier operand: `lpu_isa::arith::operand`.
//!
//! ```text
//!  x 24 ──► >> shift, one bit kept below ──► + that bit ──► saturate ──► y 18
//! ```
//!
//! | port    | dir | width | meaning                          | cycle |
//! |---------|-----|------:|----------------------------------|-------|
//! | `x`     | in  |    24 | signed                           | `t`   |
//! | `shift` | in  |     3 | right shift                      | `t`   |
//! | `y`     | out |    18 | rounded half up, saturated       | `t`   |
//!
//! Rounding half up is the shifted value plus the last bit shifted out, so one spare bit below is all it takes.

use crate::primitives::arith::saturated;
use lpu_isa::arith;
use rust_hdl::prelude::*;

combinational! {
    /// Shift, rounding and saturation of an operand.
    OperandShift(signed x: 24, unsigned shift: 3) -> (signed y: 18);
    model |x: i64, shift: i64| (i64::from(arith::operand(x as i32, shift as u32)),);
    verilog format!("\
logic signed [24:0] shifted;
logic signed [24:0] rounded;
assign shifted = $signed({{x, 1'b0}}) >>> shift;
assign rounded = $signed({{shifted[24], shifted[24:1]}}) + $signed({{24'h0, shifted[0]}});
assign y = {};", saturated("rounded", 25, 18));
}
