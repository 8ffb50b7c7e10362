//! Pass 2: where everything lies: matrices in weight memory, keys and values in KV memory, and how many positions fit. `vectors.rs`
//! places what lies in vector memory and in registers.

use super::channels::Channels;
use super::error::CompileError;
use super::external::{self, ExternalPlan, Stored};
use super::features::Features;
use super::limit::ContextLimit;
use super::noise;
use super::vectors::{LayerConstants, VmemPlan, VregPlan, layer_constants, registers, vector_memory};
use super::windows::Window;
use lpu_isa::Geometry;
use lpu_model::Config;

/// A matrix in weight memory. Its input vector is cut into pieces, each as wide as a tap of the tree; for each vector row of
/// results the rows of all pieces follow one another.
#[derive(Clone, Debug)]
pub struct MatrixPlan {
    /// First row, counted from the start of its layer's rows.
    pub row: usize,
    /// First lane of the input vector that it takes.
    pub column: usize,
    /// Results.
    pub outputs: usize,
    /// Width in lanes of each piece; the first piece takes the first inputs.
    pub pieces: Vec<usize>,
    /// Rows in all.
    pub rows: usize,
    /// The rows of one result are neighbours, as gathering wants them; else those of one piece are.
    pub whole: bool,
    /// Where it lies in external memory; then the rows of one result are neighbours, too, and each is as wide as the matrix unit.
    pub stored: Option<Stored>,
}

impl MatrixPlan {
    fn new(geometry: &Geometry, outputs: usize, pieces: Vec<usize>) -> Self {
        let mut plan = Self { row: 0, column: 0, outputs, pieces, rows: 0, whole: false, stored: None };
        plan.rows = (0..plan.groups(geometry)).map(|group| plan.group_rows(geometry, group)).sum();
        plan
    }

    /// Vector rows of results.
    pub fn groups(&self, geometry: &Geometry) -> usize {
        self.outputs.div_ceil(geometry.vxm_lanes)
    }

    /// Matrix rows of one piece for one vector row of results.
    pub fn beats(&self, geometry: &Geometry, group: usize, piece: usize) -> usize {
        let outputs = (self.outputs - group * geometry.vxm_lanes).min(geometry.vxm_lanes);
        outputs.div_ceil(geometry.mxm_lanes / self.pieces[piece])
    }

    fn group_rows(&self, geometry: &Geometry, group: usize) -> usize {
        (0..self.pieces.len()).map(|piece| self.beats(geometry, group, piece)).sum()
    }

    /// First row of a piece of a group, and the rows from beat to beat, counted from the first row of the matrix.
    pub fn beat_rows(&self, geometry: &Geometry, group: usize, piece: usize) -> (usize, usize) {
        if self.whole && self.pieces.len() > 1 {
            let per_result = self.pieces.len();
            return (group * geometry.vxm_lanes * per_result + piece, per_result);
        }
        // All groups but the last are alike.
        let before = group * self.group_rows(geometry, 0);
        (before + (0..piece).map(|piece| self.beats(geometry, group, piece)).sum::<usize>(), 1)
    }

    /// Lanes of the input vector, padding included.
    pub fn width(&self) -> usize {
        self.pieces.iter().sum()
    }
}

/// The matrices of one layer.
#[derive(Clone, Debug)]
pub struct LayerMatrices {
    pub k: MatrixPlan,
    pub q: MatrixPlan,
    pub v: MatrixPlan,
    /// Parts that take the input's lanes one after another; their results add up.
    pub o: Vec<MatrixPlan>,
    pub gate: Option<MatrixPlan>,
    pub up: MatrixPlan,
    /// Parts, as of `o`.
    pub down: Vec<MatrixPlan>,
    /// Weight rows of a layer.
    pub rows: usize,
}

/// Row counts of the model's vectors.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub x: usize,
    pub q: usize,
    pub kv: usize,
    pub hidden: usize,
    pub vocab: usize,
    /// Rows of one head, at least 1.
    pub head: usize,
    /// Rows of the classifier handled at once.
    pub chunk: usize,
    /// Rows of the MLP's inner vector whose gates are worked out at once.
    pub gates: usize,
}

/// The whole memory map.
#[derive(Clone, Debug)]
pub struct Plan {
    pub geometry: Geometry,
    pub channels: Channels,
    pub rows: Rows,
    pub matrices: LayerMatrices,
    pub layers: usize,
    /// Tokens of the vocabulary.
    pub vocab: usize,
    pub features: Features,
    /// Weight row of token 0's embedding, and of the classifier.
    pub embedding: MatrixPlan,
    pub classifier: MatrixPlan,
    pub positions: Option<MatrixPlan>,
    /// Weight row that brings the lanes of an activation entry to those of a vector row, each once; used with windows.
    pub lanes_row: usize,
    pub weight_rows: usize,
    pub constants: LayerConstants,
    pub vmem: VmemPlan,
    pub vreg: VregPlan,
    /// Positions that can be executed, and why there are no more.
    pub context: usize,
    pub limit: Option<ContextLimit>,
    /// The different windows of the layers.
    pub windows: Vec<Window>,
    /// Blocks of the context.
    pub blocks: usize,
    /// KV rows of one layer; with external memory of one head, for all layers.
    pub kv_rows: usize,
    pub external: Option<ExternalPlan>,
}

/// Classifier rows whose factors are held in registers at once.
const CHUNK_ROWS: usize = 7;

impl Plan {
    /// Lays a model out on a chip, with the longest context that fits (exactly `context` when given, if the model has so many positions).
    pub fn new(
        config: &Config,
        features: Features,
        geometry: &Geometry,
        context: Option<usize>,
    ) -> Result<Self, CompileError> {
        if let Some(feature) = features.unsupported {
            return Err(CompileError::Unsupported { feature });
        }
        if let Some(feature) =
            external::unsupported(config, features).filter(|_| geometry.has_external_memory())
        {
            return Err(CompileError::Unsupported { feature });
        }
        let lanes = geometry.vxm_lanes;
        let mut wanted = context.unwrap_or(config.context).min(config.context).min(geometry.positions);
        let mut limit = ContextLimit::of_request(config, geometry, context);
        loop {
            let blocks = wanted.div_ceil(lanes);
            match Self::with_context(config, features, geometry, wanted) {
                Err(CompileError::DoesNotFit { memory, needed, available })
                    if context.is_none() && blocks > 1 =>
                {
                    limit = Some(ContextLimit::Memory { memory, positions: wanted, needed, available });
                    wanted = (blocks - 1) * lanes;
                }
                result => return result.map(|plan| Self { limit, ..plan }),
            }
        }
    }

    fn with_context(
        config: &Config,
        features: Features,
        geometry: &Geometry,
        context: usize,
    ) -> Result<Self, CompileError> {
        let channels = Channels::new(config, features.head_norm, geometry);
        if channels.width > geometry.mxm_lanes {
            return Err(CompileError::HeadTooWide { head: config.head_dim, lanes: geometry.mxm_lanes });
        }
        let mut rows = rows(config, &channels, geometry);
        if geometry.has_external_memory() {
            rows.gates = gate_rows(features, &rows, geometry)?;
        }
        let blocks = context.div_ceil(geometry.vxm_lanes);
        let windows = Window::of_layers(config, context, geometry.vxm_lanes);
        let matrices = layer_matrices(config, features, geometry, &channels, &rows);
        let first = matrices.rows * config.layers;
        let tokens = TokenMatrices::new(config, features, geometry, &rows, context, first);
        let TokenMatrices { embedding, classifier, positions, end: lanes_row } = tokens;
        let mut plan = Self {
            geometry: *geometry,
            constants: layer_constants(config, features, &rows, &windows, geometry.has_external_memory()),
            vreg: registers(config.gated, features, &rows, (!windows.is_empty()).then_some(blocks)),
            channels,
            rows,
            matrices,
            layers: config.layers,
            vocab: config.vocab,
            features,
            embedding,
            classifier,
            positions,
            lanes_row,
            weight_rows: lanes_row + usize::from(!windows.is_empty()),
            vmem: VmemPlan::default(),
            context,
            limit: None,
            windows,
            blocks,
            kv_rows: 0,
            external: None,
        };
        plan.kv_rows = 2 * plan.kv_block_rows() * blocks;
        if geometry.has_external_memory() {
            plan.external = Some(ExternalPlan::new(&mut plan, config.vocab));
        } else {
            plan.kv_rows *= plan.channels.kv_heads;
        }
        plan.vmem = vector_memory(config, &plan);
        plan.check_sizes(config)?;
        Ok(plan)
    }

    fn check_sizes(&self, config: &Config) -> Result<(), CompileError> {
        let Self { geometry, features, .. } = self;
        fits("weight memory rows", self.weight_rows, geometry.weight_rows)?;
        fits("vector registers", self.vreg.rows, geometry.vreg_rows)?;
        // Where attention follows the MLP, its input outlasts the MLP's inner vector.
        let inner: usize = self.matrices.down.iter().map(|part| part.pieces.len()).sum();
        let working = if features.parallel { inner.max(config.heads) } else { config.heads };
        let entries = self.matrices.q.pieces.len()
            + match &self.external {
                None => working,
                Some(external) => inner.max(external.mixed + self.matrices.o[0].pieces.len()),
            };
        fits("activation entries", entries, geometry.act_entries)?;
        let heads = config.heads + if features.head_norm { config.kv_heads } else { 0 };
        let others = 2 + usize::from(features.positions) + usize::from(!self.windows.is_empty());
        fits("scalars", heads + others, geometry.scalars)?;
        if let Some(external) = &self.external {
            fits("KV memory rows", self.kv_rows, geometry.kv_rows)?;
            fits("vector memory rows", self.vmem.rows, geometry.vmem_rows)?;
            return external.check(geometry, self);
        }
        fits("KV memory rows", self.kv_rows * self.layers, geometry.kv_rows)?;
        fits("vector memory rows", self.vmem.rows, geometry.vmem_rows)
    }

    /// Positions of the shortest window that hides anything.
    pub fn shortest_window(&self) -> Option<usize> {
        self.windows.iter().map(|window| window.positions).min()
    }

    /// KV rows of one block of one key head (as many as for its values).
    pub fn kv_block_rows(&self) -> usize {
        self.channels.width / self.geometry.groups()
    }

    /// First key row of a key head within a layer.
    pub fn key_row(&self, head: usize) -> usize {
        self.head_in_memory(head) * self.kv_block_rows() * self.blocks
    }

    /// First row of a layer's values: `groups` elements of a value head, by block.
    pub fn value_row(&self, head: usize, part: usize) -> usize {
        let heads = if self.external.is_some() { 1 } else { self.channels.kv_heads };
        let keys = heads * self.kv_block_rows() * self.blocks;
        keys + (self.head_in_memory(head) * self.kv_block_rows() + part) * self.blocks
    }

    /// The place of a head in KV memory, which with external memory holds one at a time.
    fn head_in_memory(&self, head: usize) -> usize {
        if self.external.is_some() { 0 } else { head }
    }
}

fn rows(config: &Config, channels: &Channels, geometry: &Geometry) -> Rows {
    let lanes = geometry.vxm_lanes;
    Rows {
        x: config.dim.div_ceil(lanes),
        q: channels.q_width().div_ceil(lanes),
        kv: channels.kv_width().div_ceil(lanes),
        hidden: config.hidden_dim.div_ceil(lanes),
        vocab: config.vocab.div_ceil(lanes),
        head: channels.width.div_ceil(lanes),
        // A chunk takes its rows of random numbers in consecutive cycles.
        chunk: CHUNK_ROWS.min(noise::kept_rows(geometry)).min(config.vocab.div_ceil(lanes)),
        gates: config.hidden_dim.div_ceil(lanes),
    }
}

fn fits(memory: &'static str, needed: usize, available: usize) -> Result<(), CompileError> {
    if needed <= available { Ok(()) } else { Err(CompileError::DoesNotFit { memory, needed, available }) }
}

/// Pieces that add up to `width`, widest first: full matrix rows, then falling powers of two.
fn pieces(geometry: &Geometry, width: usize) -> Vec<usize> {
    let mut left = width.next_multiple_of(geometry.vxm_lanes);
    let mut pieces = Vec::new();
    while left > 0 {
        let piece = if left >= geometry.mxm_lanes { geometry.mxm_lanes } else { 1 << left.ilog2() };
        pieces.push(piece);
        left -= piece;
    }
    pieces
}

/// Pieces of an input whose rows arrive one after another and whose matrix waits for the last: what remains after it is short.
fn late_pieces(geometry: &Geometry, width: usize) -> Vec<usize> {
    let lanes = geometry.vxm_lanes;
    let mut pieces = pieces(geometry, width.next_multiple_of(lanes) - lanes);
    pieces.reverse();
    pieces.push(lanes);
    pieces
}

/// Parts of the MLP's inner vector. A vector wider than the matrix unit is there before the matrix has used its first lanes; halves of a
/// matrix row let it begin early, and a wide last part leaves time to add the part before it.
fn hidden_parts(geometry: &Geometry, width: usize) -> Vec<Vec<usize>> {
    if width <= geometry.mxm_lanes {
        return late_pieces(geometry, width).into_iter().map(|piece| vec![piece]).collect();
    }
    let mut pieces = pieces(geometry, width);
    let full = pieces.iter().take_while(|piece| **piece == geometry.mxm_lanes).count();
    let rest = pieces.split_off(full).into_iter().rev().map(|piece| vec![piece]);
    let first = if full == 1 { vec![vec![geometry.mxm_lanes / 2]; 2] } else { vec![pieces] };
    first.into_iter().chain(rest).collect()
}

/// Parts for mixed values, one activation entry each. A head wider than a row is a part of its own, because each head has its own sum.
fn head_parts(geometry: &Geometry, channels: &Channels) -> Vec<Vec<usize>> {
    if channels.width > geometry.vxm_lanes {
        return vec![vec![channels.width]; channels.heads];
    }
    late_pieces(geometry, channels.q_width()).into_iter().map(|piece| vec![piece]).collect()
}

fn parts(
    outputs: usize,
    parts: Vec<Vec<usize>>,
    next: &mut impl FnMut(usize, Vec<usize>) -> MatrixPlan,
) -> Vec<MatrixPlan> {
    let mut column = 0;
    let place = |pieces: Vec<usize>| {
        let plan = MatrixPlan { column, ..next(outputs, pieces) };
        column += plan.width();
        plan
    };
    parts.into_iter().map(place).collect()
}

/// Pieces of the residual, as the layers' matrices and the classifier take it. A classifier that is the embedding holds whole tokens.
fn input_pieces(config: &Config, features: Features, geometry: &Geometry) -> Vec<usize> {
    if features.own_classifier {
        return pieces(geometry, config.dim);
    }
    let width = config.dim.next_multiple_of(geometry.vxm_lanes).next_power_of_two();
    vec![width.min(geometry.mxm_lanes); width.div_ceil(geometry.mxm_lanes)]
}

fn layer_matrices(
    config: &Config,
    features: Features,
    geometry: &Geometry,
    channels: &Channels,
    rows: &Rows,
) -> LayerMatrices {
    let lanes = geometry.vxm_lanes;
    if geometry.has_external_memory() {
        return stored_matrices(config, features, geometry, channels, rows);
    }
    let input = || input_pieces(config, features, geometry);
    let mut row = 0;
    let mut next = |outputs: usize, pieces: Vec<usize>| {
        let plan = MatrixPlan { row, ..MatrixPlan::new(geometry, outputs, pieces) };
        row += plan.rows;
        plan
    };
    let k = next(rows.kv * lanes, input());
    let q = next(rows.q * lanes, input());
    let v = next(rows.kv * lanes, input());
    let o = parts(config.dim, head_parts(geometry, channels), &mut next);
    let gate = config.gated.then(|| next(config.hidden_dim, input()));
    let up = next(config.hidden_dim, input());
    let down = parts(config.dim, hidden_parts(geometry, config.hidden_dim), &mut next);
    LayerMatrices { k, q, v, o, gate, up, down, rows: row }
}

/// Rows of gates that registers hold beside the inner vector's factors.
fn gate_rows(features: Features, rows: &Rows, geometry: &Geometry) -> Result<usize, CompileError> {
    let others = registers(true, features, &Rows { gates: 0, ..*rows }, None);
    let room = geometry.vreg_rows.saturating_sub(others.up_factor + rows.hidden) / 3;
    let gates = rows.hidden.min(room / geometry.groups() * geometry.groups());
    match gates {
        0 => Err(CompileError::DoesNotFit {
            memory: "vector registers",
            needed: others.up_factor + rows.hidden + 3 * geometry.groups(),
            available: geometry.vreg_rows,
        }),
        gates => Ok(gates),
    }
}

/// The matrices of a layer in external memory.
fn stored_matrices(
    config: &Config,
    features: Features,
    geometry: &Geometry,
    channels: &Channels,
    rows: &Rows,
) -> LayerMatrices {
    let (lanes, codes) = (geometry.vxm_lanes, features.codes);
    let matrix = |outputs, inputs, codes| external::matrix(geometry, outputs, inputs, codes);
    let k = matrix(rows.kv * lanes, config.dim, codes.k);
    let q = matrix(rows.q * lanes, config.dim, codes.q);
    let v = matrix(rows.kv * lanes, config.dim, codes.v);
    let o = vec![matrix(config.dim, channels.q_width(), codes.o)];
    let gate = config.gated.then(|| matrix(config.hidden_dim, config.dim, codes.gate));
    let up = matrix(config.hidden_dim, config.dim, codes.up);
    let down = vec![matrix(config.dim, config.hidden_dim, codes.down)];
    let all = [&k, &q, &v, &up].into_iter().chain(&o).chain(&gate).chain(&down);
    let rows = all.map(|matrix| matrix.rows).sum();
    LayerMatrices { k, q, v, o, gate, up, down, rows }
}

/// Embedding, classifier and positions follow the layers; embedding and classifier are one when the model shares them.
struct TokenMatrices {
    embedding: MatrixPlan,
    classifier: MatrixPlan,
    positions: Option<MatrixPlan>,
    end: usize,
}

impl TokenMatrices {
    fn new(
        config: &Config,
        features: Features,
        geometry: &Geometry,
        rows: &Rows,
        context: usize,
        first_row: usize,
    ) -> Self {
        if geometry.has_external_memory() {
            let classifier = external::matrix(geometry, config.vocab, config.dim, features.codes.classifier);
            let embedding = MatrixPlan::new(geometry, 0, Vec::new());
            return Self { embedding, classifier, positions: None, end: 0 };
        }
        let mut end = first_row;
        let mut place = |plan: MatrixPlan| {
            let plan = MatrixPlan { row: end, ..plan };
            end += plan.rows;
            plan
        };
        // Rows hold whole tokens, a power of two of chunks each, so that one token's chunks are neighbours.
        let width = (rows.x * geometry.vxm_lanes).next_power_of_two();
        let whole = |outputs: usize| {
            let plan = MatrixPlan::new(geometry, outputs, vec![width.min(geometry.mxm_lanes)]);
            let pieces = width.div_ceil(geometry.mxm_lanes);
            let rows = plan.rows * pieces;
            MatrixPlan { pieces: vec![plan.pieces[0]; pieces], rows, whole: true, ..plan }
        };
        let embedding = place(whole(config.vocab));
        let classifier = match features.own_classifier {
            true => place(MatrixPlan::new(geometry, config.vocab, pieces(geometry, config.dim))),
            false => embedding.clone(),
        };
        let positions = features.positions.then(|| place(whole(context)));
        Self { embedding, classifier, positions, end }
    }
}
