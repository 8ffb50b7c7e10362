//! Keys of a file that no importer has read: ignored, refused by name, or warned of.
//!
//! | a key is | what happens |
//! |---|---|
//! | read by the importer of its architecture | it is used, or refused there |
//! | in the table of keys without effect | nothing: no logit depends on it |
//! | in the table of neutral values, with such a value, or null | nothing: it is off |
//! | in that table with another value | refused by name |
//! | unknown, and named like a part of a model (`PARTS`), and not off | refused by name: it could change every answer |
//! | unknown otherwise | named in one warning |
//!
//! Which keys are read is not written down anywhere: [`super::fields::Fields`] and the GGUF reader remember it. So a key that an
//! importer stops reading is refused from then on.

use super::error::{About, ImportError};
use serde_json::Value;

/// The keys of a format that its importers do not read.
pub struct Keys {
    /// Names, or beginnings of names if they end with `*`.
    pub without_effect: &'static [&'static str],
    pub neutral: &'static [(&'static str, Neutral)],
}

/// A key that nothing has read.
pub struct Unread {
    /// As the tables have it.
    pub key: String,
    /// As the file has it, for messages.
    pub name: String,
    pub value: Value,
}

/// Values of a key that leave the logits as they are; null and an absent key are always neutral.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Neutral {
    /// False, 0, nothing.
    Off,
    On,
    /// A factor: 1, or 0 where that means none.
    Factor,
}

/// Keys of `config.json`, for all architectures together: what is read differs, not what the rest means.
pub static CONFIG: Keys = Keys {
    without_effect: &[
        // Names, versions and types.
        "architectures",
        "_name_or_path",
        "auto_map",
        "model_type",
        "transformers_version",
        "tokenizer_class",
        "torch_dtype",
        "dtype",
        "transformers.js_config",
        "transformers_weights",
        "unsloth_*",
        "is_llama_config",
        "id2label",
        "label2id",
        "num_labels",
        "_num_labels",
        "problem_type",
        "finetuning_task",
        "task_specific_params",
        "prefix",
        "name",
        "license",
        // Training.
        "initializer_range",
        "initializer_factor",
        "use_cache",
        "gradient_checkpointing",
        "attention_dropout",
        "hidden_dropout",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "resid_pdrop",
        "embd_pdrop",
        "attn_pdrop",
        "resid_dropout",
        "embed_dropout",
        "embd_dropout",
        "classifier_dropout",
        "dropout",
        "output_router_logits",
        "router_aux_loss_coef",
        "_attn_implementation*",
        "_flash_attn_2_enabled",
        "attn_implementation",
        "use_flash_attention*",
        "use_bfloat16",
        "return_dict",
        "use_return_dict",
        "torchscript",
        "output_attentions",
        "output_hidden_states",
        "is_decoder",
        "chunk_size_feed_forward",
        "pretraining_tp",
        "reorder_and_upcast_attn",
        "fp32_residual_connection",
        "keys_to_ignore_at_inference",
        "tf_legacy_loss",
        // Parts that the weights show by being there, or whose size they show.
        "attention_bias",
        "mlp_bias",
        "use_qkv_bias",
        "qkv_bias",
        "n_ctx",
        "n_special",
        // Heads of other tasks.
        "summary_*",
        "predict_special_tokens",
        // Texts and choices, which tokenizers and generation settings decide.
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "sep_token_id",
        "cls_token_id",
        "unk_token_id",
        "mask_token_id",
        "decoder_start_token_id",
        "forced_*",
        "suppress_tokens",
        "begin_suppress_tokens",
        "bad_words_ids",
        "max_length",
        "min_length",
        "max_new_tokens",
        "do_sample",
        "early_stopping",
        "num_beams",
        "num_beam_groups",
        "diversity_penalty",
        "temperature",
        "top_k",
        "top_p",
        "typical_p",
        "repetition_penalty",
        "length_penalty",
        "no_repeat_ngram_size",
        "encoder_no_repeat_ngram_size",
        "num_return_sequences",
        "output_scores",
        "return_dict_in_generate",
        "remove_invalid_values",
        "exponential_decay_length_penalty",
        "model_max_length",
        // What is stretched from it says so, and is read.
        "original_max_position_embeddings",
        "cache_implementation",
        // Windows count from the layers' kinds, which are read.
        "max_window_layers",
    ],
    neutral: &[
        ("add_cross_attention", Neutral::Off),
        ("cross_attention_hidden_size", Neutral::Off),
        ("is_encoder_decoder", Neutral::Off),
        ("tie_encoder_decoder", Neutral::Off),
        ("pruned_heads", Neutral::Off),
        ("use_bidirectional_attention", Neutral::Off),
        ("use_parallel_residual", Neutral::Off),
        ("use_qk_norm", Neutral::Off),
        ("qk_layernorm", Neutral::Off),
        ("clip_qkv", Neutral::Off),
        ("sliding_window", Neutral::Off),
        ("use_sliding_window", Neutral::Off),
        ("attention_chunk_size", Neutral::Off),
        ("attn_logit_softcapping", Neutral::Off),
        ("final_logit_softcapping", Neutral::Off),
        ("num_experts", Neutral::Off),
        ("num_local_experts", Neutral::Off),
        ("num_experts_per_tok", Neutral::Off),
        ("n_routed_experts", Neutral::Off),
        ("n_shared_experts", Neutral::Off),
        ("use_mrope", Neutral::Off),
        ("rope_interleaved", Neutral::Off),
        ("partial_rotary_factor", Neutral::Factor),
        ("rotary_scaling_factor", Neutral::Factor),
        ("logit_scale", Neutral::Factor),
        ("logits_scaling", Neutral::Factor),
        ("embedding_multiplier", Neutral::Factor),
        ("residual_multiplier", Neutral::Factor),
    ],
};

/// Keys of the rotary embedding's own object, `rope_parameters` or `rope_scaling`.
pub static ROPE: Keys = Keys {
    without_effect: &["original_max_position_embeddings", "finetuned"],
    neutral: &[
        ("factor", Neutral::Factor),
        ("attention_factor", Neutral::Factor),
        ("mscale", Neutral::Factor),
        ("mscale_all_dim", Neutral::Factor),
    ],
};

/// Keys of GGUF files; those of an architecture stand here without its name. What describes the file, the vocabulary and the
/// making of the file is read elsewhere or not at all.
pub static GGUF: Keys = Keys {
    without_effect: &[
        "general.*",
        "tokenizer.*",
        "split.*",
        "quantize.*",
        "imatrix.*",
        "training.*",
        "vocab_size",
        "tensor_data_layout",
        // Converters write true for StableLM of either kind; the norm before the MLP shows which it is.
        "use_parallel_residual",
        "rope.scaling.finetuned",
        "rope.scaling.original_context_length",
        "rope.scaling.yarn_beta_*",
    ],
    neutral: &[
        ("expert_used_count", Neutral::Off),
        ("expert_shared_count", Neutral::Off),
        ("expert_group_count", Neutral::Off),
        ("leading_dense_block_count", Neutral::Off),
        ("nextn_predict_layers", Neutral::Off),
        ("pooling_type", Neutral::Off),
        ("attn_logit_softcapping", Neutral::Off),
        ("final_logit_softcapping", Neutral::Off),
        ("attention.clamp_kqv", Neutral::Off),
        ("attention.max_alibi_bias", Neutral::Off),
        ("attention.causal", Neutral::On),
        ("rope.scaling.attn_factor", Neutral::Factor),
        ("rope.scaling.yarn_attn_factor", Neutral::Factor),
        ("rope.scaling.yarn_ext_factor", Neutral::On),
        ("rope.scaling.yarn_log_multiplier", Neutral::Off),
        ("logit_scale", Neutral::Factor),
        ("residual_scale", Neutral::Factor),
        ("embedding_scale", Neutral::Factor),
    ],
};

/// Words for parts of a model: an unknown key with one of them in its name is taken for a part that is not computed.
const PARTS: &[&str] = &[
    "activation",
    "alibi",
    "attention",
    "attn",
    "bias",
    "cap",
    "causal",
    "chunk",
    "clamp",
    "clip",
    "conv",
    "embed",
    "eps",
    "expert",
    "factor",
    "ffn",
    "gate",
    "gelu",
    "glu",
    "group",
    "head",
    "hidden",
    "kernel",
    "key",
    "layer",
    "lora",
    "mamba",
    "mlp",
    "moe",
    "mscale",
    "multiplier",
    "norm",
    "parallel",
    "pattern",
    "position",
    "qk",
    "query",
    "recurrent",
    "residual",
    "rope",
    "rotary",
    "scale",
    "scaling",
    "sink",
    "softmax",
    "sparse",
    "ssm",
    "temperature",
    "theta",
    "tuning",
    "window",
];

/// Holds keys that nothing has read against the table above; gives a warning of those that are unknown.
///
/// # Errors
/// The first key that could change results.
pub fn check(
    about: &About,
    unread: impl Iterator<Item = Unread>,
    keys: &Keys,
) -> Result<Option<String>, ImportError> {
    let mut unknown = Vec::new();
    for Unread { key, name, value } in unread {
        if value.is_null() || keys.without_effect.iter().any(|known| matches(known, &key)) {
            continue;
        }
        let refused = |expected: &str| Err(about.unsupported(format!("{name}: {}", shown(&value)), expected));
        match keys.neutral.iter().find(|(known, _)| *known == key) {
            Some((_, neutral)) if neutral.holds(&value) => {}
            Some((_, neutral)) => return refused(neutral.expected()),
            None if is_part(&key) && !is_off(&value) => {
                return refused("no such key, since it could change every answer of the model");
            }
            None => unknown.push(name),
        }
    }
    unknown.sort();
    let is_one = unknown.len() == 1;
    let (keys, are) = if is_one { ("the key", "is") } else { ("the keys", "are") };
    let text = || format!("{}: {keys} {} {are} unknown and not used", about.0.display(), unknown.join(", "));
    Ok((!unknown.is_empty()).then(text))
}

fn matches(known: &str, key: &str) -> bool {
    known.strip_suffix('*').map_or(known == key, |start| key.starts_with(start))
}

fn is_part(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    PARTS.iter().any(|part| key.contains(part))
}

/// Whether a value says that there is nothing: null, false, 0, or an empty or equally empty list, object or text.
pub fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.iter().all(is_off),
        Value::Object(all) => all.values().all(is_off),
    }
}

/// A value for a message: long lists are cut.
pub fn shown(value: &Value) -> String {
    const ITEMS: usize = 8;
    match value {
        Value::Array(all) if all.len() > ITEMS => {
            let items: Vec<String> = all[..ITEMS].iter().map(shown).collect();
            format!("[{}, ... {} more]", items.join(", "), all.len() - ITEMS)
        }
        value => value.to_string(),
    }
}

impl Neutral {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Off => is_off(value),
            Self::On => value.as_bool() == Some(true) || value.as_u64() == Some(1),
            Self::Factor => value.as_f64().is_some_and(|factor| [0.0, 1.0].contains(&factor)),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Off => "it off",
            Self::On => "it on",
            Self::Factor => "1",
        }
    }
}
