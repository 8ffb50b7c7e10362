//! One lane of the vector unit: `result = saturate(shift(function(x - s, b)) + c)`, from operands to result stream.
//!
//! ```text
//!  cycle 3          4               5              6          7   8          9   10         11         12
//!  vmem, vreg_a ─► operand ─┬─► difference ─┬─► limit ─┬─► first ─┐
//!                  neighbour┘ swap          ├─► exp2   │          ├─ multiplier ─► shift ───► (+) ──► limit ─► result
//!                                           └─► place ─┴► sigmoid │                           ▲       relu
//!  vreg, factor ─► b ─────────► limit ─────────► b ───────► second┘                           │
//!  vreg, noise ──► c ─────────► c ─────────────► c ───────► (or the sigmoid's base) ──────────┘
//! ```
//!
//! | port          | dir | width | meaning                                               | cycle |
//! |---------------|-----|------:|-------------------------------------------------------|------:|
//! | `vmem`        | in  |    18 | lane of the vector memory row                         |     3 |
//! | `vreg_a`, `_b`| in  |    24 | lanes of the vector registers                         |     3 |
//! | `noise`       | in  |    18 | lane of the row of random numbers                     |     3 |
//! | `factor`      | in  |    18 | scalar's mantissa for this half of the lanes          |     3 |
//! | `x_vmem`      | in  |     1 | first operand is `vmem`, else `vreg_a >> x_shift`     |     3 |
//! | `x_shift`     | in  |     3 |                                                       |     3 |
//! | `b_vreg_b`    | in  |     1 | of the registers take the second as second operand    |     3 |
//! | `b_vmem`      | in  |     1 | second operand is `vmem` ...                          |     3 |
//! | `b_factor`    | in  |     1 | ... or `factor`, else a register                      |     3 |
//! | `c_select`    | in  |     2 | `isa::instruction::C`                                 |     3 |
//! | `operand`, `round` | out | 18, 1 | first operand is the sum of both, for the neighbour |  4 |
//! | `neighbour`, `neighbour_round` | in | 18, 1 | the neighbour's                          |     4 |
//! | `swap`        | in  |     1 | take the neighbour's                                  |     4 |
//! | `subtrahend`, `minus` | in | 18, 19 | scalar's mantissa, or zero; its negative        |     4 |
//! | `mode`        | in  |     2 | `isa::instruction::Function`, or [`Mode::SQUARE`]     |     5 |
//! | `mode_late`   | in  |     2 | the same                                              |     6 |
//! | `shift`       | in  |     9 | signed: right shift before the lane's own             |     6 |
//! | `relu`        | in  |     1 | negative results become zero                          |    11 |
//! | `result`      | out |    24 |                                                       |    12 |
//! | `saturated`   | out |     1 | the shift or the addition saturated                   |    12 |
//!
//! Throughput: one row a cycle; every input belongs to the issue whose cycle the table counts from.
//!
//! # Invariants
//! 1. `result` is what `lpu_isa::arith` computes, bit for bit, for each function.
//! 2. Nothing is held: a result depends on the inputs of its own issue only.

use crate::dialect::*;
use crate::primitives::vector::{
    AddSubtract, Difference, EDGE_FACTOR, Exp2Table, Limit, OperandShift, ProductShift, ResultLimit,
    ShiftAmount, SigmoidPlace, SigmoidTable,
};
use crate::primitives::{Extend, Multiplier};
use lpu_isa::instruction::{C, Function};

/// What a lane computes: the codes of the functions, and one more.
pub struct Mode;

impl Mode {
    /// A product whose second operand is the first. Decoding this once for all lanes spares each a gate a bit.
    pub const SQUARE: u64 = 3;
}

const _: () = assert!(Function::TABLE.len() == Mode::SQUARE as usize);

/// Sources of the multiplier's first operand: [`Function`]'s codes, and the exponential's at a limit.
const FIRST_EDGE: u64 = 3;

/// The lane.
#[derive(LogicBlock, Default)]
pub struct Lane {
    pub clock: Signal<In, Clock>,
    pub vmem: Signal<In, Bits<18>>,
    pub vreg_a: Signal<In, Bits<24>>,
    pub vreg_b: Signal<In, Bits<24>>,
    pub noise: Signal<In, Bits<18>>,
    pub factor: Signal<In, Bits<18>>,
    pub x_vmem: Signal<In, Bit>,
    pub x_shift: Signal<In, Bits<3>>,
    pub b_vreg_b: Signal<In, Bit>,
    pub b_vmem: Signal<In, Bit>,
    pub b_factor: Signal<In, Bit>,
    pub c_select: Signal<In, Bits<2>>,
    pub operand: Signal<Out, Bits<18>>,
    pub round: Signal<Out, Bits<1>>,
    pub neighbour: Signal<In, Bits<18>>,
    pub neighbour_round: Signal<In, Bits<1>>,
    pub swap: Signal<In, Bit>,
    pub subtrahend: Signal<In, Bits<18>>,
    pub minus: Signal<In, Bits<19>>,
    pub mode: Signal<In, Bits<2>>,
    pub mode_late: Signal<In, Bits<2>>,
    pub shift: Signal<In, Bits<9>>,
    pub relu: Signal<In, Bit>,
    pub result: Signal<Out, Bits<24>>,
    pub saturated: Signal<Out, Bit>,
    c_vreg_b: Fixed<{ C::VregB as u64 }, 2>,
    c_vmem: Fixed<{ C::Vmem as u64 }, 2>,
    c_noise: Fixed<{ C::Noise as u64 }, 2>,
    exp2: Fixed<{ Function::Exp2 as u64 }, 2>,
    sigmoid: Fixed<{ Function::Sigmoid as u64 }, 2>,
    square: Fixed<{ Mode::SQUARE }, 2>,
    first_edge: Fixed<FIRST_EDGE, 2>,
    edge_factor: Fixed<EDGE_FACTOR, 18>,
    one: Fixed<{ 1 << 16 }, 18>,
    sign_bits: Fixed<0xfc_0000, 24>,
    x_operand: OperandShift,
    word: Signal<Local, Bits<18>>,
    x_4: DFF<Bits<18>>,
    round_4: DFF<Bits<1>>,
    b_register_4: DFF<Bits<24>>,
    b_word_4: DFF<Bits<18>>,
    b_is_word_4: DFF<Bit>,
    c_4: DFF<Bits<24>>,
    b_limit: Limit<24, 18>,
    subtracter: Difference,
    forward_5: DFF<Bits<19>>,
    backward_5: DFF<Bits<19>>,
    b_5: DFF<Bits<18>>,
    c_5: DFF<Bits<24>>,
    x_limit: Limit<19, 18>,
    exp2_table: Exp2Table,
    sigmoid_place: SigmoidPlace,
    x_6: DFF<Bits<18>>,
    exp2_6: DFF<Bits<18>>,
    select_6: DFF<Bits<2>>,
    extra_6: DFF<Bits<11>>,
    segment_6: DFF<Bits<6>>,
    fraction_6: DFF<Bits<12>>,
    negative_6: DFF<Bits<1>>,
    b_6: DFF<Bits<18>>,
    c_6: DFF<Bits<24>>,
    sigmoid_table: SigmoidTable,
    first: Signal<Local, Bits<18>>,
    second: Signal<Local, Bits<18>>,
    wide_shift: Extend<9, 13>,
    total_7: DFF<Bits<13>>,
    total_shift: ShiftAmount,
    amount_8: DFF<Bits<6>>,
    /// The addend in cycles 7 to 10, and whether the product is taken off.
    c: [DFF<Bits<24>>; 4],
    turned: [DFF<Bits<1>>; 4],
    multiplier: Multiplier,
    shifter: ProductShift,
    adder: AddSubtract,
    sum_11: DFF<Bits<26>>,
    over_11: DFF<Bits<1>>,
    negative_11: DFF<Bits<1>>,
    limit: ResultLimit,
    result_12: DFF<Bits<24>>,
    over_12: DFF<Bits<1>>,
    kind: Kind<Self>,
}

impl Lane {
    /// Cycle in which operands are taken.
    pub const OPERANDS: usize = 3;
    /// Cycles from operands to result: three registers to the factors, the product and its shift, the sum, the limits.
    pub const LATENCY: usize = 3 + Multiplier::LATENCY + ProductShift::LATENCY + 1 + 1;
}

impl Logic for Lane {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, x_4, round_4, b_register_4, b_word_4, b_is_word_4, c_4, forward_5, backward_5);
        clock!(self, clock, b_5, c_5, x_6, exp2_6, select_6, extra_6, segment_6, fraction_6, negative_6, b_6);
        clock!(self, clock, c_6, total_7, amount_8, multiplier, shifter, sum_11, over_11, negative_11);
        clock!(self, clock, result_12, over_12);

        // Cycle 3: operands.
        self.x_operand.x.next = self.vreg_a.val();
        self.x_operand.shift.next = self.x_shift.val();
        self.x_4.d.next = self.x_operand.y.val();
        self.round_4.d.next = self.x_operand.round.val();
        if self.x_vmem.val() {
            self.x_4.d.next = self.vmem.val();
            self.round_4.d.next = 0.into();
        }
        self.b_register_4.d.next = self.vreg_a.val();
        if self.b_vreg_b.val() {
            self.b_register_4.d.next = self.vreg_b.val();
        }
        self.b_word_4.d.next = self.vmem.val();
        if self.b_factor.val() {
            self.b_word_4.d.next = self.factor.val();
        }
        self.b_is_word_4.d.next = self.b_vmem.val() | self.b_factor.val();
        self.word.next = self.vmem.val();
        if self.c_select.val() == self.c_noise.val() {
            self.word.next = self.noise.val();
        }
        self.c_4.d.next = 0.into();
        if self.c_select.val() == self.c_vreg_b.val() {
            self.c_4.d.next = self.vreg_b.val();
        }
        if (self.c_select.val() == self.c_vmem.val()) | (self.c_select.val() == self.c_noise.val()) {
            self.c_4.d.next = bit_cast::<24, 18>(self.word.val());
            if self.word.val().get_bit(17) {
                self.c_4.d.next = bit_cast::<24, 18>(self.word.val()) | self.sign_bits.val();
            }
        }

        // Cycle 4: exchange and subtraction; limit of the second operand.
        self.operand.next = self.x_4.q.val();
        self.round.next = self.round_4.q.val();
        self.subtracter.x.next = self.x_4.q.val();
        self.subtracter.round.next = self.round_4.q.val();
        if self.swap.val() {
            self.subtracter.x.next = self.neighbour.val();
            self.subtracter.round.next = self.neighbour_round.val();
        }
        self.subtracter.s.next = self.subtrahend.val();
        self.subtracter.minus.next = self.minus.val();
        self.forward_5.d.next = self.subtracter.forward.val();
        self.backward_5.d.next = self.subtracter.backward.val();
        self.b_limit.x.next = self.b_register_4.q.val();
        self.b_5.d.next = self.b_limit.y.val();
        if self.b_is_word_4.q.val() {
            self.b_5.d.next = self.b_word_4.q.val();
        }
        self.c_5.d.next = self.c_4.q.val();

        // Cycle 5: what each function makes of the difference.
        self.x_limit.x.next = self.forward_5.q.val();
        self.x_6.d.next = self.x_limit.y.val();
        self.exp2_table.below.next = self.backward_5.q.val();
        self.exp2_6.d.next = self.exp2_table.factor.val();
        self.select_6.d.next = self.mode.val();
        self.extra_6.d.next = 0.into();
        if self.mode.val() == self.square.val() {
            self.select_6.d.next = 0.into();
        }
        if self.mode.val() == self.exp2.val() {
            self.extra_6.d.next = self.exp2_table.extra.val();
            if self.exp2_table.at_edge.val().any() {
                self.select_6.d.next = self.first_edge.val();
            }
        }
        self.sigmoid_place.x.next = self.forward_5.q.val();
        self.segment_6.d.next = self.sigmoid_place.segment.val();
        self.fraction_6.d.next = self.sigmoid_place.fraction.val();
        self.negative_6.d.next = self.forward_5.q.val().get_bits::<1>(18);
        self.b_6.d.next = self.b_5.q.val();
        self.c_6.d.next = self.c_5.q.val();

        // Cycle 6: the chosen function's factors and addend.
        self.sigmoid_table.segment.next = self.segment_6.q.val();
        self.sigmoid_table.negative.next = self.negative_6.q.val();
        self.first.next = self.x_6.q.val();
        if self.select_6.q.val() == self.exp2.val() {
            self.first.next = self.exp2_6.q.val();
        }
        if self.select_6.q.val() == self.first_edge.val() {
            self.first.next = self.edge_factor.val();
        }
        if self.select_6.q.val() == self.sigmoid.val() {
            self.first.next = bit_cast::<18, 12>(self.sigmoid_table.slope.val());
        }
        self.second.next = self.b_6.q.val();
        self.c[0].d.next = self.c_6.q.val();
        self.turned[0].d.next = 0.into();
        if self.mode_late.val() == self.square.val() {
            self.second.next = self.x_6.q.val();
        }
        if self.mode_late.val() == self.exp2.val() {
            self.second.next = self.one.val();
        }
        if self.mode_late.val() == self.sigmoid.val() {
            self.second.next = bit_cast::<18, 12>(self.fraction_6.q.val());
            self.c[0].d.next = bit_cast::<24, 17>(self.sigmoid_table.addend.val());
            self.turned[0].d.next = self.negative_6.q.val();
        }
        self.multiplier.a.next = self.first.val();
        self.multiplier.b.next = self.second.val();
        self.wide_shift.x.next = self.shift.val();
        self.total_7.d.next = self.wide_shift.y.val() + bit_cast::<13, 11>(self.extra_6.q.val());

        // Cycles 7 to 10: product, shift, and what waits for them.
        for i in 0..4 {
            clock!(self, clock, c[i], turned[i]);
        }
        for i in 1..4 {
            self.c[i].d.next = self.c[i - 1].q.val();
            self.turned[i].d.next = self.turned[i - 1].q.val();
        }
        self.total_shift.total.next = self.total_7.q.val();
        self.amount_8.d.next = self.total_shift.amount.val();
        self.shifter.product.next = self.multiplier.product.val();
        self.shifter.amount.next = self.amount_8.q.val();

        // Cycles 10 and 11: addition, limits.
        self.adder.addend.next = self.c[3].q.val();
        self.adder.product.next = self.shifter.shifted.val();
        self.adder.round.next = self.shifter.round.val();
        self.adder.subtract.next = self.turned[3].q.val();
        self.sum_11.d.next = self.adder.sum.val();
        self.over_11.d.next = self.shifter.over.val().into();
        self.negative_11.d.next =
            bit_cast::<1, 1>(self.shifter.negative.val().into()) ^ self.turned[3].q.val();
        self.limit.sum.next = self.sum_11.q.val();
        self.limit.over.next = self.over_11.q.val();
        self.limit.negative.next = self.negative_11.q.val();
        self.limit.relu.next = self.relu.val().into();
        self.result_12.d.next = self.limit.result.val();
        self.over_12.d.next = self.limit.saturated.val();
        self.result.next = self.result_12.q.val();
        self.saturated.next = self.over_12.q.val().get_bit(0);
    }
}

#[cfg(test)]
mod tests;
