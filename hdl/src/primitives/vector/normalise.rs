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
    verilog crate::primitives::body(include_str!("normalise_bytes.sv"));
    // Nothing is lost, and the highest one of anything is on top after both shifts.
    property |x, zero_bytes, zero_bits, shifted| {
        shifted >> (8 * zero_bytes) == x && (shifted << zero_bits >> 31 == 1 || x == 0 && zero_bits == 7)
    };
}
