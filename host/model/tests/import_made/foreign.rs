//! Files of other programs, as models, as parts of models and as tokenizers: named for what they are.

use super::*;

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1056540\n";

/// Files that are no models: their first bytes, and what they are called.
fn files() -> Vec<(Vec<u8>, &'static str)> {
    let long = |start: &[u8]| [start, &[0; 600]].concat();
    let zip = |entry: &[u8]| {
        let mut file = b"PK\x03\x04".to_vec();
        file.resize(30, 0);
        file.extend(entry);
        long(&file)
    };
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let mut big_endian = gguf(&[], &[]);
    big_endian[4..8].reverse();
    vec![
        (POINTER.to_vec(), "is a Git LFS pointer to a file of 1056540 bytes"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html></html>".to_vec(), "is a web page"),
        (b"<HTML>\n".to_vec(), "is a web page"),
        (b"<?xml version='1.0'?><Error/>".to_vec(), "is an XML document"),
        (
            br#"{"error":"Access is restricted"}"#.to_vec(),
            "is the answer of a server: \"Access is restricted\"",
        ),
        (
            br#"{"error":{"message":"no such model"}}"#.to_vec(),
            "is the answer of a server: \"no such model\"",
        ),
        (br#"{"model_type": "llama"}"#.to_vec(), "is a JSON file"),
        (b"Entry not found".to_vec(), "is a text that begins with \"Entry not found\""),
        (long(b"\x1f\x8b\x08\0"), "is compressed with gzip"),
        (long(b"\x28\xb5\x2f\xfd"), "is compressed with Zstandard"),
        (long(b"\xfd7zXZ\0"), "is compressed with xz"),
        (long(b"BZh9"), "is compressed with bzip2"),
        (tar, "is a tar archive"),
        (zip(b"archive/data.pkl"), "is a zip archive of pickles, as PyTorch writes"),
        (zip(b"model/config.txt"), "is a zip archive;"),
        (long(b"\x80\x02}q\0"), "is a pickle, as PyTorch writes"),
        (long(b"\x80\x04\x95"), "is a pickle, as PyTorch writes"),
        (long(b"tjgg\x03\0\0\0"), "is a model in GGJT"),
        (long(b"fmgg\x01\0\0\0"), "is a model in GGMF"),
        (long(b"lmgg"), "is a model in GGML"),
        (long(b"\x89HDF\r\n\x1a\n"), "is an HDF5 file"),
        (long(b"TPF2\x02\0\0\0"), "is in an unknown format that begins with \"TPF2\""),
        (big_endian, "is a big-endian GGUF file"),
    ]
}

#[test]
fn foreign_files_are_named_as_models() {
    for (bytes, expected) in files() {
        let folder = folder(&[("model.bin", &bytes)]);
        let found = refusal(&folder.path().join("model.bin"));
        assert!(found.contains(expected), "expected {expected:?} in {found:?}");
        assert!(found.contains("; expected "), "{found}");
    }
}

#[test]
fn foreign_weights_and_configurations_of_a_folder_are_named() {
    let config = config(json!({})).to_string();
    let weights = folder(&[("config.json", config.as_bytes()), ("model.safetensors", POINTER)]);
    let found = refusal(weights.path());
    assert!(
        found.contains("model.safetensors is a Git LFS pointer to a file of 1056540 bytes; expected"),
        "{found}"
    );
    assert!(found.contains("git lfs pull"), "{found}");
    for (bytes, expected) in
        [(POINTER, "config.json is a Git LFS pointer"), (b"{\"a\": ", "this is not valid JSON: EOF")]
    {
        let folder = folder(&[("config.json", bytes), ("model.safetensors", &safetensors(&[]))]);
        let found = refusal(folder.path());
        assert!(found.contains(expected), "expected {expected:?} in {found:?}");
    }
}

#[test]
fn foreign_files_are_named_as_tokenizers() {
    let model = gguf_llama();
    let checkpoint = lpu_model::llama2c::to_bytes(&Model { classifier: None, ..model.clone() }).unwrap();
    let folder = folder(&[("model.bin", &checkpoint), ("tok300.bin", POINTER)]);
    let path = folder.path().join("model.bin");
    let found = lpu_model::load(&path).unwrap_err().to_string();
    assert!(found.contains("tok300.bin is a Git LFS pointer"), "{found}");
    let given = |bytes: &[u8]| {
        let file = folder.path().join("given");
        std::fs::write(&file, bytes).unwrap();
        let found = lpu_model::load_with_tokenizer(&path, &file).unwrap_err().to_string();
        assert_plain(&found);
        found
    };
    // A GGUF file may hold a vocabulary.
    for (bytes, expected) in files().into_iter().filter(|(bytes, _)| !bytes.starts_with(b"{")) {
        let found = given(&bytes);
        let is_unknown = expected.contains("unknown format");
        assert!(is_unknown || found.contains(expected), "expected {expected:?} in {found:?}");
    }
    assert!(given(&safetensors(&[])).contains("is a safetensors file"));
    assert!(
        given(br#"{"vocab": ["a", "b"], "merges": []}"#)
            .contains("it has the fields merges, vocab; expected a tokenizer.json")
    );
    assert!(given(br#"{"model": {"type": "X"}}"#).contains("this is no tokenizer.json that can be read"));
}

#[test]
fn a_tokenizer_is_no_model() {
    let tokenizer = lpu_model::tokenizer::TokenizerBuilder::with_bytes().build().unwrap().to_bytes();
    let folder = folder(&[("tok.bin", &tokenizer)]);
    assert!(refusal(&folder.path().join("tok.bin")).contains("tok.bin is a tokenizer of llama2.c; expected"));
}

#[test]
fn safetensors_files_that_end_early_are_told() {
    let config = config(json!({})).to_string();
    let mut file = safetensors(&hugging_face_tensors(&llama()));
    file.truncate(file.len() - 1);
    let folder = folder(&[("config.json", config.as_bytes()), ("model.safetensors", &file)]);
    assert!(refusal(folder.path()).contains("its header describes another length than the file has"));
    let alone = super::folder(&[("model.safetensors", &file)]);
    let found = refusal(&alone.path().join("model.safetensors"));
    assert!(found.contains("a safetensors file without its config.json"), "{found}");
}
