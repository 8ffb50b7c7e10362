//! The way to a number's normal form, in which its highest one is at the top: a shift by bytes, and how many bits remain.
//!
//! | port     | dir | width | meaning                                                         | cycle |
//! |----------|-----|------:|-----------------------------------------------------------------|-------|
//! | `x`      | in  |    32 | unsigned                                                        | `t`   |
//! | `zero_bytes` | out |  2 | zero bytes above the highest one that is not; 3 for zero        | `t`   |
//! | `zero_bits` | out |   3 | zeros at the top of the byte that comes to the top; 7 if it is zero | `t` |
//! | `shifted`| out |    32 | `x << (8 * zero_bytes)`                                              | `t`   |
//!
//! The caller shifts by `zero_bits` a cycle later. Every byte's zeros are counted beside the search for the highest byte, so that
//! neither step waits for the other. Bytes and bits are 31 leading zeros for a one and for zero alike.

use crate::dialect::*;

combinational! {
    /// Shift by bytes.
    NormaliseBytes(unsigned x: 32) -> (unsigned zero_bytes: 2, unsigned zero_bits: 3, unsigned shifted: 32);
    model |x: i64| {
        let zeros = i64::from((x as u32 | 1).leading_zeros());
        (zeros / 8, zeros % 8, x << (zeros & !7) & 0xffff_ffff)
    };
    verilog "\
function automatic logic [2:0] zeros_of(input logic [7:0] one_byte);
    logic no_high;
    logic no_high_pair;
    logic no_low_pair;
    no_high = one_byte[7:4] == 4'h0;
    no_high_pair = one_byte[7:6] == 2'h0;
    no_low_pair = one_byte[3:2] == 2'h0;
    zeros_of[2] = no_high;
    zeros_of[1] = no_high ? no_low_pair : no_high_pair;
    zeros_of[0] = !no_high ? (no_high_pair ? !one_byte[5] : !one_byte[7]) : no_low_pair ? !one_byte[1] : !one_byte[3];
endfunction
logic [2:0] none;
assign none = {x[31:24] == 8'h0, x[23:16] == 8'h0, x[15:8] == 8'h0};
assign zero_bytes = !none[2] ? 2'd0 : !none[1] ? 2'd1 : !none[0] ? 2'd2 : 2'd3;
assign zero_bits = !none[2] ? zeros_of(x[31:24]) : !none[1] ? zeros_of(x[23:16]) : !none[0] ? zeros_of(x[15:8]) : zeros_of(x[7:0]);
assign shifted = x << {zero_bytes, 3'h0};".into();
    // Nothing is lost, and the highest one of anything is on top after both shifts.
    property |x, zero_bytes, zero_bits, shifted| {
        shifted >> (8 * zero_bytes) == x && (shifted << zero_bits >> 31 == 1 || x == 0 && zero_bits == 7)
    };
}
