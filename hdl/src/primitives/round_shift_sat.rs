//! Arithmetic right shift by a variable amount, rounded half up, then limited to fewer bits.
//!
//! ```text
//!  x ──► coarse shift ─┬─► fine shift ─┬─► + round bit ─┬─► limit ──►[reg]──► y
//!  shift ──────────────┘               ·                ·
//!                      ^ cut 4         ^ cut 3 and 2..4 ^ cut 4
//! ```
//!
//! | port    | dir | width   | meaning                           | cycle        |
//! |---------|-----|---------|-----------------------------------|--------------|
//! | `clock` | in  | 1       |                                   |              |
//! | `x`     | in  | `IN`    | signed                            | `t`          |
//! | `shift` | in  | `SHIFT` | any value                         | `t`          |
//! | `y`     | out | `OUT`   | `saturate(round_shift(x, shift))` | `t + STAGES` |
//!
//! `STAGES` registers cut the path: 1: the output; 2: also after the shift; 3: also inside the shift; 4: also between
//! rounding and limiting. Throughput: one result per cycle, each with its own shift.
//!
//! Half-up rounding needs no wide constant: `floor(x / 2^s + 1/2)` is `(x >> s)` plus the last bit shifted out. One zero
//! bit appended below `x` makes that bit the shifter's own lowest, also for a shift of nothing.
//!
//! # Invariants
//! 1. `y` at `t + LATENCY` depends only on the inputs at `t`, and is `lpu_isa::arith` to the bit.

use super::arith::saturated;
use super::value::{bits_of, signed_of};
use crate::dialect::*;
use lpu_isa::arith::{round_shift, saturate};
use std::collections::VecDeque;

/// Bits of `shift` that the fine shifter takes: it moves by 0 to 3.
const FINE_BITS: usize = 2;

/// Shifts, rounds and limits `IN` bits to `OUT` bits in `STAGES` cycles.
#[derive(LogicBlock, Default)]
pub struct RoundShiftSat<const IN: usize, const OUT: usize, const SHIFT: usize, const STAGES: usize> {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<IN>>,
    pub shift: Signal<In, Bits<SHIFT>>,
    pub y: Signal<Out, Bits<OUT>>,
    _held: VecDeque<i64>,
    kind: Kind<Self>,
}

impl<const IN: usize, const OUT: usize, const SHIFT: usize, const STAGES: usize>
    RoundShiftSat<IN, OUT, SHIFT, STAGES>
{
    /// Cycles from `x` and `shift` to `y`.
    pub const LATENCY: usize = STAGES;
}

/// A value of the data path: registered where the path is cut, else a wire.
fn step(name: &str, width: usize, value: &str, is_cut: bool) -> String {
    let top = width - 1;
    if is_cut {
        format!(
            "logic [{top}:0] {name};\ninitial {name} = {width}'h0;\nalways_ff @(posedge clock) {name} <= {value};\n"
        )
    } else {
        format!("wire [{top}:0] {name} = {value};\n")
    }
}

impl<const IN: usize, const OUT: usize, const SHIFT: usize, const STAGES: usize> Logic
    for RoundShiftSat<IN, OUT, SHIFT, STAGES>
{
    fn update(&mut self) {
        if self.clock.pos_edge() {
            let shifted = round_shift(signed_of(self.x.val()), self.shift.val().to_u32());
            self._held.resize(STAGES - 1, 0);
            self._held.push_back(saturate(shifted, OUT as u32));
            self.y.next = bits_of(self._held.pop_front().unwrap_or_default());
        }
    }

    fn hdl(&self) -> Verilog {
        const {
            assert!(2 <= OUT && OUT < IN && IN <= 62, "RoundShiftSat narrows, from at most 62 bits");
            assert!(FINE_BITS < SHIFT && SHIFT <= 6, "RoundShiftSat takes shifts of 3 to 6 bits");
            assert!(1 <= STAGES && STAGES <= 4, "RoundShiftSat has 1 to 4 stages");
        };
        let (wide, fine_top, shift_top) = (IN + 1, FINE_BITS - 1, SHIFT - 1);
        // The product with 4 of the coarse count is two zero bits below it. Both shifts stand alone on their right
        // side: an unsigned neighbour would make them shift in zeros.
        let coarse = format!("$signed({{x, 1'b0}}) >>> {{shift[{shift_top}:{FINE_BITS}], {FINE_BITS}'h0}}");
        let rounded = format!("fine[{IN}:1] + {{{}'h0, fine[0]}}", IN - 1);
        let steps = [
            step("coarse", wide, &coarse, STAGES >= 3),
            step("rest", FINE_BITS, &format!("shift[{fine_top}:0]"), STAGES >= 3),
            step("fine", wide, "$signed(coarse) >>> rest", STAGES >= 2),
            step("rounded", IN, &rounded, STAGES >= 4),
            format!(
                "initial y = {OUT}'h0;\nalways_ff @(posedge clock) y <= {};\n",
                saturated("rounded", IN, OUT)
            ),
        ];
        Verilog::Custom(steps.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Family, Random, Response, cells, simulate_rust};
    use crate::emit::{Design, emit};

    fn design<const IN: usize, const OUT: usize, const SHIFT: usize, const STAGES: usize>() -> Design {
        emit(&mut RoundShiftSat::<IN, OUT, SHIFT, STAGES>::default(), "round_shift_sat").unwrap()
    }

    /// Numbers whose magnitude is spread over all powers of two, exact halves among them.
    fn inputs(bits: u32, shift_bits: u32, count: usize) -> Vec<(i64, u64)> {
        let mut random = Random::from_seed_variable();
        let mut input = || {
            let x = random.signed(bits) >> random.below(u64::from(bits));
            let shift = random.unsigned(shift_bits);
            let is_tie = shift > 0 && shift < u64::from(bits) && random.below(3) == 0;
            let half = if is_tie { 1i64 << (shift - 1) } else { 0 };
            (if is_tie { x & !(2 * half - 1) | half } else { x }, shift)
        };
        (0..count).map(|_| input()).collect()
    }

    fn stream<const IN: usize, const OUT: usize, const SHIFT: usize, const STAGES: usize>(
        inputs: &[(i64, u64)],
    ) -> Response {
        let bench = Bench::new(&design::<IN, OUT, SHIFT, STAGES>()).unwrap();
        let mut stimulus = bench.stimulus();
        for (x, shift) in inputs {
            stimulus.cycle().set_signed("x", *x).set("shift", *shift);
        }
        bench.run(stimulus.idle(STAGES)).unwrap()
    }

    fn check<const IN: usize, const OUT: usize, const SHIFT: usize, const STAGES: usize>(count: usize) {
        let inputs = inputs(IN as u32, SHIFT as u32, count);
        let response = stream::<IN, OUT, SHIFT, STAGES>(&inputs);
        for (t, (x, shift)) in inputs.iter().enumerate() {
            let expected = saturate(round_shift(*x, *shift as u32), OUT as u32);
            assert_eq!(
                response.signed(t + STAGES, "y"),
                expected,
                "cycle {t}: {x} by {shift} in {STAGES} stages"
            );
        }
    }

    #[test]
    fn verilog_follows_the_contract_in_every_cut() {
        check::<32, 18, 5, 1>(100_000);
        check::<32, 18, 5, 2>(100_000);
        check::<32, 18, 5, 3>(1_000_000);
        check::<36, 25, 6, 4>(1_000_000);
        check::<24, 18, 3, 2>(100_000);
    }

    #[test]
    fn rust_follows_the_contract() {
        let inputs = inputs(32, 5, 1000);
        let results = simulate_rust(
            &mut RoundShiftSat::<32, 18, 5, 3>::default(),
            inputs.len(),
            |block, level| block.clock.next = level.into(),
            |block, t| (block.x.next, block.shift.next) = (bits_of(inputs[t].0), inputs[t].1.into()),
            |block| signed_of(block.y.val()),
        );
        for (t, (x, shift)) in inputs[..997].iter().enumerate() {
            assert_eq!(results[t + 3], saturate(round_shift(*x, *shift as u32), 18), "cycle {t}");
        }
    }

    /// Needs no model: an unlimited result, shifted back, is within half a step of the input.
    #[test]
    fn the_error_is_at_most_half_a_step() {
        let inputs = inputs(32, 5, 100_000);
        let response = stream::<32, 18, 5, 3>(&inputs);
        for (t, (x, shift)) in inputs.iter().enumerate() {
            let y = response.signed(t + 3, "y");
            if y.abs() < (1 << 17) - 1 {
                assert!((2 * ((y << shift) - x)).abs() <= 1 << shift, "{x} by {shift} gave {y}");
            }
        }
    }

    #[test]
    fn three_stages_cost_what_they_should() {
        let cells = cells(&design::<32, 18, 5, 3>(), Family::Ecp5).unwrap();
        let luts = cells.get("LUT4").copied().unwrap_or(0);
        assert!(luts <= 260, "{cells:?}");
        assert_eq!(cells.get("TRELLIS_FF"), Some(&(33 + 2 + 33 + 18)), "{cells:?}");
    }
}
