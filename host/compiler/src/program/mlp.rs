//! The MLP between its normalised input and what it adds to the residual.

use super::*;
use lpu_model::Activation;

impl Writer<'_> {
    pub(super) fn mlp(&self, s: &mut Scheduler) {
        let Plan { matrices, vmem, rows, .. } = self.plan;
        let formats = self.formats;
        let entry = Entry::At(self.input_entry());
        let relu = self.plan.features.activation == Activation::Relu;
        let mut vectors = vec![self.squares()];
        if let Some(gate) = &matrices.gate {
            self.product(s, gate, entry, formats.gate.sum, vmem.gate, true);
            self.product(s, &matrices.up, entry, formats.up.sum, vmem.up, true);
            vectors.extend(self.gated());
        } else {
            let sum = if relu { formats.up.sum } else { formats.gate.sum };
            self.product(s, &matrices.up, entry, sum, vmem.up, true);
            vectors.extend(if relu { self.rectified() } else { self.activated() });
        }
        s.place_soonest(vectors);
        let mut entry = 0;
        for (part, matrix) in matrices.down.iter().enumerate() {
            let store = vmem.down + part * rows.x;
            self.product(s, matrix, Entry::At(entry), formats.down.sum, store, true);
            entry += matrix.pieces.len();
        }
    }

    /// The scale of `down`, and what the residual waits with.
    fn before_down(&self) -> Vec<Placed> {
        let Plan { constants, vmem, features, .. } = self.plan;
        let word = |row: usize| vmem.layers + row;
        // The next layer's constants follow, after the last layer's the final gain.
        let next_gain = word(constants.next_gain);
        let bias = features.down.then(|| word(constants.down_bias));
        let gain = (!features.parallel).then_some(next_gain);
        self.before_add(word(constants.down), bias, self.formats.down, gain)
    }

    /// The inner vector, row by row into the activation file.
    fn hidden(&self, vector: impl Fn(usize) -> Vector) -> Vec<Placed> {
        let pieces = self.plan.matrices.down.iter().flat_map(|part| &part.pieces);
        self.activate(0, pieces, self.plan.rows.hidden, vector)
    }

    /// `act(gate) * up`, the sums of up last: they come last.
    fn gated(&self) -> Vec<Placed> {
        let Plan { vmem, vreg, rows, .. } = self.plan;
        let formats = self.formats;
        let mut vectors = Vec::new();
        for first in (0..rows.hidden).step_by(rows.gates) {
            vectors.extend(self.weighted_gates(first, rows.gates.min(rows.hidden - first)));
        }
        vectors.extend(self.before_down());
        vectors.extend(self.padding(&self.plan.matrices.down[0], 0, rows.hidden));
        vectors
            .extend(self.hidden(|row| self.scaled(vmem.up + row, vreg.up_factor + row, formats.up.second)));
        vectors
    }

    /// Factors of the sums of up, some rows of them: those of their scales and of the norm times the gate times its sigmoid.
    fn weighted_gates(&self, first: usize, count: usize) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, features, .. } = self.plan;
        let formats = self.formats;
        let word = |row: usize| vmem.layers + row + first;
        let factor = vreg.up_factor + first;
        let mut vectors = vec![
            self.word_factors(word(constants.gate), formats.gate, vreg.gate_factor, count),
            self.word_factors(word(constants.up), formats.up, factor, count),
        ];
        let bias = features.gate.then(|| word(constants.gate_bias));
        vectors.extend(self.sigmoid(vmem.gate + first, bias, count));
        let all = Issues::burst(count);
        let gated = self.times(vreg.gate, formats.gate_shift, factor, formats.gate_up);
        let weighted = self.times(factor, 0, vreg.sigmoid, 17);
        // On chip one product is made while the sigmoid is. With external memory there is time, and the sigmoid's product leaves the other more bits.
        let products = if self.plan.external.is_some() { [weighted, gated] } else { [gated, weighted] };
        vectors.extend(products.map(|product| (self.written(product, factor), all)));
        vectors
    }

    /// `act(up)` for an activation that is its argument times a sigmoid.
    fn activated(&self) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, rows, features, .. } = self.plan;
        let formats = self.formats;
        let word = |row: usize| vmem.layers + row;
        let mut vectors =
            vec![self.word_factors(word(constants.up), formats.gate, vreg.gate_factor, rows.hidden)];
        let bias = features.up.then(|| word(constants.up_bias));
        vectors.extend(self.sigmoid(vmem.up, bias, rows.hidden));
        vectors.extend(self.before_down());
        vectors.extend(self.hidden(|row| {
            self.times(vreg.gate + row, formats.gate_shift, vreg.sigmoid + row, formats.activated)
        }));
        vectors
    }

    /// `max(up, 0)`.
    fn rectified(&self) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, rows, features, .. } = self.plan;
        let formats = self.formats;
        let word = |row: usize| vmem.layers + row;
        let mut vectors =
            vec![self.word_factors(word(constants.up), formats.up, vreg.up_factor, rows.hidden)];
        let c = if features.up { C::VregB } else { C::Zero };
        vectors.extend(features.up.then(|| self.copy(word(constants.up_bias), vreg.gate, rows.hidden)));
        vectors.extend(self.before_down());
        vectors.extend(self.hidden(|row| Vector {
            relu: true,
            c,
            bc: (vreg.gate + row) as u32,
            bc_advance: true,
            ..self.scaled(vmem.up + row, vreg.up_factor + row, formats.up.second)
        }));
        vectors
    }

    /// The gate from its sums, and the sigmoid that its activation multiplies it with.
    fn sigmoid(&self, sums: usize, bias: Option<usize>, count: usize) -> Vec<Placed> {
        let Plan { vreg, .. } = self.plan;
        let all = Issues::burst(count);
        let c = if bias.is_some() { C::VregB } else { C::Zero };
        let gate = Vector {
            c,
            bc: vreg.gate as u32,
            bc_advance: true,
            ..self.scaled(sums, vreg.gate_factor, self.formats.gate.second)
        };
        let mut vectors: Vec<Placed> =
            bias.map(|bias| self.copy(bias, vreg.gate, count)).into_iter().collect();
        vectors.push((self.written(gate, vreg.gate), all));
        let mut argument = vreg.gate;
        if self.plan.features.gelu() {
            vectors.extend(self.gelu_argument(count));
            argument = vreg.sigmoid;
        }
        let sigmoid = Vector {
            x: X::VregA,
            a: argument as u32,
            a_advance: true,
            function: Function::Sigmoid,
            ..Vector::default()
        };
        vectors.push((self.written(sigmoid, vreg.sigmoid), all));
        vectors
    }

    /// The polynomial whose sigmoid GELU takes, in the registers of the sigmoid.
    fn gelu_argument(&self, count: usize) -> Vec<Placed> {
        let Plan { vmem, vreg, .. } = self.plan;
        let Formats { gelu, gate_shift, .. } = *self.formats;
        let register = |a: usize| Vector { x: X::VregA, a: a as u32, a_advance: true, ..Vector::default() };
        let square = Vector {
            x_shift: gate_shift,
            b: B::X,
            c: C::Vmem,
            vmem: vmem.gelu as u32,
            shift: gelu.square,
            ..register(vreg.gate)
        };
        let slope =
            Vector { b: B::Vmem, vmem: (vmem.gelu + 1) as u32, shift: gelu.slope, ..register(vreg.sigmoid) };
        let argument = self.times(vreg.gate, gate_shift, vreg.sigmoid, gelu.argument);
        let all = Issues::burst(count);
        [square, slope, argument].map(|vector| (self.written(vector, vreg.sigmoid), all)).into()
    }

    /// Sums times a register.
    fn scaled(&self, sums: usize, factor: usize, shift: i32) -> Vector {
        Vector {
            vmem: sums as u32,
            vmem_advance: true,
            b: B::VregA,
            a: factor as u32,
            a_advance: true,
            shift,
            ..Vector::default()
        }
    }

    /// A register, shifted, times another.
    fn times(&self, a: usize, x_shift: u32, b: usize, shift: i32) -> Vector {
        Vector {
            x: X::VregA,
            x_shift,
            a: a as u32,
            a_advance: true,
            b: B::VregB,
            bc: b as u32,
            bc_advance: true,
            shift,
            ..Vector::default()
        }
    }
}
