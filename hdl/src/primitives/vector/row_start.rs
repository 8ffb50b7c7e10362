//! The row of an instruction's first issue, an exact sum in two registered steps.
//!
//! ```text
//!  offset, index ─► (+) ─►[reg]─► (+) ─►[reg]─► start
//!  base ─────────────────►[reg]────┘
//!  cycle t                 t+1           t+2
//! ```
//!
//! | port     | dir | width | meaning                           | cycle   |
//! |----------|-----|------:|-----------------------------------|---------|
//! | `base`   | in  |    24 | unsigned                          | `t`     |
//! | `offset` | in  |    24 | signed                            | `t`     |
//! | `index`  | in  |    16 | unsigned                          | `t`     |
//! | `start`  | out |    28 | signed, the sum of the three      | `t + 2` |
//!
//! # Invariants
//! 1. The sum is exact: 28 bits hold every one.

use super::row_step::EXACT_ROW;
use crate::dialect::*;
use crate::primitives::Extend;

/// The sum.
#[derive(LogicBlock, Default)]
pub struct RowStart {
    pub clock: Signal<In, Clock>,
    pub base: Signal<In, Bits<24>>,
    pub offset: Signal<In, Bits<24>>,
    pub index: Signal<In, Bits<16>>,
    pub start: Signal<Out, Bits<EXACT_ROW>>,
    wide_offset: Extend<24, EXACT_ROW>,
    moved: DFF<Bits<EXACT_ROW>>,
    base_1: DFF<Bits<24>>,
    sum: DFF<Bits<EXACT_ROW>>,
    kind: Kind<Self>,
}

impl RowStart {
    /// Cycles from the addends to the start.
    pub const LATENCY: usize = 2;
}

impl Logic for RowStart {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, moved, base_1, sum);
        self.wide_offset.x.next = self.offset.val();
        self.moved.d.next = self.wide_offset.y.val() + bit_cast::<EXACT_ROW, 16>(self.index.val());
        self.base_1.d.next = self.base.val();
        self.sum.d.next = self.moved.q.val() + bit_cast::<EXACT_ROW, 24>(self.base_1.q.val());
        self.start.next = self.sum.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn starts_are_exact_sums() {
        let bench = Bench::new(&emit(&mut RowStart::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        for _ in 0..5_000 {
            let (base, offset, index) = (random.unsigned(24), random.signed(24), random.unsigned(16));
            stimulus.cycle().set("base", base).set_signed("offset", offset).set("index", index);
            expected.push(base as i64 + offset + index as i64);
        }
        let response = bench.run(stimulus.idle(RowStart::LATENCY)).unwrap();
        for (t, start) in expected.into_iter().enumerate() {
            assert_eq!(response.signed(t + RowStart::LATENCY, "start"), start, "cycle {t}");
        }
    }

    /// Needs no model: a base alone comes back as it is, and a base with its negative as offset is row zero.
    #[test]
    fn a_base_alone_is_the_start() {
        let bench = Bench::new(&emit(&mut RowStart::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let bases: Vec<u64> = (0..500).map(|_| random.unsigned(23)).collect();
        let mut stimulus = bench.stimulus();
        for base in &bases {
            stimulus.cycle().set("base", *base);
            stimulus.cycle().set("base", *base).set_signed("offset", -(*base as i64));
        }
        let response = bench.run(stimulus.idle(RowStart::LATENCY)).unwrap();
        for (t, base) in bases.iter().enumerate() {
            assert_eq!(response.get(2 * t + RowStart::LATENCY, "start"), *base);
            assert_eq!(response.get(2 * t + 1 + RowStart::LATENCY, "start"), 0);
        }
    }
}
