//! Folders that hold something else than a model, or a model in another arrangement.

use super::*;

/// Files by their names.
type Files<'f> = &'f [(&'f str, &'f [u8])];

fn config_text() -> Vec<u8> {
    config(json!({})).to_string().into_bytes()
}

fn weights() -> Vec<u8> {
    safetensors(&hugging_face_tensors(&llama()))
}

#[test]
fn the_only_gguf_file_of_a_folder_is_taken() {
    let file = gguf(&facts(), &gguf_tensors(&gguf_llama()));
    let one = folder(&[("README.md", b"a model"), ("m.Q8_0.gguf", &file), ("mmproj-m.gguf", b"GGUF")]);
    assert_eq!(load(one.path()).unwrap(), gguf_llama());
    let beside_config = folder(&[("config.json", &config_text()), ("m.gguf", &file)]);
    assert_eq!(load(beside_config.path()).unwrap(), gguf_llama());
    let two = folder(&[("a.gguf", &file), ("b.gguf", &file)]);
    assert!(refusal(two.path()).contains("holds 2 GGUF models: a.gguf, b.gguf; expected"));
}

#[test]
fn what_lies_in_a_folder_without_a_model_is_named() {
    let config = config_text();
    let config = config.as_slice();
    let adapter: &[u8] = br#"{"peft_type": "LORA", "base_model_name_or_path": "org/base"}"#;
    let cases: [(Files, &str); 9] = [
        (&[("config.json", config), ("pytorch_model.bin", b"PK")], "pytorch_model.bin (weights of PyTorch)"),
        (
            &[("config.json", config), ("pytorch_model-00001-of-00002.bin", b"PK")],
            "pytorch_model-00001-of-00002.bin (weights of PyTorch)",
        ),
        (&[("model.pth", b"PK")], "holds model.pth (weights of PyTorch)"),
        (
            &[("adapter_config.json", adapter), ("adapter_model.safetensors", b"")],
            "a LoRA adapter for \"org/base\"",
        ),
        (&[("adapter_model.bin", b"")], "a LoRA adapter, not a whole model"),
        (&[("config.json", config), ("tf_model.h5", b"")], "tf_model.h5 (weights of TensorFlow)"),
        (&[("model.safetensors", b"")], "model.safetensors without its config.json"),
        (&[("config.json", config)], "holds config.json but no weights"),
        (&[("README.md", b"")], "holds no model, only README.md"),
    ];
    for (files, expected) in cases {
        let folder = folder(files);
        let found = refusal(folder.path());
        assert!(found.contains(expected), "expected {expected:?} in {found:?}");
    }
    assert!(refusal(folder(&[]).path()).contains(" holds nothing; expected a folder with config.json"));
}

#[test]
fn an_index_that_names_what_is_not_there_is_told() {
    let index: &[u8] = br#"{"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}"#;
    let name = "model.safetensors.index.json";
    let stale = folder(&[("config.json", &config_text()), (name, index), ("model.safetensors", &weights())]);
    let found = load(stale.path()).unwrap();
    let expected =
        format!("{}: {name} is not used, since model.safetensors lies beside it", stale.path().display());
    assert_eq!(found.warnings, [expected]);
    let alone = folder(&[("config.json", &config_text()), (name, index), ("x.safetensors", &weights())]);
    let found = refusal(alone.path());
    assert!(
        found.contains("the index names model-00001-of-00002.safetensors, which is not in the folder"),
        "{found}"
    );
    let foreign = folder(&[("config.json", &config_text()), (name, b"[]"), ("x.safetensors", &weights())]);
    assert!(refusal(foreign.path()).contains("this is no index of shards; expected weight_map"));
}

#[test]
fn shards_without_an_index_are_taken_when_all_are_there() {
    let tensors = hugging_face_tensors(&llama());
    let (first, second) = tensors.split_at(7);
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let config = config_text();
    let (first, second) = (safetensors(first), safetensors(second));
    let whole = folder(&[("config.json", &config), (names[0], &first), (names[1], &second)]);
    let found = load(whole.path()).unwrap();
    assert!(
        found.warnings[0].ends_with("there is no model.safetensors.index.json; all 2 of 2 shards are taken")
    );
    assert_eq!(Model { warnings: Vec::new(), ..found }, llama());
    let half = folder(&[("config.json", &config), (names[0], &first)]);
    let found = refusal(half.path());
    assert!(found.contains(&format!("some of 2 shards, but not {}", names[1])), "{found}");
}

#[test]
fn the_named_file_of_weights_is_the_one_that_is_read() {
    let mut other = llama();
    other.embedding.dense_mut()[0] += 1.0;
    let best = safetensors(&hugging_face_tensors(&other));
    let folder = folder(&[
        ("config.json", &config_text()),
        ("model.safetensors", &weights()),
        ("best.safetensors", &best),
    ]);
    assert_eq!(load(&folder.path().join("best.safetensors")).unwrap(), other);
    assert_eq!(load(&folder.path().join("model.safetensors")).unwrap(), llama());
    assert_eq!(load(folder.path()).unwrap(), llama());
}

#[test]
fn an_adapter_beside_a_whole_model_is_told() {
    let files = [
        ("config.json", config_text()),
        ("model.safetensors", weights()),
        ("adapter_config.json", b"{}".to_vec()),
    ];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let found = load(folder(&files).path()).unwrap();
    assert!(
        found.warnings[0].ends_with("adapter_config.json describes a LoRA adapter, which is not applied")
    );
}
