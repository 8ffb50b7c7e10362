//! Pass 5a: the program of one token, in the order in which results are needed. When each instruction runs is the scheduler's
//! business; what it means is written here.
//!
//! ```text
//!  prologue   embedding row ─► x; cosines and sines of the position
//!  per layer  x ─► k, q, v ─► keys and values into KV memory ─► scores ─► exp ─► mix ─► o ─► x
//!             x ─► gate, up ─► silu(gate) * up ─► down ─► x
//!  epilogue   x ─► logits ─► choice
//! ```

mod attention;
mod external;
mod mlp;
mod tokens;
mod turns;
mod window;

use super::error::CompileError;
use super::formats::{
    Added, Formats, HeadNorm, MIX_FRACTION_BITS, MIX_SHIFT, NormFormat, PROBABILITY_BITS, Scaled,
};
use super::plan::{MatrixPlan, Plan};
use super::schedule::{Issues, Placed, Scheduler};
pub use external::EMBEDDING_SHIFT;
use external::Streamed;
use lpu_isa::instruction::{
    Affine, B, C, Clear, Destination, Dot, Emit, EndLoop, Function, Gather, Index, Instruction, Memory,
    Queue, Reduce, Scaling, Vector, VmemIndex, X,
};

/// Reduction scalars: normalisation factor, embedding scale. Heads' sums count from 0.
const FACTOR: usize = 1;
const EMBEDDING_SCALE: usize = 2;
const POSITION_SCALE: usize = 3;

/// Writes and schedules the program: the instructions of each queue.
pub fn program(plan: &Plan, formats: &Formats) -> Result<[Vec<Instruction>; Queue::ALL.len()], CompileError> {
    let writer = Writer { plan, formats };
    let mut scheduler = Scheduler::new(plan.geometry, plan.blocks);
    if let Some(external) = &plan.external {
        writer.external_program(&mut scheduler, external)?;
        return Ok(scheduler.finish());
    }
    writer.prologue(&mut scheduler);
    let matrix_steps = EndLoop { first_step: plan.matrices.rows as i32, second_step: plan.kv_rows as i32 };
    let vector_steps = EndLoop { first_step: plan.constants.rows as i32, second_step: plan.kv_rows as i32 };
    let steps = [matrix_steps, vector_steps, EndLoop::default()];
    let settled = scheduler.repeat(plan.layers, steps, |scheduler| writer.layer(scheduler));
    if !settled {
        return Err(CompileError::Unsettled);
    }
    writer.epilogue(&mut scheduler);
    Ok(scheduler.finish())
}

/// Where a matrix finds its input in the activation file.
#[derive(Clone, Copy, PartialEq)]
enum Entry {
    /// In this entry; further pieces in the entries after it.
    At(usize),
    /// In the entry after the last one used: a single piece.
    Next,
}

struct Writer<'a> {
    plan: &'a Plan,
    formats: &'a Formats,
}

impl Writer<'_> {
    /// The layer's input is in the activation file when it begins, and the next layer's when it ends.
    fn layer(&self, s: &mut Scheduler) {
        let Plan { matrices, vmem, features, .. } = self.plan;
        if features.parallel {
            // Both read the same input: the MLP comes first and leaves it where it is.
            self.mlp(s);
            self.add_inner(s, matrices.down.len(), vmem.down, self.formats.down);
        }
        let entry = Entry::At(self.input_entry());
        for (matrix, scaled, store) in [
            (&matrices.k, self.formats.k, vmem.k),
            (&matrices.q, self.formats.q, vmem.q),
            (&matrices.v, self.formats.v, vmem.v),
        ] {
            self.product(s, matrix, entry, scaled.sum, store, true);
        }
        // After an MLP of the same input the factor is known.
        let mut vectors: Vec<Placed> = (!features.parallel).then(|| self.squares()).into_iter().collect();
        vectors.extend(self.attention_factors());
        vectors.extend(self.keys_and_queries());
        vectors.extend(self.values());
        s.place_soonest(vectors);
        self.layer_masks(s);
        self.attention(s);
        self.add(s, matrices.o.len(), vmem.o, self.formats.o);
        if !features.parallel {
            self.mlp(s);
            self.add(s, matrices.down.len(), vmem.down, self.formats.down);
        }
    }

    /// The normalisation factor of the residual, which joins the results of the matrices that read it.
    fn squares(&self) -> Placed {
        let squares = match self.plan.external {
            None => Vector { a: self.plan.vreg.x as u32, ..self.squared(&self.formats.norm) },
            // The operand that the layer has made of it.
            Some(_) => {
                Vector { a: self.plan.vreg.input as u32, x_shift: 0, ..self.squared(&self.formats.norm) }
            }
        };
        (squares, Issues::burst(self.plan.rows.x))
    }

    /// Rows squared and summed, from a register on that is still to be named, to the factor that normalises them.
    fn squared(&self, norm: &NormFormat) -> Vector {
        Vector {
            x: X::VregA,
            x_shift: norm.shift,
            a_advance: true,
            b: B::X,
            shift: norm.square,
            reduce: Reduce::All,
            scaling: Scaling::ReciprocalSqrt,
            reduction: self.reduction(FACTOR),
            bias: norm.bias,
            ..Vector::default()
        }
    }

    /// The residual as an operand.
    fn residual(&self) -> Vector {
        Vector { x: X::VregA, x_shift: self.formats.norm.shift, a_advance: true, ..Vector::default() }
    }

    /// Writes rows of results to the activation file, piece by piece from `entry` on. `vector` makes the operation of the first row of a
    /// piece; its addresses advance.
    fn activate<'p>(
        &self,
        entry: usize,
        pieces: impl IntoIterator<Item = &'p usize>,
        rows: usize,
        vector: impl Fn(usize) -> Vector,
    ) -> Vec<Placed> {
        let lanes = self.plan.geometry.vxm_lanes;
        let mut row = 0;
        let mut vectors = Vec::new();
        for (piece, width) in pieces.into_iter().enumerate() {
            let count = (width / lanes).min(rows - row);
            let part = Vector {
                destination: Destination::Act,
                entry: (entry + piece) as u32,
                length: 1,
                period: (2 * width / lanes).ilog2(),
                start_step: 2,
                ..vector(row)
            };
            if count > 0 {
                vectors.push((part, Issues::burst(count)));
            }
            row += count;
        }
        vectors
    }

    /// All results of a matrix, stored as vector rows from `store` on.
    fn product(
        &self,
        s: &mut Scheduler,
        matrix: &MatrixPlan,
        entry: Entry,
        shift: u32,
        store: usize,
        in_layer: bool,
    ) {
        let geometry = &self.plan.geometry;
        if let (Some(external), Some(stored)) = (&self.plan.external, &matrix.stored) {
            let entry = if let Entry::At(entry) = entry { entry } else { external.mixed };
            let place = Streamed { record: external.layers, in_loop: in_layer, entry, store };
            return self.streamed(s, matrix, stored, place, shift);
        }
        let beat = |row: usize, row_step: usize, piece: usize| Dot {
            memory: Memory::Weights,
            offset: in_layer,
            row: (matrix.row + row) as u32,
            row_step: row_step as i32,
            entry: if let Entry::At(entry) = entry { (entry + piece) as u32 } else { 0 },
            entry_continue: entry == Entry::Next,
            tap: matrix.pieces[piece].ilog2(),
            lane_advance: true,
            shift,
            ..Dot::default()
        };
        if matrix.pieces.len() == 1 {
            let dot =
                Dot { clear: Clear::Always, emit: Emit::WrapOrLast, store: store as u32, ..beat(0, 1, 0) };
            s.place(dot, Issues::burst(matrix.rows));
            return;
        }
        for group in 0..matrix.groups(geometry) {
            for piece in 0..matrix.pieces.len() {
                let last = piece + 1 == matrix.pieces.len();
                let (row, row_step) = matrix.beat_rows(geometry, group, piece);
                let dot = Dot {
                    clear: if piece == 0 { Clear::Always } else { Clear::Never },
                    emit: if last { Emit::Last } else { Emit::Never },
                    store: (store + group) as u32,
                    ..beat(row, row_step, piece)
                };
                s.place(dot, Issues::burst(matrix.beats(geometry, group, piece)));
            }
        }
    }

    fn word_factors(&self, words: usize, scaled: Scaled, target: usize, count: usize) -> Placed {
        let factor =
            Vector { vmem: words as u32, vmem_offset: true, vmem_advance: true, ..self.normalising(scaled) };
        (self.written(factor, target), Issues::burst(count))
    }

    /// What the additions of [`Writer::add`] need of the residual and its scale words before the first sums arrive. Without a gain no
    /// matrix reads their result, as [`Writer::add_inner`] has it.
    fn before_add(
        &self,
        words: usize,
        bias: Option<usize>,
        added: Added,
        gain: Option<usize>,
    ) -> Vec<Placed> {
        let Plan { vreg, rows, .. } = self.plan;
        if self.plan.external.is_some() {
            return vec![self.copy(words, vreg.delta, rows.x)];
        }
        let gained = |vector: Vector, target: usize, gain: usize| {
            let gained = Vector {
                x: X::VregA,
                a_advance: true,
                b: B::Vmem,
                vmem: gain as u32,
                vmem_offset: true,
                vmem_advance: true,
                ..vector
            };
            (self.written(gained, target), Issues::burst(rows.x))
        };
        let scale = Vector { a: vreg.delta as u32, shift: added.gain, ..Vector::default() };
        let residual = Vector { a: vreg.x as u32, shift: self.formats.input_shift, ..self.residual() };
        let biased = |words: usize| {
            let biased = Vector {
                vmem: words as u32,
                vmem_offset: true,
                vmem_advance: true,
                b: B::VregA,
                a: vreg.bias_unit as u32,
                c: C::VregB,
                bc: vreg.x as u32,
                bc_advance: true,
                ..Vector::default()
            };
            (self.written(biased, vreg.x), Issues::burst(rows.x))
        };
        let scales = [self.copy(words, vreg.delta, rows.x)];
        let inputs =
            gain.map(|gain| [gained(residual, vreg.input, gain), gained(scale, vreg.delta_input, gain)]);
        bias.map(biased).into_iter().chain(scales).chain(inputs.into_iter().flatten()).collect()
    }

    /// Adds the results of a matrix's parts to the residual, and at the same time to the input of the matrices that read it next: that
    /// input need not wait for the residual.
    fn add(&self, s: &mut Scheduler, parts: usize, sums: usize, added: Added) {
        let Plan { vreg, rows, matrices, .. } = self.plan;
        let all = Issues::burst(rows.x);
        for part in 0..parts {
            let sums = sums + part * rows.x;
            let input =
                |row: usize| self.adding(sums + row, vreg.delta_input + row, vreg.input + row, added.input);
            let mut vectors = if part + 1 == parts {
                self.activate(self.input_entry(), &matrices.q.pieces, rows.x, input)
            } else {
                vec![(self.written(input(0), vreg.input), all)]
            };
            let residual = self.adding(sums, vreg.delta, vreg.x, added.residual);
            vectors.push((self.written(residual, vreg.x), all));
            for (vector, issues) in vectors {
                s.place(vector, issues);
            }
        }
    }

    /// Adds the results of a matrix's parts to the residual alone.
    fn add_inner(&self, s: &mut Scheduler, parts: usize, sums: usize, added: Added) {
        let Plan { vreg, rows, .. } = self.plan;
        for part in 0..parts {
            let residual = self.adding(sums + part * rows.x, vreg.delta, vreg.x, added.residual);
            s.place(self.written(residual, vreg.x), Issues::burst(rows.x));
        }
    }

    /// Sums times scales, plus registers.
    fn adding(&self, sums: usize, scale: usize, base: usize, shift: i32) -> Vector {
        Vector {
            vmem: sums as u32,
            vmem_advance: true,
            b: B::VregA,
            a: scale as u32,
            a_advance: true,
            c: C::VregB,
            bc: base as u32,
            bc_advance: true,
            shift,
            ..Vector::default()
        }
    }

    /// Constant rows as they are, into registers.
    fn copy(&self, from: usize, to: usize, count: usize) -> Placed {
        let copy = Vector { vmem_offset: true, vmem_advance: true, ..self.copied(from) };
        (self.written(copy, to), Issues::burst(count))
    }

    /// A row of vector memory times one.
    fn copied(&self, row: usize) -> Vector {
        let one = 2 * self.plan.geometry.scalars as u32;
        Vector { vmem: row as u32, b: B::Scalar, scalar: one, ..Vector::default() }
    }

    /// Times the normalisation factor.
    fn normalising(&self, scaled: Scaled) -> Vector {
        Vector { b: B::Scalar, scalar: self.reduced(FACTOR), shift: scaled.first, ..Vector::default() }
    }

    fn written(&self, vector: Vector, target: usize) -> Vector {
        Vector { write: true, target: target as u32, target_advance: true, ..vector }
    }

    /// Reductions that are not a head's count from the end.
    fn reduction(&self, which: usize) -> u32 {
        (self.plan.geometry.scalars - which) as u32
    }

    fn reduced(&self, which: usize) -> u32 {
        self.plan.geometry.scalars as u32 + self.reduction(which)
    }

    fn head_reduction(&self, head: usize) -> u32 {
        head as u32
    }

    /// The last activation entries hold the inputs of matrices.
    fn input_entry(&self) -> usize {
        self.plan.geometry.act_entries - self.plan.matrices.q.pieces.len()
    }
}
