//! One lane of the matrix unit: chooses its matrix operand, reads its activation, multiplies.
//!
//! ```text
//!  weight ──┐
//!  code ────┼─► operand select ─►[reg]─┬─► operand
//!  from_kv ─┘                          └──────────┬─►[reg]─► (x) ─►[reg]─► product
//!  entry ─────► activations ────►[reg]────────────┘
//!           cycle 3                 cycle 4         5               6
//! ```
//!
//! | port              | dir | width   | meaning                                           | cycle |
//! |-------------------|-----|---------|---------------------------------------------------|------:|
//! | `weight`, `code`  | in  | 9       | the matrix row's lane in either memory            |     3 |
//! | `from_kv`         | in  | 1       | take the KV code                                  |     3 |
//! | `entry`           | in  | `ENTRY` | activation entry                                  |     3 |
//! | `operand`         | out | 10      | the matrix operand, for `Gather` and host         |     4 |
//! | `product`         | out | 32      | operand times activation, sign-extended           |     6 |
//! | `act_write`       | in  | 1       | write an activation                               |   `t` |
//! | `act_write_entry` | in  | `ENTRY` |                                                   |   `t` |
//! | `act_data`        | in  | 16      | seen by beats whose cycle 3 is `t + 1` or later   |   `t` |
//!
//! # Invariants
//! 1. `product` needs 25 bits: |operand| <= 509 and |activation| <= 2^15, so |product| < 2^24.
//! 2. `product` at cycle 6 depends only on the inputs at cycle 3 and earlier activation writes.

use crate::dialect::*;
use crate::primitives::{Extend, LutRam, Multiplier, OperandSelect};
use crate::widths::ENTRY;

/// A lane without its memories.
#[derive(LogicBlock, Default)]
pub struct MatrixLane {
    pub clock: Signal<In, Clock>,
    pub weight: Signal<In, Bits<9>>,
    pub code: Signal<In, Bits<9>>,
    pub from_kv: Signal<In, Bit>,
    pub entry: Signal<In, Bits<ENTRY>>,
    pub operand: Signal<Out, Bits<10>>,
    pub product: Signal<Out, Bits<32>>,
    pub act_write: Signal<In, Bit>,
    pub act_write_entry: Signal<In, Bits<ENTRY>>,
    pub act_data: Signal<In, Bits<16>>,
    select: OperandSelect,
    activations: LutRam<ENTRY, 16, 1>,
    operand_held: DFF<Bits<10>>,
    held: DFF<Bits<16>>,
    wide_operand: Extend<10, 18>,
    wide_held: Extend<16, 18>,
    multiplier: Multiplier,
    kind: Kind<Self>,
}

impl MatrixLane {
    /// Cycles from weight to product.
    pub const LATENCY: usize = Self::OPERAND_LATENCY + Multiplier::LATENCY;
    /// Cycles from weight to matrix operand.
    pub const OPERAND_LATENCY: usize = 1;
}

impl Logic for MatrixLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, operand_held, held);
        clock!(self, clock, activations, multiplier);
        self.select.weight.next = self.weight.val();
        self.select.code.next = self.code.val();
        self.select.from_kv.next = self.from_kv.val();
        self.operand_held.d.next = self.select.operand.val();
        self.operand.next = self.operand_held.q.val();

        self.activations.write_enable.next = self.act_write.val();
        self.activations.write_address.next = self.act_write_entry.val();
        self.activations.write_data.next = self.act_data.val();
        self.activations.read_address[0].next = self.entry.val();
        self.held.d.next = self.activations.read_data[0].val();

        self.wide_operand.x.next = self.operand_held.q.val();
        self.wide_held.x.next = self.held.q.val();
        self.multiplier.a.next = self.wide_operand.y.val();
        self.multiplier.b.next = self.wide_held.y.val();
        self.product.next = self.multiplier.product.val().get_bits::<32>(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    fn bench() -> Bench {
        Bench::new(&emit(&mut MatrixLane::default(), "matrix_lane").unwrap()).unwrap()
    }

    #[test]
    fn products_are_exact_each_cycle() {
        const CYCLES: usize = 50_000;
        let (bench, mut random) = (bench(), Random::from_seed_variable());
        let mut number = |bits: u32| match random.below(6) {
            0 => -(1 << (bits - 1)),
            1 => (1 << (bits - 1)) - 1,
            _ => random.signed(bits),
        };
        let mut activations = [0; 16];
        let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
        for _ in 0..CYCLES {
            let (weight, code, act) = (number(9), number(9), number(16));
            let [entry, written] = [number(4) & 15, number(4) & 15];
            let (from_kv, writes) = (number(2) & 1, number(2) & 1);
            stimulus
                .cycle()
                .set_signed("weight", weight)
                .set_signed("code", code)
                .set("from_kv", from_kv as u64);
            stimulus.set("entry", entry as u64).set("act_write", writes as u64);
            stimulus.set("act_write_entry", written as u64).set_signed("act_data", act);
            let operand = OperandSelect::model(weight, code, from_kv == 1);
            expected.push((operand, operand * activations[entry as usize]));
            if writes == 1 {
                activations[written as usize] = act;
            }
        }
        let response = bench.run(stimulus.idle(MatrixLane::LATENCY)).unwrap();
        for (t, (operand, product)) in expected.into_iter().enumerate() {
            assert_eq!(response.signed(t + 1, "operand"), operand, "cycle {t}");
            assert_eq!(response.signed(t + MatrixLane::LATENCY, "product"), product, "cycle {t}");
        }
    }

    /// Needs no model: the product of the largest operand and activation still fits 25 bits.
    #[test]
    fn no_product_is_wider_than_25_bits() {
        let bench = bench();
        let mut stimulus = bench.stimulus();
        stimulus.cycle().set("act_write", 1).set_signed("act_data", -32_768);
        for code in -256..256 {
            stimulus.cycle().set_signed("code", code).set("from_kv", 1);
        }
        let response = bench.run(stimulus.idle(MatrixLane::LATENCY)).unwrap();
        let fits =
            |t: usize| (-(1 << 24)..1 << 24).contains(&response.signed(t + MatrixLane::LATENCY, "product"));
        assert!((1..513).all(fits));
    }
}
