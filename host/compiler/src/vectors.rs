//! Pass 2, second half: constants and work rows in vector memory, and vectors in registers.

use super::features::Features;
use super::plan::{Plan, Rows};
use super::turns::Turns;
use super::windows::Window;
use lpu_model::{Activation, Config};

/// Constant rows of one layer in vector memory, counted from the layer's first.
#[derive(Clone, Debug, Default)]
pub struct LayerConstants {
    pub attention_gain: usize,
    pub k: usize,
    pub q: usize,
    pub v: usize,
    pub k_centre: usize,
    /// Scales of k and q as they are squared, where heads are normalised.
    pub k_squared: usize,
    pub q_squared: usize,
    /// How much of the two ways to turn: one and zero, or zero and one. Only where layers differ.
    pub own_turn: usize,
    pub other_turn: usize,
    pub o: usize,
    pub mlp_gain: usize,
    pub gate: usize,
    pub up: usize,
    pub down: usize,
    /// Gain of the norm that reads the residual after the MLP: of the next layer's attention, or of the classifier.
    pub next_gain: usize,
    /// Two words each that make the residual an operand, before attention, before the MLP, and where `next_gain` reads it.
    pub attention_scale: usize,
    pub mlp_scale: usize,
    pub next_scale: usize,
    /// Biases.
    pub q_bias: usize,
    pub k_bias: usize,
    pub o_bias: usize,
    pub gate_bias: usize,
    pub up_bias: usize,
    pub down_bias: usize,
    /// One row for each of the plan's windows: whether the layer has it.
    pub windows: usize,
    /// Rows of a layer.
    pub rows: usize,
}

/// Rows of vector memory outside the layers' constants.
#[derive(Clone, Debug, Default)]
pub struct VmemPlan {
    /// Constants of layer 0.
    pub layers: usize,
    pub final_gain: usize,
    /// Scale of each token's embedding row; the classifier's row factors when it shares the embedding.
    pub embedding: usize,
    pub classifier: usize,
    pub logits_bias: usize,
    /// Scale of each position's row.
    pub positions: usize,
    /// The same number in all lanes: factor of a normalised embedding, scale of biases of the residual, the polynomial of GELU.
    pub embedding_gain: usize,
    pub bias_unit: usize,
    pub gelu: usize,
    /// One in all lanes, as attention windows use it.
    pub window_unit: usize,
    /// Tables and masks of each of the plan's windows.
    pub windows: Vec<WindowRows>,
    /// Cosines and sines of the usual way to turn, and of the other one.
    pub turns: [TurnTables; 2],
    /// Work rows.
    pub k: usize,
    pub q: usize,
    pub v: usize,
    pub mix: usize,
    /// Results of each part, one after another.
    pub o: usize,
    pub down: usize,
    pub scores: usize,
    /// Scores of one head as their maximum is taken within a window.
    pub limited: usize,
    pub gate: usize,
    pub up: usize,
    pub gathered: usize,
    pub gathered_position: usize,
    pub sums: usize,
    pub logits: usize,
    /// First row that is not a constant, and rows in all.
    pub constants: usize,
    pub rows: usize,
}

/// Rows of one attention window.
#[derive(Clone, Debug, Default)]
pub struct WindowRows {
    /// What a block at the edge shows, by position mod lanes, for the later and then for the earlier of the two.
    pub edges: usize,
    /// What a block shows that began so many blocks before the current one. Both blocks at the edge are written for each position;
    /// the last row shows nothing.
    pub table: usize,
    /// Rows of that table.
    pub table_rows: usize,
    /// What each block of the context shows at the current position.
    pub masks: usize,
}

/// Cosine and signed sine by position / lanes, then by position mod lanes; one table for each row of a head.
#[derive(Clone, Copy, Debug, Default)]
pub struct TurnTables {
    pub cos_high: usize,
    pub sin_high: usize,
    pub cos_low: usize,
    pub sin_low: usize,
}

/// Vector registers.
#[derive(Clone, Debug, Default)]
pub struct VregPlan {
    pub x: usize,
    /// Cosine and sine of the two ways to turn, and of the layer.
    pub cos: [usize; 2],
    pub sin: [usize; 2],
    pub layer_cos: usize,
    pub layer_sin: usize,
    /// Row factors for q, k, v: cosine part, sine part.
    pub q_cos: usize,
    pub q_sin: usize,
    pub k_cos: usize,
    pub k_sin: usize,
    pub v: usize,
    pub k_centre: usize,
    pub q_turning: usize,
    pub k_turning: usize,
    /// Bias of q, turned.
    pub q_add: usize,
    /// Scales of k and q as they are squared.
    pub k_squared: usize,
    pub q_squared: usize,
    /// Scale of biases of the residual.
    pub bias_unit: usize,
    /// One, whether the layer has a window, and what each block shows.
    pub window_unit: usize,
    pub window_flag: usize,
    pub window_masks: usize,
    /// Scale of what is added to the residual, and the same times the gain of the norm that reads the residual next.
    pub delta: usize,
    pub delta_input: usize,
    /// The residual times that gain, as far as it is known.
    pub input: usize,
    pub gate_factor: usize,
    pub up_factor: usize,
    pub gate: usize,
    pub sigmoid: usize,
    pub classifier: usize,
    pub rows: usize,
}

/// Constant rows that GELU reads.
const GELU_ROWS: usize = 2;

pub fn layer_constants(
    config: &Config,
    features: Features,
    rows: &Rows,
    windows: &[Window],
    external: bool,
) -> LayerConstants {
    let when = |present: bool, rows: usize| if present { rows } else { 0 };
    let mut next = Bump(0);
    let mut plan = LayerConstants {
        attention_gain: next.take(rows.x),
        attention_scale: next.take(when(external, 2)),
        k: next.take(rows.kv),
        q: next.take(rows.q),
        v: next.take(rows.kv),
        k_centre: next.take(rows.kv),
        k_squared: next.take(when(features.head_norm, rows.kv)),
        q_squared: next.take(when(features.head_norm, rows.q)),
        own_turn: next.take(when(features.turns != Turns::Alike, 1)),
        other_turn: next.take(when(features.turns != Turns::Alike, 1)),
        q_bias: next.take(when(features.q, rows.q)),
        k_bias: next.take(when(features.k && features.rotation, rows.kv)),
        o: next.take(rows.x),
        o_bias: next.take(when(features.o, rows.x)),
        mlp_gain: next.take(rows.x),
        mlp_scale: next.take(when(external, 2)),
        gate: next.take(when(config.gated, rows.hidden)),
        up: next.take(rows.hidden),
        down: next.take(rows.x),
        next_gain: next.take(when(external, rows.x)),
        next_scale: next.take(when(external, 2)),
        gate_bias: next.take(when(features.gate, rows.hidden)),
        up_bias: next.take(when(features.up, rows.hidden)),
        down_bias: next.take(when(features.down, rows.x)),
        windows: next.take(windows.len()),
        rows: next.0,
    };
    if !external {
        plan.next_gain = plan.rows + plan.attention_gain;
    }
    plan
}

pub fn vector_memory(config: &Config, plan: &Plan) -> VmemPlan {
    if let Some(external) = &plan.external {
        return banked_memory(config, plan, external.chunk_rows);
    }
    let Rows { x, q, kv, hidden, vocab, head, .. } = plan.rows;
    let lanes = plan.geometry.vxm_lanes;
    let mut next = Bump(0);
    let mut vmem = VmemPlan { layers: next.take(plan.constants.rows * config.layers), ..VmemPlan::default() };
    vmem.final_gain = next.take(x);
    vmem.embedding = next.take(vocab);
    let features = &plan.features;
    vmem.classifier = if features.own_classifier { next.take(vocab) } else { vmem.embedding };
    let when = |present: bool, rows: usize| if present { rows } else { 0 };
    vmem.logits_bias = next.take(when(features.logits, vocab));
    vmem.positions = next.take(when(features.positions, plan.blocks));
    vmem.embedding_gain = next.take(when(features.embedding_norm, 1));
    vmem.bias_unit = next.take(when(features.o || features.down, 1));
    vmem.gelu = next.take(when(features.gelu(), GELU_ROWS));
    for tables in vmem.turns.iter_mut().take(features.ways()) {
        tables.cos_high = next.take(head * plan.blocks);
        tables.sin_high = next.take(head * plan.blocks);
        tables.cos_low = next.take(head * lanes);
        tables.sin_low = next.take(head * lanes);
    }
    let windows = &plan.windows;
    vmem.window_unit = next.take(usize::from(!windows.is_empty()));
    for window in windows {
        vmem.windows.push(window_constants(window, plan, &mut next));
    }
    vmem.constants = next.0;
    for rows in &mut vmem.windows {
        rows.masks = next.take(plan.blocks);
    }
    vmem.limited = next.take(when(!windows.is_empty(), plan.blocks));
    vmem.k = next.take(kv);
    vmem.q = next.take(q);
    vmem.v = next.take(kv);
    vmem.mix = next.take(q);
    // Scores, the outputs of attention, the MLP's sums and the logits never live at the same time.
    vmem.scores = next.0;
    vmem.o = next.0;
    let outputs = plan.matrices.o.len() * x;
    vmem.gate = next.0;
    vmem.up = next.0 + if config.gated { hidden } else { 0 };
    vmem.gathered = next.0;
    vmem.gathered_position = next.0 + x;
    vmem.sums = next.0;
    vmem.logits = next.0 + vocab;
    vmem.down = vmem.up + hidden;
    let inner = vmem.down + plan.matrices.down.len() * x - next.0;
    vmem.rows = next.0 + (config.heads * plan.blocks).max(outputs).max(inner).max(2 * vocab).max(2 * x);
    vmem
}

/// With external memory: work rows in the lower half, what transfers write or read and what never changes in the upper one, so that neither
/// waits for the other's port.
fn banked_memory(config: &Config, plan: &Plan, chunk: usize) -> VmemPlan {
    let Rows { x, q, kv, hidden, head, .. } = plan.rows;
    let lanes = plan.geometry.vxm_lanes;
    let mut next = Bump(0);
    let mut vmem = VmemPlan {
        k: next.take(kv),
        q: next.take(q),
        v: next.take(kv),
        mix: next.take(q),
        ..VmemPlan::default()
    };
    // Scores, the outputs of attention, the MLP's sums and the classifier's never live at the same time.
    (vmem.scores, vmem.o, vmem.gate, vmem.sums) = (next.0, next.0, next.0, next.0);
    vmem.up = vmem.gate + if config.gated { hidden } else { 0 };
    vmem.down = vmem.up + hidden;
    let work = (vmem.down + x).max(vmem.scores + config.heads * plan.blocks).max(vmem.sums + chunk);
    let half = plan.geometry.vmem_rows / 2;
    let mut next = Bump(half);
    let features = &plan.features;
    let when = |present: bool, rows: usize| if present { rows } else { 0 };
    vmem.gelu = next.take(when(features.gelu(), GELU_ROWS));
    for tables in vmem.turns.iter_mut().take(features.ways()) {
        tables.cos_high = next.take(head * plan.blocks);
        tables.sin_high = next.take(head * plan.blocks);
        tables.cos_low = next.take(head * lanes);
        tables.sin_low = next.take(head * lanes);
    }
    vmem.constants = next.0;
    vmem.layers = next.take(plan.constants.rows);
    vmem.gathered = next.take(x);
    vmem.classifier = next.take(chunk);
    vmem.logits = next.take(chunk);
    // What does not fit a half counts twice.
    vmem.rows = (2 * work).max(2 * (next.0 - half));
    vmem
}

fn window_constants(window: &Window, plan: &Plan, next: &mut Bump) -> WindowRows {
    let edges = next.take(2 * plan.geometry.vxm_lanes);
    // Masks of blocks to come are copied from before the table: whatever is there.
    next.0 = next.0.max(plan.blocks);
    let table_rows = plan.blocks.max(window.edge + 2) + 1;
    WindowRows { edges, table: next.take(table_rows), table_rows, masks: 0 }
}

/// Registers of a program, with attention windows for so many blocks if there are any.
pub fn registers(gated: bool, features: Features, rows: &Rows, window_blocks: Option<usize>) -> VregPlan {
    let mut next = Bump(0);
    let mut plan = VregPlan { x: next.take(rows.x), ..VregPlan::default() };
    for way in 0..features.ways() {
        plan.cos[way] = next.take(rows.head);
        plan.sin[way] = next.take(rows.head);
    }
    (plan.layer_cos, plan.layer_sin) = match features.turns {
        Turns::Alike => (plan.cos[0], plan.sin[0]),
        _ => (next.take(rows.head), next.take(rows.head)),
    };
    plan.bias_unit = next.take(usize::from(features.o || features.down));
    plan.window_unit = next.take(usize::from(window_blocks.is_some()));
    plan.delta = next.take(rows.x);
    plan.delta_input = next.take(rows.x);
    plan.input = next.take(rows.x);
    let shared = next.0;
    plan.q_cos = next.take(rows.q);
    plan.q_sin = next.take(rows.q);
    plan.k_cos = next.take(rows.kv);
    plan.k_sin = next.take(rows.kv);
    plan.v = next.take(rows.kv);
    plan.k_centre = next.take(rows.kv);
    plan.q_turning = next.take(rows.q);
    plan.k_turning = next.take(rows.kv);
    plan.q_add = next.take(if features.q { rows.q } else { 0 });
    plan.k_squared = next.take(if features.head_norm { rows.kv } else { 0 });
    plan.q_squared = next.take(if features.head_norm { rows.q } else { 0 });
    // Once keys, queries and values are made, masks take the place of their factors.
    let mut masks = Bump(shared);
    if let Some(blocks) = window_blocks {
        plan.window_flag = masks.take(1);
        plan.window_masks = masks.take(blocks);
    }
    // The MLP's vectors take the place of attention's, the classifier's of both.
    let mut mlp = Bump(shared);
    let relu = features.activation == Activation::Relu;
    let mut hidden = |present: bool, rows: usize| mlp.take(if present { rows } else { 0 });
    plan.gate_factor = hidden(!relu, rows.gates);
    plan.up_factor = hidden(gated || relu, rows.hidden);
    plan.gate = hidden(!relu || features.up, rows.gates);
    plan.sigmoid = hidden(!relu, rows.gates);
    plan.classifier = shared;
    plan.rows = next.0.max(masks.0).max(mlp.0).max(shared + if features.logits { 4 } else { 2 } * rows.chunk);
    plan
}

struct Bump(usize);

impl Bump {
    fn take(&mut self, rows: usize) -> usize {
        let start = self.0;
        self.0 += rows;
        start
    }
}
