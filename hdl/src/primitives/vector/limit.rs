//! Limits a number to fewer signed bits, and tells whether it had to.
//!
//! | port   | dir | width  | meaning                     | cycle |
//! |--------|-----|--------|-----------------------------|-------|
//! | `x`    | in  | `FROM` | signed                      | `t`   |
//! | `y`    | out | `TO`   | the nearest number that fits | `t`   |
//! | `over` | out | 1      | `x` does not fit            | `t`   |
//!
//! # Invariants
//! 1. `TO < FROM <= 64`, checked when the block is built.

use crate::dialect::*;
use crate::primitives::arith::saturated;
use crate::primitives::value::{bits_of, signed_of};
use lpu_isa::arith;

/// Saturation with its flag, from `FROM` to `TO` bits.
#[derive(LogicBlock, Default)]
pub struct Limit<const FROM: usize, const TO: usize> {
    pub x: Signal<In, Bits<FROM>>,
    pub y: Signal<Out, Bits<TO>>,
    pub over: Signal<Out, Bit>,
    kind: Kind<Self>,
}

impl<const FROM: usize, const TO: usize> Limit<FROM, TO> {
    /// Cycles from input to outputs.
    pub const LATENCY: usize = 0;
}

impl<const FROM: usize, const TO: usize> Logic for Limit<FROM, TO> {
    fn update(&mut self) {
        let x = signed_of(self.x.val());
        let y = arith::saturate(x, TO as u32);
        self.y.next = bits_of(y);
        self.over.next = x != y;
    }

    fn hdl(&self) -> Verilog {
        const { assert!(TO >= 2 && TO < FROM && FROM <= 64, "a number is limited to fewer bits") };
        let (top, high, spare) = (FROM - 1, TO - 1, FROM - TO + 1);
        Verilog::Custom(format!(
            "assign y = {};\nassign over = x[{top}:{high}] != {{{spare}{{x[{top}]}}}};",
            saturated("x", FROM, TO)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    /// All 4096 inputs, so that the comparison needs no chance.
    #[test]
    fn every_input_is_limited() {
        let bench = Bench::new(&emit(&mut Limit::<12, 8>::default(), "dut").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for x in -2048..2048 {
            stimulus.cycle().set_signed("x", x);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, x) in (-2048i64..2048).enumerate() {
            assert_eq!(response.signed(t, "y"), x.clamp(-128, 127));
            assert_eq!(response.get(t, "over") == 1, !(-128..128).contains(&x));
        }
    }

    #[test]
    fn wide_numbers_are_limited() {
        let bench = Bench::new(&emit(&mut Limit::<26, 24>::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let inputs: Vec<i64> = (0..10_000).map(|_| random.signed(26)).collect();
        let mut stimulus = bench.stimulus();
        for x in &inputs {
            stimulus.cycle().set_signed("x", *x);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, x) in inputs.iter().enumerate() {
            assert_eq!(response.signed(t, "y"), arith::saturate(*x, 24), "{x}");
        }
    }
}
