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
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    o: "self_attn.o_proj",
    q_norm: "",
    k_norm: "",
    mlp_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    weight: ".weight",
    transposed: false,
    gain_offset: 0.0,
    ignored: TABLES,
};

pub static QWEN3: Names = Names { q_norm: "self_attn.q_norm", k_norm: "self_attn.k_norm", ..LLAMA };

pub static GEMMA: Names = Names { gain_offset: 1.0, ..LLAMA };

/// GPT-2 as it was published; its maps are stored inputs x outputs.
pub static GPT2: Names = Names {
    embedding: "wte",
    positions: "wpe",
    final_norm: "ln_f",
    classifier: "lm_head",
    layer: "h.{}.",
    attn_norm: "ln_1",
    qkv: "attn.c_attn",
    q: "",
    k: "",
    v: "",
    o: "attn.c_proj",
    q_norm: "",
    k_norm: "",
    mlp_norm: "ln_2",
    gate: "",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
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
    q: "attn_wq",
    k: "attn_wk",
    v: "attn_wv",
    o: "attn_wo",
    q_norm: "",
    k_norm: "",
    mlp_norm: "",
    gate: "",
    up: "mlp_fc1",
    down: "mlp_fc2",
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
    q: "attn_q",
    k: "attn_k",
    v: "attn_v",
    o: "attn_output",
    q_norm: "",
    k_norm: "",
    mlp_norm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    weight: ".weight",
    transposed: false,
    gain_offset: 0.0,
    ignored: &["rope_freqs.weight"],
};

pub static GGUF_QWEN3: Names = Names { q_norm: "attn_q_norm", k_norm: "attn_k_norm", ..GGUF };

pub static GGUF_GPT2: Names = Names { positions: "position_embd", qkv: "attn_qkv", gate: "", ..GGUF };
