//! Half rows that are written: `2^length` of them from `start`, again after every `2^period`.
//!
//! [`HalfSpan`], the bits of a half row's number that count:
//!
//! | port      | dir | width | meaning                                     | cycle |
//! |-----------|-----|------:|---------------------------------------------|-------|
//! | `period`  | in  |     4 | base-2 logarithm of the repetition          | `t`   |
//! | `counted` | out |    15 | the lowest `period` bits are set            | `t`   |
//!
//! [`HalfMatch`], the half rows that agree with a number in those bits:
//!
//! | port      | dir | width | meaning                                     | cycle |
//! |-----------|-----|------:|---------------------------------------------|-------|
//! | `start`   | in  |    15 | half row, modulo 2^15                       | `t`   |
//! | `counted` | in  |    15 | bits that count                             | `t`   |
//! | `mask`    | out |    32 | bit `h`: half row `h` agrees with `start`   | `t`   |
//!
//! `(h - start) mod 2^period` is 0 when `h` and `start` agree in the lowest `period` bits, and 1 when `h` and
//! `start + 1` do: two masked comparisons with constants instead of a subtraction for each half row.

use crate::dialect::*;

/// Half rows that a mask has room for.
pub const HALVES_MAX: usize = 32;

/// The bits that count.
mod span {
    use super::*;

    combinational! {
        /// Mask of a number's lowest bits.
        HalfSpan(unsigned period: 4) -> (unsigned counted: 15);
        model |period: i64| ((1 << period) - 1,);
        verilog crate::primitives::body(include_str!("half_span.sv"));
        // A run of ones from the lowest bit, as long as the period.
        property |period, counted| counted & (counted + 1) == 0 && i64::from(counted.count_ones()) == period;
    }
}

pub use span::HalfSpan;

combinational! {
    /// Masked comparison with every half row's number.
    HalfMatch(unsigned start: 15, unsigned counted: 15) -> (unsigned mask: 32);
    model |start: i64, counted: i64| {
        ((0..HALVES_MAX as i64).filter(|h| (h ^ start) & counted == 0).fold(0, |mask, h| mask | 1 << h),)
    };
    verilog format!("\
logic high;
assign high = (start[14:5] & counted[14:5]) == 10'h0;
always_comb begin
    for (int h = 0; h < {HALVES_MAX}; h++) begin
        mask[h] = high && ((start[4:0] ^ h[4:0]) & counted[4:0]) == 5'h0;
    end
end");
    // No two half rows differ in a bit that counts; as many are there as the other bits allow, and `start` is among them.
    property |start, counted, mask| {
        let among: Vec<i64> = (0..HALVES_MAX as i64).filter(|h| mask >> h & 1 == 1).collect();
        let agree = among.iter().all(|h| (h ^ among[0]) & counted == 0);
        let free = 1 << (5 - (counted & 31).count_ones());
        agree && (among.is_empty() || among.len() == free) && (start >= 32 || among.contains(&start))
    };
}
