//! Random bits to a Gumbel-distributed number: `lpu_isa::arith::gumbel`.
//!
//! ```text
//!  bits ─┬─► by bytes ─►[1]─► by bits ─►[2]─► LOG2, four entries ─►[3]─► one ─►[4]─► zeros + 1 - it ─►[5]─► (-) ─►[6]─► value
//!        └─► top byte ──────────────────────► TAIL, four entries ─►[3]─► one ─►[4]──────────────────►[5]─────┘
//! ```
//!
//! | port    | dir | width | meaning                          | cycle   |
//! |---------|-----|------:|----------------------------------|---------|
//! | `clock` | in  |     1 |                                  |         |
//! | `bits`  | in  |    32 | random                           | `t`     |
//! | `value` | out |    18 | signed, 11 fraction bits         | `t + 6` |
//!
//! Throughput: one number a cycle. Latency is free here: numbers wait in a buffer anyway.
//!
//! # Invariants
//! 1. `value` at `t + LATENCY` depends only on `bits` at `t`.

use super::gumbel_table::GumbelTable;
use super::normalise::NormaliseBytes;
use crate::dialect::*;
use crate::primitives::Delay;

/// Leading zeros, tables and sum.
#[derive(LogicBlock, Default)]
pub struct Gumbel {
    pub clock: Signal<In, Clock>,
    pub bits: Signal<In, Bits<32>>,
    pub value: Signal<Out, Bits<18>>,
    bytes: NormaliseBytes,
    normal_1: DFF<Bits<32>>,
    zero_bytes_1: DFF<Bits<2>>,
    zero_bits_1: DFF<Bits<3>>,
    normal: Signal<Local, Bits<32>>,
    fraction_2: DFF<Bits<8>>,
    zeros_2: DFF<Bits<5>>,
    place_2: Delay<8, 2>,
    tables: GumbelTable,
    log2_3: DFF<Bits<44>>,
    tail_3: DFF<Bits<52>>,
    log2_choice_3: DFF<Bits<2>>,
    tail_choice_3: DFF<Bits<2>>,
    log2_4: DFF<Bits<11>>,
    tail_4: DFF<Bits<13>>,
    zeros_4: Delay<5, 2>,
    minus_log2_5: DFF<Bits<18>>,
    tail_5: DFF<Bits<13>>,
    value_6: DFF<Bits<18>>,
    kind: Kind<Self>,
}

impl Gumbel {
    /// Cycles from bits to value.
    pub const LATENCY: usize = 6;
}

impl Logic for Gumbel {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, normal_1, zero_bytes_1, zero_bits_1, fraction_2, zeros_2, place_2, log2_3);
        clock!(self, clock, tail_3, log2_choice_3, tail_choice_3, log2_4, tail_4, zeros_4, minus_log2_5);
        clock!(self, clock, tail_5, value_6);
        self.bytes.x.next = self.bits.val();
        self.normal_1.d.next = self.bytes.shifted.val();
        self.zero_bytes_1.d.next = self.bytes.zero_bytes.val();
        self.zero_bits_1.d.next = self.bytes.zero_bits.val();
        self.normal.next = self.normal_1.q.val() << self.zero_bits_1.q.val();
        self.fraction_2.d.next = self.normal.val().get_bits::<8>(23);
        self.zeros_2.d.next =
            (bit_cast::<5, 2>(self.zero_bytes_1.q.val()) << 3) | bit_cast::<5, 3>(self.zero_bits_1.q.val());
        self.place_2.x.next = self.bits.val().get_bits::<8>(24);
        self.tables.fraction.next = self.fraction_2.q.val().get_bits::<6>(0);
        self.tables.place.next = self.place_2.y.val().get_bits::<6>(0);
        self.log2_3.d.next = self.tables.log2.val();
        self.tail_3.d.next = self.tables.tail.val();
        self.log2_choice_3.d.next = self.fraction_2.q.val().get_bits::<2>(6);
        self.tail_choice_3.d.next = self.place_2.y.val().get_bits::<2>(6);
        self.log2_4.d.next = self.log2_3.q.val().get_bits::<11>(0);
        self.tail_4.d.next = self.tail_3.q.val().get_bits::<13>(0);
        for i in 1..4 {
            if self.log2_choice_3.q.val() == i.to_bits() {
                self.log2_4.d.next = self.log2_3.q.val().get_bits::<11>(i * 11);
            }
            if self.tail_choice_3.q.val() == i.to_bits() {
                self.tail_4.d.next = self.tail_3.q.val().get_bits::<13>(i * 13);
            }
        }
        self.zeros_4.x.next = self.zeros_2.q.val();
        self.minus_log2_5.d.next =
            ((bit_cast::<18, 5>(self.zeros_4.y.val()) + 1) << 11) - bit_cast::<18, 11>(self.log2_4.q.val());
        self.tail_5.d.next = self.tail_4.q.val();
        self.value_6.d.next = self.minus_log2_5.q.val() - bit_cast::<18, 13>(self.tail_5.q.val());
        self.value.next = self.value_6.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use lpu_isa::arith;

    /// Values of `bits`, a new one each cycle.
    fn values(bits: &[u32]) -> Vec<i64> {
        let bench = Bench::new(&emit(&mut Gumbel::default(), "dut").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for bits in bits {
            stimulus.cycle().set("bits", u64::from(*bits));
        }
        let response = bench.run(stimulus.idle(Gumbel::LATENCY)).unwrap();
        (0..bits.len()).map(|t| response.signed(t + Gumbel::LATENCY, "value")).collect()
    }

    #[test]
    fn verilog_is_the_contract() {
        let mut random = Random::from_seed_variable();
        let random = (0..200_000).map(|_| random.unsigned(32) as u32 >> random.below(32));
        let bits: Vec<u32> = [0, 1, 2, 3, u32::MAX, 1 << 31].into_iter().chain(random).collect();
        for (found, bits) in values(&bits).into_iter().zip(bits) {
            assert_eq!(found, i64::from(arith::gumbel(bits)), "{bits:#x}");
        }
    }

    /// Needs no model: `-log2(-log2(1 - u))` falls as `u` grows, up to the steps of its tables.
    #[test]
    fn values_fall_as_the_bits_grow() {
        let bits: Vec<u32> = (0..4096).map(|i| i << 20).collect();
        let values = values(&bits);
        for (i, pair) in values.windows(16).enumerate() {
            assert!(pair[15] <= pair[0] + 40, "{i}: {pair:?}");
        }
    }
}
