//! The MLP between its normalised input and what it adds to the residual.

use super::*;

impl Writer<'_> {
    pub(super) fn mlp(&self, s: &mut Scheduler, input: &Activation) {
        let Plan { matrices, constants, vmem, vreg, rows, .. } = self.plan;
        let formats = self.formats;
        let gate = matrices.gate.as_ref().expect("gated models only");
        let word = |row: usize| vmem.layers + row;
        self.product(s, gate, input.entry, formats.gate.sum, vmem.gate, true);
        self.product(s, &matrices.up, input.entry, formats.up.sum, vmem.up, true);
        self.word_factors(s, word(constants.gate), formats.gate, vreg.gate_factor, rows.hidden);
        self.word_factors(s, word(constants.up), formats.up, vreg.up_factor, rows.hidden);
        self.copy(s, word(constants.down), vreg.delta, rows.x);
        let all = Issues::burst(rows.hidden);
        let gated = Vector {
            vmem: vmem.gate as u32,
            vmem_advance: true,
            b: B::VregA,
            a: vreg.gate_factor as u32,
            a_advance: true,
            shift: formats.gate.second,
            ..Vector::default()
        };
        s.place(self.written(gated, vreg.gate), all);
        let sigmoid = Vector {
            x: X::VregA,
            a: vreg.gate as u32,
            a_advance: true,
            function: Function::Sigmoid,
            ..Vector::default()
        };
        s.place(self.written(sigmoid, vreg.sigmoid), all);
        let times = |a: usize, x_shift: u32, b: usize, shift: i32| Vector {
            x: X::VregA,
            x_shift,
            a: a as u32,
            a_advance: true,
            b: B::VregB,
            bc: b as u32,
            bc_advance: true,
            shift,
            ..Vector::default()
        };
        s.place(
            self.written(
                times(vreg.gate, formats.gate_shift, vreg.up_factor, formats.gate_up),
                vreg.up_factor,
            ),
            all,
        );
        s.place(self.written(times(vreg.up_factor, 0, vreg.sigmoid, 17), vreg.up_factor), all);
        let hidden = Activation { entry: 0, pieces: &matrices.down.pieces };
        self.activate(s, &hidden, rows.hidden, |row| Vector {
            vmem: (vmem.up + row) as u32,
            vmem_advance: true,
            b: B::VregA,
            a: (vreg.up_factor + row) as u32,
            a_advance: true,
            shift: formats.up.second,
            ..Vector::default()
        });
        self.product(s, &matrices.down, hidden.entry, formats.down.0, vmem.down, true);
    }
}
