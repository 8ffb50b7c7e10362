//! Half rows that are written: `2^length` of them from `start`, again after every `2^period`.
//!
//! | port     | dir | width | meaning                                     | cycle |
//! |----------|-----|------:|---------------------------------------------|-------|
//! | `start`  | in  |    15 | first half row, modulo 2^15                 | `t`   |
//! | `length` | in  |     1 | base-2 logarithm of the half rows written   | `t`   |
//! | `period` | in  |     4 | base-2 logarithm of the repetition          | `t`   |
//! | `mask`   | out |    32 | bit `h`: half row `h` is written            | `t`   |
//!
//! `(h - start) mod 2^period` is 0 when `h` and `start` agree in the lowest `period` bits, and 1 when `h` and
//! `start + 1` do: two masked comparisons with constants instead of a subtraction for each half row.

use rust_hdl::prelude::*;

/// Half rows that a mask has room for.
pub const HALVES_MAX: usize = 32;

combinational! {
    /// Mask of the half rows written.
    HalfMask(unsigned start: 15, unsigned length: 1, unsigned period: 4) -> (unsigned mask: 32);
    model |start: i64, length: i64, period: i64| {
        let written = |h: i64| (h - start).rem_euclid(1 << period) < 1 << length;
        ((0..HALVES_MAX as i64).filter(|&h| written(h)).fold(0, |mask, h| mask | 1 << h),)
    };
    verilog format!("\
logic [15:0] span;
logic [14:0] counted;
logic [14:0] second;
logic first_high;
logic second_high;
assign span = (16'h1 << period) - 16'h1;
assign counted = span[14:0];
assign second = start + 15'h1;
assign first_high = (start[14:5] & counted[14:5]) == 10'h0;
assign second_high = (second[14:5] & counted[14:5]) == 10'h0 && length;
always_comb begin
    for (int h = 0; h < {HALVES_MAX}; h++) begin
        mask[h] = (first_high && ((start[4:0] ^ h[4:0]) & counted[4:0]) == 5'h0)
            || (second_high && ((second[4:0] ^ h[4:0]) & counted[4:0]) == 5'h0);
    end
end");
}
