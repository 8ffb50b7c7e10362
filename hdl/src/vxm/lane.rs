//! One lane of the vector unit: `result = saturate(shift(function(x - s, b)) + c)`, from operands to result stream.
//!
//! ```text
//!  cycle 3          4              5               6        7   8          9   10         11         12
//!  vmem, vreg_a ─► operand ─┬─► difference ─┬─► first ──┐
//!                  neighbour┘ swap           ├► tables   ├─► multiplier ─► shift, round ─► (+) ──► limit ─► result
//!  vreg, factor ─► b ─────────► b ───────────┴─► second ─┘                                  ▲       relu
//!  vreg, noise ──► c ─────────► c ─────────────► c (or the table's base) ───────────────────┘
//! ```
//!
//! | port          | dir | width | meaning                                               | cycle |
//! |---------------|-----|------:|-------------------------------------------------------|------:|
//! | `clock`       | in  |     1 |                                                       |       |
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
//! | `operand`     | out |    18 | first operand, for the neighbour                      |     4 |
//! | `neighbour`   | in  |    18 | the neighbour's                                       |     4 |
//! | `swap`        | in  |     1 | take the neighbour's                                  |     4 |
//! | `subtrahend`  | in  |    18 | scalar's mantissa, or zero                            |     4 |
//! | `mode`        | in  |     2 | `isa::instruction::Function`, or [`Mode::SQUARE`]     |     5 |
//! | `shift`       | in  |     9 | signed: right shift before the lane's own             |     5 |
//! | `relu`        | in  |     1 | negative results become zero                          |    11 |
//! | `result`      | out |    24 |                                                       |    12 |
//! | `saturated`   | out |     1 | the shift or the addition saturated                   |    12 |
//!
//! Throughput: one row a cycle; every input belongs to the issue whose cycle the table counts from.
//!
//! # Invariants
//! 1. `result` is what `lpu_isa::arith` computes, bit for bit, for each function.
//! 2. Nothing is held: a result depends on the inputs of its own issue only.

use crate::kind::Kind;
use crate::primitives::Multiplier;
use crate::primitives::vector::{
    AddSubtract, Difference, Exp2Table, Fixed, Limit, OperandShift, ProductShift, ShiftAmount, SigmoidTable,
};
use lpu_isa::instruction::{C, Function};
use rust_hdl::prelude::*;

/// What a lane computes: the codes of the functions, and one more.
pub struct Mode;

impl Mode {
    /// A product whose second operand is the first. Decoding this once for all lanes spares each a gate a bit.
    pub const SQUARE: u64 = 3;
}

const _: () = assert!(Function::TABLE.len() == Mode::SQUARE as usize);

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
    pub neighbour: Signal<In, Bits<18>>,
    pub swap: Signal<In, Bit>,
    pub subtrahend: Signal<In, Bits<18>>,
    pub mode: Signal<In, Bits<2>>,
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
    one: Fixed<{ 1 << 16 }, 18>,
    sign_bits: Fixed<0xfc_0000, 24>,
    x_operand: OperandShift,
    b_limit: Limit<24, 18>,
    word: Signal<Local, Bits<18>>,
    x_4: DFF<Bits<18>>,
    b_4: DFF<Bits<18>>,
    c_4: DFF<Bits<24>>,
    subtracter: Difference,
    x_5: DFF<Bits<18>>,
    below_5: DFF<Bits<18>>,
    b_5: DFF<Bits<18>>,
    c_5: DFF<Bits<24>>,
    exp2_table: Exp2Table,
    sigmoid_table: SigmoidTable,
    total_shift: ShiftAmount,
    first_6: DFF<Bits<18>>,
    second_6: DFF<Bits<18>>,
    c: [DFF<Bits<24>>; 5],
    turned: [DFF<Bit>; 5],
    amounts: [DFF<Bits<6>>; 3],
    multiplier: Multiplier,
    shifter: ProductShift,
    adder: AddSubtract,
    sum_11: DFF<Bits<26>>,
    over_11: DFF<Bit>,
    limit: Limit<26, 24>,
    result_12: DFF<Bits<24>>,
    over_12: DFF<Bit>,
    kind: Kind<Self>,
}

impl Lane {
    /// Cycle in which operands are taken.
    pub const OPERANDS: usize = 3;
    /// Cycles from operands to result.
    pub const LATENCY: usize = lpu_isa::timing::RESULT as usize - Self::OPERANDS;
}

impl Logic for Lane {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, x_4, b_4, c_4, x_5, below_5, b_5, c_5, first_6, second_6);
        clock!(self, clock, multiplier, shifter, sum_11, over_11, result_12, over_12);

        // Cycle 3: operands.
        self.x_operand.x.next = self.vreg_a.val();
        self.x_operand.shift.next = self.x_shift.val();
        self.b_limit.x.next = self.vreg_a.val();
        if self.b_vreg_b.val() {
            self.b_limit.x.next = self.vreg_b.val();
        }
        self.x_4.d.next = self.x_operand.y.val();
        if self.x_vmem.val() {
            self.x_4.d.next = self.vmem.val();
        }
        self.b_4.d.next = self.b_limit.y.val();
        if self.b_vmem.val() {
            self.b_4.d.next = self.vmem.val();
        }
        if self.b_factor.val() {
            self.b_4.d.next = self.factor.val();
        }
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

        // Cycle 4: exchange and subtraction.
        self.operand.next = self.x_4.q.val();
        self.subtracter.x.next = self.x_4.q.val();
        if self.swap.val() {
            self.subtracter.x.next = self.neighbour.val();
        }
        self.subtracter.s.next = self.subtrahend.val();
        self.x_5.d.next = self.subtracter.difference.val();
        self.below_5.d.next = self.subtracter.below.val();
        self.b_5.d.next = self.b_4.q.val();
        self.c_5.d.next = self.c_4.q.val();

        // Cycle 5: functions.
        self.exp2_table.below.next = self.below_5.q.val();
        self.sigmoid_table.x.next = self.x_5.q.val();
        self.total_shift.base.next = self.shift.val();
        self.total_shift.extra.next = 0.into();
        self.first_6.d.next = self.x_5.q.val();
        self.second_6.d.next = self.b_5.q.val();
        self.c[0].d.next = self.c_5.q.val();
        self.turned[0].d.next = false;
        if self.mode.val() == self.square.val() {
            self.second_6.d.next = self.x_5.q.val();
        }
        if self.mode.val() == self.exp2.val() {
            self.first_6.d.next = self.exp2_table.factor.val();
            self.second_6.d.next = self.one.val();
            self.total_shift.extra.next = self.exp2_table.extra.val();
        }
        if self.mode.val() == self.sigmoid.val() {
            self.first_6.d.next = self.sigmoid_table.slope.val();
            self.second_6.d.next = self.sigmoid_table.fraction.val();
            self.c[0].d.next = bit_cast::<24, 17>(self.sigmoid_table.addend.val());
            self.turned[0].d.next = self.x_5.q.val().get_bit(17);
        }
        self.amounts[0].d.next = self.total_shift.amount.val();

        // Cycles 6 to 10: product, shift, and what waits for them.
        for i in 0..5 {
            self.c[i].clock.next = self.clock.val();
            self.turned[i].clock.next = self.clock.val();
        }
        for i in 1..5 {
            self.c[i].d.next = self.c[i - 1].q.val();
            self.turned[i].d.next = self.turned[i - 1].q.val();
        }
        for i in 0..3 {
            self.amounts[i].clock.next = self.clock.val();
        }
        for i in 1..3 {
            self.amounts[i].d.next = self.amounts[i - 1].q.val();
        }
        self.multiplier.a.next = self.first_6.q.val();
        self.multiplier.b.next = self.second_6.q.val();
        self.shifter.product.next = self.multiplier.product.val();
        self.shifter.amount.next = self.amounts[2].q.val();

        // Cycles 10 and 11: addition, limits.
        self.adder.addend.next = self.c[4].q.val();
        self.adder.product.next = self.shifter.shifted.val();
        self.adder.subtract.next = bit_cast::<1, 1>(self.turned[4].q.val().into());
        self.sum_11.d.next = self.adder.sum.val();
        self.over_11.d.next = self.shifter.over.val();
        self.limit.x.next = self.sum_11.q.val();
        self.result_12.d.next = self.limit.y.val();
        if self.relu.val() && self.sum_11.q.val().get_bit(25) {
            self.result_12.d.next = 0.into();
        }
        self.over_12.d.next = self.over_11.q.val() | self.limit.over.val();
        self.result.next = self.result_12.q.val();
        self.saturated.next = self.over_12.q.val();
    }
}

#[cfg(test)]
mod tests;
