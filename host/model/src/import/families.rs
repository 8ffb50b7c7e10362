//! Families of Hugging Face folders whose layers differ from Llama's. A new one needs a function here, its line in
//! `hugging_face.rs` (`describe`) and in `error.rs` (`ARCHITECTURES`), its names in `names.rs`, for GGUF files its line in
//! `gguf/families.rs`, and a case in `host/model/tests/goldens/recipe.py`.

use super::super::{Activation, Block, Config, NormKind, NormPlace, Rope};
use super::error::ImportError;
use super::fields::Fields;
use super::hugging_face::{Description, TIED, llama, llama_turning, llama_without_windows, windows};
use super::rope::{self, stretched};
use super::tensors::Multipliers;
use super::{keys, names};

/// The window of Gemma 2 and 3 where the configuration has no such key, as transformers has it.
const GEMMA_WINDOW: usize = 4096;

/// Which layers see a window only: as a list says it, else all but every `pattern`th.
fn sliding(fields: &Fields, layers: usize, pattern: usize) -> Result<Vec<bool>, ImportError> {
    let listed = fields.sliding_layers("layer_types", layers)?;
    Ok(listed.unwrap_or_else(|| (1..=layers).map(|layer| !layer.is_multiple_of(pattern)).collect()))
}

/// What Gemma 2 and 3 add to Gemma: norms on both sides, and caps.
fn gemma_of(fields: &Fields, mut found: Description) -> Result<Description, ImportError> {
    let config = &mut found.config;
    config.activation = fields.activation(&["hidden_activation", "hidden_act"], Activation::GeluTanh)?;
    config.embedding_scale = (config.dim as f32).sqrt();
    config.score_scale =
        fields.number("query_pre_attn_scalar")?.or(Some(256.0)).map(|scalar| 1.0 / scalar.sqrt());
    config.block.norms = NormPlace::Both;
    config.block.score_cap = fields.number("attn_logit_softcapping")?;
    config.block.logit_cap = fields.number("final_logit_softcapping")?;
    if fields.flag("use_bidirectional_attention")?.unwrap_or(false) {
        return Err(fields
            .about()
            .unsupported("use_bidirectional_attention", "a model that reads from left to right"));
    }
    found.tied = fields.flag(TIED)?.unwrap_or(true);
    Ok(found)
}

/// The windows of the sliding layers; they are 4096 long where nothing is said.
fn gemma_windows(fields: &Fields, config: &mut Config, sliding: &[bool]) -> Result<(), ImportError> {
    let usual = if fields.has("sliding_window") { None } else { Some(GEMMA_WINDOW) };
    windows(fields, config, usual, |layer| sliding[layer])
}

pub fn gemma2(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = gemma_of(fields, llama_without_windows(fields, &names::GEMMA2)?)?;
    let sliding = sliding(fields, found.config.layers, 2)?;
    gemma_windows(fields, &mut found.config, &sliding)?;
    Ok(found)
}

/// Layers with a window turn by another rotary embedding, which is not stretched.
pub fn gemma3(fields: &Fields) -> Result<Description, ImportError> {
    let turning = |head_dim, context| gemma3_rope(fields, false, head_dim, context);
    let mut found = gemma_of(fields, llama_turning(fields, &names::GEMMA3, turning)?)?;
    let config = &mut found.config;
    // Newer configurations list the layers, and keep the number for older readers.
    let patterns = ["sliding_window_pattern", "_sliding_window_pattern"].map(|key| fields.optional_size(key));
    let [old, new] = patterns;
    let sliding = sliding(fields, config.layers, old?.or(new?).unwrap_or(6))?;
    gemma_windows(fields, config, &sliding)?;
    let (local, _) = gemma3_rope(fields, true, config.head_dim, config.context)?;
    let of = |sliding: &bool| if *sliding { Some(local.clone()) } else { config.rope.clone() };
    config.block.ropes = sliding.iter().map(of).collect();
    Ok(found)
}

/// The rotary embedding of layers with a window, or of those that see everything. Older configurations have one in
/// `rope_local_base_freq`, the other in `rope_theta` and `rope_scaling`.
fn gemma3_rope(
    fields: &Fields,
    is_local: bool,
    head_dim: usize,
    context: usize,
) -> Result<(Rope, usize), ImportError> {
    const KINDS: [&str; 2] = ["full_attention", "sliding_attention"];
    let (thetas, theta_usual): (&[&str], f32) =
        if is_local { (&["rope_local_base_freq"], 10_000.0) } else { (&["rope_theta"], 1_000_000.0) };
    let keys = rope::Keys { thetas, theta_usual, ..rope::USUAL };
    let parameters = fields.object("rope_parameters")?;
    if KINDS.iter().any(|kind| parameters.has(kind)) {
        let [whole, local] = KINDS.map(|kind| parameters.object(kind));
        parameters.check_all_known(&keys::ROPE)?;
        let own = if is_local { local? } else { whole? };
        return stretched(fields, &own, &keys, head_dim, context);
    }
    match is_local {
        true => stretched(fields, &fields.nothing(), &keys, head_dim, context),
        false => rope::rope(fields, &keys, head_dim, context),
    }
}

pub fn phi3(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama_without_windows(fields, &names::PHI3)?;
    windows(fields, &mut found.config, None, |_| true)?;
    Ok(found)
}

pub fn olmo2(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama(fields, &names::OLMO2)?;
    found.config.block = Block { norms: NormPlace::After, whole_qk_norm: true, ..found.config.block };
    Ok(found)
}

pub fn granite(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama(fields, &names::LLAMA)?;
    let factor = |key: &str| fields.number(key).map(|factor| factor.unwrap_or(1.0));
    found.config.embedding_scale = factor("embedding_multiplier")?;
    found.config.score_scale = Some(factor("attention_multiplier")?);
    found.multipliers =
        Multipliers { residual: factor("residual_multiplier")?, logits_divisor: factor("logits_scaling")? };
    Ok(found)
}

/// Some layers do not turn; those may have windows.
pub fn smollm3(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama_without_windows(fields, &names::LLAMA)?;
    let config = &mut found.config;
    let interval = fields.optional_size("no_rope_layer_interval")?.unwrap_or(4);
    let turns = fields.flags("no_rope_layers", config.layers)?;
    let turns =
        turns.unwrap_or_else(|| (1..=config.layers).map(|layer| !layer.is_multiple_of(interval)).collect());
    config.block.ropes = turns.iter().map(|turns| turns.then(|| config.rope.clone()).flatten()).collect();
    let mut windowed = config.clone();
    windows(fields, &mut windowed, None, |layer| !turns[layer])?;
    // The other keys stand in files of models without windows, too.
    if fields.flag("use_sliding_window")?.unwrap_or(false) {
        *config = windowed;
    }
    Ok(found)
}

/// Heads turn in part, by a quarter where nothing is said.
pub fn gpt_neox(fields: &Fields) -> Result<Description, ImportError> {
    let keys = rope::Keys {
        thetas: &["rotary_emb_base", "rope_theta"],
        partials: &["rotary_pct", "partial_rotary_factor"],
        partial_usual: 0.25,
        ..rope::USUAL
    };
    let turning = |head_dim, context| rope::rope(fields, &keys, head_dim, context);
    let mut found = llama_turning(fields, &names::GPT_NEOX, turning)?;
    let config = &mut found.config;
    config.norm = NormKind::Layer { eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5) };
    config.activation = fields.activation(&["hidden_act"], Activation::Gelu)?;
    config.gated = false;
    config.kv_heads = config.heads;
    config.block.parallel = fields.flag("use_parallel_residual")?.unwrap_or(true);
    Ok(found)
}
