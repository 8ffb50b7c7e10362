//! A code to its value: `saturate(round_shift((code - half) * scale + base, shift))`.
//!
//! ```text
//!  code - half ─►[reg]──┐
//!                       (x)─►[reg]─►[reg]─► (+) ─►[reg]─► >> shift, limit to 18 ─►[3 regs]─► limit to 9 ─► narrow
//!  scale ───────────────┘                    │                  │                        └─────────────► wide
//!  base ─────────────────────────────────────┘        shift ────┘
//!  cycle 0             1                3          4                                     7
//! ```
//!
//! | port     | dir | width | meaning                             | cycle |
//! |----------|-----|------:|-------------------------------------|------:|
//! | `code`   | in  | 8     | unsigned                            | 0     |
//! | `half`   | in  | 9     | unsigned                            | 0     |
//! | `scale`  | in  | 17    | signed                              | 1     |
//! | `base`   | in  | 26    | signed                              | 3     |
//! | `shift`  | in  | 5     |                                     | 4     |
//! | `wide`   | out | 18    | the value, limited to a word        | 7     |
//! | `narrow` | out | 9     | the value, limited to a weight      | 7     |
//!
//! A product has 25 bits: with an offset a scale is below 2^16 and a code below 2^8, without one both are signed and have a bit less. With an
//! offset, a sixteenth of that, 26 are enough.
//! Limits nest, so the narrow value is made of the wide one.
//!
//! # Invariants
//! 1. The values at `t + LATENCY` depend on the inputs of one code alone, and are `lpu_isa::transfer::decode` to the bit.

use crate::dialect::*;
use crate::primitives::vector::Limit;
use crate::primitives::{Extend, Multiplier, RoundShiftSat};

/// Bits of a scale with its sign.
pub const SCALE: usize = 17;
/// Bits of a sum.
pub const SUM: usize = 26;
/// Registers of rounding.
const STAGES: usize = 3;

/// A lane of the decoder.
#[derive(LogicBlock, Default)]
pub struct CodeLane {
    pub clock: Signal<In, Clock>,
    pub code: Signal<In, Bits<8>>,
    pub half: Signal<In, Bits<9>>,
    pub scale: Signal<In, Bits<SCALE>>,
    pub base: Signal<In, Bits<SUM>>,
    pub shift: Signal<In, Bits<5>>,
    pub wide: Signal<Out, Bits<18>>,
    pub narrow: Signal<Out, Bits<9>>,
    q: DFF<Bits<9>>,
    q_wide: Extend<9, 18>,
    scale_wide: Extend<SCALE, 18>,
    multiplier: Multiplier,
    sum: DFF<Bits<SUM>>,
    round: RoundShiftSat<SUM, 18, 5, STAGES>,
    limit: Limit<18, 9>,
    kind: Kind<Self>,
}

impl CodeLane {
    /// Cycles from code to values.
    pub const LATENCY: usize = 2 + Multiplier::LATENCY + RoundShiftSat::<SUM, 18, 5, STAGES>::LATENCY;
}

impl Logic for CodeLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, q, sum);
        clock!(self, clock, multiplier, round);
        self.q.d.next = bit_cast::<9, 8>(self.code.val()) - self.half.val();
        self.q_wide.x.next = self.q.q.val();
        self.multiplier.a.next = self.q_wide.y.val();
        self.scale_wide.x.next = self.scale.val();
        self.multiplier.b.next = self.scale_wide.y.val();
        self.sum.d.next = self.multiplier.product.val().get_bits::<SUM>(0) + self.base.val();
        self.round.x.next = self.sum.q.val();
        self.round.shift.next = self.shift.val();
        self.limit.x.next = self.round.y.val();
        self.wide.next = self.round.y.val();
        self.narrow.next = self.limit.y.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::transfer::decode;

    /// A code with its block's header: code, bits, scale, offset, shift.
    type Code = (u32, u32, u16, Option<i16>, u32);

    fn codes(random: &mut Random, count: usize) -> Vec<Code> {
        let mut code = || {
            let bits = [4, 5, 6, 8][random.below(4) as usize];
            let extreme = random.below(8) == 0;
            let scale = if extreme { u16::MAX } else { random.unsigned(16) as u16 >> random.below(16) };
            let offset = if extreme { i16::MIN } else { random.signed(16) as i16 };
            let offset = (random.below(2) == 0).then_some(offset);
            (
                random.unsigned(bits) as u32,
                bits,
                scale,
                offset,
                random.unsigned(5) as u32 / (1 + random.below(3) as u32),
            )
        };
        (0..count).map(|_| code()).collect()
    }

    #[test]
    fn values_are_those_of_the_contract() {
        let bench = Bench::new(&emit(&mut CodeLane::default(), "dut").unwrap()).unwrap();
        let codes = codes(&mut Random::from_seed_variable(), 200_000);
        let mut stimulus = bench.stimulus();
        let at = |t: usize, later: usize| t.checked_sub(later).and_then(|t| codes.get(t)).copied();
        for t in 0..codes.len() + CodeLane::LATENCY {
            stimulus.cycle();
            if let Some((code, bits, _, offset, _)) = at(t, 0) {
                let half = if offset.is_some() { 0 } else { 1 << (bits - 1) };
                stimulus.set("code", code.into()).set("half", half);
            }
            if let Some((_, _, scale, offset, _)) = at(t, 1) {
                let signed = if offset.is_some() { scale.into() } else { i64::from(scale as i16) };
                stimulus.set_signed("scale", signed);
            }
            if let Some((_, _, _, offset, _)) = at(t, 3) {
                stimulus.set_signed("base", i64::from(offset.unwrap_or(0)) << 4);
            }
            if let Some((_, _, _, _, shift)) = at(t, 4) {
                stimulus.set("shift", shift.into());
            }
        }
        let response = bench.run(stimulus.idle(1)).unwrap();
        for (t, (code, bits, scale, offset, shift)) in codes.iter().enumerate() {
            let expected = |lane: u32| i64::from(decode(*scale, *offset, *code, *bits, *shift, lane));
            let found = |port: &str| response.signed(t + CodeLane::LATENCY, port);
            assert_eq!((found("wide"), found("narrow")), (expected(18), expected(9)), "cycle {t}");
        }
    }

    /// Needs no model: a larger code of the same block never has a smaller value.
    #[test]
    fn values_grow_with_codes() {
        let bench = Bench::new(&emit(&mut CodeLane::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..200 {
            let (scale, base, shift) = (random.unsigned(16), random.signed(20), random.unsigned(4));
            for code in 0..256 + CodeLane::LATENCY as u64 {
                stimulus.cycle().set("code", code.min(255)).set("half", 128).set("scale", scale);
                stimulus.set_signed("base", base).set("shift", shift);
            }
        }
        let response = bench.run(&stimulus).unwrap();
        for from in (0..200).map(|block| block * (256 + CodeLane::LATENCY) + CodeLane::LATENCY) {
            for port in ["wide", "narrow"] {
                let values: Vec<i64> = (from..from + 256).map(|t| response.signed(t, port)).collect();
                assert!(values.windows(2).all(|pair| pair[0] <= pair[1]), "{values:?}");
            }
        }
    }
}
