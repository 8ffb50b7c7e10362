//! A sum as it leaves the matrix unit: shifted right, rounded half up, limited to a word.
//!
//! ```text
//!  x, 0 ──► >> 0 .. 3 ──►[reg]─┬─► >> 0, 4, ... 28 ──►[reg]──► + round bit ──► limit ──► y, over
//!                              └─► high bits alike? ──►[reg]───────────────────┘
//!                       stage 1                     stage 2
//! ```
//!
//! | port    | dir | width | meaning                               | cycle   |
//! |---------|-----|------:|---------------------------------------|---------|
//! | `clock` | in  |     1 |                                       |         |
//! | `x`     | in  |    32 | signed                                | `t`     |
//! | `shift` | in  |     5 | right shift                           | `t`     |
//! | `y`     | out |    18 | [`arith::normalise`] of `x`, not registered | `t + 2` |
//! | `over`  | out |     1 | the word limits were met, not registered | `t + 2` |
//!
//! The kernel around it registers the outputs, behind what it adds to them. Half-up rounding is `(x >> s)` plus the last
//! bit shifted out, and a zero appended below `x` makes that bit the shifter's own lowest. The rounding bit is added to
//! 19 bits only: the bits above decide by being alike, which rounding changes only where bit 18 shows it. So stage 2 shifts
//! no more than 20 bits, and finds beside that whether those that would lie above are all the sign.
//!
//! # Invariants
//! 1. The outputs at `t + LATENCY` depend only on the inputs at `t`.

use crate::dialect::*;
use crate::primitives::body;
use crate::primitives::value::{bits_of, signed_of};
use lpu_isa::arith;

/// Shift, rounding and saturation of a lane's sum.
#[derive(LogicBlock, Default)]
pub struct Normalise {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<32>>,
    pub shift: Signal<In, Bits<5>>,
    pub y: Signal<Out, Bits<18>>,
    pub over: Signal<Out, Bit>,
    _held: (i64, u32),
    kind: Kind<Self>,
}

impl Normalise {
    /// Cycles from sum and shift to the outputs.
    pub const LATENCY: usize = 2;
}

impl Logic for Normalise {
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let (x, shift) = self._held;
            let y = i64::from(arith::normalise(x as i32, shift));
            self.y.next = bits_of(y);
            self.over.next = y != arith::round_shift(x, shift);
            self._held = (signed_of(self.x.val()), self.shift.val().to_u32());
        }
    }

    fn hdl(&self) -> Verilog {
        Verilog::Custom(body(include_str!("normalise.sv")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random, Response, simulate_rust};
    use crate::emit::emit;

    /// Sums of all magnitudes, a third of them within two units of where saturation and rounding begin.
    fn inputs(count: usize) -> Vec<(i64, u64)> {
        let mut random = Random::from_seed_variable();
        let mut input = || {
            let shift = random.below(32);
            let edge = (1i64 << random.below(32)) + random.below(5) as i64 - 2;
            let bits = 1 + random.below(32) as u32;
            let size = if random.below(3) == 0 { edge } else { random.signed(bits) };
            let x = if random.below(2) == 0 { size } else { -size };
            (x.clamp(i32::MIN.into(), i32::MAX.into()), shift)
        };
        (0..count).map(|_| input()).collect()
    }

    fn stream(inputs: &[(i64, u64)]) -> Response {
        let bench = Bench::new(&emit(&mut Normalise::default(), "normalise").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for (x, shift) in inputs {
            stimulus.cycle().set_signed("x", *x).set("shift", *shift);
        }
        bench.run(stimulus.idle(Normalise::LATENCY)).unwrap()
    }

    #[test]
    fn verilog_is_the_contract() {
        let inputs = inputs(500_000);
        let response = stream(&inputs);
        for (t, (x, shift)) in inputs.iter().enumerate() {
            let expected = i64::from(arith::normalise(*x as i32, *shift as u32));
            let over = expected != arith::round_shift(*x, *shift as u32);
            let t = t + Normalise::LATENCY;
            assert_eq!(
                (response.signed(t, "y"), response.get(t, "over") == 1),
                (expected, over),
                "{x} >> {shift}"
            );
        }
    }

    #[test]
    fn rust_is_the_contract() {
        let inputs = inputs(1000);
        let results = simulate_rust(
            &mut Normalise::default(),
            inputs.len(),
            |block, level| block.clock.next = level.into(),
            |block, t| (block.x.next, block.shift.next) = (bits_of(inputs[t].0), inputs[t].1.into()),
            |block| signed_of(block.y.val()),
        );
        for t in Normalise::LATENCY..inputs.len() {
            let (x, shift) = inputs[t - Normalise::LATENCY];
            assert_eq!(results[t], i64::from(arith::normalise(x as i32, shift as u32)), "{x} >> {shift}");
        }
    }

    /// Needs no model: one more shift never enlarges a magnitude by more than the rounding.
    #[test]
    fn results_fall_with_the_shift() {
        let mut random = Random::from_seed_variable();
        let inputs: Vec<(i64, u64)> = (0..1000)
            .flat_map(|_| {
                let x = random.signed(32);
                (0..32).map(move |shift| (x, shift))
            })
            .collect();
        let response = stream(&inputs);
        for t in (0..inputs.len()).filter(|t| t % 32 != 31) {
            let at = |t: usize| response.signed(t + Normalise::LATENCY, "y").abs();
            assert!(at(t + 1) <= at(t), "{:?}", inputs[t]);
        }
    }
}
