//! The scalar unit's last step: base plus the product of slope and fraction, rounded half up at twelve bits.
//!
//! | port       | dir | width | meaning            | cycle |
//! |------------|-----|------:|--------------------|-------|
//! | `base`     | in  |    18 | not negative       | `t`   |
//! | `product`  | in  |    26 | signed             | `t`   |
//! | `mantissa` | out |    18 | signed             | `t`   |
//!
//! A one below the base makes the highest bit rounded off the carry of the only adder.

use crate::dialect::*;
use lpu_isa::arith::round_shift;

combinational! {
    /// Rounded addition.
    Interpolate(unsigned base: 18, signed product: 26) -> (signed mantissa: 18);
    model |base: i64, product: i64| (base + round_shift(product, 12),);
    verilog crate::primitives::body(include_str!("interpolate.sv"));
    // The sum wraps at 18 bits; up to that, half a step of rounding at most.
    property |base, product, mantissa| {
        let added = (mantissa - base + (1 << 17)).rem_euclid(1 << 18) - (1 << 17);
        2 * ((added << 12) - product).abs() <= 1 << 12
    };
}
