//! The scalars: maxima and reductions, each a written bank, one, and the host's inverse temperature.
//!
//! ```text
//!  number ─► s, s+1 ─► decode ─►[reg]─┬─► maxima (LUT RAM) ──────┬─► or what is written ─┐
//!    cycle 0                     1     ├─► reductions (LUT RAM) ──┘                       ├─► select ─►[reg]─► lower, upper
//!                                      └─► one, temperature ──────────────────────────────┘                   2
//! ```
//!
//! | port                       | dir | width    | meaning                                              | cycle |
//! |----------------------------|-----|----------|------------------------------------------------------|------:|
//! | `clock`                    | in  | 1        |                                                      |       |
//! | `number`                   | in  | 7        | scalar `s` as vector instructions number it          |     0 |
//! | `pair`                     | in  | 1        | the upper half of the lanes takes `s + 1`            |     0 |
//! | `reads`                    | in  | 1        | the issue uses the scalar                            |     1 |
//! | `inverse_temperature`      | in  | 24       | exponent above mantissa; stable while a token runs   |       |
//! | `maximum_write`, `_index`, `_value` | in | 1, `SCALAR`, 18 | writes a maximum; in `lower`, `upper` of the next cycle | |
//! | `reduction_write`, `_index`, `_value` | in | 1, `SCALAR`, 24 | writes a reduction, likewise          |       |
//! | `lower`, `upper`           | out | 24       | scalar of each half of the lanes                     |     2 |
//! | `conflict`                 | out | 1        | a reduction was written in the cycle of its read     |     3 |
//!
//! A scalar travels as 24 bits: the exponent in bits 23..18, the mantissa in bits 17..0. Numbers beyond the inverse
//! temperature read as zero.
//!
//! The tables are read a cycle before the scalar is sampled, so that a whole cycle remains for its way to all lanes. What is
//! written in between replaces what was read.

use crate::dialect::*;
use crate::primitives::LutRam;
use crate::widths::{SCALAR, SCALAR_NUMBER};
use lpu_isa::Geometry;
use lpu_isa::arith::Scalar;

/// The scalar banks.
#[derive(LogicBlock, Default)]
pub struct Scalars {
    pub clock: Signal<In, Clock>,
    pub number: Signal<In, Bits<SCALAR_NUMBER>>,
    pub pair: Signal<In, Bit>,
    pub reads: Signal<In, Bit>,
    pub inverse_temperature: Signal<In, Bits<24>>,
    pub maximum_write: Signal<In, Bit>,
    pub maximum_index: Signal<In, Bits<SCALAR>>,
    pub maximum_value: Signal<In, Bits<18>>,
    pub reduction_write: Signal<In, Bit>,
    pub reduction_index: Signal<In, Bits<SCALAR>>,
    pub reduction_value: Signal<In, Bits<24>>,
    pub lower: Signal<Out, Bits<24>>,
    pub upper: Signal<Out, Bits<24>>,
    pub conflict: Signal<Out, Bit>,
    first_reduction: Setting<SCALAR_NUMBER>,
    one_number: Setting<SCALAR_NUMBER>,
    temperature_number: Setting<SCALAR_NUMBER>,
    index_mask: Setting<SCALAR>,
    one: Fixed<{ packed(Scalar::ONE) }, 24>,
    /// The scalars of both halves of the lanes, and where each is kept: decoded a cycle before it is read.
    wanted: [Signal<Local, Bits<SCALAR_NUMBER>>; 2],
    index_1: [DFF<Bits<SCALAR>>; 2],
    is_maximum_1: [DFF<Bit>; 2],
    is_reduction_1: [DFF<Bit>; 2],
    is_one_1: [DFF<Bit>; 2],
    is_temperature_1: [DFF<Bit>; 2],
    index_2: [DFF<Bits<SCALAR>>; 2],
    is_reduction_2: [DFF<Bit>; 2],
    reads_2: DFF<Bit>,
    maxima: LutRam<SCALAR, 24, 2>,
    reductions: LutRam<SCALAR, 24, 2>,
    value: [Signal<Local, Bits<24>>; 2],
    value_2: [DFF<Bits<24>>; 2],
    hit: [Signal<Local, Bit>; 2],
    conflict_3: DFF<Bit>,
    kind: Kind<Self>,
}

/// A scalar as it travels.
pub const fn packed(scalar: Scalar) -> u64 {
    (scalar.exponent as u64 & 0x3f) << 18 | (scalar.mantissa as u64 & 0x3_ffff)
}

impl Scalars {
    /// Cycles from `number` to `lower` and `upper`.
    pub const LATENCY: usize = 2;

    /// The scalars of a chip.
    pub fn new(geometry: &Geometry) -> Self {
        let count = geometry.scalars;
        Self {
            first_reduction: Setting::new(count),
            one_number: Setting::new(2 * count),
            temperature_number: Setting::new(2 * count + 1),
            index_mask: Setting::new(count - 1),
            ..Self::default()
        }
    }
}

impl Logic for Scalars {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, reads_2, maxima, reductions, conflict_3);
        self.wanted[0].next = self.number.val();
        self.wanted[1].next = self.number.val();
        if self.pair.val() {
            self.wanted[1].next = self.number.val() + 1;
        }
        self.reads_2.d.next = self.reads.val();

        self.maxima.write_enable.next = self.maximum_write.val();
        self.maxima.write_address.next = self.maximum_index.val();
        self.maxima.write_data.next = bit_cast::<24, 18>(self.maximum_value.val());
        self.reductions.write_enable.next = self.reduction_write.val();
        self.reductions.write_address.next = self.reduction_index.val();
        self.reductions.write_data.next = self.reduction_value.val();

        for i in 0..2 {
            clock!(self, clock, index_1[i], is_maximum_1[i], is_reduction_1[i], is_one_1[i]);
            clock!(self, clock, is_temperature_1[i], index_2[i], is_reduction_2[i], value_2[i]);
            self.index_1[i].d.next = self.wanted[i].val().get_bits::<SCALAR>(0) & self.index_mask.val();
            self.is_maximum_1[i].d.next = self.wanted[i].val() < self.first_reduction.val();
            self.is_reduction_1[i].d.next = (self.wanted[i].val() >= self.first_reduction.val())
                & (self.wanted[i].val() < self.one_number.val());
            self.is_one_1[i].d.next = self.wanted[i].val() == self.one_number.val();
            self.is_temperature_1[i].d.next = self.wanted[i].val() == self.temperature_number.val();
            self.maxima.read_address[i].next = self.index_1[i].q.val();
            self.reductions.read_address[i].next = self.index_1[i].q.val();
            self.value[i].next = 0.into();
            if self.is_maximum_1[i].q.val() {
                self.value[i].next = self.maxima.read_data[i].val();
                if self.maximum_write.val() & (self.index_1[i].q.val() == self.maximum_index.val()) {
                    self.value[i].next = bit_cast::<24, 18>(self.maximum_value.val());
                }
            }
            if self.is_reduction_1[i].q.val() {
                self.value[i].next = self.reductions.read_data[i].val();
                if self.reduction_write.val() & (self.index_1[i].q.val() == self.reduction_index.val()) {
                    self.value[i].next = self.reduction_value.val();
                }
            }
            if self.is_one_1[i].q.val() {
                self.value[i].next = self.one.val();
            }
            if self.is_temperature_1[i].q.val() {
                self.value[i].next = self.inverse_temperature.val();
            }
            self.value_2[i].d.next = self.value[i].val();

            self.index_2[i].d.next = self.index_1[i].q.val();
            self.is_reduction_2[i].d.next = self.is_reduction_1[i].q.val();
            self.hit[i].next = self.is_reduction_2[i].q.val()
                & self.reduction_write.val()
                & (self.index_2[i].q.val() == self.reduction_index.val());
        }
        self.lower.next = self.value_2[0].q.val();
        self.upper.next = self.value_2[1].q.val();
        self.conflict_3.d.next = self.reads_2.q.val() & (self.hit[0].val() | self.hit[1].val());
        self.conflict.next = self.conflict_3.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const CHIP: Geometry = Geometry::NANO;

    /// Number, pair and whether it reads; both halves and the conflict, once they are known.
    type Asked = ((usize, bool, bool), Option<(u64, u64, bool)>);

    #[test]
    fn reads_see_banks_constants_and_conflicts() {
        let bench = Bench::new(&emit(&mut Scalars::new(&CHIP), "scalars").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let n = CHIP.scalars;
        let mut values = vec![0; 128];
        values[2 * n] = packed(Scalar::ONE);
        values[2 * n + 1] = random.unsigned(24);
        let mut asked: Vec<Asked> = vec![];
        for t in 0..20_000 {
            // Few numbers, so that reads meet writes.
            let number = [0, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 100][random.below(8) as usize];
            let (pair, reads) = (random.below(2) == 1, random.below(2) == 1);
            stimulus.cycle().set("number", number as u64).set("pair", pair.into()).set("reads", reads.into());
            stimulus.set("inverse_temperature", values[2 * n + 1]);
            let place = |random: &mut Random| [0, 1, n - 1][random.below(3) as usize];
            let (maximum, reduction) = (place(&mut random), place(&mut random));
            let (mantissa, scalar) = (random.unsigned(18), random.unsigned(24));
            let write = [random.below(2) == 1, random.below(2) == 1];
            stimulus.set("maximum_write", write[0].into()).set("maximum_index", maximum as u64);
            stimulus.set("maximum_value", mantissa).set("reduction_write", write[1].into());
            stimulus.set("reduction_index", reduction as u64).set("reduction_value", scalar);
            // The scalar numbered two cycles before is read in this one, before its writes.
            if let [.., ((number, pair, _), expected), ((_, _, reads), _)] = asked.as_mut_slice() {
                let (number, pair, reads): (usize, bool, bool) = (*number, *pair, *reads);
                let upper = if pair { number + 1 } else { number };
                let hit = |at: usize| write[1] && at == n + reduction;
                *expected = Some((values[number], values[upper], reads && (hit(number) || hit(upper))));
            }
            asked.push(((number, pair, reads), None));
            if write[0] {
                values[maximum] = mantissa;
            }
            if write[1] {
                values[n + reduction] = scalar;
            }
            assert_eq!(asked.len(), t + 1);
        }
        let response = bench.run(&stimulus).unwrap();
        for (t, (request, expected)) in asked[..asked.len() - 1 - Scalars::LATENCY].iter().enumerate() {
            let t = t + Scalars::LATENCY;
            let conflict = response.get(t + 1, "conflict") == 1;
            let found = (response.get(t, "lower"), response.get(t, "upper"), conflict);
            assert_eq!(Some(found), *expected, "cycle {t}: {request:?}");
        }
    }

    /// Needs no model: both halves agree unless a pair is asked for.
    #[test]
    fn halves_agree_without_a_pair() {
        let bench = Bench::new(&emit(&mut Scalars::new(&CHIP), "scalars").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        for _ in 0..1000 {
            stimulus.cycle().set("number", random.below(40)).set("maximum_write", 1);
            stimulus.set("maximum_index", random.below(16)).set("maximum_value", random.unsigned(18));
        }
        let response = bench.run(&stimulus).unwrap();
        assert!((0..1000).all(|t| response.get(t, "lower") == response.get(t, "upper")));
    }
}
