//! Every architecture and format against logits of Hugging Face's transformers (`goldens/recipe.py`), and files of every kind that
//! the tests make.

mod import_made;

use lpu_model::Reference;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Share of a logit, or of 1 where it is smaller, by which two computations in fp32 may differ.
const TOLERANCE: f64 = 1e-4;

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

/// The file of a case, or its folder if it is one of Hugging Face.
fn model_of(case: &Path) -> PathBuf {
    let files = ["model.gguf", "model.bin"].map(|name| case.join(name));
    files.into_iter().find(|file| file.exists()).unwrap_or(case.to_owned())
}

fn assert_golden(name: &str) {
    let case = goldens().join(name);
    let golden: Value = serde_json::from_slice(&std::fs::read(case.join("golden.json")).unwrap()).unwrap();
    let model = lpu_model::load_model(model_of(&case)).unwrap();
    let mut reference = Reference::new(&model);
    let tokens = golden["tokens"].as_array().unwrap();
    for (position, token) in tokens.iter().enumerate() {
        let found = reference.step(token.as_u64().unwrap() as u32, position).unwrap();
        let expected: Vec<f64> = golden["logits"][position]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (id, (&found, expected)) in found.iter().zip(expected).enumerate() {
            let distance = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
            assert!(
                distance <= TOLERANCE,
                "{name}, position {position}, id {id}: {found}, expected {expected}"
            );
        }
    }
}

macro_rules! goldens {
    ($($name:ident)+) => {
        $(#[test] fn $name() { assert_golden(stringify!($name)); })+

        #[test]
        fn every_golden_is_tested() {
            let mut found: Vec<String> = std::fs::read_dir(goldens()).unwrap()
                .filter_map(|entry| entry.ok().filter(|entry| entry.path().join("golden.json").exists()))
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                // Vocabularies and templates have tests of their own.
                .filter(|name| !["tokens", "sentencepiece", "templates"].contains(&name.as_str()))
                .collect();
            found.sort();
            let mut tested = vec![$(stringify!($name)),+];
            tested.sort_unstable();
            assert_eq!(found, tested);
        }
    };
}

/// Matrices stay what their file packs; what the chip's memory can hold as it is has blocks.
#[test]
fn blocks_of_a_file_stay_blocks() {
    let model = lpu_model::load_model(goldens().join("gguf_quants/model.gguf")).unwrap();
    let layer = &model.layers[0];
    let bits =
        |matrix: &lpu_model::Matrix| matrix.integers().map(|integers| (integers.bits, integers.has_offset));
    assert_eq!(bits(&layer.o.weight), Some((8, false)));
    assert_eq!(bits(&layer.down.weight), Some((4, false)));
    assert_eq!(bits(&layer.q.weight), None);
    assert_eq!(bits(&model.embedding), None);
    let values = layer.down.weight.blocks(5).unwrap().flat_map(|block| block.values());
    assert_eq!(values.collect::<Vec<f32>>(), layer.down.weight.row(5).to_vec());
}

goldens! {
    llama llama3 llama_linear_sharded smollm mistral qwen2 qwen3 gemma stablelm gpt2 gpt_neo microgpt
    gemma2 gemma3 phi3 phi3_longrope olmo2 granite smollm3 gpt_neox gpt_neox_serial
    llama_yarn llama_yarn_mscale llama_dynamic
    llama2c_v1 llama2c_v2 gguf_quants gguf_qwen3 gguf_llama3 gguf_gpt2
    gguf_gemma2 gguf_gemma3 gguf_phi3 gguf_phi3_longrope gguf_olmo2 gguf_granite gguf_smollm3 gguf_gpt_neox
    gguf_llama_yarn
}
