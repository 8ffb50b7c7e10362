//! A Hugging Face folder: config.json decides the architecture, the safetensors files hold the weights, and three small files
//! say how text becomes tokens.

use super::super::tokenizer::{HuggingFace, Specials, hugging_face};
use super::super::{Activation, Block, Config, Model, NormKind, Tokenizer};
use super::error::{ARCHITECTURES, About, ImportError};
use super::families;
use super::fields::Fields;
use super::file;
use super::names;
use super::rope::rope;
use super::safetensors::SafetensorsFolder;
use super::tensors::{Multipliers, Names, Tensors, assemble};
use serde_json::Value;
use std::path::Path;

pub const CONFIG: &str = "config.json";
const JSON_BYTES_MAX: u64 = 16 << 20;
const TOKENIZER_BYTES_MAX: u64 = 256 << 20;

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

/// Reads the model of a folder.
///
/// # Errors
/// When a file is missing, damaged, or asks for what no machine here computes.
pub fn model(folder: &Path) -> Result<Model, ImportError> {
    let path = folder.join(CONFIG);
    let fields = Fields::new(&path, json(&path)?);
    let tensors = SafetensorsFolder::open(folder)?;
    // Whole checkpoints of GPT-2 have a prefix before every name that the published ones lack.
    let prefixed = tensors.shape("transformer.wte.weight").is_some();
    let description = describe(&fields, prefixed)?;
    let Description { config, names, tied, multipliers } = description;
    let mut model = assemble(&tensors, names, config, tied)?;
    multipliers.apply(&mut model);
    Ok(model)
}

/// Reads the tokenizer of a folder; `None` when there is none.
///
/// # Errors
/// When a file is damaged, or the special tokens are not in the vocabulary.
pub fn tokenizer(folder: &Path) -> Result<Option<Tokenizer>, ImportError> {
    let path = folder.join("tokenizer.json");
    let Some(file) = file::read_if_present(&path, TOKENIZER_BYTES_MAX)? else { return Ok(None) };
    let about = About(&path);
    let read = |name: &str| {
        let path = folder.join(name);
        if path.exists() { json(&path) } else { Ok(Value::Null) }
    };
    let (settings, generation, config) =
        (read("tokenizer_config.json")?, read("generation_config.json")?, read(CONFIG)?);
    let refused = |source| about.tokenizer(source);
    let vocabulary = hugging_face::read(&file).map_err(refused)?;
    let named = |key: &str| {
        let token = &settings[key];
        token.as_str().or_else(|| token["content"].as_str()).and_then(|name| vocabulary.token_to_id(name))
    };
    let mut ends = Vec::new();
    let is_known = |id: &u32| vocabulary.id_to_token(*id).is_some();
    let listed = [&generation["eos_token_id"], &config["eos_token_id"]].map(ids).concat();
    for id in listed.into_iter().filter(is_known).chain(named("eos_token")) {
        if !ends.contains(&id) {
            ends.push(id);
        }
    }
    let bos = named("bos_token").or_else(|| ids(&config["bos_token_id"]).first().copied().filter(is_known));
    let Some(start) = bos.or(ends.first().copied()) else {
        return HuggingFace::with_names(vocabulary).map(|found| Some(found.into())).map_err(refused);
    };
    let chat_template = chat_template(folder, &settings)?;
    let specials = Specials { start, add_start: false, ends, chat_template };
    let add_start = settings["add_bos_token"].as_bool().or(bos.is_none().then_some(false));
    HuggingFace::with_specials(vocabulary, specials, add_start)
        .map(|found| Some(found.into()))
        .map_err(refused)
}

/// One id, or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// The template in its own file, or in the tokenizer's settings; of several named ones, the one named `default`.
fn chat_template(folder: &Path, settings: &Value) -> Result<Option<String>, ImportError> {
    let path = folder.join("chat_template.jinja");
    if let Some(bytes) = file::read_if_present(&path, JSON_BYTES_MAX)? {
        let text = String::from_utf8(bytes);
        return text
            .map(Some)
            .map_err(|_| About(&path).damaged("this is not UTF-8; expected a Jinja template"));
    }
    let template = match &settings["chat_template"] {
        Value::Array(all) => {
            let default = all.iter().find(|entry| entry["name"] == "default");
            default.and_then(|entry| entry["template"].as_str())
        }
        value => value.as_str(),
    };
    Ok(template.map(Into::into))
}

fn json(path: &Path) -> Result<Value, ImportError> {
    let bytes = file::read(path, JSON_BYTES_MAX)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| About(path).damaged(format!("this is no JSON: {error}. Fetch it again")))
}

fn describe(fields: &Fields, prefixed: bool) -> Result<Description, ImportError> {
    fields
        .refuse("quantization_config", "weights of F32, F16 or BF16 (quantised models: use a GGUF file)")?;
    match fields.text("model_type")? {
        "llama" => llama(fields, &names::LLAMA),
        "mistral" => {
            let mut found = llama(fields, &names::LLAMA)?;
            let window = fields.optional_size("sliding_window")?;
            found.config.windows = every_layer(&found.config, window);
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
        "gpt2" => gpt2(fields, if prefixed { &names::GPT2_PREFIXED } else { &names::GPT2 }),
        "gpt_neo" => gpt_neo(fields),
        "microgpt" => micro_gpt(fields),
        other => Err(fields.about().unsupported(format!("the architecture {other:?}"), ARCHITECTURES)),
    }
}

pub(super) fn every_layer(config: &Config, window: Option<usize>) -> Vec<Option<usize>> {
    // A window as long as the context hides nothing.
    match window.filter(|window| *window < config.context) {
        Some(window) => vec![Some(window); config.layers],
        None => Vec::new(),
    }
}

pub(super) fn llama(fields: &Fields, names: &'static Names) -> Result<Description, ImportError> {
    let (dim, heads) = (fields.size("hidden_size")?, fields.size("num_attention_heads")?);
    let head_dim = match fields.optional_size("head_dim")? {
        Some(head_dim) => head_dim,
        None => fields.share("hidden_size", dim, "num_attention_heads", heads)?,
    };
    let activation = fields.activation(&["hidden_act"], Activation::Silu)?;
    let (rope, context) = rope(fields, head_dim, fields.size("max_position_embeddings")?)?;
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
    Ok(Description::new(config, names, fields.flag("tie_word_embeddings")?.unwrap_or(false)))
}

/// Qwen2 and Qwen3: biases and head norms are found in the weights. Their windows begin at one of the layers.
fn qwen(fields: &Fields, names: &'static Names) -> Result<Description, ImportError> {
    let mut found = llama(fields, names)?;
    if fields.flag("use_sliding_window")?.unwrap_or(false) {
        let window = fields.optional_size("sliding_window")?;
        let whole = fields.optional_size("max_window_layers")?.unwrap_or(found.config.layers);
        found.config.windows = every_layer(&found.config, window);
        found.config.windows.iter_mut().take(whole).for_each(|window| *window = None);
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
    found.tied = fields.flag("tie_word_embeddings")?.unwrap_or(true);
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
    let mut found = llama(fields, &names::LLAMA)?;
    found.config.norm = NormKind::Layer { eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5) };
    if fields.number("partial_rotary_factor")?.is_none()
        && fields.object("rope_parameters")?.number("partial_rotary_factor")?.is_none()
    {
        let quarter = found.config.head_dim / 4;
        found.config.rope.iter_mut().for_each(|rope| rope.dims = quarter);
    }
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
    Ok(Description::new(config, names, fields.flag("tie_word_embeddings")?.unwrap_or(true)))
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
    let window = fields.optional_size("window_size")?.unwrap_or(256);
    let local = |kind: &str| (kind == "local" && window < context).then_some(window);
    let windows: Vec<_> =
        fields.layer_kinds("attention_types", layers)?.iter().map(|kind| local(kind)).collect();
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
    Ok(Description::new(config, &names::GPT_NEO, fields.flag("tie_word_embeddings")?.unwrap_or(true)))
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
