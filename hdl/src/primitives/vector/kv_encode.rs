//! The nearest KV code: `lpu_isa::arith::kv_encode`.
//!
//! | port   | dir | width | meaning                  | cycle |
//! |--------|-----|------:|--------------------------|-------|
//! | `x`    | in  |    24 | signed                   | `t`   |
//! | `code` | out |     9 | one's complement symmetric | `t` |
//!
//! The steps are rounded without an adder: adding to the lowest bit turns each bit below which all are ones. A negative code is its
//! magnitude's complement, as the number is, so that its bits are taken from the number and only what chooses them from the magnitude.

use crate::dialect::*;
use lpu_isa::arith;

combinational! {
    /// Piecewise linear code of a number.
    KvEncode(signed x: 24) -> (signed code: 9);
    model |x: i64| (i64::from(arith::kv_encode(x as i32)),);
    verilog crate::primitives::body(include_str!("kv_encode.sv"));
    // The code stands for the number or one half a step away, and not for one of the other sign.
    property |x, code| {
        let decoded = i64::from(arith::kv_decode(code as i16));
        let step = if decoded.abs() < 128 { 0 } else if decoded.abs() < 256 { 1 } else { 2 };
        let beyond = decoded.abs() >= 508 && x.abs() >= 508;
        (decoded < 0) == (x < 0) && ((decoded - x).abs() <= step || beyond)
    };
}
