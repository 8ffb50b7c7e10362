//! A Hugging Face folder: config.json decides the architecture, the safetensors files hold the weights. How
//! text becomes tokens the files of `tokenizer_files.rs` say.

use super::super::{Activation, Block, Config, Model, NormKind, Rope};
use super::error::{ARCHITECTURES, ImportError};
use super::families;
use super::fields::Fields;
use super::json;
use super::keys;
use super::names;
use super::rope::{self, rope};
use super::safetensors::SafetensorsFolder;
use super::tensors::{Head, Multipliers, Names, assemble};
use std::path::Path;

pub const CONFIG: &str = "config.json";
pub const JSON_BYTES_MAX: u64 = 16 << 20;

/// What a configuration says: sizes, names of tensors, and whether the classifier is the embedding.
pub(super) struct Description {
    pub config: Config,
    pub names: &'static Names,
    pub tied: bool,
    pub multipliers: Multipliers,
}

impl Description {
    fn new(config: Config, names: &'static Names, tied: bool) -> Self {
        Self { config, names, tied, multipliers: Multipliers::default() }
    }
}

/// How the configuration says where a classifier comes from.
pub(super) const TIED: &str = "tie_word_embeddings";
/// The window of Mistral and Qwen where the configuration has no such key, as transformers has it.
const USUAL_WINDOW: usize = 4096;
/// The first layer of Qwen with a window where the configuration does not say.
const QWEN_WINDOW_LAYER: usize = 28;

/// Reads the model of a folder, with the weights of `file` if one is named.
///
/// # Errors
/// When a file is missing, damaged, or asks for what no machine here computes.
pub fn model(folder: &Path, file: Option<&Path>) -> Result<Model, ImportError> {
    let path = folder.join(CONFIG);
    let fields = Fields::new(&path, json::read(&path)?);
    let description = describe(&fields)?;
    let unknown = fields.check_all_read(&keys::CONFIG)?;
    let tensors = SafetensorsFolder::open(folder, file)?;
    let Description { config, names, tied, multipliers } = description;
    let head = if tied { Head::Embedding(TIED) } else { Head::Own(TIED) };
    let mut model = assemble(&tensors, names, config, head)?;
    multipliers.apply(&mut model);
    model.warnings.extend(unknown);
    model.warnings.extend(tensors.warnings);
    Ok(model)
}

fn describe(fields: &Fields) -> Result<Description, ImportError> {
    fields
        .refuse("quantization_config", "weights of F32, F16 or BF16 (quantised models: use a GGUF file)")?;
    match fields.text("model_type")? {
        "llama" => llama(fields, &names::LLAMA),
        "mistral" => {
            let mut found = llama_without_windows(fields, &names::LLAMA)?;
            let usual = if fields.has("sliding_window") { None } else { Some(USUAL_WINDOW) };
            windows(fields, &mut found.config, usual, |_| true)?;
            Ok(found)
        }
        "qwen2" => qwen(fields, &names::LLAMA),
        "qwen3" => qwen(fields, &names::QWEN3),
        "gemma" => gemma(fields),
        "stablelm" => stablelm(fields),
        "gemma2" => families::gemma2(fields),
        "gemma3" | "gemma3_text" => families::gemma3(fields),
        "phi3" => families::phi3(fields),
        "olmo2" => families::olmo2(fields),
        "granite" => families::granite(fields),
        "smollm3" => families::smollm3(fields),
        "gpt_neox" => families::gpt_neox(fields),
        "gpt2" => gpt2(fields, &names::GPT2),
        "gpt_neo" => gpt_neo(fields),
        "microgpt" => micro_gpt(fields),
        other => Err(fields.about().unsupported(format!("the architecture {other:?}"), ARCHITECTURES)),
    }
}

/// Sets the window of each layer. Which layers have one `layer_types` says, or without it `usual_layers`; how long it is
/// `sliding_window`, or without it `usual`.
pub(super) fn windows(
    fields: &Fields,
    config: &mut Config,
    usual: Option<usize>,
    usual_layers: impl Fn(usize) -> bool,
) -> Result<(), ImportError> {
    let window = fields.window("sliding_window", config.context)?;
    let window = window.or(usual.filter(|window| *window < config.context));
    let listed = fields.sliding_layers("layer_types", config.layers)?;
    let slides = |layer: usize| listed.as_ref().map_or(usual_layers(layer), |listed| listed[layer]);
    let windows: Vec<_> = (0..config.layers).map(|layer| window.filter(|_| slides(layer))).collect();
    if windows.iter().any(Option::is_some) {
        config.windows = windows;
    }
    Ok(())
}

/// An architecture that sees all positions unless `layer_types` says otherwise.
pub(super) fn llama(fields: &Fields, names: &'static Names) -> Result<Description, ImportError> {
    let mut found = llama_without_windows(fields, names)?;
    windows(fields, &mut found.config, None, |_| false)?;
    let is_unused = found.config.windows.is_empty() && !fields.has("layer_types");
    if let Some(window) = fields.window("sliding_window", found.config.context)?.filter(|_| is_unused) {
        let feature = format!("sliding_window: {window} in this architecture");
        return Err(fields
            .about()
            .unsupported(feature, "null, or layer_types that say which layers have it"));
    }
    Ok(found)
}

pub(super) fn llama_without_windows(
    fields: &Fields,
    names: &'static Names,
) -> Result<Description, ImportError> {
    llama_turning(fields, names, |head_dim, context| rope(fields, &rope::USUAL, head_dim, context))
}

/// An architecture with Llama's sizes and a rotary embedding that `rope` reads for heads and a context of given lengths.
pub(super) fn llama_turning(
    fields: &Fields,
    names: &'static Names,
    rope: impl Fn(usize, usize) -> Result<(Rope, usize), ImportError>,
) -> Result<Description, ImportError> {
    let (dim, heads) = (fields.size("hidden_size")?, fields.size("num_attention_heads")?);
    let head_dim = match fields.optional_size("head_dim")? {
        Some(head_dim) => head_dim,
        None => fields.share("hidden_size", dim, "num_attention_heads", heads)?,
    };
    let activation = fields.activation(&["hidden_act"], Activation::Silu)?;
    let (rope, context) = rope(head_dim, fields.size("max_position_embeddings")?)?;
    let config = Config {
        dim,
        hidden_dim: fields.size("intermediate_size")?,
        layers: fields.layers("num_hidden_layers")?,
        heads,
        kv_heads: fields.optional_size("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        vocab: fields.size("vocab_size")?,
        context,
        norm: NormKind::Rms { eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6) },
        activation,
        gated: true,
        rope: Some(rope),
        embedding_norm: false,
        embedding_scale: 1.0,
        score_scale: None,
        windows: Vec::new(),
        block: Block::default(),
    };
    Ok(Description::new(config, names, fields.flag(TIED)?.unwrap_or(false)))
}

/// Qwen2 and Qwen3: biases and head norms are found in the weights. Their windows begin at one of the layers.
fn qwen(fields: &Fields, names: &'static Names) -> Result<Description, ImportError> {
    let mut found = llama_without_windows(fields, names)?;
    let first = fields.count("max_window_layers")?.unwrap_or(QWEN_WINDOW_LAYER);
    let usual = if fields.has("sliding_window") { None } else { Some(USUAL_WINDOW) };
    let mut config = found.config.clone();
    windows(fields, &mut config, usual, |layer| layer >= first)?;
    // The other keys stand in files of models without windows, too.
    if fields.flag("use_sliding_window")?.unwrap_or(false) {
        found.config = config;
    }
    Ok(found)
}

fn gemma(fields: &Fields) -> Result<Description, ImportError> {
    let mut found = llama(fields, &names::GEMMA)?;
    let activations = ["hidden_activation", "hidden_act"];
    found.config.activation = match fields.activation(&activations, Activation::GeluTanh)? {
        // The original release computed with the approximation whatever its configuration said.
        Activation::Gelu => Activation::GeluTanh,
        other => other,
    };
    found.config.embedding_scale = (found.config.dim as f32).sqrt();
    found.tied = fields.flag(TIED)?.unwrap_or(true);
    Ok(found)
}

fn stablelm(fields: &Fields) -> Result<Description, ImportError> {
    for (key, text) in
        [("use_parallel_residual", "a parallel residual"), ("qk_layernorm", "a norm for each head")]
    {
        if fields.flag(key)?.unwrap_or(false) {
            return Err(fields.about().unsupported(format!("{text} ({key})"), format!("{key}: false")));
        }
    }
    let partly = rope::Keys { partial_usual: 0.25, ..rope::USUAL };
    let turning = |head_dim, context| rope(fields, &partly, head_dim, context);
    let mut found = llama_turning(fields, &names::LLAMA, turning)?;
    found.config.norm = NormKind::Layer { eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5) };
    Ok(found)
}

fn gpt2(fields: &Fields, names: &'static Names) -> Result<Description, ImportError> {
    for (key, usual) in [("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false)] {
        if fields.flag(key)?.unwrap_or(usual) != usual {
            return Err(fields.about().unsupported(format!("{key}: {}", !usual), format!("{key}: {usual}")));
        }
    }
    let (dim, heads) = (fields.size("n_embd")?, fields.size("n_head")?);
    let config = Config {
        hidden_dim: fields.optional_size("n_inner")?.unwrap_or(4 * dim),
        layers: fields.layers("n_layer")?,
        context: fields.size("n_positions")?,
        norm: NormKind::Layer { eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5) },
        activation: fields.activation(&["activation_function"], Activation::GeluTanh)?,
        ..learned_positions(fields, dim, fields.share("n_embd", dim, "n_head", heads)?, heads)?
    };
    Ok(Description::new(config, names, fields.flag(TIED)?.unwrap_or(true)))
}

/// What GPT models have in common: positions are learned, heads are not shared, the MLP has no gate.
fn learned_positions(
    fields: &Fields,
    dim: usize,
    head_dim: usize,
    heads: usize,
) -> Result<Config, ImportError> {
    Ok(Config {
        dim,
        hidden_dim: 4 * dim,
        layers: 1,
        heads,
        kv_heads: heads,
        head_dim,
        vocab: fields.size("vocab_size")?,
        context: 1,
        norm: NormKind::Rms { eps: 1e-5 },
        activation: Activation::Relu,
        gated: false,
        rope: None,
        embedding_norm: false,
        embedding_scale: 1.0,
        score_scale: None,
        windows: Vec::new(),
        block: Block::default(),
    })
}

fn gpt_neo(fields: &Fields) -> Result<Description, ImportError> {
    let (dim, heads) = (fields.size("hidden_size")?, fields.size("num_heads")?);
    let layers = fields.layers("num_layers")?;
    let context = fields.size("max_position_embeddings")?;
    let usual = if fields.has("window_size") { None } else { Some(256).filter(|window| *window < context) };
    let window = fields.window("window_size", context)?.or(usual);
    let kinds = fields.layer_kinds("attention_types", "attention_layers", layers)?;
    let windows: Vec<_> = kinds.iter().map(|kind| window.filter(|_| kind == "local")).collect();
    let config = Config {
        hidden_dim: fields.optional_size("intermediate_size")?.unwrap_or(4 * dim),
        layers,
        context,
        norm: NormKind::Layer { eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5) },
        activation: fields.activation(&["activation_function"], Activation::GeluTanh)?,
        score_scale: Some(1.0),
        windows: if windows.iter().all(Option::is_none) { Vec::new() } else { windows },
        ..learned_positions(fields, dim, fields.share("hidden_size", dim, "num_heads", heads)?, heads)?
    };
    Ok(Description::new(config, &names::GPT_NEO, fields.flag(TIED)?.unwrap_or(true)))
}

fn micro_gpt(fields: &Fields) -> Result<Description, ImportError> {
    let (dim, heads) = (fields.size("n_embd")?, fields.size("n_head")?);
    let config = Config {
        layers: fields.layers("n_layer")?,
        context: fields.size("block_size")?,
        embedding_norm: true,
        ..learned_positions(fields, dim, fields.share("n_embd", dim, "n_head", heads)?, heads)?
    };
    Ok(Description::new(config, &names::MICRO_GPT, false))
}
