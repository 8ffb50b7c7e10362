//! Token ids against Hugging Face's tokenizers and SentencePiece on 10,000 lines of many scripts (`goldens/tokens.py`).

#[path = "../../model/tests/shared/mod.rs"]
mod shared;
mod templates;
mod tokenizer_files;

use lpu_model::Tokenizer;
use lpu_model::tokenizer::StreamDecoder;
use lpu_runtime::chat::{Message, Template};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Decoding piece by piece is slower than all at once; this share of the lines shows that both agree.
const STREAMED_EVERY: usize = 16;

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_slice(&std::fs::read(folder().join("golden.json")).unwrap()).unwrap());

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/goldens/tokens")
}

fn tokenizer(name: &str) -> Tokenizer {
    lpu_model::load(folder().join(name)).unwrap().1.unwrap()
}

/// SplitMix64, as the recipe has it.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The recipe's text.
fn lines() -> Vec<String> {
    let list = |key: &str| -> Vec<&str> {
        GOLDEN[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
    };
    let (fragments, separators) = (list("fragments"), list("separators"));
    let mut state = GOLDEN["seed"].as_u64().unwrap();
    let mut line = || {
        let mut line = String::new();
        for _ in 0..1 + random(&mut state) % 12 {
            line.push_str(fragments[random(&mut state) as usize % fragments.len()]);
            line.push_str(separators[random(&mut state) as usize % separators.len()]);
        }
        line
    };
    let lines: Vec<String> = (0..GOLDEN["lines"].as_u64().unwrap()).map(|_| line()).collect();
    assert_eq!(lines.last().unwrap(), GOLDEN["last_line"].as_str().unwrap());
    lines
}

/// Ids of every line without a start, their hash, and the way back to the text, whole and piece by piece.
fn assert_golden(name: &str) {
    let tokenizer = tokenizer(name);
    let mut hash = Sha256::new();
    for (index, line) in lines().into_iter().enumerate() {
        let ids = tokenizer.encode_plain(&line).unwrap();
        hash.update((ids.len() as u32).to_le_bytes());
        ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        assert_eq!(tokenizer.decode(&ids), line, "{name}");
        if index % STREAMED_EVERY != 0 {
            continue;
        }
        let mut decoder = StreamDecoder::default();
        let mut text: String = ids.iter().map(|&id| decoder.push(&tokenizer, id)).collect();
        text.push_str(&decoder.finish());
        assert_eq!(text, line, "{name}, piece by piece");
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, GOLDEN["hashes"][name].as_str().unwrap(), "{name}");
}

#[test]
fn a_tokenizer_json_gives_the_ids_of_tokenizers() {
    assert_golden("hugging_face");
}

#[test]
fn byte_level_vocabularies_in_gguf_give_the_ids_of_tokenizers() {
    ["qwen2.gguf", "llama3.gguf", "smollm.gguf"].into_iter().for_each(assert_golden);
}

#[test]
fn a_scored_vocabulary_in_gguf_gives_the_ids_of_sentencepiece() {
    assert_golden("sentencepiece.gguf");
}

#[test]
fn a_text_starts_once_and_ends_where_the_model_says() {
    let tokenizer = tokenizer("hugging_face");
    let ids = tokenizer.encode("Once").unwrap();
    assert_eq!(ids[0], 0);
    assert_eq!(tokenizer.encode("<|endoftext|>Once").unwrap(), ids);
    assert_eq!(tokenizer.encode_plain("Once").unwrap(), ids[1..]);
    assert_eq!((tokenizer.bos(), tokenizer.ends()), (0, vec![2, 0]));
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(1));
    // SentencePiece models start texts with BOS, byte-level ones do not unless they say so.
    assert_eq!(self::tokenizer("sentencepiece.gguf").encode("").unwrap(), [1]);
    assert!(self::tokenizer("qwen2.gguf").encode("").unwrap().is_empty());
}

#[test]
fn a_conversation_becomes_special_tokens() {
    for name in ["hugging_face", "qwen2.gguf"] {
        let tokenizer = tokenizer(name);
        let template = Template::for_tokenizer(&tokenizer);
        assert!(template.is_trained());
        let ids = template.encode(&tokenizer, &[Message::new("user", "Once")]).unwrap();
        let marks: Vec<u32> = ids.iter().copied().filter(|id| *id < 3).collect();
        assert_eq!(marks, [1, 2, 1], "{name}");
        assert_eq!(tokenizer.decode(&ids), "user\nOnce\nassistant\n");
    }
}

#[test]
fn an_image_keeps_the_whole_tokenizer() {
    for name in ["hugging_face", "sentencepiece.gguf"] {
        let tokenizer = tokenizer(name);
        let kept = Tokenizer::parse(&tokenizer.to_bytes()).unwrap();
        assert_eq!(kept, tokenizer);
        assert_eq!(kept.chat_templates(), tokenizer.chat_templates());
    }
}

/// Each story of the evaluation text as llama2.c's algorithm cuts it, against the merges of the tokenizers crate: two programs
/// that share no code.
#[test]
fn llama2c_ids_are_those_of_its_vocabulary_in_another_program() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (_, tokenizer) = lpu_model::load(folder.join("stories260K.bin")).unwrap();
    let tokenizer = tokenizer.unwrap();
    let text = std::fs::read_to_string(folder.join("eval.txt")).unwrap();
    let merges = Merges::new(&tokenizer);
    for story in lpu_model::eval::stories(&text) {
        assert_eq!(tokenizer.encode_plain(story).unwrap(), merges.encode(story));
    }
}

struct Merges(tokenizers::Tokenizer);

impl Merges {
    /// Every way to cut a piece into two, by falling score.
    fn new(tokenizer: &Tokenizer) -> Self {
        let piece = |id: u32| String::from_utf8_lossy(&tokenizer.piece(id).unwrap().bytes).into_owned();
        let pieces: Vec<String> = (0..tokenizer.vocab() as u32).map(piece).collect();
        let mut pairs = Vec::new();
        for (id, piece) in pieces.iter().enumerate().skip(259) {
            for (at, _) in piece.char_indices().skip(1) {
                let (left, right) = piece.split_at(at);
                if pieces.iter().any(|piece| piece == left) && pieces.iter().any(|piece| piece == right) {
                    pairs.push((tokenizer.piece(id as u32).unwrap().score, [left, right]));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let merges: Vec<[&str; 2]> = pairs.into_iter().map(|(_, pair)| pair).collect();
        let vocab: serde_json::Map<String, Value> =
            pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), id.into())).collect();
        let file = serde_json::json!({
            "version": "1.0", "added_tokens": [], "truncation": null, "padding": null,
            "normalizer": { "type": "Prepend", "prepend": " " }, "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": { "type": "BPE", "vocab": vocab, "merges": merges, "byte_fallback": true, "fuse_unk": true, "unk_token": "<unk>" },
        });
        Self(tokenizers::Tokenizer::from_bytes(file.to_string()).unwrap())
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        self.0.encode_fast(text, false).unwrap().get_ids().to_vec()
    }
}
