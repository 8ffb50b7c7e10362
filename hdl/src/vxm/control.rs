//! The vector unit's control: addresses from issue to issue, and each signal in the cycle in which the lanes' copies
//! take it.
//!
//! ```text
//!  issue, payload ─┬─► rows (stepping registers) ─────────────────► cycle 1
//!     cycle 0      ├─► operand selects ──►[reg]─┬────────────────────► cycle 1
//!                  │                            └─►[reg] ─────────────► cycle 2
//!                  ├─► swap, function ──► delay ────────────────────► cycles 2, 3
//!                  ├─► subtract, shift ─► delay, + scalar exponent ──► cycles 3, 4
//!                  └─► relu, write, target ─► delay ────────────────► cycles 10, 11
//! ```
//!
//! Ports named like a field of `isa::instruction::Vector` carry it, with the ISA's width, in cycle 0. `issue` is the
//! strobe of an issue, `first` that of an instruction's first.
//!
//! | port                       | dir | width      | meaning                                         | cycle |
//! |----------------------------|-----|------------|-------------------------------------------------|------:|
//! | `vmem_start`               | in  | 28         | signed, row of vector memory of the first issue |     0 |
//! | `host_read`, `host_row`    | in  | 1, `VMEM_ROW` | the host reads a row instead, while no token runs |  0 |
//! | `vmem_row`                 | out | `VMEM_ROW` | row read                                        |     1 |
//! | `row_a`, `row_b`           | out | `VREG_ROW` | registers read                                  |     1 |
//! | `reads`                    | out | 1          | the issue uses a scalar                         |     1 |
//! | `take`                     | out | 1          | takes a row of random numbers                   |     1 |
//! | `x_vmem`, `x_shift_1`, `c_select` | out |     | operand selects that each lane copies           |     1 |
//! | `b_vreg_b`, `b_vmem`, `b_factor` | out | 1    | operand selects                                 |     2 |
//! | `lower`, `upper`           | in  | 24         | scalars of both halves of the lanes             |     2 |
//! | `swap_2`                   | out | 1          |                                                 |     2 |
//! | `subtract_3`               | out | 1          |                                                 |     3 |
//! | `mode_3`                   | out | 2          | as in `Lane`                                    |     3 |
//! | `shift_lower`, `shift_upper` | out | 9        | right shift before each lane's own              |     4 |
//! | `relu_10`                  | out | 1          |                                                 |    10 |
//! | `write_11`, `target_11`    | out | 1, `VREG_ROW` |                                              |    11 |
//! | `issue_13`                 | out | 1          | a result row stood on the stream in cycle 12    |    13 |
//! | `outside`                  | out | 1          | an issue read vector memory outside of it       |     2 |
//!
//! # Invariants
//! 1. Stepping registers hold between issues; the payload is sampled in cycle 0 only.

use super::lane::Mode;
use crate::dialect::*;
use crate::primitives::vector::{EXACT_ROW, RowStep};
use crate::primitives::{Delay, Extend};
use crate::widths::{VMEM_ROW, VREG_ROW};
use lpu_isa::Geometry;
use lpu_isa::instruction::{B, C, Function, X};

/// The shift that the sigmoid's slopes are made for.
const SIGMOID_SHIFT: u64 = 12;

/// Stepping and delays of the operand side.
#[derive(LogicBlock, Default)]
pub struct VectorControl {
    pub clock: Signal<In, Clock>,
    pub issue: Signal<In, Bit>,
    pub first: Signal<In, Bit>,
    pub vmem_start: Signal<In, Bits<EXACT_ROW>>,
    pub x: Signal<In, Bits<1>>,
    pub x_shift: Signal<In, Bits<3>>,
    pub swap: Signal<In, Bit>,
    pub subtract: Signal<In, Bit>,
    pub function_code: Signal<In, Bits<2>>,
    pub b: Signal<In, Bits<3>>,
    pub c: Signal<In, Bits<2>>,
    pub shift: Signal<In, Bits<8>>,
    pub relu: Signal<In, Bit>,
    pub vmem_advance: Signal<In, Bit>,
    pub a: Signal<In, Bits<14>>,
    pub a_advance: Signal<In, Bit>,
    pub bc: Signal<In, Bits<14>>,
    pub bc_advance: Signal<In, Bit>,
    pub write: Signal<In, Bit>,
    pub target: Signal<In, Bits<14>>,
    pub target_advance: Signal<In, Bit>,
    pub host_read: Signal<In, Bit>,
    pub host_row: Signal<In, Bits<VMEM_ROW>>,
    pub vmem_row: Signal<Out, Bits<VMEM_ROW>>,
    pub row_a: Signal<Out, Bits<VREG_ROW>>,
    pub row_b: Signal<Out, Bits<VREG_ROW>>,
    pub reads: Signal<Out, Bit>,
    pub take: Signal<Out, Bit>,
    pub x_vmem: Signal<Out, Bit>,
    pub x_shift_1: Signal<Out, Bits<3>>,
    pub b_vreg_b: Signal<Out, Bit>,
    pub b_vmem: Signal<Out, Bit>,
    pub b_factor: Signal<Out, Bit>,
    pub c_select: Signal<Out, Bits<2>>,
    pub lower: Signal<In, Bits<24>>,
    pub upper: Signal<In, Bits<24>>,
    pub subtract_3: Signal<Out, Bit>,
    pub swap_2: Signal<Out, Bit>,
    pub mode_3: Signal<Out, Bits<2>>,
    pub shift_lower: Signal<Out, Bits<9>>,
    pub shift_upper: Signal<Out, Bits<9>>,
    pub relu_10: Signal<Out, Bit>,
    pub write_11: Signal<Out, Bit>,
    pub target_11: Signal<Out, Bits<VREG_ROW>>,
    pub issue_13: Signal<Out, Bit>,
    pub outside: Signal<Out, Bit>,
    x_is_vmem: Fixed<{ X::Vmem as u64 }, 1>,
    b_is_vmem: Fixed<{ B::Vmem as u64 }, 3>,
    b_is_vreg_b: Fixed<{ B::VregB as u64 }, 3>,
    b_is_scalar: Fixed<{ B::Scalar as u64 }, 3>,
    b_is_pair: Fixed<{ B::ScalarPair as u64 }, 3>,
    b_is_x: Fixed<{ B::X as u64 }, 3>,
    c_is_vmem: Fixed<{ C::Vmem as u64 }, 2>,
    c_is_noise: Fixed<{ C::Noise as u64 }, 2>,
    is_multiply: Fixed<{ Function::Multiply as u64 }, 2>,
    is_sigmoid: Fixed<{ Function::Sigmoid as u64 }, 2>,
    sigmoid_shift: Fixed<SIGMOID_SHIFT, 9>,
    rows: RowStep,
    used: Signal<Local, Bit>,
    used_1: DFF<Bit>,
    outside_2: DFF<Bit>,
    a_1: DFF<Bits<14>>,
    b_1: DFF<Bits<14>>,
    target_1: DFF<Bits<14>>,
    reads_1: DFF<Bit>,
    take_1: DFF<Bit>,
    x_1: DFF<Bit>,
    shift_x_1: DFF<Bits<3>>,
    select_1: DFF<Bits<3>>,
    b_vreg_b_2: DFF<Bit>,
    b_vmem_2: DFF<Bit>,
    b_factor_2: DFF<Bit>,
    c_1: DFF<Bits<2>>,
    subtract_delay: Delay<1, 3>,
    swap_delay: Delay<1, 2>,
    function_2: Delay<2, 2>,
    square_2: Delay<1, 2>,
    sigmoid_3: DFF<Bit>,
    mode: DFF<Bits<2>>,
    square: Fixed<{ Mode::SQUARE }, 2>,
    shift_3: Delay<8, 3>,
    scales_2: Delay<1, 2>,
    wide_shift: Extend<8, 9>,
    exponent_lower: DFF<Bits<6>>,
    exponent_upper: DFF<Bits<6>>,
    shift_lower_4: DFF<Bits<9>>,
    shift_upper_4: DFF<Bits<9>>,
    relu_delay: Delay<1, 10>,
    write_delay: Delay<1, 11>,
    target_delay: Delay<VREG_ROW, 10>,
    issue_delay: Delay<1, 13>,
    kind: Kind<Self>,
}

impl VectorControl {
    /// The control of a chip's vector unit.
    pub fn new(geometry: &Geometry) -> Self {
        Self { rows: RowStep::new(geometry.vmem_rows), ..Self::default() }
    }
}

impl Logic for VectorControl {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, a_1, b_1, target_1);
        clock!(self, clock, rows, used_1, outside_2, reads_1, take_1, x_1, shift_x_1, select_1, b_vreg_b_2);
        clock!(self, clock, b_vmem_2, b_factor_2, c_1, subtract_delay, swap_delay, function_2, square_2);
        clock!(self, clock, mode, sigmoid_3, shift_3, scales_2, exponent_lower, exponent_upper);
        clock!(self, clock, shift_lower_4, shift_upper_4, relu_delay, write_delay, target_delay, issue_delay);

        // Row of vector memory. The host's row goes the same way, as an instruction of one issue.
        self.rows.issue.next = self.issue.val() | self.host_read.val();
        self.rows.first.next = self.first.val() | self.host_read.val();
        self.rows.start.next = self.vmem_start.val();
        if self.host_read.val() {
            self.rows.start.next = bit_cast::<EXACT_ROW, VMEM_ROW>(self.host_row.val());
        }
        self.rows.step.next = 0.into();
        if self.vmem_advance.val() {
            self.rows.step.next = 1.into();
        }
        self.vmem_row.next = self.rows.row.val().get_bits::<VMEM_ROW>(0);
        self.used.next = (self.x.val() == self.x_is_vmem.val())
            | (self.b.val() == self.b_is_vmem.val())
            | (self.c.val() == self.c_is_vmem.val());
        self.used_1.d.next = self.issue.val() & self.used.val();
        self.outside_2.d.next = self.used_1.q.val() & self.rows.outside.val();
        self.outside.next = self.outside_2.q.val();

        // Registers.
        if self.issue.val() {
            self.a_1.d.next = self.a.val();
            self.b_1.d.next = self.bc.val();
            self.target_1.d.next = self.target.val();
            if !self.first.val() {
                self.a_1.d.next = self.a_1.q.val() + bit_cast::<14, 1>(self.a_advance.val().into());
                self.b_1.d.next = self.b_1.q.val() + bit_cast::<14, 1>(self.bc_advance.val().into());
                self.target_1.d.next =
                    self.target_1.q.val() + bit_cast::<14, 1>(self.target_advance.val().into());
            }
        }
        self.row_a.next = self.a_1.q.val().get_bits::<VREG_ROW>(0);
        self.row_b.next = self.b_1.q.val().get_bits::<VREG_ROW>(0);
        self.reads_1.d.next = self.issue.val()
            & (self.subtract.val()
                | ((self.function_code.val() == self.is_multiply.val())
                    & ((self.b.val() == self.b_is_scalar.val()) | (self.b.val() == self.b_is_pair.val()))));
        self.reads.next = self.reads_1.q.val();

        // Selects, each in its cycle.
        self.take_1.d.next = self.issue.val() & (self.c.val() == self.c_is_noise.val());
        self.take.next = self.take_1.q.val();
        self.x_1.d.next = self.x.val() == self.x_is_vmem.val();
        self.x_vmem.next = self.x_1.q.val();
        self.shift_x_1.d.next = self.x_shift.val();
        self.x_shift_1.next = self.shift_x_1.q.val();
        self.select_1.d.next = self.b.val();
        self.b_vreg_b_2.d.next = self.select_1.q.val() == self.b_is_vreg_b.val();
        self.b_vmem_2.d.next = self.select_1.q.val() == self.b_is_vmem.val();
        self.b_factor_2.d.next = (self.select_1.q.val() == self.b_is_scalar.val())
            | (self.select_1.q.val() == self.b_is_pair.val());
        self.b_vreg_b.next = self.b_vreg_b_2.q.val();
        self.b_vmem.next = self.b_vmem_2.q.val();
        self.b_factor.next = self.b_factor_2.q.val();
        self.c_1.d.next = self.c.val();
        self.c_select.next = self.c_1.q.val();
        self.subtract_delay.x.next = self.subtract.val().into();
        self.subtract_3.next = self.subtract_delay.y.val().into();
        self.swap_delay.x.next = self.swap.val().into();
        self.swap_2.next = self.swap_delay.y.val().into();
        self.function_2.x.next = self.function_code.val();
        self.square_2.x.next = ((self.b.val() == self.b_is_x.val())
            & (self.function_code.val() == self.is_multiply.val()))
        .into();
        self.mode.d.next = self.function_2.y.val();
        if self.square_2.y.val().any() {
            self.mode.d.next = self.square.val();
        }
        self.mode_3.next = self.mode.q.val();
        self.sigmoid_3.d.next = self.function_2.y.val() == self.is_sigmoid.val();

        // Shift: the scalar's exponent counts where the scalar multiplies.
        self.shift_3.x.next = self.shift.val();
        self.wide_shift.x.next = self.shift_3.y.val();
        self.scales_2.x.next = ((self.function_code.val() == self.is_multiply.val())
            & ((self.b.val() == self.b_is_scalar.val()) | (self.b.val() == self.b_is_pair.val())))
        .into();
        self.exponent_lower.d.next = 0.into();
        self.exponent_upper.d.next = 0.into();
        self.shift_lower_4.d.next = self.wide_shift.y.val() + bit_cast::<9, 6>(self.exponent_lower.q.val());
        self.shift_upper_4.d.next = self.wide_shift.y.val() + bit_cast::<9, 6>(self.exponent_upper.q.val());
        if self.sigmoid_3.q.val() {
            self.shift_lower_4.d.next = self.sigmoid_shift.val();
            self.shift_upper_4.d.next = self.sigmoid_shift.val();
        }
        if self.scales_2.y.val().any() {
            self.exponent_lower.d.next = self.lower.val().get_bits::<6>(18);
            self.exponent_upper.d.next = self.upper.val().get_bits::<6>(18);
        }
        self.shift_lower.next = self.shift_lower_4.q.val();
        self.shift_upper.next = self.shift_upper_4.q.val();

        // Late signals.
        self.relu_delay.x.next = self.relu.val().into();
        self.relu_10.next = self.relu_delay.y.val().into();
        self.write_delay.x.next = (self.issue.val() & self.write.val()).into();
        self.write_11.next = self.write_delay.y.val().into();
        self.target_delay.x.next = self.target_1.q.val().get_bits::<VREG_ROW>(0);
        self.target_11.next = self.target_delay.y.val();
        self.issue_delay.x.next = self.issue.val().into();
        self.issue_13.next = self.issue_delay.y.val().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, Random};
    use crate::emit::emit;

    const CHIP: Geometry = Geometry::NANO;

    /// Whether it is an issue, its number, rows read, register written, whether it takes noise.
    type Wanted = (bool, u64, [u64; 3], u64, bool);

    /// Addresses of random instructions, issue by issue, and strobes in their cycles.
    #[test]
    fn addresses_step_and_signals_come_in_their_cycles() {
        let bench = Bench::new(&emit(&mut VectorControl::new(&CHIP), "control").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let mut expected: Vec<Wanted> = vec![];
        for _ in 0..3000 {
            let [vmem, a, bc, target] = [200, 32, 32, 32].map(|limit| random.below(limit));
            let [by_vmem, by_a, by_bc, by_target] = [2; 4].map(|limit| random.below(limit));
            let noise = random.below(2);
            for k in 0..1 + random.below(6) {
                let issue = random.below(4) != 0 || k == 0;
                stimulus.cycle().set("issue", issue.into()).set("first", (k == 0).into());
                stimulus.set("vmem_start", vmem).set("vmem_advance", by_vmem);
                stimulus.set("a", a).set("a_advance", by_a);
                stimulus.set("bc", bc).set("bc_advance", by_bc).set("target", target);
                stimulus.set("target_advance", by_target);
                stimulus.set("write", 1).set("c", if noise == 1 { C::Noise as u64 } else { 0 });
                let steps = if k == 0 {
                    0
                } else {
                    expected.last().map_or(0, |(_, steps, ..)| *steps) + u64::from(issue)
                };
                let rows = [vmem + steps * by_vmem, a + steps * by_a, bc + steps * by_bc];
                expected.push((issue, steps, rows, target + steps * by_target, noise == 1));
            }
        }
        let response = bench.run(stimulus.idle(13)).unwrap();
        for (t, (issue, _, rows, target, noise)) in expected.iter().enumerate() {
            let found = ["vmem_row", "row_a", "row_b"].map(|name| response.get(t + 1, name));
            assert_eq!(&found, rows, "cycle {t}");
            assert_eq!(response.get(t + 1, "take") == 1, *issue && *noise, "cycle {t}");
            assert_eq!(
                (response.get(t + 11, "write_11") == 1, response.get(t + 11, "target_11")),
                (*issue, *target)
            );
            assert_eq!(response.get(t + 13, "issue_13") == 1, *issue, "cycle {t}");
        }
    }
}
