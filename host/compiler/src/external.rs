//! Pass 2 for chips with external memory: how weights are stored there, and where everything lies.
//!
//! ```text
//!  embedding   one item of whole granules a token
//!  layers      a record each:  constants of attention │ k q v │ keys and values of each head │ o │ constants of the MLP │ gate up down
//!              behind the last one: what its body brings for the next, and nobody reads
//!  classifier  a record for each chunk of results:  scales │ weights │ logits
//! ```
//!
//! All addresses are granules. Records are of one size, because a loop's trips differ by one offset.

use super::error::CompileError;
use super::features::Features;
use super::plan::{MatrixPlan, Plan};
use lpu_isa::Geometry;
use lpu_isa::instruction::{Control, Dot, Format, Transfer, Way};
use lpu_isa::transfer::{BLOCK_CODES, Layout};
use lpu_model::{Config, Integers, Layer, Matrix, Model};

/// Right shift of decoded weights: scales reach 64 units of a row, in steps of 1/1024.
pub const WEIGHT_SHIFT: u32 = 10;
/// Beats of one `Dot`, and granules of one transfer, at most.
const COUNT_MAX: usize = Control::COUNT.range().1 as usize;
/// Rows of logits that are made at once.
const CHUNK_ROWS: usize = 32;
/// What external memory is counted in.
pub const GRANULES: &str = "granules of external memory";
/// Bits of codes of weights that no file has in blocks.
const DEFAULT_BITS: u32 = 8;

/// How the codes of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    pub bits: u32,
    pub has_offset: bool,
}

impl Codes {
    /// Codes that hold those of all layers' files exactly, or of the default width where a file has none.
    fn of<'m>(matrices: impl Iterator<Item = &'m Matrix>) -> Self {
        let default = Self { bits: DEFAULT_BITS, has_offset: false };
        let all: Option<Vec<Integers>> = matrices.map(Matrix::integers).collect();
        let Some(all) = all.filter(|all| !all.is_empty()) else { return default };
        let bits = all.iter().map(|integers| integers.bits).max().unwrap_or(DEFAULT_BITS);
        Self { bits, has_offset: all.iter().any(|integers| integers.has_offset) }
    }

    pub fn format(self) -> Format {
        match self.bits {
            4 => Format::Codes4,
            5 => Format::Codes5,
            6 => Format::Codes6,
            _ => Format::Codes8,
        }
    }
}

/// How the matrices of a model are stored, the same in all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelCodes {
    pub k: Codes,
    pub q: Codes,
    pub v: Codes,
    pub o: Codes,
    pub gate: Codes,
    pub up: Codes,
    pub down: Codes,
    pub classifier: Codes,
}

impl ModelCodes {
    /// Bits of the narrowest and of the widest codes.
    pub fn bits(&self) -> [u32; 2] {
        let Self { k, q, v, o, gate, up, down, classifier } = *self;
        let bits = [k, q, v, o, gate, up, down, classifier].map(|codes| codes.bits);
        let (least, most) = (bits.iter().min(), bits.iter().max());
        [least, most].map(|bits| bits.copied().unwrap_or(DEFAULT_BITS))
    }

    pub fn of(model: &Model) -> Self {
        let of = |of: fn(&Layer) -> &Matrix| Codes::of(model.layers.iter().map(of));
        // Columns of o follow the heads: whole blocks of the file only where heads are whole blocks.
        let head = model.config.head_dim;
        let whole = head.is_multiple_of(BLOCK_CODES) && head.is_power_of_two();
        let default = Codes { bits: DEFAULT_BITS, has_offset: false };
        Self {
            k: of(|layer| &layer.k.weight),
            q: of(|layer| &layer.q.weight),
            v: of(|layer| &layer.v.weight),
            o: if whole { of(|layer| &layer.o.weight) } else { default },
            gate: of(|layer| layer.gate.as_ref().map_or(&layer.up.weight, |gate| &gate.weight)),
            up: of(|layer| &layer.up.weight),
            down: of(|layer| &layer.down.weight),
            classifier: Codes::of(std::iter::once(model.classifier_matrix())),
        }
    }
}

/// A matrix in external memory.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// First granule, within its record.
    pub address: usize,
    pub codes: Codes,
    /// Blocks of a result.
    pub blocks: usize,
}

/// Some results of a matrix, which one transfer brings and one `Dot` makes.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub first: usize,
    pub outputs: usize,
    /// First granule within the record, and granules.
    pub address: usize,
    pub granules: usize,
}

/// The part of a model that has no program with external memory.
pub fn unsupported(config: &Config, features: Features) -> Option<&'static str> {
    let parts = [
        (!config.gated, "an MLP without a gate in external memory"),
        (features.parallel, "attention and MLP side by side in external memory"),
        (features.positions, "learned positions in external memory"),
        (features.embedding_norm, "a normalised embedding in external memory"),
        (features.o || features.down || features.gate || features.up, "biases of the MLP in external memory"),
        (features.logits, "biases of the classifier in external memory"),
        (
            (0..config.layers).any(|layer| config.window(layer).is_some()),
            "attention windows in external memory",
        ),
    ];
    parts.into_iter().find_map(|(present, part)| present.then_some(part))
}

/// A matrix of `outputs` results and `inputs` columns.
pub fn matrix(geometry: &Geometry, outputs: usize, inputs: usize, codes: Codes) -> MatrixPlan {
    let blocks = inputs.div_ceil(BLOCK_CODES);
    let pieces = vec![geometry.mxm_lanes; (blocks * BLOCK_CODES).div_ceil(geometry.mxm_lanes)];
    let rows = outputs * pieces.len();
    let stored = Some(Stored { address: 0, codes, blocks });
    MatrixPlan { row: 0, column: 0, outputs, pieces, rows, whole: false, stored }
}

impl Stored {
    /// The transfer of some rows of the matrix.
    pub fn transfer(&self, rows: usize, address: usize) -> Transfer {
        Transfer {
            way: Way::Weights,
            format: self.codes.format(),
            offset_codes: self.codes.has_offset,
            shift: WEIGHT_SHIFT,
            run: rows as u32,
            blocks: self.blocks as u32,
            address: address as u32,
            ..Transfer::default()
        }
    }

    /// Cycles from beat to beat with which a matrix is multiplied no slower than it arrives.
    pub fn interval(&self, geometry: &Geometry, pieces: usize) -> u32 {
        let layout = Layout::of(geometry, &self.transfer(pieces, 0));
        let bits = self.blocks * layout.block_bits();
        (bits / (pieces * geometry.dram_bits)).clamp(1, Control::INTERVAL.range().1 as usize) as u32
    }
}

impl MatrixPlan {
    /// The parts in which the matrix comes. Each is whole vector rows of results.
    pub fn stored_parts(&self, geometry: &Geometry) -> Vec<Part> {
        let Some(stored) = &self.stored else { return Vec::new() };
        let granules = |outputs: usize| {
            Layout::of(geometry, &stored.transfer(outputs * self.pieces.len(), 0)).run_granules()
        };
        let lanes = geometry.vxm_lanes;
        let mut largest = (COUNT_MAX / self.pieces.len() / lanes).max(1) * lanes;
        while granules(largest) > COUNT_MAX {
            largest = (largest / 2).next_multiple_of(lanes);
        }
        let mut address = stored.address;
        let part = |first: usize| {
            let outputs = largest.min(self.outputs - first);
            let part = Part { first, outputs, address, granules: granules(outputs) };
            address += part.granules;
            part
        };
        (0..self.outputs).step_by(largest).map(part).collect()
    }

    fn stored_granules(&self, geometry: &Geometry) -> usize {
        self.stored_parts(geometry).iter().map(|part| part.granules).sum()
    }
}

/// Where everything lies in external memory, and what of the chip's memories is shared otherwise than without it.
#[derive(Clone, Debug, Default)]
pub struct ExternalPlan {
    /// First granule of token 0's embedding, and granules of each.
    pub embedding: usize,
    pub embedding_granules: usize,
    /// First granule of layer 0, and granules of a layer.
    pub layers: usize,
    pub layer_granules: usize,
    /// Within a layer, behind the constants of attention: keys and values, constants of the MLP.
    pub cache: usize,
    pub mlp_constants: usize,
    /// Granules of a block of keys of one head; as many as of values.
    pub block_granules: usize,
    /// First granule of the classifier's chunk 0, and granules of a chunk.
    pub classifier: usize,
    pub chunk_granules: usize,
    /// Within a chunk: weights, then logits; scales come first.
    pub chunk_weights: usize,
    pub logits: usize,
    /// Vector rows of a chunk, and chunks; the last one may be shorter.
    pub chunk_rows: usize,
    pub chunks: usize,
    /// Granules in all.
    pub granules: usize,
    /// First activation entry of probabilities, and of mixed values.
    pub probabilities: usize,
    pub mixed: usize,
}

/// Rows of words that follow one another.
pub fn words(way: Way, row: usize, count: usize, address: usize) -> Transfer {
    Transfer {
        way,
        row: row as u32,
        row_step: 1,
        run: count as u32,
        address: address as u32,
        ..Transfer::default()
    }
}

/// Granules of one run of a transfer.
pub fn run_granules(geometry: &Geometry, transfer: &Transfer) -> usize {
    Layout::of(geometry, transfer).run_granules()
}

impl ExternalPlan {
    /// Gives every matrix and vector of the plan its place.
    pub fn new(plan: &mut Plan, vocab: usize) -> Self {
        let geometry = plan.geometry;
        let rows = plan.rows;
        let rows_of = |way, count| run_granules(&geometry, &words(way, 0, count, 0));
        let mut external = Self {
            probabilities: plan.channels.heads,
            mixed: plan.channels.heads + plan.blocks,
            block_granules: rows_of(Way::Kv, plan.kv_block_rows()),
            ..Self::default()
        };
        external.embedding_granules = run_granules(&geometry, &embedding(rows.x, 0));
        external.layers = vocab * external.embedding_granules;
        let mut next = rows_of(Way::Vmem, plan.constants.gate);
        let place = |matrix: &mut MatrixPlan, next: &mut usize| {
            if let Some(stored) = &mut matrix.stored {
                stored.address = *next;
            }
            *next += matrix.stored_granules(&geometry);
        };
        let (kv_heads, blocks) = (plan.channels.kv_heads, plan.blocks);
        let matrices = &mut plan.matrices;
        for matrix in [&mut matrices.k, &mut matrices.q, &mut matrices.v] {
            place(matrix, &mut next);
        }
        external.cache = next;
        next += 2 * kv_heads * blocks * external.block_granules;
        matrices.o.iter_mut().for_each(|matrix| place(matrix, &mut next));
        external.mlp_constants = next;
        next += rows_of(Way::Vmem, plan.constants.rows - plan.constants.gate);
        let mlp = matrices.gate.iter_mut().chain([&mut matrices.up]).chain(&mut matrices.down);
        mlp.for_each(|matrix| place(matrix, &mut next));
        external.layer_granules = next;
        // Behind the last layer are what its body brings for the next.
        external.classifier = external.layers + plan.layers * next + rows_of(Way::Vmem, plan.constants.gate);
        let pieces = plan.classifier.pieces.len();
        external.chunk_rows = CHUNK_ROWS.min(rows.vocab).min(COUNT_MAX / pieces / geometry.vxm_lanes);
        external.chunks = rows.vocab.div_ceil(external.chunk_rows);
        external.chunk_weights = rows_of(Way::Vmem, external.chunk_rows);
        let mut next = external.chunk_weights;
        let outputs = external.chunk_rows * geometry.vxm_lanes;
        plan.classifier = MatrixPlan { outputs, rows: outputs * pieces, ..plan.classifier.clone() };
        place(&mut plan.classifier, &mut next);
        external.logits = next;
        external.chunk_granules = next + rows_of(Way::FromVmem, external.chunk_rows);
        external.granules = external.classifier + external.chunks * external.chunk_granules;
        external
    }

    /// Keys, or values, of a head within its layer.
    pub fn cache_of(&self, plan: &Plan, head: usize, is_value: bool) -> usize {
        self.cache + (2 * head + usize::from(is_value)) * plan.blocks * self.block_granules
    }

    /// Checks what no memory of the chip is made for.
    pub fn check(&self, geometry: &Geometry, plan: &Plan) -> Result<(), CompileError> {
        let pieces = plan.matrices.down.iter().chain([&plan.matrices.q]).map(|matrix| matrix.pieces.len());
        let longest = pieces.max().unwrap_or(0);
        let fits = |memory, needed, available| {
            if needed <= available {
                Ok(())
            } else {
                Err(CompileError::DoesNotFit { memory, needed, available })
            }
        };
        fits("pieces of a matrix's input", longest, Dot::pieces.range().1 as usize)?;
        fits(GRANULES, self.granules, geometry.dram_granules)
    }
}

/// The embedding of a token.
pub fn embedding(rows: usize, address: usize) -> Transfer {
    Transfer { format: Format::Codes8, blocks: 1, ..words(Way::Vmem, 0, rows, address) }
}
