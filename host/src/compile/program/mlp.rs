//! The MLP between its normalised input and what it adds to the residual.

use super::*;

impl Writer<'_> {
    pub(super) fn mlp(&self, s: &mut Scheduler) {
        let Plan { matrices, constants, vmem, vreg, rows, .. } = self.plan;
        let formats = self.formats;
        let gate = matrices.gate.as_ref().expect("gated models only");
        let word = |row: usize| vmem.layers + row;
        self.product(s, gate, Entry::At(self.input_entry()), formats.gate.sum, vmem.gate, true);
        self.product(s, &matrices.up, Entry::At(self.input_entry()), formats.up.sum, vmem.up, true);
        let mut vectors = vec![
            self.squares(),
            self.word_factors(word(constants.gate), formats.gate, vreg.gate_factor, rows.hidden),
            self.word_factors(word(constants.up), formats.up, vreg.up_factor, rows.hidden),
        ];
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
        vectors.push((self.written(gated, vreg.gate), all));
        let sigmoid = Vector {
            x: X::VregA,
            a: vreg.gate as u32,
            a_advance: true,
            function: Function::Sigmoid,
            ..Vector::default()
        };
        vectors.push((self.written(sigmoid, vreg.sigmoid), all));
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
        let gated = times(vreg.gate, formats.gate_shift, vreg.up_factor, formats.gate_up);
        vectors.push((self.written(gated, vreg.up_factor), all));
        let weighted = times(vreg.up_factor, 0, vreg.sigmoid, 17);
        vectors.push((self.written(weighted, vreg.up_factor), all));
        // The next layer's constants follow, after the last layer's the final gain.
        let next_gain = word(constants.rows + constants.attention_gain);
        vectors.extend(self.before_add(word(constants.down), formats.down, next_gain));
        let pieces = || matrices.down.iter().flat_map(|part| &part.pieces);
        vectors.extend(self.activate(0, pieces(), rows.hidden, |row| Vector {
            vmem: (vmem.up + row) as u32,
            vmem_advance: true,
            b: B::VregA,
            a: (vreg.up_factor + row) as u32,
            a_advance: true,
            shift: formats.up.second,
            ..Vector::default()
        }));
        s.place_soonest(vectors);
        let mut entry = 0;
        for (part, matrix) in matrices.down.iter().enumerate() {
            let store = vmem.down + part * rows.x;
            self.product(s, matrix, Entry::At(entry), formats.down.sum, store, true);
            entry += matrix.pieces.len();
        }
    }
}
