//! The fp32 reference and the tokenizer against vectors made with llama2.c.

mod shared;

use std::fs;
use std::path::Path;

use lpu_model::eval::{self, LogitSource};
use lpu_model::reference::argmax;
use lpu_model::tokenizer::Tokenizer;
use lpu_model::{Model, Reference};
use serde_json::Value;

const LOGIT_ERROR_MAX: f64 = 1e-4;

fn stories260k(folder: &Path) -> (Model, Tokenizer) {
    let (model, tokenizer) = lpu_model::load(folder.join("stories260K.bin")).unwrap();
    (model, tokenizer.expect("tok512.bin lies beside the model"))
}

fn golden_cases(folder: &Path) -> Vec<Value> {
    let golden: Value = serde_json::from_slice(&fs::read(folder.join("golden.json")).unwrap()).unwrap();
    golden["cases"].as_array().unwrap().clone()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|float| float.as_f64().unwrap()).collect()
}

#[test]
fn the_description_matches_the_published_model() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, tokenizer) = stories260k(&folder);
    assert_eq!(model.parameter_count(), 260_032);
    assert_eq!((model.config.head_dim, model.config.kv_dim(), model.config.kv_head_of(7)), (8, 32, 3));
    assert!(model.classifier.is_none());
    assert_eq!((tokenizer.vocab(), tokenizer.bos(), tokenizer.eos()), (512, 1, Some(2)));
}

#[test]
fn both_files_are_written_back_as_they_were() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, tokenizer) = stories260k(&folder);
    assert!(tokenizer.to_bytes() == fs::read(folder.join("tok512.bin")).unwrap());
    let original = fs::read(folder.join("stories260K.bin")).unwrap();
    let written = lpu_model::llama2c::to_bytes(&model).unwrap();
    // The rotation table at the end is computed, not kept: another libm may round its last bit otherwise.
    let table_bytes = 4 * 2 * model.config.context * (model.config.head_dim / 2);
    assert_eq!(written.len(), original.len());
    assert!(written[..written.len() - table_bytes] == original[..original.len() - table_bytes]);
}

#[test]
fn prompts_become_the_ids_of_llama2c() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (_, tokenizer) = stories260k(&folder);
    let cases = golden_cases(&folder);
    assert_eq!(cases.len(), 10);
    for case in cases {
        let prompt = case["prompt"].as_str().unwrap();
        let encoded = tokenizer.encode(prompt).unwrap();
        assert_eq!(encoded, ids(&case["prompt_tokens"]), "{prompt:?}");
        assert_eq!(tokenizer.decode(&encoded), prompt);
    }
}

/// Every id must equal the golden one: the smallest gap between the two best logits is 0.0003, more than
/// twice the error that is allowed below, so no near tie excuses a difference.
#[test]
fn greedy_text_and_first_logits_are_those_of_llama2c() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, _) = stories260k(&folder);
    let mut reference = Reference::new(&model);
    for case in golden_cases(&folder) {
        let prompt = case["prompt"].as_str().unwrap();
        assert!(floats(&case["margins"]).iter().all(|margin| *margin > 2.0 * LOGIT_ERROR_MAX));
        let expected_logits: Vec<Vec<f64>> = case["logits"].as_array().unwrap().iter().map(floats).collect();
        let mut logits = Vec::new();
        LogitSource::reset(&mut reference).unwrap();
        for id in ids(&case["prompt_tokens"]) {
            LogitSource::step(&mut reference, id, &mut logits).unwrap();
        }
        let mut generated = Vec::new();
        for expected in ids(&case["tokens"]) {
            if let Some(expected) = expected_logits.get(generated.len()) {
                assert_near(&logits, expected, prompt);
            }
            let next = argmax(&logits) as u32;
            assert_eq!(next, expected, "prompt {prompt:?}, generated id {}", generated.len());
            generated.push(next);
            LogitSource::step(&mut reference, next, &mut logits).unwrap();
        }
        assert_eq!(generated.len(), 256);
    }
}

fn assert_near(found: &[f64], expected: &[f64], prompt: &str) {
    assert_eq!(found.len(), expected.len());
    for (id, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error < LOGIT_ERROR_MAX, "prompt {prompt:?}, logit {id}: {found}, expected {expected}");
    }
}

#[test]
fn the_evaluation_text_has_its_published_perplexity() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, tokenizer) = stories260k(&folder);
    let text = fs::read_to_string(folder.join("eval.txt")).unwrap();
    let encoded = eval::encode(&tokenizer, &text, model.config.context, None).unwrap();
    let score = eval::score(&mut Reference::new(&model), &encoded.contexts).unwrap();
    println!("perplexity {:.6} over {} predictions", score.perplexity(), score.predictions);
    assert_eq!((encoded.contexts.len(), score.predictions), (21, 8347));
    assert!((score.perplexity() - 4.077_448).abs() < 5e-6);
}
