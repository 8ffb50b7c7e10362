//! From a token to its residual, and from the residual to the next token.

use super::*;
use crate::formats::EmbeddingNorm;
use crate::vectors::TurnTables;
use lpu_isa::timing;

/// How rows of logits take part in the choice of a token.
struct Choice {
    /// Number of the first of them.
    first: usize,
    restart: bool,
    /// The vocabulary ends with the last of them.
    ends: bool,
    in_loop: bool,
}

impl Writer<'_> {
    pub(super) fn prologue(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, features, constants, matrices, .. } = self.plan;
        self.window_masks(s);
        self.gather(s, Index::Token, &self.plan.embedding, vmem.gathered);
        if let Some(positions) = &self.plan.positions {
            self.gather(s, Index::Position, positions, vmem.gathered_position);
        }
        let mut vectors =
            vec![self.pick(VmemIndex::TokenRow, Reduce::TokenLane, vmem.embedding, EMBEDDING_SCALE)];
        if features.positions {
            vectors.push(self.pick(
                VmemIndex::PositionRow,
                Reduce::PositionLane,
                vmem.positions,
                POSITION_SCALE,
            ));
            let position =
                self.gathered(vmem.gathered_position, POSITION_SCALE, self.formats.positions.shift);
            vectors.push((self.written(position, vreg.x), Issues::burst(rows.x)));
        }
        let c = if features.positions { C::VregB } else { C::Zero };
        let gathered = self.gathered(vmem.gathered, EMBEDDING_SCALE, self.formats.embedding.shift);
        let embed = Vector { c, bc: vreg.x as u32, bc_advance: true, ..gathered };
        vectors.push((self.written(embed, vreg.x), Issues::burst(rows.x)));
        if let Some(norm) = &self.formats.embedding_norm {
            vectors.extend(self.embedding_norm(norm));
        }
        vectors.extend(self.activate(self.input_entry(), &matrices.q.pieces, rows.x, |row| Vector {
            a: (vreg.x + row) as u32,
            b: B::Vmem,
            vmem: (vmem.layers + constants.attention_gain + row) as u32,
            vmem_advance: true,
            shift: self.formats.input_shift,
            ..self.residual()
        }));
        if features.o || features.down {
            vectors.push((self.written(self.copied(vmem.bias_unit), vreg.bias_unit), Issues::burst(1)));
        }
        vectors.extend((0..features.ways()).flat_map(|way| self.rotation(way)));
        s.place_soonest(vectors);
    }

    /// The codes of one row of a table, into vector memory.
    fn gather(&self, s: &mut Scheduler, index: Index, table: &MatrixPlan, store: usize) {
        let chunks = (table.width() / self.plan.geometry.vxm_lanes).ilog2();
        let gather = Gather { index, row: table.row as u32, chunks, store: store as u32 };
        s.place(gather, Issues::spaced(self.plan.rows.x, timing::GATHER_INTERVAL));
    }

    /// One lane of one row, as a scalar.
    fn pick(&self, index: VmemIndex, lane: Reduce, words: usize, reduction: usize) -> Placed {
        let pick = Vector {
            vmem_index: index,
            reduce: lane,
            reduction: self.reduction(reduction),
            ..self.copied(words)
        };
        (pick, Issues::burst(1))
    }

    /// Codes times their scale.
    fn gathered(&self, codes: usize, scale: usize, shift: i32) -> Vector {
        Vector {
            vmem: codes as u32,
            vmem_advance: true,
            b: B::Scalar,
            scalar: self.reduced(scale),
            shift,
            ..Vector::default()
        }
    }

    /// The embedding over its root mean square. The constant part of the factor joins while the squares are summed.
    fn embedding_norm(&self, format: &EmbeddingNorm) -> [Placed; 3] {
        let Plan { vmem, vreg, rows, .. } = self.plan;
        let register = Vector { a: vreg.x as u32, a_advance: true, x: X::VregA, ..Vector::default() };
        let squares = Vector { a: vreg.x as u32, ..self.squared(&format.norm) };
        let gained = Vector {
            x_shift: format.norm.shift,
            b: B::Vmem,
            vmem: vmem.embedding_gain as u32,
            shift: format.first,
            ..register
        };
        let normalised =
            Vector { b: B::Scalar, scalar: self.reduced(FACTOR), shift: format.second, ..register };
        [squares, self.written(gained, vreg.x), self.written(normalised, vreg.x)]
            .map(|vector| (vector, Issues::burst(rows.x)))
    }

    /// The angle is the sum of a multiple of the lanes and a rest:
    /// `cos(a + b) = cos a cos b - sin a sin b`, `sin(a + b) = sin a cos b + cos a sin b`, with sines signed by lane.
    pub(super) fn rotation(&self, way: usize) -> Vec<Placed> {
        let Plan { vmem, vreg, rows, geometry, blocks, .. } = self.plan;
        let TurnTables { cos_high, sin_high, cos_low, sin_low } = vmem.turns[way];
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
            for (table, target) in [(cos_low, low_cos), (sin_low, low_sin)] {
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
            push(turn(cos_high, low_cos), cos_product);
            push(turn(sin_high, low_cos), sin_product);
            // Exchanging the lanes of a signed sine negates it.
            push(add(cos_product, Vector { swap: true, ..turn(sin_high, low_sin) }), vreg.cos[way] + chunk);
            push(add(sin_product, turn(cos_high, low_sin)), vreg.sin[way] + chunk);
        }
        vectors
    }

    pub(super) fn epilogue(&self, s: &mut Scheduler) {
        let Plan { classifier, rows, vmem, .. } = self.plan;
        let entry = Entry::At(self.input_entry());
        self.product(s, classifier, entry, self.formats.classifier.sum, vmem.sums, false);
        if self.plan.features.final_norm {
            let (squares, all) = self.squares();
            s.place(squares, all);
        }
        self.all_logits(s, 0, rows.vocab, false);
    }

    /// Logits of `rows` rows and the choice among them; `first` is the number of the first row, in a loop that of its first trip. Outside of
    /// loops the choice begins anew, and the vocabulary ends with the last row.
    pub(super) fn all_logits(&self, s: &mut Scheduler, first: usize, rows: usize, in_loop: bool) {
        let mut row = 0;
        while row < rows {
            // The last row comes alone: the rows before it need not wait for it.
            let left = rows - row;
            let count = if left == 1 { 1 } else { self.plan.rows.chunk.min(left - 1) };
            let choice = Choice {
                first: first + row,
                restart: !in_loop && row == 0,
                ends: !in_loop && count == left,
                in_loop,
            };
            self.logits(s, row, count, choice);
            row += count;
        }
    }

    fn logits(&self, s: &mut Scheduler, row: usize, count: usize, choice: Choice) {
        let Plan { vmem, vreg, rows, geometry, features, vocab, .. } = self.plan;
        let factors = vreg.classifier + if (row / rows.chunk).is_multiple_of(2) { 0 } else { rows.chunk };
        let base = match features.final_norm {
            true => self.normalising(self.formats.classifier),
            false => self.copied(0),
        };
        let factor = Vector { vmem: (vmem.classifier + row) as u32, vmem_advance: true, ..base };
        s.place(self.written(factor, factors), Issues::burst(count));
        // Biases lie behind the factors of both chunks.
        let biases = factors + 2 * rows.chunk;
        if features.logits {
            let bias = Vector { vmem_advance: true, ..self.copied(vmem.logits_bias + row) };
            s.place(self.written(bias, biases), Issues::burst(count));
        }
        let logits = Vector {
            vmem: (vmem.sums + row) as u32,
            vmem_advance: true,
            b: B::VregA,
            a: factors as u32,
            a_advance: true,
            c: if features.logits { C::VregB } else { C::Zero },
            bc: biases as u32,
            bc_advance: true,
            shift: self.formats.classifier.second,
            destination: Destination::Vmem,
            row: (vmem.logits + row) as u32,
            row_step: 1,
            ..Vector::default()
        };
        s.place(self.written(logits, factors), Issues::burst(count));
        // From registers, which show the logits before vector memory does.
        let choose = Vector {
            x: X::VregA,
            a: factors as u32,
            a_advance: true,
            b: B::Scalar,
            scalar: 2 * geometry.scalars as u32 + 1,
            c: C::Noise,
            destination: Destination::Argmax,
            row: choice.first as u32,
            row_step: 1,
            row_offset: choice.in_loop,
            restart: choice.restart,
            tail: if choice.ends { (vocab % geometry.vxm_lanes) as u32 } else { 0 },
            ..Vector::default()
        };
        s.place(choose, Issues::burst(count));
    }
}
