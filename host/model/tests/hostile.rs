//! Files made to harm: each costs an error message and little memory.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

fn refusal(path: &Path) -> String {
    lpu_model::load(path).map(|_| "it was accepted".to_owned()).unwrap_or_else(|error| error.to_string())
}

fn assert_refused(path: &Path, expected: &str) {
    let found = refusal(path);
    assert!(found.contains(expected), "expected {expected:?} in {found:?}");
}

/// A copy of a golden folder that a test may damage.
fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn with_file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn gguf(tensors: u64, facts: u64, rest: &[u8]) -> Vec<u8> {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(tensors.to_le_bytes());
    file.extend(facts.to_le_bytes());
    file.extend(rest);
    file
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn gguf_counts_are_held_against_the_file() {
    let list =
        [text("a"), 9u32.to_le_bytes().into(), 8u32.to_le_bytes().into(), u64::MAX.to_le_bytes().into()]
            .concat();
    let long = [u64::MAX.to_le_bytes().as_slice(), b"abcdefgh"].concat();
    let tensor = |shape: [u64; 2], offset: u64| {
        let mut entry = text("token_embd.weight");
        entry.extend(2u32.to_le_bytes());
        shape.iter().for_each(|size| entry.extend(size.to_le_bytes()));
        entry.extend(0u32.to_le_bytes());
        entry.extend(offset.to_le_bytes());
        entry
    };
    let cases = [
        (gguf(u64::MAX, 0, &[0; 64]), "claims 18446744073709551615 tensors; expected at most"),
        (gguf(0, 1 << 40, &[0; 64]), "claims 1099511627776 facts; expected at most"),
        (gguf(0, 1, &list), "items of a list; expected at most"),
        (gguf(0, 1, &long), "bytes of a text; expected at most"),
        (gguf(1, 0, &tensor([1 << 40, 1 << 40], 0)), "lies outside the"),
        (gguf(1, 0, &tensor([1 << 20, 1 << 20], 0)), "lies outside the"),
        (gguf(1, 0, &tensor([1, 1], u64::MAX)), "lies outside the"),
        (b"GGUF\x01\0\0\0".to_vec(), "this is GGUF version 1; expected 2 or 3"),
        (b"GGUF".to_vec(), "the file ends inside its version"),
    ];
    for (file, expected) in cases {
        let (_folder, path) = with_file(&file);
        assert_refused(&path, expected);
    }
}

#[test]
fn safetensors_headers_are_held_against_the_file() {
    let headers: [(&str, u64); 6] = [
        ("{}", u64::MAX),
        ("{}", 1 << 40),
        (r#"{"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,4]}}"#, 0),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}"#, 0),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 0),
        ("[[[[[[", 0),
    ];
    for (header, length) in headers {
        let folder = copy("llama");
        let length = if length == 0 { header.len() as u64 } else { length };
        let file = [length.to_le_bytes().as_slice(), header.as_bytes(), &[0; 4]].concat();
        std::fs::write(folder.path().join("model.safetensors"), file).unwrap();
        assert_refused(folder.path(), "this is no safetensors file");
    }
}

#[test]
fn configurations_cannot_ask_for_more_than_the_weights_hold() {
    let cases = [
        (
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 4096",
            "the tensor model.layers.2.input_layernorm.weight is missing",
        ),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1048576", "expected at most 4096 layers"),
        ("\"vocab_size\": 64", "\"vocab_size\": 1048576", "has shape [64, 24]; expected [1048576, 24]"),
        ("\"vocab_size\": 64", "\"vocab_size\": 1e300", "vocab_size is 1e+300; expected a whole number"),
        ("\"vocab_size\": 64", "\"vocab_size\": -1", "vocab_size is -1; expected a whole number"),
        ("\"hidden_size\": 24", "\"hidden_size\": 23", "has shape [64, 24]; expected [64, 23]"),
        (
            "\"model_type\": \"llama\"",
            "\"model_type\": \"mamba\"",
            "the architecture \"mamba\" is not supported; expected llama",
        ),
        (
            "\"rope_type\": \"default\"",
            "\"rope_type\": \"proportional\"",
            "the rotary scaling \"proportional\" is not supported; expected default",
        ),
        (
            "\"rope_type\": \"default\"",
            "\"rope_type\": \"yarn\", \"factor\": 4, \"partial_rotary_factor\": 1e30",
            "rotary embedding over 18446744073709551615 dimensions; expected an even number from 2 to head_dim 6",
        ),
        (
            "\"rope_type\": \"default\"",
            "\"rope_type\": \"longrope\", \"short_factor\": [1, 0, 1], \"long_factor\": [2, 2, 2]",
            "a rotary divisor is 0; expected a finite number above 0",
        ),
        ("\"hidden_act\": \"silu\"", "\"hidden_act\": \"mish\"", "the activation \"mish\" is not supported"),
        (
            "\"hidden_size\": 24",
            "\"quantization_config\": {}, \"hidden_size\": 24",
            "quantization_config is not supported",
        ),
    ];
    for (from, to, expected) in cases {
        let folder = copy("llama");
        let path = folder.path().join("config.json");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(from), "{from}");
        std::fs::write(&path, config.replacen(from, to, 1)).unwrap();
        assert_refused(folder.path(), expected);
    }
}

#[test]
fn shards_stay_in_their_folder_and_are_all_there() {
    let index = "model.safetensors.index.json";
    let damage = |edit: &dyn Fn(&Path, String) -> Option<String>, expected: &str| {
        let folder = copy("llama_linear_sharded");
        let path = folder.path().join(index);
        if let Some(text) = edit(folder.path(), std::fs::read_to_string(&path).unwrap()) {
            std::fs::write(&path, text).unwrap();
        }
        assert_refused(folder.path(), expected);
    };
    damage(
        &|folder, _| std::fs::remove_file(folder.join("model-00002-of-00003.safetensors")).ok().and(None),
        "the index names model-00002-of-00003.safetensors, which is not in the folder",
    );
    damage(
        &|_, text| Some(text.replace("model-00001-of-00003", "../model-00001-of-00003")),
        "expected a file of the same folder",
    );
    damage(
        &|_, text| Some(text.replace("model-00001-of-00003", "/etc/model-00001-of-00003")),
        "expected a file of the same folder",
    );
    damage(
        &|_, text| Some(text.replace("lm_head.weight", "lm_head.other")),
        "no shard holds the tensor lm_head.other",
    );
    damage(&|_, _| Some("[".repeat(100_000)), "this is not valid JSON");
    #[cfg(unix)]
    damage(
        &|folder, _| {
            let shard = folder.join("model-00001-of-00003.safetensors");
            std::fs::remove_file(&shard).unwrap();
            std::os::unix::fs::symlink(&shard, &shard).unwrap();
            None
        },
        "the index names model-00001-of-00003.safetensors, which is not in the folder",
    );
    let folder = copy("llama_linear_sharded");
    std::fs::copy(
        folder.path().join("model-00001-of-00003.safetensors"),
        folder.path().join("model-00002-of-00003.safetensors"),
    )
    .unwrap();
    assert_refused(folder.path(), "stands in another shard, too");
}

#[test]
fn a_tensor_that_nothing_reads_is_named() {
    let folder = copy("llama");
    let path = folder.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1")).unwrap();
    assert_refused(folder.path(), "the tensor model.layers.1.input_layernorm.weight is not supported");
}

/// Loads a damaged copy; what matters is that it returns.
fn load_damaged(
    case: &str,
    file: &str,
    flips: &[(prop::sample::Index, u8)],
    cut: Option<prop::sample::Index>,
    first: usize,
) {
    let folder = copy(case);
    let path = folder.path().join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let region = first.min(bytes.len());
    for (place, value) in flips {
        bytes[place.index(region)] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    std::fs::write(&path, bytes).unwrap();
    let whole = if file == "model.gguf" { path } else { folder.path().to_owned() };
    _ = lpu_model::load(whole);
}

fn flips() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_damaged_gguf_file_is_refused_or_harmless(flips in flips(), cut in any::<Option<prop::sample::Index>>()) {
        load_damaged("gguf_qwen3", "model.gguf", &flips, cut, 2200);
    }

    #[test]
    fn damaged_weights_are_refused_or_harmless(flips in flips(), cut in any::<Option<prop::sample::Index>>()) {
        load_damaged("smollm", "model.safetensors", &flips, cut, 2200);
    }

    #[test]
    fn a_damaged_configuration_is_refused_or_harmless(flips in flips()) {
        load_damaged("gpt_neo", "config.json", &flips, None, 4096);
    }

    #[test]
    fn a_damaged_vocabulary_is_refused_or_harmless(flips in flips()) {
        load_damaged("tokens/hugging_face", "tokenizer.json", &flips, None, 40_000);
    }
}
