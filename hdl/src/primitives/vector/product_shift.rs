//! A product after its shift: `lpu_isa::arith::shift_product` of a shift that was limited before, as a number, a bit
//! to be added, and whether it fits.
//!
//! ```text
//!  product 36 ──► >> multiples of 4 ──►[reg]─┬─► >> 0..3 ──────────►[reg]──► shifted, round
//!  amount 6 ────────────────────────►[low 2]─┴─► too large? sign ──►[reg]──► over, negative
//!                               stage 1                          stage 2
//! ```
//!
//! | port      | dir | width | meaning                                     | cycle   |
//! |-----------|-----|------:|---------------------------------------------|---------|
//! | `clock`   | in  |     1 |                                             |         |
//! | `product` | in  |    36 | signed                                      | `t`     |
//! | `amount`  | in  |     6 | right shift, at most 47                     | `t`     |
//! | `shifted` | out |    25 | signed, rounded down, low bits              | `t + 2` |
//! | `round`   | out |     1 | the result is `shifted + round`             | `t + 2` |
//! | `over`    | out |     1 | rounded down it does not fit 25 bits        | `t + 2` |
//! | `negative`| out |     1 | sign of the product                         | `t + 2` |
//!
//! Throughput: one product a cycle, each with its own shift. Rounding half up is the shifted value plus the last bit
//! shifted out, which is the carry of the lane's adder.
//!
//! # Invariants
//! 1. The outputs at `t + LATENCY` depend only on the inputs at `t`.

use crate::dialect::*;
use crate::primitives::body;
use crate::primitives::value::{bits_of, signed_of};
use lpu_isa::arith::{SHIFTED_BITS, saturate};

/// Shift of a lane's product.
#[derive(LogicBlock, Default)]
pub struct ProductShift {
    pub clock: Signal<In, Clock>,
    pub product: Signal<In, Bits<36>>,
    pub amount: Signal<In, Bits<6>>,
    pub shifted: Signal<Out, Bits<25>>,
    pub round: Signal<Out, Bits<1>>,
    pub over: Signal<Out, Bit>,
    pub negative: Signal<Out, Bit>,
    _held: (i64, i32),
    kind: Kind<Self>,
}

impl ProductShift {
    /// Cycles from product and amount to the outputs.
    pub const LATENCY: usize = 2;
}

/// What the outputs show of an exact shift.
fn outputs(product: i64, amount: i32) -> (i64, i64, bool, bool) {
    let exact = product >> amount;
    let round = if amount == 0 { 0 } else { product >> (amount - 1) & 1 };
    (exact, round, saturate(exact, SHIFTED_BITS) != exact, product < 0)
}

impl Logic for ProductShift {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let (product, amount) = self._held;
            let (shifted, round, over, negative) = outputs(product, amount);
            self.shifted.next = bits_of(shifted);
            self.round.next = bits_of(round);
            self.over.next = over;
            self.negative.next = negative;
            self._held = (signed_of(self.product.val()), self.amount.val().to_u32() as i32);
        }
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(body(include_str!("product_shift.sv")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;
    use lpu_isa::arith::shift_product;

    fn stream(inputs: &[(i64, u64)]) -> Response {
        let bench = Bench::new(&emit(&mut ProductShift::default(), "dut").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for (product, amount) in inputs {
            stimulus.cycle().set_signed("product", *product).set("amount", *amount);
        }
        bench.run(stimulus.idle(ProductShift::LATENCY)).unwrap()
    }

    #[test]
    fn verilog_is_the_contract() {
        let mut random = Random::from_seed_variable();
        let inputs: Vec<(i64, u64)> = (0..500_000)
            .map(|_| {
                let bits = 1 + random.below(36) as u32;
                // A third of the products lie within two units of a power of two, where saturation begins.
                let near = (1i64 << random.below(35)) + random.below(5) as i64 - 2;
                let product = if random.below(3) == 0 { near } else { random.signed(bits) };
                (if random.below(2) == 0 { product } else { -product }, random.below(48))
            })
            .map(|(product, amount)| (product.clamp(-(1 << 35), (1 << 35) - 1), amount))
            .collect();
        let response = stream(&inputs);
        for (t, (product, amount)) in inputs.iter().enumerate() {
            let t = t + ProductShift::LATENCY;
            let (_, round, over, negative) = outputs(*product, *amount as i32);
            let flags = ["round", "over", "negative"].map(|name| response.get(t, name));
            assert_eq!(flags, [round as u64, over.into(), negative.into()], "{product} >> {amount}");
            // The contract's limit of what was rounded, or what no addend brings back.
            let rounded = match over {
                true if negative => -(1 << 24),
                true => (1 << 24) - 1,
                false => saturate(response.signed(t, "shifted") + round, SHIFTED_BITS),
            };
            assert_eq!(rounded, i64::from(shift_product(*product, *amount as i32)), "{product} >> {amount}");
        }
    }

    /// Needs no model: a product that is a multiple of the power of two comes back without its zeros.
    #[test]
    fn exact_shifts_are_exact() {
        let mut random = Random::from_seed_variable();
        let inputs: Vec<(i64, u64)> = (0..10_000).map(|_| (random.signed(24), random.below(12))).collect();
        let shifted: Vec<(i64, u64)> = inputs.iter().map(|(x, amount)| (x << amount, *amount)).collect();
        let response = stream(&shifted);
        for (t, (x, _)) in inputs.iter().enumerate() {
            assert_eq!(response.signed(t + ProductShift::LATENCY, "shifted"), *x);
            assert_eq!(response.get(t + ProductShift::LATENCY, "round"), 0);
        }
    }
}
