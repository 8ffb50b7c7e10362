//! Models as files of every kind, made by the tests: folders of Hugging Face, GGUF files whole and in parts.

pub mod facts;
pub mod folders;
pub mod foreign;
pub mod heads;
pub mod names;
pub mod splits;

use lpu_model::synthetic::{Extras, synthetic_with, tiny_llama};
use lpu_model::{Config, ImportError, Model, RopePairing};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A tensor: its name, its shape and its bytes of a type.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: Dtype,
    pub bytes: Vec<u8>,
}

impl Tensor {
    pub fn new(name: impl Into<String>, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { name: name.into(), shape: shape.to_vec(), kind: Dtype::F32, bytes }
    }
}

/// A two-layer Llama with a classifier of its own, its pairs in Hugging Face's order.
pub fn llama() -> Model {
    let config = tiny_llama();
    let rope = config.rope.clone().map(|rope| lpu_model::Rope { pairing: RopePairing::Halves, ..rope });
    let config = Config { rope, ..config };
    synthetic_with(&config, Extras { tied: false, ..Extras::usual(&config) }, 11).unwrap()
}

/// The same as a GGUF file says it: pairs stand side by side.
pub fn gguf_llama() -> Model {
    let mut model = llama();
    model.config.rope.iter_mut().for_each(|rope| rope.pairing = RopePairing::Adjacent);
    model
}

/// The names of a layer's tensors: Hugging Face's and GGUF's.
const LAYER: [[&str; 2]; 9] = [
    ["input_layernorm", "attn_norm"],
    ["self_attn.q_proj", "attn_q"],
    ["self_attn.k_proj", "attn_k"],
    ["self_attn.v_proj", "attn_v"],
    ["self_attn.o_proj", "attn_output"],
    ["post_attention_layernorm", "ffn_norm"],
    ["mlp.gate_proj", "ffn_gate"],
    ["mlp.up_proj", "ffn_up"],
    ["mlp.down_proj", "ffn_down"],
];

fn tensors(model: &Model, style: usize) -> Vec<Tensor> {
    let matrix = |name: String, matrix: &lpu_model::Matrix| {
        let values: Vec<f32> = matrix.rows().flat_map(Cow::into_owned).collect();
        Tensor::new(format!("{name}.weight"), &[matrix.outputs(), matrix.inputs()], &values)
    };
    let norm = |name: String, norm: &lpu_model::Norm| {
        let gain = norm.gain.as_ref().unwrap();
        Tensor::new(format!("{name}.weight"), &[gain.len()], gain)
    };
    let (layers, [embedding, last, head]) = match style {
        0 => ("model.layers", ["model.embed_tokens", "model.norm", "lm_head"]),
        _ => ("blk", ["token_embd", "output_norm", "output"]),
    };
    let mut all = vec![
        matrix(embedding.into(), &model.embedding),
        norm(last.into(), model.final_norm.as_ref().unwrap()),
    ];
    all.extend(model.classifier.as_ref().map(|classifier| matrix(head.into(), classifier)));
    for (index, layer) in model.layers.iter().enumerate() {
        let linears =
            [&layer.q, &layer.k, &layer.v, &layer.o, layer.gate.as_ref().unwrap(), &layer.up, &layer.down];
        let mut linears = linears.into_iter();
        let mut norms = [&layer.attn_norm, &layer.mlp_norm].into_iter();
        for names in LAYER {
            let name = format!("{layers}.{index}.{}", names[style]);
            all.push(match names[1].ends_with("norm") {
                true => norm(name, norms.next().unwrap()),
                false => matrix(name, &linears.next().unwrap().weight),
            });
        }
    }
    all
}

pub fn hugging_face_tensors(model: &Model) -> Vec<Tensor> {
    tensors(model, 0)
}

pub fn gguf_tensors(model: &Model) -> Vec<Tensor> {
    tensors(model, 1)
}

/// The configuration of [`llama`] with other fields in it.
pub fn config(changes: Value) -> Value {
    let lpu_model::Config { dim, hidden_dim, layers, heads, kv_heads, vocab, context, .. } = tiny_llama();
    let mut config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": dim,
        "intermediate_size": hidden_dim, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "vocab_size": vocab, "max_position_embeddings": context,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": false,
        "torch_dtype": "float32", "use_cache": true, "attention_dropout": 0.0, "bos_token_id": 1,
    });
    merge(&mut config, changes);
    config
}

fn merge(config: &mut Value, changes: Value) {
    let changes = changes.as_object().cloned().unwrap_or_else(Map::new);
    config.as_object_mut().unwrap().extend(changes);
}

pub fn safetensors(tensors: &[Tensor]) -> Vec<u8> {
    let views = tensors.iter().map(|tensor| {
        (tensor.name.clone(), TensorView::new(tensor.kind, tensor.shape.clone(), &tensor.bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A folder with files.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// The folder of a model of Hugging Face.
pub fn hugging_face(config: &Value, tensors: &[Tensor]) -> TempDir {
    let config = config.to_string();
    folder(&[("config.json", config.as_bytes()), ("model.safetensors", &safetensors(tensors))])
}

/// A value of GGUF.
#[derive(Clone)]
pub enum Fact {
    U32(u32),
    F32(f32),
    Text(&'static str),
    U16(u16),
    U32s(Vec<u32>),
    Flags(Vec<bool>),
    Flag(bool),
}

fn text(text: &str) -> Vec<u8> {
    [(text.len() as u64).to_le_bytes().as_slice(), text.as_bytes()].concat()
}

impl Fact {
    fn bytes(&self) -> Vec<u8> {
        let list = |kind: u32, count: usize, items: Vec<u8>| {
            [&9u32.to_le_bytes()[..], &kind.to_le_bytes(), &(count as u64).to_le_bytes(), &items].concat()
        };
        let one = |kind: u32, value: &[u8]| [&kind.to_le_bytes()[..], value].concat();
        match self {
            Self::U16(value) => one(2, &value.to_le_bytes()),
            Self::U32(value) => one(4, &value.to_le_bytes()),
            Self::F32(value) => one(6, &value.to_le_bytes()),
            Self::Flag(value) => one(7, &[u8::from(*value)]),
            Self::Text(value) => one(8, &text(value)),
            Self::U32s(all) => list(4, all.len(), all.iter().flat_map(|one| one.to_le_bytes()).collect()),
            Self::Flags(all) => list(7, all.len(), all.iter().map(|one| u8::from(*one)).collect()),
        }
    }
}

/// The facts of [`gguf_llama`].
pub fn facts() -> Vec<(&'static str, Fact)> {
    let lpu_model::Config { dim, hidden_dim, layers, heads, kv_heads, context, .. } = tiny_llama();
    let size = |size: usize| Fact::U32(size as u32);
    vec![
        ("general.architecture", Fact::Text("llama")),
        ("llama.embedding_length", size(dim)),
        ("llama.feed_forward_length", size(hidden_dim)),
        ("llama.block_count", size(layers)),
        ("llama.attention.head_count", size(heads)),
        ("llama.attention.head_count_kv", size(kv_heads)),
        ("llama.context_length", size(context)),
        ("llama.attention.layer_norm_rms_epsilon", Fact::F32(1e-5)),
    ]
}

/// A GGUF file of fp32 tensors.
pub fn gguf(facts: &[(&str, Fact)], tensors: &[Tensor]) -> Vec<u8> {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((facts.len() as u64).to_le_bytes());
    for (name, fact) in facts {
        file.extend(text(name));
        file.extend(fact.bytes());
    }
    let mut offset = 0u64;
    for tensor in tensors {
        file.extend(text(&tensor.name));
        file.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|size| file.extend((*size as u64).to_le_bytes()));
        file.extend(0u32.to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += (tensor.bytes.len() as u64).next_multiple_of(32);
    }
    for tensor in tensors {
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(&tensor.bytes);
    }
    file
}

/// A GGUF file of [`gguf_llama`] with more facts.
pub fn gguf_with(more: &[(&'static str, Fact)]) -> (TempDir, PathBuf) {
    let facts = [facts(), more.to_vec()].concat();
    let folder = folder(&[("model.gguf", &gguf(&facts, &gguf_tensors(&gguf_llama())))]);
    let path = folder.path().join("model.gguf");
    (folder, path)
}

pub fn load(path: &Path) -> Result<Model, ImportError> {
    lpu_model::load(path).map(|(model, _)| model)
}

/// The message of a refusal, which blames nothing that is sound and shows nothing of Rust.
pub fn refusal(path: &Path) -> String {
    let message = load(path).expect_err("it must be refused").to_string();
    assert_plain(&message);
    message
}

pub fn assert_plain(message: &str) {
    let lower = message.to_lowercase();
    for word in ["fetch", "usize", "untagged", "whole(", "some(", "none(", "ggml type"] {
        assert!(!lower.contains(word), "{word} in {message}");
    }
}
