//! The nearest KV code: `lpu_isa::arith::kv_encode`.
//!
//! | port   | dir | width | meaning                  | cycle |
//! |--------|-----|------:|--------------------------|-------|
//! | `x`    | in  |    24 | signed                   | `t`   |
//! | `code` | out |     9 | one's complement symmetric | `t` |
//!
//! The steps are rounded without an adder: adding to the lowest bit turns each bit below which all are ones. A negative code is its
//! magnitude's complement, as the number is, so that its bits are taken from the number and only what chooses them from the magnitude.

use crate::dialect::*;
use lpu_isa::arith;

combinational! {
    /// Piecewise linear code of a number.
    KvEncode(signed x: 24) -> (signed code: 9);
    model |x: i64| (i64::from(arith::kv_encode(x as i32)),);
    verilog "\
logic beyond;
logic [8:0] magnitude;
logic [5:0] halves;
logic [5:0] quarters;
logic [7:0] place;
assign beyond = x[23:9] != {15{x[23]}};
assign magnitude = x[8:0] ^ {9{x[23]}};
assign halves = x[6:1] ^ {&magnitude[5:0], &magnitude[4:0], &magnitude[3:0], &magnitude[2:0], &magnitude[1:0], magnitude[0]};
assign quarters = x[7:2] ^ {&magnitude[6:1], &magnitude[5:1], &magnitude[4:1], &magnitude[3:1], &magnitude[2:1], magnitude[1]};
always_comb begin
    if (beyond | &magnitude[8:2]) place = {8{!x[23]}};
    else if (magnitude[8] | &magnitude[7:0]) place = {{2{!x[23]}}, quarters};
    else if (magnitude[7]) place = {!x[23], x[23], halves};
    else place = x[7:0];
end
assign code = {x[23], place};".into();
    // The code stands for the number or one half a step away, and not for one of the other sign.
    property |x, code| {
        let decoded = i64::from(arith::kv_decode(code as i16));
        let step = if decoded.abs() < 128 { 0 } else if decoded.abs() < 256 { 1 } else { 2 };
        let beyond = decoded.abs() >= 508 && x.abs() >= 508;
        (decoded < 0) == (x < 0) && ((decoded - x).abs() <= step || beyond)
    };
}
