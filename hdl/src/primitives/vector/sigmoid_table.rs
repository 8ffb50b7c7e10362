//! Table of the sigmoid: `lpu_isa::arith::sigmoid_factors`, and the sign by which the result is complemented.
//!
//! ```text
//!  x ──► magnitude (one's complement) ──► segment of 1/8, 1/4 or 1/2 ──► base, slope
//!                                    └──► place in the segment ────────► fraction
//! ```
//!
//! | port       | dir | width | meaning                                                | cycle |
//! |------------|-----|------:|--------------------------------------------------------|-------|
//! | `x`        | in  |    18 | signed, 13 fraction bits                               | `t`   |
//! | `addend`   | out |    17 | base, or `SIGMOID_ONE - base` for a negative `x`       | `t`   |
//! | `slope`    | out |    18 | not negative                                           | `t`   |
//! | `fraction` | out |    18 | 0 to 4095                                              | `t`   |
//!
//! The sigmoid is `addend + round(slope * fraction / 2^12)`, with a minus for a negative `x`. `SIGMOID_ONE` is all
//! ones and no base is larger, so `SIGMOID_ONE - base` is the complement of the base's bits.

use super::rom;
use lpu_isa::arith::{self, SIGMOID, SIGMOID_ONE};
use rust_hdl::prelude::*;

combinational! {
    /// Addend, slope and fraction of the sigmoid.
    SigmoidTable(signed x: 18) -> (unsigned addend: 17, unsigned slope: 18, unsigned fraction: 18);
    model |x: i64| {
        let (base, slope, fraction) = arith::sigmoid_factors(x as i32);
        let addend = if x < 0 { SIGMOID_ONE - base } else { base };
        (i64::from(addend), i64::from(slope), i64::from(fraction))
    };
    verilog format!("\
logic [16:0] magnitude;
logic [5:0] segment;
logic [11:0] place;
logic [28:0] entry;
assign magnitude = x[16:0] ^ {{17{{x[17]}}}};
assign segment = magnitude[16] ? {{2'b11, magnitude[15:12]}} : magnitude[15] ? {{2'b10, magnitude[14:11]}} : {{1'b0, magnitude[14:10]}};
assign place = magnitude[16] ? magnitude[11:0] : magnitude[15] ? {{magnitude[10:0], 1'b0}} : {{magnitude[9:0], 2'b00}};
{}assign addend = entry[28:12] ^ {{17{{x[17]}}}};
assign slope = {{6'h0, entry[11:0]}};
assign fraction = {{6'h0, place}};", rom("segment", 6, "entry", 29, SIGMOID.iter().map(|&(base, slope)| (base as u64) << 12 | slope as u64)));
}

/// What the Verilog text takes for granted of the table.
const _: () = {
    let mut index = 0;
    while index < SIGMOID.len() {
        assert!(SIGMOID[index].0 >= 0 && SIGMOID[index].0 <= SIGMOID_ONE);
        assert!(SIGMOID[index].1 >= 0 && SIGMOID[index].1 < 1 << 12);
        index += 1;
    }
    assert!(arith::SIGMOID_ARGUMENT_FRACTION_BITS == 13 && SIGMOID_ONE == (1 << 17) - 1);
};
