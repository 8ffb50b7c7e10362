//! Leading zeros of a sum, for its normal form.
//!
//! | port    | dir | width | meaning                                       | cycle |
//! |---------|-----|------:|-----------------------------------------------|-------|
//! | `x`     | in  |    32 | unsigned                                      | `t`   |
//! | `zeros` | out |     5 | zeros above the highest one; 31 for zero      | `t`   |

use rust_hdl::prelude::*;

combinational! {
    /// Position of the highest one.
    LeadingZeros(unsigned x: 32) -> (unsigned zeros: 5);
    model |x: i64| (i64::from((x as u32 | 1).leading_zeros()),);
    verilog "\
logic [15:0] half;
logic [7:0] quarter;
logic [3:0] nibble;
logic [1:0] pair;
logic no_half;
logic no_quarter;
logic no_nibble;
logic no_pair;
assign no_half = x[31:16] == 16'h0;
assign half = no_half ? x[15:0] : x[31:16];
assign no_quarter = half[15:8] == 8'h0;
assign quarter = no_quarter ? half[7:0] : half[15:8];
assign no_nibble = quarter[7:4] == 4'h0;
assign nibble = no_nibble ? quarter[3:0] : quarter[7:4];
assign no_pair = nibble[3:2] == 2'h0;
assign pair = no_pair ? nibble[1:0] : nibble[3:2];
assign zeros = {no_half, no_quarter, no_nibble, no_pair, !pair[1]};".into();
}
