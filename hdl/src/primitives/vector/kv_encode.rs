//! The nearest KV code: `lpu_isa::arith::kv_encode` of a number that was limited to ten bits before.
//!
//! | port   | dir | width | meaning                  | cycle |
//! |--------|-----|------:|--------------------------|-------|
//! | `x`    | in  |    10 | signed                   | `t`   |
//! | `code` | out |     9 | one's complement symmetric | `t` |
//!
//! Numbers beyond ten bits have the code of the nearest ten-bit number, so limiting first changes nothing and keeps
//! the wires narrow.

use lpu_isa::arith;
use rust_hdl::prelude::*;

combinational! {
    /// Piecewise linear code of a number.
    KvEncode(signed x: 10) -> (signed code: 9);
    model |x: i64| (i64::from(arith::kv_encode(x as i32)),);
    verilog "\
logic [8:0] magnitude;
logic [8:0] halves;
logic [8:0] quarters;
logic [7:0] place;
assign magnitude = x[8:0] ^ {9{x[9]}};
assign halves = magnitude + 9'd1;
assign quarters = magnitude + 9'd2;
always_comb begin
    if (magnitude < 9'd128) place = magnitude[7:0];
    else if (magnitude < 9'd255) place = {2'b10, halves[6:1]};
    else if (magnitude < 9'd508) place = {2'b11, quarters[7:2]};
    else place = 8'd255;
end
assign code = {x[9], place ^ {8{x[9]}}};".into();
}
