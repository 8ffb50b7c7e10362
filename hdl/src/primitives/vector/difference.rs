//! Difference of two words both ways, not saturated yet.
//!
//! ```text
//!  x, round ──┬─► x + round + minus ─► forward
//!  s, minus ──┴─► s - x - round ─────► backward
//! ```
//!
//! | port       | dir | width | meaning                                    | cycle |
//! |------------|-----|------:|--------------------------------------------|-------|
//! | `x`        | in  |    18 | signed                                     | `t`   |
//! | `round`    | in  |     1 | added to `x`                               | `t`   |
//! | `s`        | in  |    18 | signed                                     | `t`   |
//! | `minus`    | in  |    19 | signed, `-s`                               | `t`   |
//! | `forward`  | out |    19 | signed, `x + round - s`                    | `t`   |
//! | `backward` | out |    19 | signed, `s - x - round`                    | `t`   |
//!
//! Both run side by side: negating the difference would put a second carry chain behind the first. The rounding bit
//! is each chain's carry, which is why the caller, who has it once for many lanes, gives the negative of `s` too. A
//! bit of one below both addends makes the carry.

use crate::dialect::*;

combinational! {
    /// Exact difference and its negative.
    Difference(signed x: 18, unsigned round: 1, signed s: 18, signed minus: 19) -> (signed forward: 19, signed backward: 19);
    model |x: i64, round: i64, s: i64, minus: i64| (x + round + minus, s - x - round);
    verilog crate::primitives::body(include_str!("difference.sv"));
    // What goes up in one goes down in the other: together they do not depend on the number. Both wrap at 19 bits.
    property |x, round, s, minus, forward, backward| {
        let wraps = |difference: i64| difference.rem_euclid(1 << 19) == 0;
        wraps(forward + backward - minus - s) && wraps(backward + x + round - s)
    };
}
