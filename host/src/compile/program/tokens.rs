//! From a token to its residual, and from the residual to the next token.

use super::*;

impl Writer<'_> {
    pub(super) fn prologue(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, geometry, constants, matrices, .. } = self.plan;
        let chunks = (self.plan.embedding.width() / geometry.vxm_lanes).ilog2();
        let gather = Gather {
            index: Index::Token,
            row: self.plan.embedding.row as u32,
            chunks,
            store: vmem.gathered as u32,
        };
        s.place(gather, Issues::burst(rows.x));
        let pick = Vector {
            vmem_index: VmemIndex::TokenRow,
            reduce: Reduce::TokenLane,
            reduction: self.reduction(EMBEDDING_SCALE),
            ..self.copied(vmem.embedding)
        };
        let mut vectors = vec![(pick, Issues::burst(1))];
        let embed = Vector {
            vmem: vmem.gathered as u32,
            vmem_advance: true,
            b: B::Scalar,
            scalar: self.reduced(EMBEDDING_SCALE),
            shift: self.formats.embedding_shift,
            ..Vector::default()
        };
        vectors.push((self.written(embed, vreg.x), Issues::burst(rows.x)));
        vectors.extend(self.activate(self.input_entry(), &matrices.q.pieces, rows.x, |row| Vector {
            a: (vreg.x + row) as u32,
            b: B::Vmem,
            vmem: (vmem.layers + constants.attention_gain + row) as u32,
            vmem_advance: true,
            shift: self.formats.input_shift,
            ..self.residual()
        }));
        if vmem.cos_high != vmem.cos_low {
            vectors.extend(self.rotation());
        }
        s.place_soonest(vectors);
    }

    /// The angle is the sum of a multiple of the lanes and a rest:
    /// `cos(a + b) = cos a cos b - sin a sin b`, `sin(a + b) = sin a cos b + cos a sin b`, with sines signed by lane.
    fn rotation(&self) -> Vec<Placed> {
        let Plan { vmem, vreg, rows, geometry, blocks, .. } = self.plan;
        // Registers that attention uses later hold the rest's cosine and sine and two products.
        let registers = [vreg.q_cos, vreg.q_sin, vreg.k_cos, vreg.k_sin];
        let mut vectors = Vec::new();
        let mut push = |vector: Vector, target: usize| {
            vectors.push((self.written(vector, target), Issues::burst(1)));
        };
        for chunk in 0..rows.head {
            let [low_cos, low_sin, cos_product, sin_product] = registers.map(|register| register + chunk);
            let low = |table: usize| table + chunk * geometry.vxm_lanes;
            let high = |table: usize| table + chunk * blocks;
            for (table, target) in [(vmem.cos_low, low_cos), (vmem.sin_low, low_sin)] {
                let load = Vector { vmem_index: VmemIndex::PositionLane, ..self.copied(low(table)) };
                push(load, target);
            }
            let turn = |table: usize, factor: usize| Vector {
                vmem: high(table) as u32,
                vmem_index: VmemIndex::PositionRow,
                b: B::VregA,
                a: factor as u32,
                shift: 16,
                ..Vector::default()
            };
            let add = |product: usize, vector: Vector| Vector { c: C::VregB, bc: product as u32, ..vector };
            push(turn(vmem.cos_high, low_cos), cos_product);
            push(turn(vmem.sin_high, low_cos), sin_product);
            // Exchanging the lanes of a signed sine negates it.
            push(add(cos_product, Vector { swap: true, ..turn(vmem.sin_high, low_sin) }), vreg.cos + chunk);
            push(add(sin_product, turn(vmem.cos_high, low_sin)), vreg.sin + chunk);
        }
        vectors
    }

    pub(super) fn epilogue(&self, s: &mut Scheduler) {
        let Plan { classifier, rows, vmem, .. } = self.plan;
        let entry = Entry::At(self.input_entry());
        self.product(s, classifier, entry, self.formats.classifier.sum, vmem.sums, false);
        let (squares, all) = self.squares();
        s.place(squares, all);
        let mut row = 0;
        while row < rows.vocab {
            // The last row comes alone: the rows before it need not wait for it.
            let left = rows.vocab - row;
            let count = if left == 1 { 1 } else { rows.chunk.min(left - 1) };
            self.logits(s, row, count);
            row += count;
        }
    }

    pub(super) fn logits(&self, s: &mut Scheduler, row: usize, count: usize) {
        let Plan { vmem, vreg, rows, geometry, .. } = self.plan;
        let factors = vreg.classifier + if (row / rows.chunk).is_multiple_of(2) { 0 } else { rows.chunk };
        let factor = Vector {
            vmem: (vmem.classifier + row) as u32,
            vmem_advance: true,
            ..self.normalising(self.formats.classifier)
        };
        s.place(self.written(factor, factors), Issues::burst(count));
        let logits = Vector {
            vmem: (vmem.sums + row) as u32,
            vmem_advance: true,
            b: B::VregA,
            a: factors as u32,
            a_advance: true,
            shift: self.formats.classifier.second,
            destination: Destination::Vmem,
            row: (vmem.logits + row) as u32,
            row_step: 1,
            ..Vector::default()
        };
        s.place(self.written(logits, factors), Issues::burst(count));
        let last = row + count == rows.vocab;
        // From registers, which show the logits before vector memory does.
        let choose = Vector {
            x: X::VregA,
            a: factors as u32,
            a_advance: true,
            b: B::Scalar,
            scalar: 2 * geometry.scalars as u32 + 1,
            c: C::Noise,
            destination: Destination::Argmax,
            row: row as u32,
            row_step: 1,
            restart: row == 0,
            tail: if last { (self.plan.embedding.outputs % geometry.vxm_lanes) as u32 } else { 0 },
            ..Vector::default()
        };
        s.place(choose, Issues::burst(count));
    }
}
