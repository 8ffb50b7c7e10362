//! The vector unit's addition: addend plus or minus the rounded product, exact.
//!
//! | port       | dir | width | meaning                         | cycle |
//! |------------|-----|------:|---------------------------------|-------|
//! | `addend`   | in  |    24 | signed                          | `t`   |
//! | `product`  | in  |    25 | signed                          | `t`   |
//! | `round`    | in  |     1 | added to the product            | `t`   |
//! | `subtract` | in  |     1 | take the product off            | `t`   |
//! | `sum`      | out |    26 | signed                          | `t`   |

use crate::dialect::*;

combinational! {
    /// One carry chain for both signs and the rounding; a bit of one below makes the carry.
    AddSubtract(signed addend: 24, signed product: 25, unsigned round: 1, unsigned subtract: 1) -> (signed sum: 26);
    model |addend: i64, product: i64, round: i64, subtract: i64| {
        let product = product + round;
        (if subtract == 1 { addend - product } else { addend + product },)
    };
    verilog crate::primitives::body(include_str!("add_subtract.sv"));
    // Taking the product off again leaves the addend.
    property |addend, product, round, subtract, sum| {
        addend == if subtract == 1 { sum + product + round } else { sum - product - round }
    };
}
