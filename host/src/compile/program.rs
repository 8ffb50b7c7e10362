//! Pass 5a: the program of one token, in the order in which results are needed. When each instruction runs is the scheduler's
//! business; what it means is written here.
//!
//! ```text
//!  prologue   embedding row ─► x; cosines and sines of the position
//!  per layer  x ─► k, q, v ─► keys and values into KV memory ─► scores ─► exp ─► mix ─► o ─► x
//!             x ─► gate, up ─► silu(gate) * up ─► down ─► x
//!  epilogue   x ─► logits ─► choice
//! ```

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
    fn prologue(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, geometry, .. } = self.plan;
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
        s.place(pick, Issues::burst(1));
        if vmem.cos_high != vmem.cos_low {
            self.rotation(s);
        }
        let embed = Vector {
            vmem: vmem.gathered as u32,
            vmem_advance: true,
            b: B::Scalar,
            scalar: self.reduced(EMBEDDING_SCALE),
            shift: self.formats.embedding_shift,
            write: true,
            target: vreg.x as u32,
            target_advance: true,
            ..Vector::default()
        };
        s.place(embed, Issues::burst(rows.x));
    }

    /// The angle is the sum of a multiple of the lanes and a rest:
    /// `cos(a + b) = cos a cos b - sin a sin b`, `sin(a + b) = sin a cos b + cos a sin b`, with sines signed by lane.
    fn rotation(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, geometry, blocks, .. } = self.plan;
        // Registers that attention uses later hold the rest's cosine, sine and one product.
        let [low_cos, low_sin, product] = [vreg.q_cos, vreg.q_sin, vreg.q_turning];
        for chunk in 0..rows.head {
            let low = |table: usize| table + chunk * geometry.vxm_lanes;
            let high = |table: usize| table + chunk * blocks;
            for (table, target) in [(vmem.cos_low, low_cos), (vmem.sin_low, low_sin)] {
                let load = Vector { vmem_index: VmemIndex::PositionLane, ..self.copied(low(table)) };
                s.place(self.written(load, target), Issues::burst(1));
            }
            let turn = |table: usize, factor: usize| Vector {
                vmem: high(table) as u32,
                vmem_index: VmemIndex::PositionRow,
                b: B::VregA,
                a: factor as u32,
                shift: 16,
                ..Vector::default()
            };
            let add = |vector: Vector| Vector { c: C::VregB, bc: product as u32, ..vector };
            s.place(self.written(turn(vmem.cos_high, low_cos), product), Issues::burst(1));
            // Exchanging the lanes of a signed sine negates it.
            let cos = add(Vector { swap: true, ..turn(vmem.sin_high, low_sin) });
            s.place(self.written(cos, vreg.cos + chunk), Issues::burst(1));
            s.place(self.written(turn(vmem.sin_high, low_cos), product), Issues::burst(1));
            let sin = add(turn(vmem.cos_high, low_sin));
            s.place(self.written(sin, vreg.sin + chunk), Issues::burst(1));
        }
    }

    fn layer(&self, s: &mut Scheduler) {
        let Plan { matrices, constants, rows, vmem, vreg, .. } = self.plan;
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
        debug_assert!(rows.hidden > 0 && vreg.rows > 0);
    }

    fn epilogue(&self, s: &mut Scheduler) {
        let Plan { classifier, rows, vmem, .. } = self.plan;
        let input = Activation { entry: self.input_entry(), pieces: &classifier.pieces };
        self.normalised_input(s, vmem.final_gain, false, &input);
        self.product(s, classifier, input.entry, self.formats.classifier.sum, vmem.sums, false);
        let mut row = 0;
        while row < rows.vocab {
            // The last row comes alone: the rows before it need not wait for it.
            let left = rows.vocab - row;
            let count = if left == 1 { 1 } else { rows.chunk.min(left - 1) };
            self.logits(s, row, count);
            row += count;
        }
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

    /// Row factors that need no sums: scale words, turned by the position, times the normalisation factor.
    fn attention_factors(&self, s: &mut Scheduler) {
        let Plan { constants, vmem, vreg, rows, .. } = self.plan;
        let word = |row: usize| vmem.layers + row;
        self.copy(s, word(constants.k_centre), vreg.k_centre, rows.kv);
        for (constant, cos, sin, count) in
            [(constants.k, vreg.k_cos, vreg.k_sin, rows.kv), (constants.q, vreg.q_cos, vreg.q_sin, rows.q)]
        {
            self.turned_words(s, word(constant), vreg.cos, cos, count, false);
            self.turned_words(s, word(constant), vreg.sin, sin, count, true);
        }
        for (scaled, cos, sin, count) in [
            (self.formats.k, vreg.k_cos, vreg.k_sin, rows.kv),
            (self.formats.q, vreg.q_cos, vreg.q_sin, rows.q),
        ] {
            for register in [cos, sin] {
                let factor =
                    Vector { x: X::VregA, a: register as u32, a_advance: true, ..self.normalising(scaled) };
                s.place(self.written(factor, register), Issues::burst(count));
            }
        }
        self.word_factors(s, word(constants.v), self.formats.v, vreg.v, rows.kv);
        self.copy(s, word(constants.o), vreg.delta, rows.x);
    }

    /// Scale words times cosine or signed sine, which repeat from head to head.
    fn turned_words(
        &self,
        s: &mut Scheduler,
        words: usize,
        turn: usize,
        target: usize,
        count: usize,
        swap: bool,
    ) {
        let head = self.plan.rows.head;
        let heads = count / head;
        // One instruction when a head is one row; else one for each head.
        let (instructions, rows) = if head == 1 { (1, heads) } else { (heads, head) };
        for index in 0..instructions {
            let turned = Vector {
                vmem: (words + index * rows) as u32,
                vmem_offset: true,
                vmem_advance: true,
                swap,
                b: B::VregA,
                a: turn as u32,
                a_advance: head > 1,
                shift: 16,
                ..Vector::default()
            };
            s.place(self.written(turned, target + index * rows), Issues::burst(rows));
        }
    }

    fn word_factors(&self, s: &mut Scheduler, words: usize, scaled: Scaled, target: usize, count: usize) {
        let factor =
            Vector { vmem: words as u32, vmem_offset: true, vmem_advance: true, ..self.normalising(scaled) };
        s.place(self.written(factor, target), Issues::burst(count));
    }

    fn keys(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, .. } = self.plan;
        let shift = self.formats.k.second;
        let centred = Vector { c: C::VregB, bc: vreg.k_centre as u32, bc_advance: true, ..Vector::default() };
        self.turning(s, vmem.k, vreg.k_cos, vreg.k_turning, rows.kv, shift, centred);
        for row in 0..rows.kv {
            let key = Vector {
                destination: Destination::Key,
                ..self.turned(vmem.k, vreg.k_sin, vreg.k_turning, row, shift)
            };
            self.spread_head_rows(s, key, row, self.plan.key_rows());
        }
    }

    fn queries(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, .. } = self.plan;
        let shift = self.formats.q.second;
        // The last row comes alone: the rows before it need not wait for it.
        let first = rows.q - 1;
        if first > 0 {
            self.turning(s, vmem.q, vreg.q_cos, vreg.q_turning, first, shift, Vector::default());
        }
        for row in 0..rows.q {
            if row == first {
                let rest = |base: usize| base + first;
                self.turning(
                    s,
                    rest(vmem.q),
                    rest(vreg.q_cos),
                    rest(vreg.q_turning),
                    1,
                    shift,
                    Vector::default(),
                );
            }
            let query = Vector {
                destination: Destination::Act,
                ..self.turned(vmem.q, vreg.q_sin, vreg.q_turning, row, shift)
            };
            self.spread_head_rows(s, query, row, Rows::Entries);
        }
    }

    /// First half of a rotation: sums times cosine factor, plus what `base` adds.
    #[allow(clippy::too_many_arguments)]
    fn turning(
        &self,
        s: &mut Scheduler,
        sums: usize,
        cos: usize,
        target: usize,
        rows: usize,
        shift: i32,
        base: Vector,
    ) {
        let turning = Vector {
            vmem: sums as u32,
            vmem_advance: true,
            b: B::VregA,
            a: cos as u32,
            a_advance: true,
            shift,
            ..base
        };
        s.place(self.written(turning, target), Issues::burst(rows));
    }

    /// Second half: exchanged sums times sine factor, plus the first half.
    fn turned(&self, sums: usize, sin: usize, turning: usize, row: usize, shift: i32) -> Vector {
        Vector {
            vmem: (sums + row) as u32,
            swap: true,
            b: B::VregA,
            a: (sin + row) as u32,
            c: C::VregB,
            bc: (turning + row) as u32,
            shift,
            ..Vector::default()
        }
    }

    /// Sends a row of heads to where each head belongs: an activation entry in all groups, or a key row.
    fn spread_head_rows(&self, s: &mut Scheduler, vector: Vector, row: usize, rows: Rows) {
        let Plan { geometry, channels, .. } = self.plan;
        let (lanes, width) = (geometry.vxm_lanes, channels.width);
        let per_row = lanes / width;
        let head = if per_row > 0 { row * per_row } else { row * lanes / width };
        let positions = (geometry.mxm_lanes / width).ilog2();
        let part = if per_row > 0 { 0 } else { row % (width / lanes) };
        let base = match rows {
            Rows::Entries => Vector { entry: head as u32, entry_advance: per_row > 1, ..vector },
            Rows::Keys { first, step } => {
                let row = (first + head * step) as u32;
                Vector { row, row_step: step as i32, row_offset: true, positions, ..vector }
            }
        };
        let period = match rows {
            Rows::Entries if per_row > 1 => 0,
            Rows::Entries => (2 * width / lanes).ilog2(),
            Rows::Keys { .. } => geometry.halves().ilog2(),
        };
        let spread = Vector {
            half: per_row > 1,
            sub_advance: per_row > 1,
            length: u32::from(per_row <= 1),
            start: 2 * part as u32,
            period,
            ..base
        };
        s.place(spread, Issues::burst(per_row.max(1)));
    }

    fn values(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, geometry, .. } = self.plan;
        let parts = geometry.vxm_lanes / geometry.groups();
        for row in 0..rows.kv {
            let value = Vector {
                vmem: (vmem.v + row) as u32,
                b: B::VregA,
                a: (vreg.v + row) as u32,
                shift: self.formats.v.second,
                destination: Destination::Value,
                sub_advance: true,
                row: (self.plan.value_row(0, 0) + row * parts * self.plan.blocks) as u32,
                row_step: self.plan.blocks as i32,
                row_offset: true,
                positions: geometry.vxm_lanes.ilog2(),
                ..Vector::default()
            };
            s.place(value, Issues::burst(parts));
        }
    }

    /// Scores of all heads, then for each head probabilities into the activation file just ahead of the beats that mix values.
    fn attention(&self, s: &mut Scheduler) {
        let Plan { channels, geometry, .. } = self.plan;
        for head in 0..channels.heads {
            self.scores(s, head);
        }
        let parts = self.plan.kv_block_rows();
        for head in 0..channels.heads {
            for part in 0..parts {
                let first = head == 0 && part == 0;
                self.probabilities(s, head, first, part == 0);
                self.mix(s, head, part, first);
            }
        }
        debug_assert!(geometry.act_entries > MIX_LEAD_CYCLES as usize);
        self.mixed(s);
    }

    fn scores(&self, s: &mut Scheduler, head: usize) {
        let Plan { channels, vmem, blocks, .. } = self.plan;
        let scores = Dot {
            memory: Memory::Kv,
            offset: true,
            row: self.plan.key_row(channels.kv_head_of(head)) as u32,
            row_step: 1,
            entry: head as u32,
            tap: channels.width.ilog2(),
            lane_advance: true,
            clear: Clear::Always,
            emit: Emit::Wrap,
            shift: self.formats.score_shift,
            mask: true,
            maximum: true,
            scalar: head as u32,
            store: (vmem.scores + head * blocks) as u32,
            ..Dot::default()
        };
        s.place(scores, Issues::per_block(self.plan.kv_block_rows()));
    }

    fn probabilities(&self, s: &mut Scheduler, head: usize, first: bool, sums: bool) {
        let Plan { vmem, blocks, channels, .. } = self.plan;
        let probabilities = Vector {
            vmem: (vmem.scores + head * blocks) as u32,
            vmem_advance: true,
            subtract: true,
            scalar: head as u32,
            function: Function::Exp2,
            shift: 32 - PROBABILITY_BITS as i32,
            destination: Destination::Act,
            entry: (channels.heads % self.plan.geometry.act_entries) as u32,
            entry_continue: !first,
            entry_advance: true,
            reduce: if sums { Reduce::All } else { Reduce::None },
            scaling: Scaling::Reciprocal,
            reduction: self.head_reduction(head),
            ..Vector::default()
        };
        // The beats follow the probabilities closely, so that the activation file never holds more than it can.
        let earliest: Vec<i64> = s.matrix_free().iter().map(|free| free - MIX_LEAD_CYCLES).collect();
        s.place_after(probabilities, Issues::per_block(1), &earliest);
    }

    fn mix(&self, s: &mut Scheduler, head: usize, part: usize, first: bool) {
        let Plan { channels, vmem, geometry, .. } = self.plan;
        let (lanes, groups) = (geometry.vxm_lanes, geometry.groups());
        let channel = head * channels.width + part * groups;
        let fills = (channel + groups) % lanes == 0;
        let mix = Dot {
            memory: Memory::Kv,
            offset: true,
            row: self.plan.value_row(channels.kv_head_of(head), part) as u32,
            row_step: 1,
            entry: (channels.heads % geometry.act_entries) as u32,
            entry_continue: !first,
            entry_advance: true,
            tap: lanes.ilog2(),
            lane: (channel % lanes) as u32,
            clear: Clear::First,
            emit: if fills { Emit::Last } else { Emit::Never },
            shift: MIX_SHIFT,
            store: (vmem.mix + channel / lanes) as u32,
            ..Dot::default()
        };
        s.place(mix, Issues::per_block(1));
    }

    /// Mixed values over the sum of probabilities, into the activation file.
    fn mixed(&self, s: &mut Scheduler) {
        let Plan { channels, vmem, rows, geometry, matrices, .. } = self.plan;
        let per_row = geometry.vxm_lanes / channels.width;
        // Entries that probabilities passed through are free once the last beat has read them.
        let earliest = s.matrix_free().to_vec();
        let target = Activation { entry: self.input_entry(), pieces: &matrices.o.pieces };
        let mut row = 0;
        for (piece, width) in target.pieces.iter().enumerate() {
            let in_piece = (width / geometry.vxm_lanes).min(rows.q - row);
            let start = row;
            for count in self.head_runs(row, in_piece) {
                let head = row * geometry.vxm_lanes / channels.width;
                let mixed = Vector {
                    vmem: (vmem.mix + row) as u32,
                    vmem_advance: true,
                    b: if per_row > 1 { B::ScalarPair } else { B::Scalar },
                    scalar: geometry.scalars as u32 + self.head_reduction(head),
                    scalar_step: per_row as u32,
                    shift: 17 - MIX_SHIFT as i32 - MIX_FRACTION_BITS,
                    destination: Destination::Act,
                    entry: (target.entry + piece) as u32,
                    length: 1,
                    start: 2 * (row - start) as u32,
                    start_step: 2,
                    period: (2 * width / geometry.vxm_lanes).ilog2(),
                    ..Vector::default()
                };
                s.place_after(mixed, Issues::burst(count), &earliest);
                row += count;
            }
        }
    }

    /// Runs of rows that one instruction can scale: the rows of one head, or all but the last row and the last row.
    fn head_runs(&self, row: usize, count: usize) -> Vec<usize> {
        let head = self.plan.rows.head;
        let all = self.plan.rows.q;
        if head > 1 {
            let mut runs = Vec::new();
            let (mut row, end) = (row, row + count);
            while row < end {
                let run = (head - row % head).min(end - row);
                runs.push(run);
                row += run;
            }
            return runs;
        }
        if row + count == all && count > 1 { vec![count - 1, 1] } else { vec![count] }
    }

    fn mlp(&self, s: &mut Scheduler, input: &Activation) {
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

    fn logits(&self, s: &mut Scheduler, row: usize, count: usize) {
        let Plan { vmem, vreg, rows, geometry, .. } = self.plan;
        let factors = vreg.classifier + if (row / rows.chunk) % 2 == 0 { 0 } else { rows.chunk };
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
        s.place(logits, Issues::burst(count));
        let last = row + count == rows.vocab;
        let choose = Vector {
            vmem: (vmem.logits + row) as u32,
            vmem_advance: true,
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

/// Where the heads of a row go.
enum Rows {
    /// Activation entries, one a head.
    Entries,
    /// Key rows: the first head's, and from head to head.
    Keys { first: usize, step: usize },
}

impl Plan {
    fn key_rows(&self) -> Rows {
        Rows::Keys { first: self.key_row(0), step: self.kv_block_rows() * self.blocks }
    }
}
