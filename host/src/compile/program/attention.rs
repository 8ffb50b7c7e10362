//! Attention: q, k and v from the normalised input, scores, probabilities, mixed values.

use super::*;

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

impl Writer<'_> {
    /// Row factors that need no sums: scale words, turned by the position, times the normalisation factor.
    pub(super) fn attention_factors(&self, s: &mut Scheduler) {
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
    pub(super) fn turned_words(
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

    pub(super) fn keys(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, .. } = self.plan;
        let shift = self.formats.k.second;
        let centred = Vector { c: C::VregB, bc: vreg.k_centre as u32, bc_advance: true, ..Vector::default() };
        self.turning(s, vmem.k, vreg.k_cos, vreg.k_turning, rows.kv, shift, centred);
        for row in 0..rows.kv {
            let key = Vector {
                destination: Destination::Key,
                ..self.turned(vmem.k, vreg.k_sin, vreg.k_turning, row, shift)
            };
            self.spread_head_rows(s, key, row, self.plan.channels.kv_heads, self.plan.key_rows());
        }
    }

    pub(super) fn queries(&self, s: &mut Scheduler) {
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
            self.spread_head_rows(s, query, row, self.plan.channels.heads, Rows::Entries);
        }
    }

    /// First half of a rotation: sums times cosine factor, plus what `base` adds.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn turning(
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
    pub(super) fn turned(&self, sums: usize, sin: usize, turning: usize, row: usize, shift: i32) -> Vector {
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
    fn spread_head_rows(&self, s: &mut Scheduler, vector: Vector, row: usize, heads: usize, rows: Rows) {
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
        // The last row may hold fewer heads than it could.
        s.place(spread, Issues::burst(per_row.min(heads - head).max(1)));
    }

    pub(super) fn values(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, rows, geometry, .. } = self.plan;
        let parts = geometry.vxm_lanes / geometry.groups();
        let all_parts = self.plan.channels.kv_width() / geometry.groups();
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
            s.place(value, Issues::burst(parts.min(all_parts - row * parts)));
        }
    }

    /// Scores of all heads, then for each head probabilities into the activation file just ahead of the beats that mix values.
    pub(super) fn attention(&self, s: &mut Scheduler) {
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

    pub(super) fn scores(&self, s: &mut Scheduler, head: usize) {
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

    pub(super) fn probabilities(&self, s: &mut Scheduler, head: usize, first: bool, sums: bool) {
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

    pub(super) fn mix(&self, s: &mut Scheduler, head: usize, part: usize, first: bool) {
        let Plan { channels, vmem, geometry, .. } = self.plan;
        let (lanes, groups) = (geometry.vxm_lanes, geometry.groups());
        let channel = head * channels.width + part * groups;
        let fills = (channel + groups).is_multiple_of(lanes) || channel + groups == channels.q_width();
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
    pub(super) fn mixed(&self, s: &mut Scheduler) {
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
                let pairs = per_row > 1 && head + 1 < channels.heads;
                let mixed = Vector {
                    vmem: (vmem.mix + row) as u32,
                    vmem_advance: true,
                    b: if pairs { B::ScalarPair } else { B::Scalar },
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
    pub(super) fn head_runs(&self, row: usize, count: usize) -> Vec<usize> {
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
}
