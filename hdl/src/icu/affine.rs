//! A number that grows with the blocks begun, less one: `constant + per_block * blocks - 1`.
//!
//! ```text
//!  per_block ─┐
//!             ├─► Mul ─► product ────┐
//!  blocks ────┘                      ├─► (+) ─►[reg]─► less_one
//!  constant ─►[reg]─► - 1 ─►[reg]────┘
//!             1               2           3
//! ```
//!
//! | port        | dir | width       | meaning              | cycle   |
//! |-------------|-----|-------------|----------------------|---------|
//! | `constant`  | in  | 16          | signed               | `t`     |
//! | `per_block` | in  | `PER_BLOCK` | signed               | `t`     |
//! | `blocks`    | in  | `BLOCKS`    | blocks begun         | `t`     |
//! | `less_one`  | out | [`COUNTER`] | signed               | `t + 3` |
//!
//! Less one, because the sign then tells whether the number is at least one: a delay of none, or a count that is clamped,
//! costs no comparison.
//!
//! # Invariants
//! 1. `less_one` is exact: [`COUNTER`] bits hold it for all constants and all blocks of every chip.

use crate::dialect::*;
use crate::primitives::{Extend, Multiplier};
use crate::widths::{BLOCKS, BLOCKS_MOST};

/// Bits of delays and counts with their sign.
pub const COUNTER: usize = 21;

const _: () =
    assert!((1 << 15) + (1 << 11) * BLOCKS_MOST + 1 < 1 << (COUNTER - 1), "counters are too narrow");

/// The number, for a factor of `PER_BLOCK` bits.
#[derive(LogicBlock, Default)]
pub struct Affine<const PER_BLOCK: usize> {
    pub clock: Signal<In, Clock>,
    pub constant: Signal<In, Bits<16>>,
    pub per_block: Signal<In, Bits<PER_BLOCK>>,
    pub blocks: Signal<In, Bits<BLOCKS>>,
    pub less_one: Signal<Out, Bits<COUNTER>>,
    wide_constant: Extend<16, COUNTER>,
    wide_factor: Extend<PER_BLOCK, 18>,
    multiplier: Multiplier,
    held: DFF<Bits<COUNTER>>,
    decremented: DFF<Bits<COUNTER>>,
    sum: DFF<Bits<COUNTER>>,
    kind: Kind<Self>,
}

impl<const PER_BLOCK: usize> Affine<PER_BLOCK> {
    /// Cycles from inputs to output.
    pub const LATENCY: usize = Multiplier::LATENCY + 1;
}

impl<const PER_BLOCK: usize> Logic for Affine<PER_BLOCK> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, held, decremented, sum);
        clock!(self, clock, multiplier);
        self.wide_constant.x.next = self.constant.val();
        self.held.d.next = self.wide_constant.y.val();
        self.decremented.d.next = self.held.q.val() - 1;

        self.wide_factor.x.next = self.per_block.val();
        self.multiplier.a.next = self.wide_factor.y.val();
        self.multiplier.b.next = bit_cast::<18, BLOCKS>(self.blocks.val());
        self.sum.d.next = self.decremented.q.val() + self.multiplier.product.val().get_bits::<COUNTER>(0);
        self.less_one.next = self.sum.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    #[test]
    fn numbers_grow_with_the_blocks() {
        let bench = Bench::new(&emit(&mut Affine::<12>::default(), "dut").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let inputs: Vec<(i64, i64, u64)> = (0..20_000)
            .map(|_| (random.signed(16), random.signed(12), random.unsigned(BLOCKS as u32)))
            .collect();
        let mut stimulus = bench.stimulus();
        for (constant, per_block, blocks) in &inputs {
            stimulus.cycle().set_signed("constant", *constant).set_signed("per_block", *per_block);
            stimulus.set("blocks", *blocks);
        }
        let response = bench.run(stimulus.idle(Affine::<12>::LATENCY)).unwrap();
        for (t, (constant, per_block, blocks)) in inputs.iter().enumerate() {
            let found = response.signed(t + Affine::<12>::LATENCY, "less_one");
            assert_eq!(found, constant + per_block * *blocks as i64 - 1, "cycle {t}");
        }
    }
}
