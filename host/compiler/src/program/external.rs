//! The program of one token where weights, keys and values lie in external memory.
//!
//! ```text
//!  transfers  embedding │ constants │ k q v │ K V of each head, and back │ o │ constants │ gate up down │ constants of the next │ ...
//!  matrix                           │ k q v │ scores, mix of each head       │ o │             │ gate up down │
//!  vector        x                  │ turn  │ keys, values, probabilities    │ + │             │ SiLU     +   │
//! ```
//!
//! The operations are those of the other program files. What differs: a matrix is one `Dot` behind the transfer of its rows, KV memory holds
//! one head, and the classifier is a loop over chunks of results.

use super::*;
use crate::external::{self, ExternalPlan, Stored};
use crate::formats::SCALE_SHIFT;
use lpu_isa::arith::{SHIFT_MAX, Scalar};
use lpu_isa::instruction::{StepBy, Transfer, Way};
use lpu_isa::transfer::BLOCK_CODES;

/// Right shift of the decoded embedding.
pub const EMBEDDING_SHIFT: u32 = 4;

impl Writer<'_> {
    pub(super) fn external_program(
        &self,
        s: &mut Scheduler,
        external: &ExternalPlan,
    ) -> Result<(), CompileError> {
        let settled = |settled: bool| if settled { Ok(()) } else { Err(CompileError::Unsettled) };
        self.external_prologue(s, external);
        let ring = |rows: usize| (rows % self.plan.geometry.weight_rows) as i32;
        let rows = ring(self.plan.matrices.rows);
        let steps = [
            EndLoop { first_step: rows, second_step: 0 },
            EndLoop::default(),
            EndLoop { first_step: external.layer_granules as i32, second_step: rows },
        ];
        settled(s.repeat(self.plan.layers, steps, |s| self.external_layer(s, external)))?;
        if self.plan.features.final_norm {
            let (squares, all) = self.squares();
            s.place(squares, all);
        }
        // The last chunk comes first: it may be shorter, and what begins the comparison stands in no loop.
        let last = external.chunks - 1;
        let left = self.plan.rows.vocab - last * external.chunk_rows;
        self.chunk(s, external, last, left, false);
        let rows =
            ring(external.chunk_rows * self.plan.geometry.vxm_lanes * self.plan.classifier.pieces.len());
        let steps = [
            EndLoop { first_step: rows, second_step: 0 },
            EndLoop { first_step: 0, second_step: external.chunk_rows as i32 },
            EndLoop { first_step: external.chunk_granules as i32, second_step: rows },
        ];
        if last > 0 {
            settled(s.repeat(last, steps, |s| self.chunk(s, external, 0, external.chunk_rows, true)))?;
        }
        Ok(())
    }

    fn external_prologue(&self, s: &mut Scheduler, external: &ExternalPlan) {
        let Plan { vmem, vreg, rows, features, constants, matrices, .. } = self.plan;
        let embedding = Transfer {
            step_by: StepBy::Token,
            address_step: external.embedding_granules as u32,
            row: vmem.gathered as u32,
            shift: EMBEDDING_SHIFT,
            ..external::embedding(rows.x, external.embedding)
        };
        s.place_run(embedding);
        self.attention_words(s, external.layers, false);
        let embed =
            Vector { vmem_advance: true, shift: self.formats.embedding.shift, ..self.copied(vmem.gathered) };
        let mut vectors = vec![(self.written(embed, vreg.x), Issues::burst(rows.x))];
        vectors.extend(self.normal_input(constants.attention_scale, constants.attention_gain));
        vectors.extend(self.padding(&matrices.q, self.input_entry(), rows.x));
        vectors.extend((0..features.ways()).flat_map(|way| self.rotation(way)));
        s.place_soonest(vectors);
    }

    /// The residual as an operand of the layer's own scale, from its low bits or its high ones, and times the gain of the norm that reads it as
    /// the input of matrices.
    fn normal_input(&self, scale: usize, gain: usize) -> Vec<Placed> {
        let Plan { vmem, vreg, rows, matrices, .. } = self.plan;
        let part = |part: usize| Vector {
            x: X::VregA,
            a: vreg.x as u32,
            a_advance: true,
            b: B::Vmem,
            vmem: (vmem.layers + scale + part) as u32,
            shift: SCALE_SHIFT,
            ..Vector::default()
        };
        let high = Vector {
            x_shift: self.formats.norm.shift,
            c: C::VregB,
            bc: vreg.input as u32,
            bc_advance: true,
            ..part(1)
        };
        let mut vectors: Vec<Placed> =
            [part(0), high].map(|part| (self.written(part, vreg.input), Issues::burst(rows.x))).into();
        vectors.extend(self.activate(self.input_entry(), &matrices.q.pieces, rows.x, |row| Vector {
            x: X::VregA,
            a: (vreg.input + row) as u32,
            a_advance: true,
            b: B::Vmem,
            vmem: (vmem.layers + gain + row) as u32,
            vmem_advance: true,
            shift: self.formats.input_shift,
            ..Vector::default()
        }));
        vectors
    }

    /// Brings the constants of attention of the layer whose record begins with a granule.
    fn attention_words(&self, s: &mut Scheduler, record: usize, in_layer: bool) {
        let Plan { vmem, constants, .. } = self.plan;
        let words = external::words(Way::Vmem, vmem.layers, constants.gate, record);
        s.place_run(Transfer { address_offset: in_layer, ..words });
    }

    /// The layer's constants of attention are in vector memory when it begins, and the next layer's when it ends.
    fn external_layer(&self, s: &mut Scheduler, external: &ExternalPlan) {
        let Plan { matrices, vmem, constants, .. } = self.plan;
        let entry = Entry::At(self.input_entry());
        for (matrix, scaled, store) in [
            (&matrices.k, self.formats.k, vmem.k),
            (&matrices.q, self.formats.q, vmem.q),
            (&matrices.v, self.formats.v, vmem.v),
        ] {
            self.product(s, matrix, entry, scaled.sum, store, true);
        }
        let mut vectors = vec![self.squares()];
        vectors.extend(self.attention_factors());
        vectors.extend(self.queries());
        s.place_soonest(vectors);
        for head in 0..self.plan.channels.kv_heads {
            self.external_head(s, external, head);
        }
        let padding = self.padding(&matrices.o[0], external.mixed, self.plan.rows.q);
        for (vector, issues) in padding.into_iter().chain(self.before_output()) {
            s.place(vector, issues);
        }
        self.product(s, &matrices.o[0], Entry::At(external.mixed), self.formats.o.sum, vmem.o, true);
        let (first, count) = (constants.gate, constants.rows - constants.gate);
        let address = external.layers + external.mlp_constants;
        let words = external::words(Way::Vmem, vmem.layers + first, count, address);
        s.place_run(Transfer { address_offset: true, ..words });
        self.add_inner(s, 1, vmem.o, self.formats.o);
        s.place_soonest(self.normal_input(constants.mlp_scale, constants.mlp_gain));
        self.mlp(s);
        self.attention_words(s, external.layers + external.layer_granules, true);
        self.add_inner(s, 1, vmem.down, self.formats.down);
        s.place_soonest(self.normal_input(constants.next_scale, constants.next_gain));
    }

    /// Everything that reads one head of keys and values.
    fn external_head(&self, s: &mut Scheduler, external: &ExternalPlan, kv_head: usize) {
        let Plan { channels, .. } = self.plan;
        for is_value in [false, true] {
            let blocks = Affine { constant: 0, per_block: external.block_granules as i32 };
            s.place_transfer(self.cached(external, kv_head, is_value), blocks, &[]);
        }
        s.place_soonest(self.new_keys_and_values(kv_head));
        let shared = channels.heads / channels.kv_heads;
        let heads = kv_head * shared..(kv_head + 1) * shared;
        for head in heads.clone() {
            self.scores(s, head);
        }
        for head in heads.clone() {
            let (probabilities, issues) = self.probabilities(head, true, true);
            s.place(Vector { entry: external.probabilities as u32, ..probabilities }, issues);
            for part in 0..self.plan.kv_block_rows() {
                let (mix, issues) = self.mix(head, part, true);
                s.place(Dot { entry: external.probabilities as u32, ..mix }, issues);
            }
        }
        for is_value in [false, true] {
            let block = Affine::fixed(external.block_granules as i32);
            s.place_transfer(self.put_back(external, kv_head, is_value), block, &[]);
        }
        for vector in self.mixed_heads(external, heads) {
            s.place(vector.0, vector.1);
        }
    }

    /// The transfer of all blocks of a head's keys or values.
    fn cached(&self, external: &ExternalPlan, head: usize, is_value: bool) -> Transfer {
        let rows = self.plan.kv_block_rows();
        let (row_step, run_step) = if is_value { (self.plan.blocks, 1) } else { (1, rows) };
        let row = if is_value { self.plan.value_row(0, 0) } else { self.plan.key_row(0) };
        Transfer {
            way: Way::Kv,
            run: rows as u32,
            row: row as u32,
            row_step: row_step as i32,
            run_step: run_step as i32,
            address: (external.layers + external.cache_of(self.plan, head, is_value)) as u32,
            address_offset: true,
            ..Transfer::default()
        }
    }

    /// The way back of the block that the position is in.
    fn put_back(&self, external: &ExternalPlan, head: usize, is_value: bool) -> Transfer {
        let cached = self.cached(external, head, is_value);
        Transfer {
            way: Way::FromKv,
            step_by: StepBy::Block,
            address_step: external.block_granules as u32,
            row_number_step: cached.run_step as u32,
            run_step: 0,
            ..cached
        }
    }

    /// Mixed values of heads over their sums of probabilities, to the entries that the output projection reads.
    fn mixed_heads(&self, external: &ExternalPlan, heads: std::ops::Range<usize>) -> Vec<Placed> {
        let Plan { channels, geometry, .. } = self.plan;
        let (lanes, groups) = (geometry.vxm_lanes, geometry.groups());
        let rows = heads.start * channels.width / lanes..(heads.end * channels.width).div_ceil(lanes);
        let mut vectors = Vec::new();
        let mut row = rows.start;
        while row < rows.end {
            // Rows of one head and of one entry at a time.
            let head = channels.width.div_ceil(lanes);
            let end = rows.end.min((row / head + 1) * head).min((row / groups + 1) * groups);
            let (mixed, _) = self.mixed_rows(row, lanes);
            let mixed = Vector {
                entry: (external.mixed + row / groups) as u32,
                entry_continue: false,
                start: 2 * (row % groups) as u32,
                period: geometry.halves().ilog2(),
                scalar_step: 0,
                ..mixed
            };
            vectors.push((mixed, Issues::burst(end - row)));
            row = end;
        }
        vectors
    }

    /// Zeros into the lanes of a matrix's input that its last block has beyond the vector's `rows`: whoever reads them multiplies by zero.
    pub(super) fn padding(&self, matrix: &MatrixPlan, entry: usize, rows: usize) -> Vec<Placed> {
        let Plan { geometry, vreg, .. } = self.plan;
        let Some(stored) = &matrix.stored else { return Vec::new() };
        let (groups, one) = (geometry.groups(), 2 * geometry.scalars as u32);
        let end = stored.blocks * BLOCK_CODES / geometry.vxm_lanes;
        let mut row = rows;
        let mut vectors = Vec::new();
        while row < end {
            let next = end.min((row / groups + 1) * groups);
            let zeros = Vector {
                x: X::VregA,
                a: vreg.x as u32,
                b: B::Scalar,
                scalar: one,
                // No operand times one is as large as that.
                shift: SHIFT_MAX - Scalar::ONE.exponent,
                destination: Destination::Act,
                entry: (entry + row / groups) as u32,
                start: 2 * (row % groups) as u32,
                length: 1,
                period: geometry.halves().ilog2(),
                start_step: 2,
                ..Vector::default()
            };
            vectors.push((zeros, Issues::burst(next - row)));
            row = next;
        }
        vectors
    }

    /// A matrix that comes from external memory, part by part: as a `Dot` that goes through it, right behind the transfer.
    pub(super) fn streamed(
        &self,
        s: &mut Scheduler,
        matrix: &MatrixPlan,
        stored: &Stored,
        place: Streamed,
        shift: u32,
    ) {
        let geometry = &self.plan.geometry;
        let pieces = matrix.pieces.len();
        for part in matrix.stored_parts(geometry) {
            let rows = part.outputs * pieces;
            let transfer = Transfer {
                address_offset: place.in_loop,
                row_offset: place.in_loop,
                ..stored.transfer(rows, place.record + part.address)
            };
            let dot = Dot {
                memory: Memory::Weights,
                offset: place.in_loop,
                entry: place.entry as u32,
                entry_advance: pieces > 1,
                tap: geometry.mxm_lanes.ilog2(),
                lane_advance: true,
                clear: if pieces > 1 { Clear::First } else { Clear::Always },
                emit: Emit::WrapOrLast,
                shift,
                store: (place.store + part.first / geometry.vxm_lanes) as u32,
                pieces: if pieces > 1 { pieces as u32 } else { 0 },
                ..Dot::default()
            };
            let interval = i64::from(stored.interval(geometry, pieces));
            s.place_stream(transfer, part.granules, dot, Issues::spaced(rows, interval));
        }
    }

    /// A chunk of logits: in a loop, chunk 0 and those that its trips move to.
    fn chunk(&self, s: &mut Scheduler, external: &ExternalPlan, chunk: usize, rows: usize, in_loop: bool) {
        let Plan { vmem, geometry, classifier, .. } = self.plan;
        let record = external.classifier + chunk * external.chunk_granules;
        let moved = |transfer: Transfer| Transfer { address_offset: in_loop, ..transfer };
        s.place_run(moved(external::words(Way::Vmem, vmem.classifier, rows, record)));
        let outputs = if in_loop {
            rows * geometry.vxm_lanes
        } else {
            self.plan.vocab - chunk * external.chunk_rows * geometry.vxm_lanes
        };
        let matrix = MatrixPlan { outputs, rows: outputs * classifier.pieces.len(), ..classifier.clone() };
        let place = Streamed { record, in_loop, entry: self.input_entry(), store: vmem.sums };
        if let Some(stored) = &matrix.stored {
            self.streamed(s, &matrix, stored, place, self.formats.classifier.sum);
        }
        self.all_logits(s, chunk * external.chunk_rows, rows, in_loop);
        let logits = external::words(Way::FromVmem, vmem.logits, rows, record + external.logits);
        s.place_run(moved(logits));
    }
}

/// Where a matrix comes from and where its results go.
pub(super) struct Streamed {
    /// First granule of its record.
    pub record: usize,
    pub in_loop: bool,
    /// First activation entry of its input.
    pub entry: usize,
    /// Vector memory row of the first results.
    pub store: usize,
}
