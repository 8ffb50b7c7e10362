//! The last step of a vector lane: limits of the sum, and the rectifier.
//!
//! | port        | dir | width | meaning                                               | cycle |
//! |-------------|-----|------:|-------------------------------------------------------|-------|
//! | `sum`       | in  |    26 | signed                                                | `t`   |
//! | `over`      | in  |     1 | the product alone is beyond every sum that fits       | `t`   |
//! | `negative`  | in  |     1 | with `over`: on the negative side                     | `t`   |
//! | `relu`      | in  |     1 | negative results become zero                          | `t`   |
//! | `result`    | out |    24 | signed                                                | `t`   |
//! | `saturated` | out |     1 | the result was limited, whatever the rectifier did    | `t`   |
//!
//! A product that does not fit 25 bits decides the result: no addend of 24 bits brings it back into 24 bits. So the
//! product needs no limit of its own before the addition.

use crate::dialect::*;
use lpu_isa::arith::{VECTOR_BITS, saturate};

combinational! {
    /// Limits and rectifier.
    ResultLimit(signed sum: 26, unsigned over: 1, unsigned negative: 1, unsigned relu: 1) -> (signed result: 24, unsigned saturated: 1);
    model |sum: i64, over: i64, negative: i64, relu: i64| {
        let exact = if over == 0 { sum } else if negative == 1 { -(1 << 25) } else { 1 << 25 };
        let limited = saturate(exact, VECTOR_BITS);
        (if relu == 1 { limited.max(0) } else { limited }, i64::from(limited != exact))
    };
    verilog crate::primitives::body(include_str!("result_limit.sv"));
    // What fits stays, what does not goes to the limit on its side, and what is negative becomes zero if it should.
    property |sum, over, negative, relu, result, saturated| {
        let fits = over == 0 && (-(1 << 23)..1 << 23).contains(&sum);
        let below = if over == 1 { negative == 1 } else { sum < 0 };
        let limited = if fits { sum } else if below { -(1 << 23) } else { (1 << 23) - 1 };
        (saturated == 0) == fits && result == if relu == 1 && below { 0 } else { limited }
    };
}
