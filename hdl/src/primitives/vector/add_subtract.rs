//! The vector unit's addition: addend plus or minus the shifted product, exact.
//!
//! | port       | dir | width | meaning                         | cycle |
//! |------------|-----|------:|---------------------------------|-------|
//! | `addend`   | in  |    24 | signed                          | `t`   |
//! | `product`  | in  |    25 | signed                          | `t`   |
//! | `subtract` | in  |     1 | take the product off            | `t`   |
//! | `sum`      | out |    26 | signed                          | `t`   |

use rust_hdl::prelude::*;

combinational! {
    /// One carry chain for both signs.
    AddSubtract(signed addend: 24, signed product: 25, unsigned subtract: 1) -> (signed sum: 26);
    model |addend: i64, product: i64, subtract: i64| (if subtract == 1 { addend - product } else { addend + product },);
    verilog "\
logic [25:0] turned;
assign turned = {product[24], product} ^ {26{subtract}};
assign sum = {{2{addend[23]}}, addend} + turned + {25'h0, subtract};".into();
}
