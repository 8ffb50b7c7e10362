//! The scalar unit: a reduction's total to a scalar, plain, reciprocal or reciprocal square root.
//!
//! ```text
//!  total ─► (+ bias) ─►[1]─┬─► round, shift, limit ─────────────────────────────────────────────►[5]─► delay ─────┐
//!                          └─► clamp ─►[2]─► << bytes ─►[3]─► << bits ─►[4]─► tables ─►[5]─► one ─► multiplier [7] ─► + base ─►[8]─► value
//! ```
//!
//! | port          | dir | width    | meaning                                              | cycle   |
//! |---------------|-----|----------|------------------------------------------------------|---------|
//! | `clock`       | in  | 1        |                                                      |         |
//! | `done`        | in  | 1        | the total is complete                                | `t`     |
//! | `total`       | in  | 36       | signed                                               | `t`     |
//! | `bias`        | in  | 24       | added                                                | `t`     |
//! | `scaling`     | in  | 2        | `isa::instruction::Scaling`                          | `t`     |
//! | `sum_shift`   | in  | 5        | right shift of a plain sum                           | `t`     |
//! | `reduction`   | in  | `SCALAR` | the scalar that receives the value                   | `t`     |
//! | `write`, `index`, `value` | out | 1, `SCALAR`, 24 | write port of the reduction scalars   | `t + 8` |
//!
//! Throughput: one scalar a cycle.
//!
//! # Invariants
//! 1. `value` is what `lpu_isa::arith` computes of the clamped sum, bit for bit.

use crate::dialect::*;
use crate::primitives::vector::{Interpolate, NormaliseBytes, ReciprocalTable};
use crate::primitives::{Delay, Extend, JoinLanes, LocalCopy, Multiplier, RoundShiftSat};
use crate::widths::SCALAR;
use lpu_isa::instruction::Scaling;

/// The scalar unit.
#[derive(LogicBlock, Default)]
pub struct ScalarUnit {
    pub clock: Signal<In, Clock>,
    pub done: Signal<In, Bit>,
    pub total: Signal<In, Bits<36>>,
    pub bias: Signal<In, Bits<24>>,
    pub scaling: Signal<In, Bits<2>>,
    pub sum_shift: Signal<In, Bits<5>>,
    pub reduction: Signal<In, Bits<SCALAR>>,
    pub write: Signal<Out, Bit>,
    pub index: Signal<Out, Bits<SCALAR>>,
    pub value: Signal<Out, Bits<24>>,
    is_plain: Fixed<{ Scaling::Plain as u64 }, 2>,
    is_root: Fixed<{ Scaling::ReciprocalSqrt as u64 }, 2>,
    most: Fixed<0xffff_ffff, 32>,
    wide: Extend<36, 37>,
    sum_1: DFF<Bits<37>>,
    shift_1: DFF<Bits<5>>,
    plain: RoundShiftSat<37, 18, 5, 4>,
    plain_7: Delay<18, 2>,
    clamped_2: DFF<Bits<32>>,
    bytes: NormaliseBytes,
    normal_3: DFF<Bits<32>>,
    zero_bytes_3: DFF<Bits<2>>,
    zero_bits_3: DFF<Bits<3>>,
    normal: Signal<Local, Bits<32>>,
    index_4: [LocalCopy<6>; 3],
    indices: JoinLanes<3, 6, 18>,
    fraction_4: DFF<Bits<12>>,
    zeros_4: DFF<Bits<5>>,
    scaling_4: Delay<2, 4>,
    lookup: ReciprocalTable,
    once_5: DFF<Bits<36>>,
    even_5: DFF<Bits<36>>,
    odd_5: DFF<Bits<36>>,
    is_root_5: DFF<Bit>,
    is_odd_5: DFF<Bit>,
    entry: Signal<Local, Bits<36>>,
    fraction_5: DFF<Bits<12>>,
    exponent_5: DFF<Bits<6>>,
    base_6: DFF<Bits<18>>,
    base_7: DFF<Bits<18>>,
    multiplier: Multiplier,
    exponent_7: Delay<6, 2>,
    scaling_7: Delay<2, 7>,
    interpolate: Interpolate,
    mantissa_8: DFF<Bits<18>>,
    exponent_8: DFF<Bits<6>>,
    done_8: Delay<1, 8>,
    index_8: Delay<SCALAR, 8>,
    kind: Kind<Self>,
}

impl ScalarUnit {
    /// Cycles from total to value.
    pub const LATENCY: usize = 8;
}

impl Logic for ScalarUnit {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, sum_1, shift_1, plain, plain_7, clamped_2, normal_3, zero_bytes_3, zero_bits_3);
        clock!(self, clock, fraction_4, zeros_4, scaling_4, once_5, even_5, odd_5, is_root_5, is_odd_5);
        clock!(self, clock, fraction_5, exponent_5, base_6, multiplier, base_7, exponent_7, scaling_7);
        clock!(self, clock, mantissa_8, exponent_8, done_8, index_8);
        self.wide.x.next = self.total.val();
        self.sum_1.d.next = self.wide.y.val() + bit_cast::<37, 24>(self.bias.val());
        self.shift_1.d.next = self.sum_shift.val();
        // A plain sum.
        self.plain.x.next = self.sum_1.q.val();
        self.plain.shift.next = self.shift_1.q.val();
        self.plain_7.x.next = self.plain.y.val();
        // A sum that is divided by: from zero to the largest 32-bit number.
        self.clamped_2.d.next = self.sum_1.q.val().get_bits::<32>(0);
        if self.sum_1.q.val().get_bit(36) {
            self.clamped_2.d.next = 0.into();
        } else if self.sum_1.q.val().get_bits::<4>(32).any() {
            self.clamped_2.d.next = self.most.val();
        }
        self.bytes.x.next = self.clamped_2.q.val();
        self.normal_3.d.next = self.bytes.shifted.val();
        self.zero_bytes_3.d.next = self.bytes.zero_bytes.val();
        self.zero_bits_3.d.next = self.bytes.zero_bits.val();
        // Zero has 31 leading zeros like one, and both have nothing below their highest bit.
        self.normal.next = self.normal_3.q.val() << self.zero_bits_3.q.val();
        for i in 0..3 {
            clock!(self, clock, index_4[i]);
            self.index_4[i].d.next = self.normal.val().get_bits::<6>(25);
            self.indices.lane[i].next = self.index_4[i].q.val();
        }
        self.fraction_4.d.next = self.normal.val().get_bits::<12>(13);
        self.zeros_4.d.next =
            (bit_cast::<5, 2>(self.zero_bytes_3.q.val()) << 3) | bit_cast::<5, 3>(self.zero_bits_3.q.val());
        self.scaling_4.x.next = self.scaling.val();
        self.lookup.index.next = self.indices.bus.val();
        self.once_5.d.next = self.lookup.once.val();
        self.even_5.d.next = self.lookup.even.val();
        self.odd_5.d.next = self.lookup.odd.val();
        self.is_root_5.d.next = self.scaling_4.y.val() == self.is_root.val();
        self.is_odd_5.d.next = !self.zeros_4.q.val().get_bit(0);
        self.fraction_5.d.next = self.fraction_4.q.val();
        // The power of two is 31 less the zeros: their complement. The root halves it.
        self.exponent_5.d.next = bit_cast::<6, 5>(!self.zeros_4.q.val());
        if self.scaling_4.y.val() == self.is_root.val() {
            self.exponent_5.d.next = bit_cast::<6, 5>(!self.zeros_4.q.val()) >> 1;
        }
        self.entry.next = self.once_5.q.val();
        if self.is_root_5.q.val() {
            self.entry.next = self.even_5.q.val();
            if self.is_odd_5.q.val() {
                self.entry.next = self.odd_5.q.val();
            }
        }
        self.multiplier.a.next = self.entry.val().get_bits::<18>(0);
        self.multiplier.b.next = bit_cast::<18, 12>(self.fraction_5.q.val());
        self.base_6.d.next = self.entry.val().get_bits::<18>(18);
        self.base_7.d.next = self.base_6.q.val();
        self.exponent_7.x.next = self.exponent_5.q.val();
        self.scaling_7.x.next = self.scaling.val();
        self.interpolate.base.next = self.base_7.q.val();
        self.interpolate.product.next = self.multiplier.product.val().get_bits::<26>(0);
        self.mantissa_8.d.next = self.interpolate.mantissa.val();
        self.exponent_8.d.next = self.exponent_7.y.val();
        if self.scaling_7.y.val() == self.is_plain.val() {
            self.mantissa_8.d.next = self.plain_7.y.val();
            self.exponent_8.d.next = 0.into();
        }
        self.done_8.x.next = self.done.val().into();
        self.write.next = self.done_8.y.val().into();
        self.index_8.x.next = self.reduction.val();
        self.index.next = self.index_8.y.val();
        self.value.next =
            (bit_cast::<24, 6>(self.exponent_8.q.val()) << 18) | bit_cast::<24, 18>(self.mantissa_8.q.val());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;
    use crate::vxm::scalars::packed;
    use lpu_isa::arith::{Scalar, reciprocal, reciprocal_sqrt, round_shift, saturate};

    /// Total, bias, scaling, shift, scalar.
    type Request = (i64, u64, Scaling, u64, u64);

    /// Streams totals, a new one each cycle, each of them complete; values as mantissa and exponent.
    fn stream(requests: &[Request]) -> Vec<u64> {
        let bench = Bench::new(&emit(&mut ScalarUnit::default(), "scalar_unit").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        for (total, bias, scaling, shift, index) in requests {
            stimulus.cycle().set("done", 1).set_signed("total", *total).set("bias", *bias);
            stimulus.set("scaling", *scaling as u64).set("sum_shift", *shift).set("reduction", *index);
        }
        let response = bench.run(stimulus.idle(ScalarUnit::LATENCY + 1)).unwrap();
        let latency = ScalarUnit::LATENCY;
        assert_eq!(response.get(latency - 1, "write") + response.get(requests.len() + latency, "write"), 0);
        let value = |(t, request): (usize, &Request)| {
            assert_eq!(
                (response.get(t + latency, "write"), response.get(t + latency, "index")),
                (1, request.4)
            );
            response.get(t + latency, "value")
        };
        requests.iter().enumerate().map(value).collect()
    }

    #[test]
    fn scalars_are_the_contract() {
        let mut random = Random::from_seed_variable();
        let mut request = || {
            let bits = 1 + random.below(36) as u32;
            let scaling = Scaling::TABLE[random.below(3) as usize].0;
            let bias = random.unsigned(24) >> random.below(24);
            (random.signed(bits), bias, scaling, random.below(32), random.below(16))
        };
        let mut requests: Vec<Request> = (0..100_000).map(|_| request()).collect();
        requests.push((0, 0, Scaling::Reciprocal, 0, 1));
        requests.push((0, 1, Scaling::ReciprocalSqrt, 0, 2));
        requests.push(((1 << 35) - 1, (1 << 24) - 1, Scaling::Reciprocal, 0, 3));
        for (found, (total, bias, scaling, shift, _)) in stream(&requests).into_iter().zip(&requests) {
            let sum = total + *bias as i64;
            let positive = sum.clamp(0, i64::from(u32::MAX)) as u32;
            let expected = match scaling {
                Scaling::Plain => {
                    Scalar { mantissa: saturate(round_shift(sum, *shift as u32), 18) as i32, exponent: 0 }
                }
                Scaling::Reciprocal => reciprocal(positive),
                Scaling::ReciprocalSqrt => reciprocal_sqrt(positive),
            };
            assert_eq!(found, packed(expected), "{scaling:?} of {total} + {bias} >> {shift}");
        }
    }

    /// Needs no table: a sum times its reciprocal is one, and its reciprocal root squared is its reciprocal.
    #[test]
    fn reciprocals_multiply_to_one() {
        let mut random = Random::from_seed_variable();
        let sums: Vec<i64> =
            (0..5000).map(|_| (1 + random.unsigned(31) as i64) >> random.below(31)).collect();
        let sums: Vec<i64> = sums.into_iter().map(|sum| sum.max(1)).collect();
        let number = |value: u64| (value & 0x3_ffff) as f64 / 2f64.powi(17 + (value >> 18) as i32);
        let requests = |scaling| sums.iter().map(|sum| (*sum, 0, scaling, 0, 0)).collect::<Vec<Request>>();
        let once = stream(&requests(Scaling::Reciprocal));
        let root = stream(&requests(Scaling::ReciprocalSqrt));
        for (sum, (once, root)) in sums.iter().zip(once.into_iter().zip(root)) {
            let (once, root) = (number(once) * *sum as f64, number(root).powi(2) * *sum as f64);
            assert!((once - 1.0).abs() < 1.0 / 4096.0, "{sum}: {once}");
            assert!((root - 1.0).abs() < 1.0 / 2048.0, "{sum}: {root}");
        }
    }
}
