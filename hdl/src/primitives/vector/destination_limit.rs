//! Limits a result to the width of its destination: 18 bits for vector memory, 16 for activations, else 10 for KV.
//!
//! ```text
//!  x 24 ─┬─► sign ──────────────────────────────────► sign
//!        ├─► do the bits above the width equal it? ─► over
//!        └─► over ? not sign : bit ─────────────────► low
//! ```
//!
//! | port      | dir | width | meaning                                               | cycle |
//! |-----------|-----|------:|-------------------------------------------------------|-------|
//! | `x`       | in  |    24 | signed                                                | `t`   |
//! | `to_vmem` | in  |     1 | limit to 18 bits                                      | `t`   |
//! | `to_act`  | in  |     1 | limit to 16 bits                                      | `t`   |
//! | `sign`    | out |     1 | sign of the result, for each width                    | `t`   |
//! | `low`     | out |    17 | below the sign; a narrower width takes the lowest bits | `t`  |
//! | `over`    | out |     1 | `x` did not fit                                       | `t`   |
//!
//! One circuit for all widths: a result that does not fit has its sign and the sign's complement in every bit below,
//! however many of them the destination takes.

use crate::dialect::*;
use lpu_isa::arith::saturate;

combinational! {
    /// Limits of a result's destinations.
    DestinationLimit(signed x: 24, unsigned to_vmem: 1, unsigned to_act: 1) -> (unsigned sign: 1, unsigned low: 17, unsigned over: 1);
    model |x: i64, to_vmem: i64, to_act: i64| {
        let bits = if to_vmem == 1 { 18 } else if to_act == 1 { 16 } else { 10 };
        let over = saturate(x, bits) != x;
        let low = if !over { x } else if x < 0 { 0 } else { -1 };
        (i64::from(x < 0), low & 0x1_ffff, i64::from(over))
    };
    verilog crate::primitives::body(include_str!("destination_limit.sv"));
    // Sign and low bits are the number itself unless it is over; then they are as far out as 18 bits go, on its side.
    property |x, to_vmem, to_act, sign, low, over| {
        let number = low - (sign << 17);
        let limit = 1i64 << if to_vmem == 1 { 17 } else if to_act == 1 { 15 } else { 9 };
        let fits = -limit <= x && x < limit;
        let expected = if fits { x } else if x < 0 { -131_072 } else { 131_071 };
        (over == 0) == fits && number == expected
    };
}
