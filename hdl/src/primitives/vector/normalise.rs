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
assign zeros[4] = x[31:16] == 16'h0;
assign half = zeros[4] ? x[15:0] : x[31:16];
assign zeros[3] = half[15:8] == 8'h0;
assign quarter = zeros[3] ? half[7:0] : half[15:8];
assign zeros[2] = quarter[7:4] == 4'h0;
assign nibble = zeros[2] ? quarter[3:0] : quarter[7:4];
assign zeros[1] = nibble[3:2] == 2'h0;
assign pair = zeros[1] ? nibble[1:0] : nibble[3:2];
assign zeros[0] = !pair[1];".into();
}
