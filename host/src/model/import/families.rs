//! Families of Hugging Face folders whose layers differ from Llama's. A new one needs a function here, its line in
//! `hugging_face.rs` (`describe`) and in `error.rs` (`ARCHITECTURES`), its names in `names.rs`, for GGUF files its line in
//! `gguf/families.rs`, and a case in `host/tests/goldens/recipe.py`.

use super::super::{Activation, Block, Config, NormKind, NormPlace, Rope, RopeScaling};
use super::error::ImportError;
use super::fields::Fields;
use super::hugging_face::{Description, every_layer, llama};
use super::names;
use super::rope::stretched;
use super::tensors::Multipliers;

/// Which layers see a window only: as a list says it, else all but every `pattern`th.
fn sliding(fields: &Fields, layers: usize, pattern: usize) -> Result<Vec<bool>, ImportError> {
    let listed = fields.sliding_layers("layer_types", layers)?;
    Ok(listed.unwrap_or_else(|| (1..=layers).map(|layer| !layer.is_multiple_of(pattern)).collect()))
}

/// The windows of the layers that have one.
fn windows(config: &Config, window: Option<usize>, sliding: &[bool]) -> Vec<Option<usize>> {
    let mut windows = every_layer(config, window);
    windows.iter_mut().zip(sliding).filter(|(_, sliding)| !**sliding).for_each(|(window, _)| *window = None);
    windows
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
    found.tied = fields.flag("tie_word_embeddings")?.unwrap_or(true);
    Ok(found)
}

/// The window of the layers that have one, 4096 where nothing is said.
fn gemma_window(fields: &Fields, config: &Config) -> Result<Option<usize>, ImportError> {
    match fields.has("sliding_window") {
        true => fields.window("sliding_window", config.context),
        false => Ok(Some(4096).filter(|window| *window < config.context)),
    }
}

pub fn gemma2(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = gemma_of(fields, llama(fields, &names::GEMMA2)?)?;
    let sliding = sliding(fields, found.config.layers, 2)?;
    found.config.windows = windows(&found.config, gemma_window(fields, &found.config)?, &sliding);
    Ok(found)
}

/// Layers with a window turn by another rotary embedding, which is not stretched.
pub fn gemma3(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = gemma_of(fields, llama(fields, &names::GEMMA3)?)?;
    let config = &mut found.config;
    let pattern = fields.optional_size("sliding_window_pattern")?.unwrap_or(6);
    let sliding = sliding(fields, config.layers, pattern)?;
    config.windows = windows(config, gemma_window(fields, config)?, &sliding);
    if let Some(usual) = config.rope.take() {
        let [whole, local] = gemma3_ropes(fields, config, usual)?;
        let of = |sliding: &bool| Some(if *sliding { local.clone() } else { whole.clone() });
        config.block.ropes = sliding.iter().map(of).collect();
        config.rope = Some(whole);
    }
    Ok(found)
}

/// The rotary embeddings of layers that see everything, and of those with a window. Older configurations have one in
/// `rope_theta` and `rope_scaling`, the other in `rope_local_base_freq`.
fn gemma3_ropes(fields: &Fields, config: &Config, usual: Rope) -> Result<[Rope; 2], ImportError> {
    let parameters = fields.object("rope_parameters")?;
    let of = |kind: &str| match parameters.object(kind) {
        Ok(own) if own.is_present() => {
            stretched(fields, &own, &own, config.head_dim, config.context).map(|(rope, _)| Some(rope))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    };
    let theta = fields.number("rope_theta")?.unwrap_or(1_000_000.0);
    let whole = of("full_attention")?.unwrap_or(Rope { theta, ..usual.clone() });
    let theta = fields.number("rope_local_base_freq")?.unwrap_or(10_000.0);
    let local = of("sliding_attention")?.unwrap_or(Rope { theta, scaling: RopeScaling::None, ..usual });
    Ok([whole, local])
}

pub fn phi3(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama(fields, &names::PHI3)?;
    let window = fields.window("sliding_window", found.config.context)?;
    found.config.windows = every_layer(&found.config, window);
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
    let mut found = llama(fields, &names::LLAMA)?;
    let config = &mut found.config;
    let interval = fields.optional_size("no_rope_layer_interval")?.unwrap_or(4);
    let turns = fields.flags("no_rope_layers", config.layers)?;
    let turns =
        turns.unwrap_or_else(|| (1..=config.layers).map(|layer| !layer.is_multiple_of(interval)).collect());
    config.block.ropes = turns.iter().map(|turns| turns.then(|| config.rope.clone()).flatten()).collect();
    if fields.flag("use_sliding_window")?.unwrap_or(false) {
        let still = || turns.iter().map(|turns| !turns).collect::<Vec<_>>();
        let sliding = fields.sliding_layers("layer_types", config.layers)?.unwrap_or_else(still);
        let window = fields.window("sliding_window", config.context)?;
        config.windows = windows(config, window, &sliding);
    }
    Ok(found)
}

/// Heads turn in part, by a quarter where nothing is said.
pub fn gpt_neox(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama(fields, &names::GPT_NEOX)?;
    let config = &mut found.config;
    config.norm = NormKind::Layer { eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5) };
    config.activation = fields.activation(&["hidden_act"], Activation::Gelu)?;
    config.gated = false;
    config.kv_heads = config.heads;
    config.block.parallel = fields.flag("use_parallel_residual")?.unwrap_or(true);
    let parameters = fields.object("rope_parameters")?;
    if let Some(rope) = config.rope.as_mut().filter(|_| !parameters.is_present()) {
        rope.theta = fields.number("rotary_emb_base")?.unwrap_or(10_000.0);
        rope.dims = (config.head_dim as f32 * fields.number("rotary_pct")?.unwrap_or(0.25)) as usize;
    }
    Ok(found)
}
