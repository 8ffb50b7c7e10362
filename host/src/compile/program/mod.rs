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
mod mlp;
mod tokens;

use super::error::CompileError;
use super::formats::{Formats, MIX_FRACTION_BITS, MIX_SHIFT, PROBABILITY_BITS, Scaled};
use super::plan::{MatrixPlan, Plan};
use super::schedule::{Issues, Scheduler};
use lpu_isa::instruction::{
    B, C, Clear, Destination, Dot, Emit, EndLoop, Function, Gather, Index, Instruction, Memory, Reduce,
    Scaling, Vector, VmemIndex, X,
};

/// Reduction scalars: normalisation factor, embedding scale. Heads' sums count from 0.
const FACTOR: usize = 1;
const EMBEDDING_SCALE: usize = 2;
/// Cycles from a probability's issue to the beat that may read it.
const MIX_LEAD_CYCLES: i64 = lpu_isa::timing::ACT_EFFECT - lpu_isa::timing::ACT_SAMPLE;

/// Both queues' instructions.
pub struct Program {
    pub matrix: Vec<Instruction>,
    pub vector: Vec<Instruction>,
}

/// Writes and schedules the program.
pub fn program(plan: &Plan, formats: &Formats) -> Result<Program, CompileError> {
    let writer = Writer { plan, formats };
    let mut scheduler = Scheduler::new(plan.geometry, plan.blocks);
    writer.prologue(&mut scheduler);
    let matrix_steps = EndLoop { first_step: plan.matrices.rows as i32, second_step: plan.kv_rows as i32 };
    let vector_steps = EndLoop { first_step: plan.constants.rows as i32, second_step: plan.kv_rows as i32 };
    let settled =
        scheduler.repeat(plan.layers, matrix_steps, vector_steps, |scheduler| writer.layer(scheduler));
    if !settled {
        return Err(CompileError::Unsettled);
    }
    writer.epilogue(&mut scheduler);
    let (matrix, vector) = scheduler.finish();
    Ok(Program { matrix, vector })
}

struct Writer<'a> {
    plan: &'a Plan,
    formats: &'a Formats,
}

/// A vector in the activation file: first entry and the width of each piece.
struct Activation<'a> {
    entry: usize,
    pieces: &'a [usize],
}

impl Writer<'_> {
    fn layer(&self, s: &mut Scheduler) {
        let Plan { matrices, constants, vmem, .. } = self.plan;
        let input = Activation { entry: self.input_entry(), pieces: &matrices.q.pieces };
        self.normalised_input(s, vmem.layers + constants.attention_gain, true, &input);
        for (matrix, scaled, store) in [
            (&matrices.k, self.formats.k, vmem.k),
            (&matrices.q, self.formats.q, vmem.q),
            (&matrices.v, self.formats.v, vmem.v),
        ] {
            self.product(s, matrix, input.entry, scaled.sum, store, true);
        }
        self.attention_factors(s);
        self.keys(s);
        self.queries(s);
        self.values(s);
        self.attention(s);
        let mix = Activation { entry: self.input_entry(), pieces: &matrices.o.pieces };
        self.product(s, &matrices.o, mix.entry, self.formats.o.0, vmem.o, true);
        self.add_to_residual(s, vmem.o, self.formats.o.1);
        let input = Activation { entry: self.input_entry(), pieces: &matrices.up.pieces };
        self.normalised_input(s, vmem.layers + constants.mlp_gain, true, &input);
        self.mlp(s, &input);
        self.add_to_residual(s, vmem.down, self.formats.down.1);
    }

    /// Activations of the residual times the gain, and the normalisation factor, which joins the results later.
    fn normalised_input(&self, s: &mut Scheduler, gain: usize, in_layer: bool, target: &Activation) {
        let Plan { vreg, rows, .. } = self.plan;
        let residual = Vector {
            x: X::VregA,
            x_shift: self.formats.residual_shift,
            a_advance: true,
            ..Vector::default()
        };
        let scaled = Vector {
            b: B::Vmem,
            vmem_offset: in_layer,
            vmem_advance: true,
            shift: self.formats.input_shift,
            ..residual
        };
        self.activate(s, target, rows.x, |row| Vector {
            a: (vreg.x + row) as u32,
            vmem: (gain + row) as u32,
            ..scaled
        });
        let squares = Vector {
            a: vreg.x as u32,
            b: B::X,
            shift: self.formats.square_shift,
            reduce: Reduce::All,
            scaling: Scaling::ReciprocalSqrt,
            reduction: self.reduction(FACTOR),
            bias: self.formats.square_bias,
            ..residual
        };
        s.place(squares, Issues::burst(rows.x));
    }

    /// Writes `rows` rows of results to the activation file, piece by piece. `vector` makes the operation of the first row of a piece;
    /// its addresses advance.
    fn activate(
        &self,
        s: &mut Scheduler,
        target: &Activation,
        rows: usize,
        vector: impl Fn(usize) -> Vector,
    ) {
        let lanes = self.plan.geometry.vxm_lanes;
        let mut row = 0;
        for (piece, width) in target.pieces.iter().enumerate() {
            let count = (width / lanes).min(rows - row);
            let part = Vector {
                destination: Destination::Act,
                entry: (target.entry + piece) as u32,
                length: 1,
                period: (2 * width / lanes).ilog2(),
                start_step: 2,
                ..vector(row)
            };
            if count > 0 {
                s.place(part, Issues::burst(count));
            }
            row += count;
        }
    }

    /// All results of a matrix, stored as vector rows from `store` on.
    fn product(
        &self,
        s: &mut Scheduler,
        matrix: &MatrixPlan,
        entry: usize,
        shift: u32,
        store: usize,
        in_layer: bool,
    ) {
        let geometry = &self.plan.geometry;
        let beat = |row: usize, piece: usize| Dot {
            memory: Memory::Weights,
            offset: in_layer,
            row: row as u32,
            row_step: 1,
            entry: (entry + piece) as u32,
            tap: matrix.pieces[piece].ilog2(),
            lane_advance: true,
            shift,
            ..Dot::default()
        };
        if matrix.pieces.len() == 1 {
            let dot = Dot {
                clear: Clear::Always,
                emit: Emit::WrapOrLast,
                store: store as u32,
                ..beat(matrix.row, 0)
            };
            s.place(dot, Issues::burst(matrix.rows));
            return;
        }
        for group in 0..matrix.groups(geometry) {
            let mut row = matrix.row + matrix.group_row(geometry, group);
            for piece in 0..matrix.pieces.len() {
                let last = piece + 1 == matrix.pieces.len();
                let dot = Dot {
                    clear: if piece == 0 { Clear::Always } else { Clear::Never },
                    emit: if last { Emit::Last } else { Emit::Never },
                    store: (store + group) as u32,
                    ..beat(row, piece)
                };
                let beats = matrix.beats(geometry, group, piece);
                s.place(dot, Issues::burst(beats));
                row += beats;
            }
        }
    }

    fn word_factors(&self, s: &mut Scheduler, words: usize, scaled: Scaled, target: usize, count: usize) {
        let factor =
            Vector { vmem: words as u32, vmem_offset: true, vmem_advance: true, ..self.normalising(scaled) };
        s.place(self.written(factor, target), Issues::burst(count));
    }

    fn add_to_residual(&self, s: &mut Scheduler, sums: usize, shift: i32) {
        let Plan { vreg, rows, .. } = self.plan;
        // The last row comes alone: the rows before it need not wait for it.
        for (row, count) in [(0, rows.x - 1), (rows.x - 1, 1)] {
            let add = Vector {
                vmem: (sums + row) as u32,
                vmem_advance: true,
                b: B::VregA,
                a: (vreg.delta + row) as u32,
                a_advance: true,
                c: C::VregB,
                bc: (vreg.x + row) as u32,
                bc_advance: true,
                shift,
                ..Vector::default()
            };
            if count > 0 {
                s.place(self.written(add, vreg.x + row), Issues::burst(count));
            }
        }
    }

    /// Constant rows as they are, into registers.
    fn copy(&self, s: &mut Scheduler, from: usize, to: usize, count: usize) {
        let copy = Vector { vmem_offset: true, vmem_advance: true, ..self.copied(from) };
        s.place(self.written(copy, to), Issues::burst(count));
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
        let pieces = self.plan.matrices.q.pieces.len().max(self.plan.matrices.o.pieces.len());
        self.plan.geometry.act_entries - pieces
    }
}
