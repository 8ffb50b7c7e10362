//! The vocabulary inside a GGUF file, and what the file says of it.
//!
//! | `tokenizer.ggml.model` | pieces |
//! |---|---|
//! | `gpt2` | bytes written as characters; the file lists the pairs that are merged |
//! | `llama` | text with U+2581 for spaces, bytes as `<0xNN>`; pairs are merged by the score of the whole |
//! | `none`, `no_vocab` | there is no vocabulary |

use super::super::error::ImportError;
use super::Open;
use super::reader::Fact;
use crate::tokenizer::byte_level::{ByteLevel, added};
use crate::tokenizer::hugging_face::DEFAULT_TEMPLATE;
use crate::tokenizer::sentencepiece::{self, CONTROL, Form, NORMAL, Piece, USER_DEFINED};
use crate::tokenizer::{Facts, Vocabulary};
use std::collections::BTreeMap;

/// Pieces that end a turn of a chat or a text, whatever kind the file says they are: converters get it wrong.
const ENDS: [&str; 14] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<end_of_turn>",
    "<|eom_id|>",
    "<|eot|>",
    "<|end_of_turn|>",
    "<end_of_utterance>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<｜end▁of▁sentence｜>",
    "<EOT>",
    "_<EOT>",
];
/// The texts that a chat template sees, and the names of their ids.
const SPECIAL_TOKENS: [(&str, &str); 7] = [
    ("bos_token", "bos"),
    ("eos_token", "eos"),
    ("unk_token", "unknown"),
    ("sep_token", "seperator"),
    ("pad_token", "padding"),
    ("cls_token", "cls"),
    ("mask_token", "mask"),
];
/// What `llama` vocabularies have where the file does not say.
const LLAMA_START: u32 = 1;
const LLAMA_END: u32 = 2;
const LLAMA_UNKNOWN: usize = 0;
const TEMPLATE: &str = "tokenizer.chat_template";

/// The pieces of a file and how they are merged; `None` when it has none.
///
/// # Errors
/// When the vocabulary is damaged or of an unsupported kind.
pub fn vocabulary<'f>(open: &Open<'f>) -> Result<Option<Vocabulary>, ImportError> {
    let Some(kind) = kind(open) else { return Ok(None) };
    let Some(Fact::Texts(texts)) = open.fact("tokenizer.ggml.tokens") else {
        return Err(open.about().damaged("tokenizer.ggml.tokens is missing. Convert the model again"));
    };
    let numbers = |name: &str| match open.fact(name) {
        Some(Fact::Numbers(numbers)) if numbers.len() == texts.len() => numbers.as_slice(),
        _ => &[],
    };
    let (scores, kinds) = (numbers("tokenizer.ggml.scores"), numbers("tokenizer.ggml.token_type"));
    let piece = |(id, text): (usize, &&'f str)| {
        let kind = kinds.get(id).map_or(NORMAL, |kind| *kind as i32);
        // An end that is cut into pieces would never be met.
        let kind = if kind == NORMAL && ENDS.contains(text) { CONTROL } else { kind };
        Piece { text, score: scores.get(id).copied().unwrap_or(0.0), kind }
    };
    let pieces: Vec<Piece> = texts.iter().enumerate().map(piece).collect();
    let built = match kind {
        "gpt2" => byte_level(open, &pieces)?.build(),
        "llama" => scored(open, &pieces),
        other => {
            let feature = format!("the vocabulary {other:?}");
            let expected =
                "gpt2 (byte-level pairs) or llama (SentencePiece pairs), or --tokenizer tokenizer.json";
            return Err(open.about().unsupported(feature, expected));
        }
    };
    built.map(Some).map_err(|source| open.about().tokenizer(source))
}

fn kind<'f>(open: &Open<'f>) -> Option<&'f str> {
    match open.fact("tokenizer.ggml.model") {
        Some(Fact::Text(kind)) if !matches!(*kind, "none" | "no_vocab") => Some(kind),
        _ => None,
    }
}

fn byte_level<'f>(open: &Open<'f>, pieces: &[Piece<'f>]) -> Result<ByteLevel<'f>, ImportError> {
    let Some(Fact::Texts(merges)) = open.fact("tokenizer.ggml.merges") else {
        return Err(open.about().damaged("tokenizer.ggml.merges is missing. Convert the model again"));
    };
    let whole = |(id, piece): (usize, &Piece)| {
        let special = piece.kind == CONTROL;
        (special || piece.kind == USER_DEFINED).then(|| added(id, piece.text, special))
    };
    let rule = match open.fact("tokenizer.ggml.pre") {
        Some(Fact::Text(name)) => *name,
        _ => "default",
    };
    Ok(ByteLevel {
        vocab: pieces.iter().enumerate().map(|(id, piece)| (piece.text.to_owned(), id.into())).collect(),
        merges: merges.clone(),
        added: pieces.iter().enumerate().filter_map(whole).collect(),
        rule,
    })
}

fn scored(open: &Open, pieces: &[Piece]) -> Result<Vocabulary, crate::tokenizer::TokenizerError> {
    let is_set = |name: &str, usual: bool| match open.fact(name) {
        Some(Fact::Flag(flag)) => *flag,
        _ => usual,
    };
    let form = Form {
        has_prefix: is_set("tokenizer.ggml.add_space_prefix", true),
        removes_spaces: is_set("tokenizer.ggml.remove_extra_whitespaces", false),
        table: Vec::new(),
    };
    let unknown = id(open, "unknown").map_or(LLAMA_UNKNOWN, |id| id as usize);
    sentencepiece::pairs(pieces, Some(unknown).filter(|id| *id < pieces.len()), &form)
}

fn id(open: &Open, name: &str) -> Option<u32> {
    match open.fact(&format!("tokenizer.ggml.{name}_token_id")) {
        Some(Fact::Whole(id)) => u32::try_from(*id).ok(),
        _ => None,
    }
}

/// What starts and ends a text, and the chat templates.
pub fn facts(open: &Open) -> Facts {
    let is_scored = kind(open) == Some("llama");
    let usual = |id: u32| is_scored.then_some(id);
    let (start, end) = (id(open, "bos").or(usual(LLAMA_START)), id(open, "eos").or(usual(LLAMA_END)));
    let ends =
        [end, id(open, "eot"), id(open, "eom")].into_iter().flatten().chain(named_ends(open)).collect();
    let special = |(key, name): (&'static str, &str)| Some((key, id(open, name)?));
    let add_start = match open.fact("tokenizer.ggml.add_bos_token") {
        Some(Fact::Flag(flag)) => Some(*flag),
        _ => None,
    };
    let mut special_ids: Vec<_> = SPECIAL_TOKENS.into_iter().filter_map(special).collect();
    for (key, id) in [("bos_token", start), ("eos_token", end)] {
        if let Some(id) = id.filter(|_| special_ids.iter().all(|(known, _)| *known != key)) {
            special_ids.push((key, id));
        }
    }
    Facts { start, ends, add_start, chat_templates: chat_templates(open), special_tokens: None, special_ids }
}

fn named_ends(open: &Open) -> Vec<u32> {
    let Some(Fact::Texts(texts)) = open.fact("tokenizer.ggml.tokens") else { return Vec::new() };
    let find = |name: &&str| texts.iter().position(|text| text == name).map(|id| id as u32);
    ENDS.iter().filter_map(find).collect()
}

/// The template without a name, and those whose names follow the key.
fn chat_templates(open: &Open) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, fact) in &open.container.facts {
        let name = match key.strip_prefix(TEMPLATE) {
            Some("") => DEFAULT_TEMPLATE,
            Some(name) if name.starts_with('.') => &name[1..],
            _ => continue,
        };
        if let Fact::Text(template) = fact {
            found.insert(name.to_owned(), (*template).to_owned());
        }
    }
    found
}
