//! Comparison of two unsigned numbers, as a subtraction's borrow: a carry chain, however wide they are.
//!
//! | port     | dir | width | meaning                     | cycle |
//! |----------|-----|-------|-----------------------------|-------|
//! | `a`, `b` | in  | `W`   | unsigned                    | `t`   |
//! | `larger` | out | 1     | `a > b`                     | `t`   |
//!
//! Left to itself, synthesis makes seven levels of look-up tables of a comparison of 25 bits.
//!
//! # Invariants
//! 1. `W <= 62`, checked when the block is built.

use crate::dialect::*;

/// `a > b`.
#[derive(LogicBlock, Default)]
pub struct Larger<const W: usize> {
    pub a: Signal<In, Bits<W>>,
    pub b: Signal<In, Bits<W>>,
    pub larger: Signal<Out, Bit>,
    kind: Kind<Self>,
}

impl<const W: usize> Larger<W> {
    /// Cycles from inputs to output.
    pub const LATENCY: usize = 0;
}

impl<const W: usize> Logic for Larger<W> {
    fn update(&mut self) {
        self.larger.next = self.a.val().to_u64() > self.b.val().to_u64();
    }

    fn hdl(&self) -> Verilog {
        const { assert!(W <= 62, "numbers of at most 62 bits are compared") };
        Verilog::Custom(format!(
            "logic [{W}:0] borrow;\nassign borrow = {{1'b0, b}} - {{1'b0, a}};\nassign larger = borrow[{W}];"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn pairs_are_compared() {
        let bench = Bench::new(&emit(&mut Larger::<41>::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let pairs: Vec<(u64, u64)> = (0..10_000)
            .map(|_| {
                let bits = 1 + random.below(41) as u32;
                let a = random.unsigned(bits);
                (a, if random.below(2) == 0 { random.unsigned(41) } else { a ^ (random.below(8) / 7) })
            })
            .collect();
        for (a, b) in &pairs {
            stimulus.cycle().set("a", *a).set("b", *b);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, (a, b)) in pairs.iter().enumerate() {
            assert_eq!(response.get(t, "larger") == 1, a > b, "{a} > {b}");
        }
    }
}
