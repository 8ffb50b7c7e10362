//! A product after its shift: `lpu_isa::arith::shift_product` of a shift that was limited before.
//!
//! ```text
//!  product 36 ──► >> multiples of 4 ──►[reg]──► >> 0..3 ──► + round bit ──► limit to 25 ──►[reg]──► shifted, over
//!  amount 6 ────────────────────────►[low 2]───┘
//!                               stage 1                                       stage 2
//! ```
//!
//! | port      | dir | width | meaning                              | cycle   |
//! |-----------|-----|------:|--------------------------------------|---------|
//! | `clock`   | in  |     1 |                                      |         |
//! | `product` | in  |    36 | signed                               | `t`     |
//! | `amount`  | in  |     6 | right shift, at most 47              | `t`     |
//! | `shifted` | out |    25 | signed, rounded half up, saturated   | `t + 2` |
//! | `over`    | out |     1 | it saturated                         | `t + 2` |
//!
//! Throughput: one product a cycle, each with its own shift. The rounding bit is added to 26 bits only: a number that
//! does not fit those does not fit 25 bits after rounding either, and one that does shows in its two highest bits.
//!
//! # Invariants
//! 1. The outputs at `t + LATENCY` depend only on the inputs at `t`.

use crate::kind::Kind;
use crate::primitives::value::{bits_of, signed_of};
use lpu_isa::arith::{SHIFTED_BITS, round_shift, saturate, shift_product};
use rust_hdl::prelude::*;

/// Shift, rounding and saturation of a lane's product.
#[derive(LogicBlock, Default)]
pub struct ProductShift {
    pub clock: Signal<In, Clock>,
    pub product: Signal<In, Bits<36>>,
    pub amount: Signal<In, Bits<6>>,
    pub shifted: Signal<Out, Bits<25>>,
    pub over: Signal<Out, Bit>,
    _held: (i64, i32),
    kind: Kind<Self>,
}

impl ProductShift {
    /// Cycles from product and amount to the outputs.
    pub const LATENCY: usize = 2;
}

const BEHAVIOUR: &str = "\
logic signed [36:0] coarse;
logic signed [36:0] fine;
logic [1:0] rest;
logic [25:0] rounded;
logic fits;
assign fine = coarse >>> rest;
assign rounded = fine[26:1] + {25'h0, fine[0]};
assign fits = (fine[36:26] == {11{fine[36]}}) && (rounded[25] == rounded[24]);
initial begin
    coarse = 37'h0;
    rest = 2'h0;
    shifted = 25'h0;
    over = 1'h0;
end
always_ff @(posedge clock) begin
    coarse <= $signed({product, 1'b0}) >>> {amount[5:2], 2'b00};
    rest <= amount[1:0];
    shifted <= fits ? rounded[24:0] : {fine[36], {24{!fine[36]}}};
    over <= !fits;
end";

impl Logic for ProductShift {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let (product, amount) = self._held;
            let exact = round_shift(product, amount as u32);
            self.shifted.next = bits_of(i64::from(shift_product(product, amount)));
            self.over.next = exact != saturate(exact, SHIFTED_BITS);
            self._held = (signed_of(self.product.val()), self.amount.val().to_u32() as i32);
        }
    }

    fn connect(&mut self) {
        self.shifted.connect();
        self.over.connect();
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(BEHAVIOUR.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response};
    use crate::emit::emit;

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
            let exact = round_shift(*product, *amount as u32);
            let expected = i64::from(shift_product(*product, *amount as i32));
            let t = t + ProductShift::LATENCY;
            assert_eq!(response.signed(t, "shifted"), expected, "{product} >> {amount}");
            assert_eq!(response.get(t, "over") == 1, exact != expected, "{product} >> {amount}");
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
        }
    }
}
