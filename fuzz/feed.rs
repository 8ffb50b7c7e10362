//! What hostile bytes are fed to: each function returns, whatever it gets. `host/runtime/tests/fuzz_corpus.rs` feeds the committed corpus.

#![allow(dead_code, reason = "each fuzz target feeds one of them")]

use lpu_isa::hash::Fnv;
use lpu_isa::image::{Image, MAGIC, VERSION};
use lpu_isa::instruction::ISA_HASH;
use lpu_runtime::chat::{Message, Template};
use std::path::Path;

fn load(path: &Path) {
    if let Ok((model, tokenizer)) = lpu_model::load(path) {
        model.check().expect("what was let through obeys its rules");
        if let Some(tokenizer) = tokenizer {
            _ = tokenizer.encode("Once upon a time, 世界");
        }
    }
}

/// A GGUF file.
pub fn gguf(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for the file");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, data).expect("the folder can be written");
    load(&path);
}

/// `config.json`, a zero byte, `model.safetensors`.
pub fn hugging_face(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (config, weights) = data.split_at(end);
    let folder = tempfile::tempdir().expect("a folder for the files");
    for (name, bytes) in
        [("config.json", config), ("model.safetensors", weights.get(1..).unwrap_or_default())]
    {
        std::fs::write(folder.path().join(name), bytes).expect("the folder can be written");
    }
    load(folder.path());
}

/// A checkpoint of llama2.c and, read on its own, a tokenizer.
pub fn llama2c(data: &[u8]) {
    if let Ok(model) = lpu_model::llama2c::parse(data) {
        model.check().expect("what was let through obeys its rules");
    }
    if let Ok(tokenizer) = lpu_model::Tokenizer::parse(data) {
        _ = tokenizer.encode("Once upon a time, 世界");
    }
}

/// A chat template.
pub fn chat_template(data: &[u8]) {
    let template = Template::new(String::from_utf8_lossy(data), "<s>", "</s>");
    let said = [("system", "Be brief."), ("user", "Hello {{ x }}"), ("assistant", "Hi."), ("user", "世界")];
    _ = template.render(&said.map(|(role, content)| Message::new(role, content)));
}

/// What stands between the head of a program image and its checksum, which are added: a fuzzer does not find them.
pub fn image(data: &[u8]) {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(ISA_HASH.to_le_bytes());
    bytes.extend(data);
    let hash = Fnv::new().bytes(&bytes).finish();
    bytes.extend(hash.to_le_bytes());
    if let Ok(image) = Image::decode(&bytes) {
        _ = lpu_verifier::verify(&image);
    }
}
