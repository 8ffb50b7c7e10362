//! Total right shift of a product: the instruction's shift and a lane's own, held in 0 to `SHIFT_MAX`.
//!
//! | port     | dir | width | meaning                              | cycle |
//! |----------|-----|------:|--------------------------------------|-------|
//! | `base`   | in  |     9 | signed: shift of the instruction plus scalar exponent | `t` |
//! | `extra`  | in  |    11 | the exponential's own shift          | `t`   |
//! | `amount` | out |     6 | 0 to 47                              | `t`   |

use lpu_isa::arith::SHIFT_MAX;
use rust_hdl::prelude::*;

combinational! {
    /// Sum and limits of the shift.
    ShiftAmount(signed base: 9, unsigned extra: 11) -> (unsigned amount: 6);
    model |base: i64, extra: i64| ((base + extra).clamp(0, i64::from(SHIFT_MAX)),);
    verilog format!("\
logic signed [12:0] total;
assign total = $signed({{{{4{{base[8]}}}}, base}}) + $signed({{2'b00, extra}});
assign amount = total[12] ? 6'd0 : (total > 13'sd{SHIFT_MAX}) ? 6'd{SHIFT_MAX} : total[5:0];");
}
