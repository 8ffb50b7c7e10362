//! A vector register lane as a multiplier operand: `lpu_isa::arith::operand`, as a number and one that is added to it.
//!
//! ```text
//!  x 24 ─┬─► >> shift, one bit kept below ─┬──► saturate ──► y 18
//!        ├─► too large? ───────────────────┤
//!        └─► at the largest number? ───────┴──► that bit ──► round
//! ```
//!
//! | port    | dir | width | meaning                          | cycle |
//! |---------|-----|------:|----------------------------------|-------|
//! | `x`     | in  |    24 | signed                           | `t`   |
//! | `shift` | in  |     3 | right shift                      | `t`   |
//! | `y`     | out |    18 | rounded down, saturated          | `t`   |
//! | `round` | out |     1 | the operand is `y + round`       | `t`   |
//!
//! Rounding half up is the shifted value plus the last bit shifted out. That bit goes on as the carry of the next
//! adder, so that no carry chain stands behind the shift; it is off where the sum would not fit.

use crate::dialect::*;
use lpu_isa::arith::{WORD_BITS, WORD_MAX, saturate};

combinational! {
    /// Shift, rounding bit and saturation of an operand.
    OperandShift(signed x: 24, unsigned shift: 3) -> (signed y: 18, unsigned round: 1);
    model |x: i64, shift: i64| {
        let exact = x >> shift;
        let y = saturate(exact, WORD_BITS);
        let is_half = shift > 0 && x >> (shift - 1) & 1 == 1;
        (y, i64::from(is_half && y == exact && y != i64::from(WORD_MAX)))
    };
    verilog crate::primitives::body(include_str!("operand_shift.sv"));
    // Half a step of rounding at most, unless the operand is at its limit.
    property |x, shift, y, round| {
        let off = 2 * (x - ((y + round) << shift));
        match y + round {
            131_071 => off >= -(1i64 << shift),
            -131_072 => off <= 1 << shift,
            _ => off.abs() <= 1 << shift,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_isa::arith::operand;

    /// Number and rounding bit are the contract's operand, around every border between two results.
    #[test]
    fn number_and_bit_are_the_operand() {
        for shift in 0..8 {
            for x in (-(1 << 23)..1 << 23)
                .step_by(61)
                .chain((1 << 17) - 99..(1 << 17) + 99)
                .chain((1 << 23) - 999..1 << 23)
            {
                let (y, round) = OperandShift::model(x, shift);
                assert_eq!(y + round, i64::from(operand(x as i32, shift as u32)), "{x} by {shift}");
            }
        }
    }
}
