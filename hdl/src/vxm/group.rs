//! A few neighbouring lanes with their registers and their own copies of the control signals.
//!
//! ```text
//!  control, one cycle early ────────►[local copies]──┬──► VregLane ──► Lane ──┐ result
//!  control of each lane, two ─►[reg]─►[local copies]──┤
//!  vmem, noise rows ─────────────────────────────────┴──►  ...  ◄── swap ──►  ├──────► results, any_saturated
//!                                                         VregLane ──► Lane ──┘
//! ```
//!
//! Every control port is the central register *one cycle before* it is used: the group's copy is the register that its
//! lanes see. What each lane copies for itself comes *two cycles before*, and goes through a copy of the group: one wire
//! from the centre to each group, whatever the number of lanes.
//!
//! | port              | dir | width      | meaning                                          | cycle |
//! |-------------------|-----|------------|--------------------------------------------------|------:|
//! | `clock`           | in  | 1          |                                                  |       |
//! | `row_a`, `row_b`  | in  | `VREG_ROW` | registers read                                   |     1 |
//! | `x_vmem`, `x_shift`, `c_select` | in  | 1, 3, 2 | as in [`Lane`]                             |     1 |
//! | `b_vreg_b`, `b_vmem`, `b_factor` | in | 1   | as in [`Lane`]                                   |     2 |
//! | `scalar`          | in  | 18         | mantissa that is subtracted                      |     2 |
//! | `factor`          | in  | 18         | mantissa that multiplies these lanes             |     2 |
//! | `swap`            | in  | 1          |                                                  |     2 |
//! | `subtract`        | in  | 1          |                                                  |     3 |
//! | `mode`            | in  | 2          | as in [`Lane`]                                   |     3 |
//! | `shift`           | in  | 9          | as in [`Lane`]                                   |     4 |
//! | `relu`            | in  | 1          |                                                  |    10 |
//! | `write`, `target` | in  | 1, `VREG_ROW` | register written                              |    11 |
//! | `vmem[l]`         | in  | 18         | row of vector memory                             |     3 |
//! | `noise[l]`        | in  | 18         | row of random numbers                            |     3 |
//! | `result[l]`       | out | 24         |                                                  |    12 |
//! | `saturated`       | out | 1          | a lane saturated, valid or not                   |    13 |
//!
//! # Invariants
//! 1. The number of lanes is even, so that each lane's neighbour is in its group.

use super::lane::Lane;
use super::vreg::VregLane;
use crate::dialect::*;
use crate::primitives::{Extend, LocalCopy};
use crate::widths::VREG_ROW;

/// Lanes that share control copies.
#[derive(LogicBlock, Default)]
pub struct LaneGroup {
    pub clock: Signal<In, Clock>,
    pub row_a: Signal<In, Bits<VREG_ROW>>,
    pub row_b: Signal<In, Bits<VREG_ROW>>,
    pub x_vmem: Signal<In, Bit>,
    pub x_shift: Signal<In, Bits<3>>,
    pub b_vreg_b: Signal<In, Bit>,
    pub b_vmem: Signal<In, Bit>,
    pub b_factor: Signal<In, Bit>,
    pub c_select: Signal<In, Bits<2>>,
    pub scalar: Signal<In, Bits<18>>,
    pub factor: Signal<In, Bits<18>>,
    pub subtract: Signal<In, Bit>,
    pub swap: Signal<In, Bit>,
    pub mode: Signal<In, Bits<2>>,
    pub shift: Signal<In, Bits<9>>,
    pub relu: Signal<In, Bit>,
    pub write: Signal<In, Bit>,
    pub target: Signal<In, Bits<VREG_ROW>>,
    pub vmem: Vec<Signal<In, Bits<18>>>,
    pub noise: Vec<Signal<In, Bits<18>>>,
    pub result: Vec<Signal<Out, Bits<24>>>,
    pub saturated: Signal<Out, Bit>,
    row_a_2: LocalCopy<VREG_ROW>,
    row_b_2: LocalCopy<VREG_ROW>,
    // Selects of wide words: a copy for each lane, behind the group's.
    x_vmem_2: LocalCopy<1>,
    x_shift_2: LocalCopy<3>,
    c_select_2: LocalCopy<2>,
    swap_3: LocalCopy<1>,
    mode_4: LocalCopy<2>,
    x_vmem_3: Vec<LocalCopy<1>>,
    x_shift_3: Vec<LocalCopy<3>>,
    b_vreg_b_3: LocalCopy<1>,
    b_vmem_3: LocalCopy<1>,
    b_factor_3: LocalCopy<1>,
    c_select_3: Vec<LocalCopy<2>>,
    scalar_3: LocalCopy<18>,
    factor_3: LocalCopy<18>,
    swap_4: Vec<LocalCopy<1>>,
    subtrahend_4: DFF<Bits<18>>,
    minus_4: DFF<Bits<19>>,
    wide_scalar: Extend<18, 19>,
    mode_5: Vec<LocalCopy<2>>,
    mode_6: Vec<LocalCopy<2>>,
    shift_5: DFF<Bits<9>>,
    shift_6: LocalCopy<9>,
    relu_11: LocalCopy<1>,
    write_12: LocalCopy<1>,
    target_12: LocalCopy<VREG_ROW>,
    registers: Vec<VregLane>,
    lane: Vec<Lane>,
    any: Signal<Local, Bit>,
    any_13: DFF<Bit>,
    kind: Kind<Self>,
}

impl LaneGroup {
    /// A group of `lanes` lanes.
    pub fn new(lanes: usize) -> Self {
        assert!(lanes.is_multiple_of(2), "a group of {lanes} lanes: expected an even number");
        Self {
            vmem: many(lanes),
            noise: many(lanes),
            result: many(lanes),
            x_vmem_3: many(lanes),
            x_shift_3: many(lanes),
            c_select_3: many(lanes),
            swap_4: many(lanes),
            mode_5: many(lanes),
            mode_6: many(lanes),
            registers: many(lanes),
            lane: many(lanes),
            kind: Kind::named(format!("lane_group_{lanes}")),
            ..Self::default()
        }
    }
}

impl Logic for LaneGroup {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, x_vmem_2, x_shift_2, c_select_2, swap_3, mode_4, row_a_2, row_b_2, b_vreg_b_3);
        clock!(self, clock, b_vmem_3, b_factor_3, scalar_3, factor_3, subtrahend_4, minus_4, shift_5);
        clock!(self, clock, shift_6, relu_11, write_12, target_12, any_13);
        self.row_a_2.d.next = self.row_a.val();
        self.row_b_2.d.next = self.row_b.val();
        self.x_vmem_2.d.next = self.x_vmem.val().into();
        self.x_shift_2.d.next = self.x_shift.val();
        self.c_select_2.d.next = self.c_select.val();
        self.swap_3.d.next = self.swap.val().into();
        self.mode_4.d.next = self.mode.val();
        self.b_vreg_b_3.d.next = self.b_vreg_b.val().into();
        self.b_vmem_3.d.next = self.b_vmem.val().into();
        self.b_factor_3.d.next = self.b_factor.val().into();
        self.scalar_3.d.next = self.scalar.val();
        self.factor_3.d.next = self.factor.val();
        self.wide_scalar.x.next = self.scalar_3.q.val();
        self.subtrahend_4.d.next = 0.into();
        self.minus_4.d.next = 0.into();
        if self.subtract.val() {
            self.subtrahend_4.d.next = self.scalar_3.q.val();
            self.minus_4.d.next = !self.wide_scalar.y.val() + 1;
        }
        self.shift_5.d.next = self.shift.val();
        self.shift_6.d.next = self.shift_5.q.val();
        self.relu_11.d.next = self.relu.val().into();
        self.write_12.d.next = self.write.val().into();
        self.target_12.d.next = self.target.val();

        self.any.next = false;
        for l in 0..self.lane.len() {
            clock!(self, clock, x_vmem_3[l], x_shift_3[l], c_select_3[l], swap_4[l], mode_5[l], mode_6[l]);
            clock!(self, clock, registers[l], lane[l]);
            self.x_vmem_3[l].d.next = self.x_vmem_2.q.val();
            self.x_shift_3[l].d.next = self.x_shift_2.q.val();
            self.c_select_3[l].d.next = self.c_select_2.q.val();
            self.swap_4[l].d.next = self.swap_3.q.val();
            self.mode_5[l].d.next = self.mode_4.q.val();
            self.mode_6[l].d.next = self.mode_5[l].q.val();
            self.registers[l].row_a.next = self.row_a_2.q.val();
            self.registers[l].row_b.next = self.row_b_2.q.val();
            self.registers[l].write.next = self.write_12.q.val().into();
            self.registers[l].target.next = self.target_12.q.val();
            self.registers[l].value.next = self.lane[l].result.val();
            self.lane[l].vmem.next = self.vmem[l].val();
            self.lane[l].noise.next = self.noise[l].val();
            self.lane[l].vreg_a.next = self.registers[l].a.val();
            self.lane[l].vreg_b.next = self.registers[l].b.val();
            self.lane[l].factor.next = self.factor_3.q.val();
            self.lane[l].x_vmem.next = self.x_vmem_3[l].q.val().into();
            self.lane[l].x_shift.next = self.x_shift_3[l].q.val();
            self.lane[l].b_vreg_b.next = self.b_vreg_b_3.q.val().into();
            self.lane[l].b_vmem.next = self.b_vmem_3.q.val().into();
            self.lane[l].b_factor.next = self.b_factor_3.q.val().into();
            self.lane[l].c_select.next = self.c_select_3[l].q.val();
            self.lane[l].swap.next = self.swap_4[l].q.val().into();
            self.lane[l].subtrahend.next = self.subtrahend_4.q.val();
            self.lane[l].minus.next = self.minus_4.q.val();
            self.lane[l].mode.next = self.mode_5[l].q.val();
            self.lane[l].mode_late.next = self.mode_6[l].q.val();
            self.lane[l].shift.next = self.shift_6.q.val();
            self.lane[l].relu.next = self.relu_11.q.val().into();
            self.result[l].next = self.lane[l].result.val();
            self.any.next = self.any.val() | self.lane[l].saturated.val();
        }
        for p in 0..(self.lane.len() / 2) {
            self.lane[2 * p].neighbour.next = self.lane[2 * p + 1].operand.val();
            self.lane[2 * p].neighbour_round.next = self.lane[2 * p + 1].round.val();
            self.lane[2 * p + 1].neighbour.next = self.lane[2 * p].operand.val();
            self.lane[2 * p + 1].neighbour_round.next = self.lane[2 * p].round.val();
        }
        self.any_13.d.next = self.any.val();
        self.saturated.next = self.any_13.q.val();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;
    use crate::emit::emit;
    use lpu_isa::timing::{RESULT, VREG_EFFECT, VREG_SAMPLE};

    /// Copies a row of vector memory to register 3 in cycle 0 and reads it, lanes exchanged, from then on: the register
    /// shows it from the first issue whose sample falls on the effect.
    #[test]
    fn registers_take_effect_when_timing_says() {
        let bench = Bench::new(&emit(&mut LaneGroup::new(4), "group").unwrap()).unwrap();
        let mut stimulus = bench.stimulus();
        let cycles = 40;
        for t in 0..cycles {
            stimulus.cycle();
            // One times the operand: a factor of 2^16, shifted back.
            stimulus.set("factor", 1 << 16).set("b_factor", 1).set("shift", 16);
            stimulus.set("row_a", 3).set("x_vmem", (t == 1).into()).set("swap", (t != 2).into());
            stimulus.set("write", (t == 11).into()).set("target", 3);
            for lane in 0..4 {
                stimulus.set_signed(&format!("vmem${lane}"), 100 + lane);
            }
        }
        let response = bench.run(&stimulus).unwrap();
        let result =
            |t: usize| (0..4).map(|l| response.signed(t, &format!("result${l}"))).collect::<Vec<_>>();
        assert_eq!(result(RESULT as usize), [100, 101, 102, 103]);
        let first_issue = (VREG_EFFECT - VREG_SAMPLE) as usize;
        for issue in 1..cycles - RESULT as usize {
            let expected = if issue < first_issue { [0; 4] } else { [101, 100, 103, 102] };
            assert_eq!(result(issue + RESULT as usize), expected, "issue in cycle {issue}");
        }
    }
}
