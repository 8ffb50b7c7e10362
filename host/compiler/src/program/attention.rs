//! Attention: q, k and v from the normalised input, scores, probabilities, mixed values.

use super::*;
use crate::constants::K_BIAS_FRACTION_BITS;

/// Fraction bits of cosines and sines.
pub(super) const TURN_SHIFT: i32 = 16;

/// Where the heads of a row go.
enum Rows {
    /// Activation entries, one a head.
    Entries,
    /// Key rows: the first head's, and from head to head.
    Keys { first: usize, step: usize },
}

impl Plan {
    fn key_rows(&self) -> Rows {
        let step = if self.external.is_some() { 0 } else { self.kv_block_rows() * self.blocks };
        Rows::Keys { first: self.key_row(0), step }
    }
}

impl Writer<'_> {
    /// Row factors that need no sums: scale words, turned by the position, times the normalisation factor.
    pub(super) fn attention_factors(&self) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, rows, features, .. } = self.plan;
        let word = |row: usize| vmem.layers + row;
        let mut vectors = vec![self.copy(word(constants.k_centre), vreg.k_centre, rows.kv)];
        if !features.rotation {
            vectors.push(self.word_factors(word(constants.k), self.formats.k, vreg.k_cos, rows.kv));
            vectors.push(self.word_factors(word(constants.q), self.formats.q, vreg.q_cos, rows.q));
            vectors.push(self.word_factors(word(constants.v), self.formats.v, vreg.v, rows.kv));
            vectors.extend(features.q.then(|| self.copy(word(constants.q_bias), vreg.q_add, rows.q)));
            return vectors;
        }
        vectors.extend(self.layer_turn());
        vectors.extend(self.turned_biases());
        let turns = [
            (constants.k, self.formats.k, vreg.k_cos, vreg.k_sin, rows.kv),
            (constants.q, self.formats.q, vreg.q_cos, vreg.q_sin, rows.q),
        ];
        for (constant, _, cos, sin, count) in turns {
            let turned = Vector { shift: TURN_SHIFT, ..Vector::default() };
            vectors.extend(self.turned_words(word(constant), vreg.layer_cos, cos, count, turned));
            let swapped = Vector { swap: true, ..turned };
            vectors.extend(self.turned_words(word(constant), vreg.layer_sin, sin, count, swapped));
        }
        vectors.extend(self.normalised_heads());
        for (_, scaled, cos, sin, count) in turns.into_iter().filter(|_| !features.head_norm) {
            // Cosine and sine parts lie next to each other.
            debug_assert_eq!(cos + count, sin);
            let factor = Vector { x: X::VregA, a: cos as u32, a_advance: true, ..self.normalising(scaled) };
            vectors.push((self.written(factor, cos), Issues::burst(2 * count)));
        }
        vectors.push(self.word_factors(word(constants.v), self.formats.v, vreg.v, rows.kv));
        vectors
    }

    /// Where heads are normalised: sums times scales, squared and summed head by head, and each head's row factors times the factor
    /// that follows.
    fn normalised_heads(&self) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, rows, channels, .. } = self.plan;
        let formats = self.formats;
        let mut vectors = Vec::new();
        for (head, words, squared, sums, target, scaled, factors, count, first) in [
            (
                formats.k_head,
                constants.k_squared,
                vreg.k_squared,
                vmem.k,
                vreg.k_turning,
                formats.k,
                vreg.k_cos,
                rows.kv,
                channels.heads,
            ),
            (
                formats.q_head,
                constants.q_squared,
                vreg.q_squared,
                vmem.q,
                vreg.q_turning,
                formats.q,
                vreg.q_cos,
                rows.q,
                0,
            ),
        ] {
            let Some(HeadNorm { norm, shift }) = head else { continue };
            vectors.push(self.copy(vmem.layers + words, squared, count));
            vectors.push(self.turning(sums, squared, target, count, Vector { shift, ..Vector::default() }));
            let issues = Issues::burst(rows.head);
            for index in 0..count / rows.head {
                let reduction = self.head_reduction(first + index);
                let row = (target + index * rows.head) as u32;
                vectors.push((Vector { a: row, reduction, ..self.squared(&norm) }, issues));
            }
            // Cosine and sine parts lie next to each other.
            for row in (0..2 * count).step_by(rows.head) {
                let head = first + row % count / rows.head;
                let factor = Vector {
                    x: X::VregA,
                    a: (factors + row) as u32,
                    a_advance: true,
                    scalar: self.plan.geometry.scalars as u32 + self.head_reduction(head),
                    ..self.normalising(scaled)
                };
                vectors.push((self.written(factor, factors + row), issues));
            }
        }
        vectors
    }

    /// Biases turn as what they are added to; those of k join its middle.
    fn turned_biases(&self) -> Vec<Placed> {
        let Plan { constants, vmem, vreg, rows, features, .. } = self.plan;
        let mut vectors = Vec::new();
        let word = |row: usize| vmem.layers + row;
        let joined = |register: usize, shift: i32| Vector {
            c: C::VregB,
            bc: register as u32,
            bc_advance: true,
            shift,
            ..Vector::default()
        };
        if features.k {
            let (words, base) =
                (word(constants.k_bias), joined(vreg.k_centre, TURN_SHIFT + K_BIAS_FRACTION_BITS));
            vectors.extend(self.turned_words(words, vreg.layer_cos, vreg.k_centre, rows.kv, base));
            let swapped = Vector { swap: true, ..base };
            vectors.extend(self.turned_words(words, vreg.layer_sin, vreg.k_centre, rows.kv, swapped));
        }
        if features.q {
            let (words, shift) = (word(constants.q_bias), TURN_SHIFT);
            let first = Vector { shift, ..Vector::default() };
            vectors.extend(self.turned_words(words, vreg.layer_cos, vreg.q_add, rows.q, first));
            let swapped = Vector { swap: true, ..joined(vreg.q_add, shift) };
            vectors.extend(self.turned_words(words, vreg.layer_sin, vreg.q_add, rows.q, swapped));
        }
        vectors
    }

    /// Words times cosine or signed sine, which repeat from head to head; `base` says what else happens.
    fn turned_words(
        &self,
        words: usize,
        turn: usize,
        target: usize,
        count: usize,
        base: Vector,
    ) -> Vec<Placed> {
        let head = self.plan.rows.head;
        let heads = count / head;
        // One instruction when a head is one row; else one for each head.
        let (instructions, rows) = if head == 1 { (1, heads) } else { (heads, head) };
        let turned = |index: usize| {
            let turned = Vector {
                vmem: (words + index * rows) as u32,
                vmem_offset: true,
                vmem_advance: true,
                b: B::VregA,
                a: turn as u32,
                a_advance: head > 1,
                bc: base.bc + (index * rows) as u32,
                ..base
            };
            (self.written(turned, target + index * rows), Issues::burst(rows))
        };
        (0..instructions).map(turned).collect()
    }

    /// Keys and queries, row by row as the matrix makes them. The first keys go first: short contexts read them at once.
    pub(super) fn keys_and_queries(&self) -> Vec<Placed> {
        let Plan { rows, features, .. } = self.plan;
        let mut vectors = Vec::new();
        if features.rotation {
            vectors.extend([self.turning_keys(), self.turning_query(0), self.key(0)]);
        }
        for row in 0..rows.q.max(rows.kv) {
            let is_key = row < rows.kv;
            vectors.extend((is_key && !features.rotation).then(|| self.key(row)));
            vectors.extend((features.rotation && row + 1 < rows.q).then(|| self.turning_query(row + 1)));
            vectors.extend((row < rows.q).then(|| self.query(row)));
            vectors.extend((is_key && features.rotation && row > 0).then(|| self.key(row)));
        }
        vectors
    }

    /// Queries, and keys as far as they do not go to KV memory.
    pub(super) fn queries(&self) -> Vec<Placed> {
        let Plan { rows, features, .. } = self.plan;
        let mut vectors: Vec<Placed> = features.rotation.then(|| self.turning_keys()).into_iter().collect();
        for row in 0..rows.q {
            vectors.extend(features.rotation.then(|| self.turning_query(row)));
            vectors.push(self.query(row));
        }
        vectors
    }

    /// Keys and values of one head, which KV memory has to itself.
    pub(super) fn new_keys_and_values(&self, head: usize) -> Vec<Placed> {
        let Plan { channels, geometry, .. } = self.plan;
        let (lanes, width) = (geometry.vxm_lanes, channels.width);
        let parts = lanes / geometry.groups();
        let per_row = (lanes / width).max(1);
        let first = head * width / lanes;
        let mut vectors = Vec::new();
        for row in first..first + (width / lanes).max(1) {
            let (key, issues) = self.key(row);
            // A row of several heads gives the half that is this head's.
            vectors.push(match per_row {
                1 => (key, issues),
                _ => (Vector { sub: (head % per_row) as u32, sub_advance: false, ..key }, Issues::burst(1)),
            });
            let (value, _) = self.value(row);
            let value = Vector {
                row: (self.plan.value_row(0, 0) + (row - first) * parts * self.plan.blocks) as u32,
                sub: (head % per_row * (parts / per_row)) as u32,
                ..value
            };
            vectors.push((value, Issues::burst(parts / per_row)));
        }
        vectors
    }

    fn turning_keys(&self) -> Placed {
        let Plan { vmem, vreg, rows, .. } = self.plan;
        let centred = Vector {
            c: C::VregB,
            bc: vreg.k_centre as u32,
            bc_advance: true,
            shift: self.formats.k.second,
            ..Vector::default()
        };
        self.turning(vmem.k, vreg.k_cos, vreg.k_turning, rows.kv, centred)
    }

    /// A row of keys. Those that do not turn are sums times factor, plus the middle of k.
    fn key(&self, row: usize) -> Placed {
        let Plan { vmem, vreg, channels, features, .. } = self.plan;
        let shift = self.formats.k.second;
        let key = match features.rotation {
            true => self.turned(vmem.k, vreg.k_sin, vreg.k_turning, row, shift),
            false => Vector { swap: false, ..self.turned(vmem.k, vreg.k_cos, vreg.k_centre, row, shift) },
        };
        let key = Vector { destination: Destination::Key, ..key };
        self.spread_head_rows(key, row, channels.kv_heads, self.plan.key_rows())
    }

    fn turning_query(&self, row: usize) -> Placed {
        let Plan { vmem, vreg, features, .. } = self.plan;
        let c = if features.q { C::VregB } else { C::Zero };
        let shift = self.formats.q.second;
        let shifted = Vector { shift, c, bc: (vreg.q_add + row) as u32, ..Vector::default() };
        self.turning(vmem.q + row, vreg.q_cos + row, vreg.q_turning + row, 1, shifted)
    }

    /// A row of queries. Those that do not turn are sums times factor, plus the bias of q.
    fn query(&self, row: usize) -> Placed {
        let Plan { vmem, vreg, channels, features, .. } = self.plan;
        let shift = self.formats.q.second;
        let query = match features.rotation {
            true => self.turned(vmem.q, vreg.q_sin, vreg.q_turning, row, shift),
            false => {
                let c = if features.q { C::VregB } else { C::Zero };
                Vector { swap: false, c, ..self.turned(vmem.q, vreg.q_cos, vreg.q_add, row, shift) }
            }
        };
        let query = Vector { destination: Destination::Act, ..query };
        self.spread_head_rows(query, row, channels.heads, Rows::Entries)
    }

    /// First half of a rotation: sums times cosine factor, plus what `base` adds.
    fn turning(&self, sums: usize, cos: usize, target: usize, rows: usize, base: Vector) -> Placed {
        let turning = Vector {
            vmem: sums as u32,
            vmem_advance: true,
            b: B::VregA,
            a: cos as u32,
            a_advance: true,
            ..base
        };
        (self.written(turning, target), Issues::burst(rows))
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
    fn spread_head_rows(&self, vector: Vector, row: usize, heads: usize, rows: Rows) -> Placed {
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
        (spread, Issues::burst(per_row.min(heads - head).max(1)))
    }

    pub(super) fn values(&self) -> Vec<Placed> {
        (0..self.plan.rows.kv).map(|row| self.value(row)).collect()
    }

    fn value(&self, row: usize) -> Placed {
        let Plan { vmem, vreg, geometry, .. } = self.plan;
        let parts = geometry.vxm_lanes / geometry.groups();
        let all_parts = self.plan.channels.kv_width() / geometry.groups();
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
        (value, Issues::burst(parts.min(all_parts - row * parts)))
    }

    /// Scores of all heads, then for each head probabilities into the activation file just ahead of the beats that mix values.
    pub(super) fn attention(&self, s: &mut Scheduler) {
        let Plan { channels, .. } = self.plan;
        for head in 0..channels.heads {
            self.scores(s, head);
        }
        if !self.plan.windows.is_empty() {
            self.limit_to_windows(s);
        }
        let parts = self.plan.kv_block_rows();
        // What the sums of the output projection will be added to is made ready meanwhile.
        let mut ready = self.before_output().into_iter();
        for head in 0..channels.heads {
            for part in 0..parts {
                let begins = head == 0 && part == 0;
                let filler = if begins { ready.next() } else { None };
                // With windows, scores went through the entries before.
                let first = begins && self.plan.windows.is_empty();
                let probabilities = self.probabilities(head, first, part == 0);
                s.place_passing(filler, probabilities, self.mix(head, part, first));
            }
        }
        self.mixed(s, ready);
        self.output(s);
    }

    pub(super) fn before_output(&self) -> Vec<Placed> {
        let Plan { constants, vmem, features, .. } = self.plan;
        let word = |row: usize| vmem.layers + row;
        let bias = features.o.then(|| word(constants.o_bias));
        // Where the MLP came first, the next layer's attention reads the residual, or the classifier.
        let next =
            if features.parallel { constants.rows + constants.attention_gain } else { constants.mlp_gain };
        self.before_add(word(constants.o), bias, self.formats.o, Some(word(next)))
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
            maximum: self.plan.windows.is_empty(),
            scalar: head as u32,
            store: (vmem.scores + head * blocks) as u32,
            ..Dot::default()
        };
        s.place(scores, Issues::per_block(self.plan.kv_block_rows()));
    }

    pub(super) fn probabilities(&self, head: usize, first: bool, sums: bool) -> Placed {
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
        (self.hiding(probabilities), Issues::per_block(1))
    }

    pub(super) fn mix(&self, head: usize, part: usize, first: bool) -> (Dot, Issues) {
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
        (mix, Issues::per_block(1))
    }

    /// Mixed values over the sum of probabilities, into the activation entries that follow those of the last probabilities; between them
    /// what is left of `ready`.
    fn mixed(&self, s: &mut Scheduler, mut ready: impl ExactSizeIterator<Item = Placed>) {
        let mut row = 0;
        let parts = &self.plan.matrices.o;
        for (part, matrix) in parts.iter().enumerate() {
            let mixed = self.mixed_rows(row, matrix.width());
            row += matrix.width() / self.plan.geometry.vxm_lanes;
            let last = part + 1 == parts.len();
            while last && ready.len() > 1 {
                let (vector, issues) = ready.next().expect("more than one");
                s.place(vector, issues);
            }
            // The first part waits for little, whatever the position.
            let filler = if part > 0 || last { ready.next() } else { None };
            match filler {
                Some(filler) => s.place_filled(filler, mixed, &[]),
                None => s.place(mixed.0, mixed.1),
            };
        }
    }

    /// The mixed values of one part of the output projection, from a row on.
    pub(super) fn mixed_rows(&self, row: usize, width: usize) -> Placed {
        let Plan { channels, vmem, geometry, rows, .. } = self.plan;
        let lanes = geometry.vxm_lanes;
        let per_row = lanes / channels.width;
        let head = row * lanes / channels.width;
        let pairs = per_row > 1 && head + 1 < channels.heads;
        let mixed = Vector {
            vmem: (vmem.mix + row) as u32,
            vmem_advance: true,
            b: if pairs { B::ScalarPair } else { B::Scalar },
            scalar: geometry.scalars as u32 + self.head_reduction(head),
            scalar_step: per_row as u32,
            shift: 17 - MIX_SHIFT as i32 - MIX_FRACTION_BITS,
            destination: Destination::Act,
            entry_continue: true,
            length: 1,
            start_step: 2,
            period: (2 * width / lanes).ilog2(),
            ..Vector::default()
        };
        (mixed, Issues::burst((width / lanes).min(rows.q - row)))
    }

    /// The output projection, part by part as the mixed values come.
    fn output(&self, s: &mut Scheduler) {
        let Plan { matrices, vmem, rows, .. } = self.plan;
        for (part, matrix) in matrices.o.iter().enumerate() {
            self.product(s, matrix, Entry::Next, self.formats.o.sum, vmem.o + part * rows.x, true);
        }
    }
}
