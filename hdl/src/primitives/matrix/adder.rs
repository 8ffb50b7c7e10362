//! One adder of the adder tree, with its register: exact, one bit wider than its inputs.
//!
//! ```text
//!  a ──┐
//!      ├──► (+) ──►[reg]──► sum
//!  b ──┘
//! ```
//!
//! | port  | dir | width | meaning                                        | cycle   |
//! |-------|-----|------:|------------------------------------------------|---------|
//! | `a`   | in  |    32 | signed, sign-extended from `bits`              | `t`     |
//! | `b`   | in  |    32 | signed, sign-extended from `bits`              | `t`     |
//! | `sum` | out |    32 | `a + b`, sign-extended from `bits + 1`         | `t + 1` |
//!
//! All ports are 32 bits, so that the adders of all levels are of one Rust type; the carry chain and the register have
//! the bits of their level, and the rest of the output are copies of the sign.
//!
//! # Invariants
//! 1. The bits of the inputs from `bits - 1` up are equal.
//! 2. `bits < 32`: the widest level adds 31-bit numbers, and the sum never overflows.

use crate::dialect::*;
use crate::primitives::value::{bits_of, signed_of};

/// The registered adder.
#[derive(LogicBlock, Default)]
pub struct TreeAdder {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<32>>,
    pub b: Signal<In, Bits<32>>,
    pub sum: Signal<Out, Bits<32>>,
    _bits: usize,
    kind: Kind<Self>,
}

impl TreeAdder {
    /// Cycles from inputs to sum.
    pub const LATENCY: usize = 1;

    /// An adder of `bits`-bit numbers.
    pub fn new(bits: usize) -> Self {
        assert!((1..32).contains(&bits), "an adder of the tree takes 1 to 31 bits, not {bits}");
        Self { _bits: bits, kind: Kind::named(format!("tree_adder_{bits}")), ..Self::default() }
    }
}

impl Logic for TreeAdder {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.sum.next = bits_of(signed_of(self.a.val()) + signed_of(self.b.val()));
        }
    }

    fn hdl(&self) -> Verilog {
        let (bits, top) = (self._bits, self._bits - 1);
        let extension = if bits == 31 {
            "assign sum = held;".to_owned()
        } else {
            format!("assign sum = {{{{{}{{held[{bits}]}}}}, held}};", 31 - bits)
        };
        Verilog::Custom(format!(
            "logic [{bits}:0] held;
initial held = {}'h0;
always_ff @(posedge clock) held <= {{a[{top}], a[{top}:0]}} + {{b[{top}], b[{top}:0]}};
{extension}",
            bits + 1
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    fn operands(random: &mut Random, bits: u32) -> i64 {
        match random.below(8) {
            0 => -(1 << (bits - 1)),
            1 => (1 << (bits - 1)) - 1,
            _ => random.signed(bits),
        }
    }

    #[test]
    fn sums_are_exact_each_cycle() {
        for bits in [25, 28, 31] {
            let bench = Bench::new(&emit(&mut TreeAdder::new(bits), "adder").unwrap()).unwrap();
            let mut random = Random::from_seed_variable();
            let pairs: Vec<(i64, i64)> = (0..100_000)
                .map(|_| (operands(&mut random, bits as u32), operands(&mut random, bits as u32)))
                .collect();
            let mut stimulus = bench.stimulus();
            for (a, b) in &pairs {
                stimulus.cycle().set_signed("a", *a).set_signed("b", *b);
            }
            let response = bench.run(stimulus.idle(TreeAdder::LATENCY)).unwrap();
            for (t, (a, b)) in pairs.iter().enumerate() {
                assert_eq!(response.signed(t + TreeAdder::LATENCY, "sum"), a + b, "cycle {t}, {bits} bits");
            }
        }
    }
}
