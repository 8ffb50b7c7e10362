//! Signed 18 x 18 bit multiplier with registers on both sides: one ECP5 `MULT18X18D`.
//!
//! ```text
//!  a ──►[reg]──┐
//!              ├──► (x) ──►[reg]──► product
//!  b ──►[reg]──┘
//!      stage 1 ┘   stage 2 ┘
//! ```
//!
//! | port      | dir | width | meaning                | cycle   |
//! |-----------|-----|------:|------------------------|---------|
//! | `clock`   | in  |     1 |                        |         |
//! | `a`       | in  |    18 | signed                 | `t`     |
//! | `b`       | in  |    18 | signed                 | `t`     |
//! | `product` | out |    36 | signed, exact          | `t + 2` |
//!
//! Throughput: one product per cycle. Narrower operands are sign-extended outside, by
//! [`Extend`](super::Extend); it costs nothing.
//!
//! # Invariants
//! 1. `product` at `t + LATENCY` depends only on the operands at `t`.
//! 2. Both input registers and the output register are the block's own: nothing is left to inference.

use super::value::{bits_of, signed_of};
use crate::dialect::*;

/// The registered signed multiplier.
#[derive(LogicBlock)]
pub struct Multiplier {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<18>>,
    pub b: Signal<In, Bits<18>>,
    pub product: Signal<Out, Bits<36>>,
    _held: (i64, i64),
    kind: Kind<Self>,
}

impl Default for Multiplier {
    fn default() -> Self {
        Self {
            clock: Signal::default(),
            a: Signal::default(),
            b: Signal::default(),
            product: Signal::default(),
            _held: (0, 0),
            kind: Kind::of(Role::Multiplier),
        }
    }
}

impl Multiplier {
    /// Cycles from operands to product.
    pub const LATENCY: usize = 2;
}

impl Logic for Multiplier {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            self.product.next = bits_of(self._held.0 * self._held.1);
            self._held = (signed_of(self.a.val()), signed_of(self.b.val()));
        }
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(super::body(include_str!("multiplier.sv")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, cells, simulate_rust};
    use crate::emit::{Design, emit};

    fn design() -> Design {
        emit(&mut Multiplier::default(), "multiplier").unwrap()
    }

    /// Random operands with the extremes mixed in.
    fn operands(count: usize) -> Vec<(i64, i64)> {
        let mut random = Random::from_seed_variable();
        let mut operand = move || match random.below(8) {
            0 => -(1 << 17),
            1 => (1 << 17) - 1,
            _ => random.signed(18),
        };
        (0..count).map(|_| (operand(), operand())).collect()
    }

    #[test]
    fn verilog_gives_the_product_each_cycle() {
        let bench = Bench::new(&design()).unwrap();
        let operands = operands(1_000_000);
        let mut stimulus = bench.stimulus();
        for (a, b) in &operands {
            stimulus.cycle().set_signed("a", *a).set_signed("b", *b);
        }
        let response = bench.run(stimulus.idle(Multiplier::LATENCY)).unwrap();
        for (t, (a, b)) in operands.iter().enumerate() {
            assert_eq!(response.signed(t + Multiplier::LATENCY, "product"), a * b, "cycle {t}: {a} x {b}");
        }
    }

    #[test]
    fn rust_gives_the_product_each_cycle() {
        let operands = operands(1000);
        let results = simulate_rust(
            &mut Multiplier::default(),
            operands.len(),
            |block, level| block.clock.next = level.into(),
            |block, t| (block.a.next, block.b.next) = (bits_of(operands[t].0), bits_of(operands[t].1)),
            |block| signed_of(block.product.val()),
        );
        for t in Multiplier::LATENCY..operands.len() {
            let (a, b) = operands[t - Multiplier::LATENCY];
            assert_eq!(results[t], a * b, "cycle {t}");
        }
    }

    /// Needs no model: the sign of one operand turns the sign of the product.
    #[test]
    fn opposite_operands_give_opposite_products() {
        let bench = Bench::new(&design()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..1000 {
            let (a, b) = (random.signed(17), random.signed(18));
            stimulus
                .cycle()
                .set_signed("a", a)
                .set_signed("b", b)
                .cycle()
                .set_signed("a", -a)
                .set_signed("b", b);
        }
        let response = bench.run(stimulus.idle(Multiplier::LATENCY)).unwrap();
        for t in (Multiplier::LATENCY..2000).step_by(2) {
            assert_eq!(response.signed(t, "product"), -response.signed(t + 1, "product"), "cycle {t}");
        }
    }

    #[test]
    fn it_costs_one_vendor_multiplier_and_nothing_else() {
        let cells = cells(&design(), Family::Ecp5).unwrap();
        assert_eq!(cells.into_iter().collect::<Vec<_>>(), [("MULT18X18D".to_owned(), 1)]);
    }
}
