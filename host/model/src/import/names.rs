//! What each architecture calls its tensors, in Hugging Face folders and in GGUF files.

use super::tensors::Names;

/// Tables that old checkpoints carry and every reader computes again.
const TABLES: &[&str] = &[
    "rotary_emb.inv_freq",
    "rotary_emb.original_inv_freq",
    "rotary_emb.cos_cached",
    "rotary_emb.sin_cached",
    ".attn.bias",
    ".attn.masked_bias",
    ".attention.bias",
    ".attention.masked_bias",
    "causal_mask",
    "position_ids",
];

/// Llama and all that copied its names; biases are found where there are any.
pub static LLAMA: Names = Names {
    embedding: "model.embed_tokens",
    positions: "",
    final_norm: "model.norm",
    classifier: "lm_head",
    layer: "model.layers.{}.",
    attn_norm: "input_layernorm",
    qkv: "",
    qkv_by_head: false,
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    q_norm: "",
    k_norm: "",
    attn_post_norm: "",
    mlp_norm: "post_attention_layernorm",
    gate_up: "",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    mlp_post_norm: "",
    weight: ".weight",
    transposed: false,
    gain_offset: 0.0,
    ignored: TABLES,
};

pub static QWEN3: Names = Names { q_norm: "self_attn.q_norm", k_norm: "self_attn.k_norm", ..LLAMA };

pub static GEMMA: Names = Names { gain_offset: 1.0, ..LLAMA };

/// Gemma 2: the name that is Llama's norm before the MLP is one behind attention here.
pub static GEMMA2: Names = Names {
    attn_post_norm: "post_attention_layernorm",
    mlp_norm: "pre_feedforward_layernorm",
    mlp_post_norm: "post_feedforward_layernorm",
    ..GEMMA
};

pub static GEMMA3: Names = Names { q_norm: QWEN3.q_norm, k_norm: QWEN3.k_norm, ..GEMMA2 };

/// OLMo 2 normalises results alone.
pub static OLMO2: Names = Names {
    attn_norm: "",
    attn_post_norm: "post_attention_layernorm",
    mlp_norm: "",
    mlp_post_norm: "post_feedforward_layernorm",
    ..QWEN3
};

pub static PHI3: Names = Names {
    qkv: "self_attn.qkv_proj",
    gate_up: "mlp.gate_up_proj",
    q: "",
    k: "",
    v: "",
    gate: "",
    up: "",
    ..LLAMA
};

pub static GPT_NEOX: Names = Names {
    embedding: "gpt_neox.embed_in",
    final_norm: "gpt_neox.final_layer_norm",
    classifier: "embed_out",
    layer: "gpt_neox.layers.{}.",
    qkv: "attention.query_key_value",
    qkv_by_head: true,
    q: "",
    k: "",
    v: "",
    o: "attention.dense",
    gate: "",
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
    ..LLAMA
};

/// GPT-2 as it was published; its maps are stored inputs x outputs.
pub static GPT2: Names = Names {
    embedding: "wte",
    positions: "wpe",
    final_norm: "ln_f",
    classifier: "lm_head",
    layer: "h.{}.",
    attn_norm: "ln_1",
    qkv: "attn.c_attn",
    qkv_by_head: false,
    q: "",
    k: "",
    v: "",
    o: "attn.c_proj",
    q_norm: "",
    k_norm: "",
    attn_post_norm: "",
    mlp_norm: "ln_2",
    gate_up: "",
    gate: "",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    mlp_post_norm: "",
    weight: ".weight",
    transposed: true,
    gain_offset: 0.0,
    ignored: TABLES,
};

pub static GPT_NEO: Names = Names {
    qkv: "",
    q: "attn.attention.q_proj",
    k: "attn.attention.k_proj",
    v: "attn.attention.v_proj",
    o: "attn.attention.out_proj",
    transposed: false,
    ..GPT2
};

/// microGPT under the names of its public description; normalisations have no gain.
pub static MICRO_GPT: Names = Names {
    embedding: "wte",
    positions: "wpe",
    final_norm: "",
    classifier: "lm_head",
    layer: "layer{}.",
    attn_norm: "",
    qkv: "",
    qkv_by_head: false,
    q: "attn_wq",
    k: "attn_wk",
    v: "attn_wv",
    o: "attn_wo",
    q_norm: "",
    k_norm: "",
    attn_post_norm: "",
    mlp_norm: "",
    gate_up: "",
    gate: "",
    up: "mlp_fc1",
    down: "mlp_fc2",
    mlp_post_norm: "",
    weight: "",
    transposed: false,
    gain_offset: 0.0,
    ignored: &[],
};

/// All architectures of GGUF files share one set of names.
pub static GGUF: Names = Names {
    embedding: "token_embd",
    positions: "",
    final_norm: "output_norm",
    classifier: "output",
    layer: "blk.{}.",
    attn_norm: "attn_norm",
    qkv: "",
    qkv_by_head: false,
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    o: "attn_output",
    q_norm: "",
    k_norm: "",
    attn_post_norm: "",
    mlp_norm: "ffn_norm",
    gate_up: "",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    mlp_post_norm: "",
    weight: ".weight",
    transposed: false,
    gain_offset: 0.0,
    ignored: &["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"],
};

pub static GGUF_QWEN3: Names = Names { q_norm: "attn_q_norm", k_norm: "attn_k_norm", ..GGUF };

pub static GGUF_GPT2: Names = Names { positions: "position_embd", qkv: "attn_qkv", gate: "", ..GGUF };

/// Converters cut GPT-NeoX's matrix by heads into all queries, all keys, all values.
pub static GGUF_GPTNEOX: Names = Names { qkv: "attn_qkv", gate: "", ..GGUF };

pub static GGUF_PHI3: Names = Names { qkv: "attn_qkv", gate_up: "ffn_up", gate: "", up: "", ..GGUF };

pub static GGUF_GEMMA2: Names =
    Names { attn_post_norm: "post_attention_norm", mlp_post_norm: "post_ffw_norm", ..GGUF };

pub static GGUF_GEMMA3: Names = Names { q_norm: "attn_q_norm", k_norm: "attn_k_norm", ..GGUF_GEMMA2 };

pub static GGUF_OLMO2: Names = Names { attn_norm: "", mlp_norm: "", ..GGUF_GEMMA3 };
