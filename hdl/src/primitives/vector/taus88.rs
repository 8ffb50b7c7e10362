//! One step of the random generator: `lpu_isa::arith::Taus88::next` without its registers.
//!
//! | port             | dir | width | meaning                       | cycle |
//! |------------------|-----|------:|-------------------------------|-------|
//! | `a`, `b`, `c`    | in  |    32 | component states              | `t`   |
//! | `a_next`, ...    | out |    32 | states after the step         | `t`   |
//! | `value`          | out |    32 | the random bits of the step   | `t`   |

use crate::dialect::*;
use lpu_isa::arith::Taus88;

combinational! {
    /// Shifts and exclusive ors of taus88.
    Taus88Step(unsigned a: 32, unsigned b: 32, unsigned c: 32)
        -> (unsigned a_next: 32, unsigned b_next: 32, unsigned c_next: 32, unsigned value: 32);
    model |a: i64, b: i64, c: i64| {
        let mut generator = Taus88 { state: [a as u32, b as u32, c as u32] };
        let value = generator.next();
        let [a, b, c] = generator.state.map(i64::from);
        (a, b, c, i64::from(value))
    };
    verilog crate::primitives::body(include_str!("taus88_step.sv"));
    // Three shift registers: all but the lowest bits are old ones moved up, and the value is their sum without carries.
    property |a, b, c, a_next, b_next, c_next, value| {
        let moved = |next: i64, low: u32, old: i64, gone: u32| next >> low == old >> gone & ((1 << (32 - low)) - 1);
        moved(a_next, 13, a, 1) && moved(b_next, 7, b, 3) && moved(c_next, 21, c, 4)
            && value ^ a_next ^ b_next ^ c_next == 0
    };
}
