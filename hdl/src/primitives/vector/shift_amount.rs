//! Limits of a product's right shift: 0 to `SHIFT_MAX`.
//!
//! | port     | dir | width | meaning                              | cycle |
//! |----------|-----|------:|--------------------------------------|-------|
//! | `total`  | in  |    13 | signed: shift of the instruction, scalar exponent, the exponential's own | `t` |
//! | `amount` | out |     6 | 0 to 47                              | `t`   |

use crate::dialect::*;
use lpu_isa::arith::SHIFT_MAX;

combinational! {
    /// The limits.
    ShiftAmount(signed total: 13) -> (unsigned amount: 6);
    model |total: i64| (total.clamp(0, i64::from(SHIFT_MAX)),);
    verilog crate::primitives::body(include_str!("shift_amount.sv"));
    // No shift that exists is nearer to the sum.
    property |total, amount| {
        let far = |amount: i64| (total - amount).abs();
        let mut shifts = 0..=i64::from(SHIFT_MAX);
        shifts.contains(&amount) && shifts.all(|other| far(amount) <= far(other))
    };
}

/// The Verilog text takes 48 for the first shift that is too large.
const _: () = assert!(SHIFT_MAX == 47);
