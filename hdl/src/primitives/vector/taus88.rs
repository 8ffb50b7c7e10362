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
    verilog "\
assign a_next = {a[19:1], 13'h0} ^ {19'h0, a[18:6] ^ a[31:19]};
assign b_next = {b[27:3], 7'h0} ^ {25'h0, b[29:23] ^ b[31:25]};
assign c_next = {c[14:4], 21'h0} ^ {11'h0, c[28:8] ^ c[31:11]};
assign value = a_next ^ b_next ^ c_next;".into();
    // Three shift registers: all but the lowest bits are old ones moved up, and the value is their sum without carries.
    property |a, b, c, a_next, b_next, c_next, value| {
        let moved = |next: i64, low: u32, old: i64, gone: u32| next >> low == old >> gone & ((1 << (32 - low)) - 1);
        moved(a_next, 13, a, 1) && moved(b_next, 7, b, 3) && moved(c_next, 21, c, 4)
            && value ^ a_next ^ b_next ^ c_next == 0
    };
}
