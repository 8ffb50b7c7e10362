//! The vocabulary inside a GGUF file, as a `tokenizer.json` says it.
//!
//! | `tokenizer.ggml.model` | pieces | merges |
//! |---|---|---|
//! | `gpt2` | bytes written as characters | listed in the file |
//! | `llama` | text with U+2581 for spaces, bytes as `<0xNN>` | every split of a piece into two pieces, by falling score of the whole |

use super::super::error::ImportError;
use super::Open;
use super::reader::Fact;
use crate::model::Tokenizer;
use crate::model::tokenizer::{HuggingFace, Specials, hugging_face};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Kinds of piece: control pieces are never text, those of users are text that is never cut.
const CONTROL: f32 = 3.0;
const USER_DEFINED: f32 = 4.0;
/// Longer pieces are no words; their splits would take long to list.
const PIECE_CHARACTERS_MAX: usize = 256;
/// Control pieces that end a turn of a chat, in files that do not say so.
const TURN_ENDS: [&str; 6] =
    ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>"];
/// How Llama 3 and Qwen 2 cut text before it is merged; they differ in the digits of a number.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// # Errors
/// When the vocabulary is damaged or of an unsupported kind.
pub fn tokenizer(open: &Open) -> Result<Option<Tokenizer>, ImportError> {
    let Some(Fact::Text(kind)) = open.fact("tokenizer.ggml.model") else { return Ok(None) };
    let Some(Fact::Texts(pieces)) = open.fact("tokenizer.ggml.tokens") else {
        return Err(open.about().damaged("tokenizer.ggml.tokens is missing. Convert the model again"));
    };
    let numbers = |name: &str| match open.fact(name) {
        Some(Fact::Numbers(numbers)) if numbers.len() == pieces.len() => numbers.as_slice(),
        _ => &[],
    };
    let source = Source {
        open,
        pieces,
        kinds: numbers("tokenizer.ggml.token_type"),
        scores: numbers("tokenizer.ggml.scores"),
    };
    let (file, adds_start) = match *kind {
        "gpt2" => (source.byte_level()?, false),
        "llama" => (source.scored()?, true),
        other => {
            let feature = format!("the vocabulary {other:?}");
            return Err(open
                .about()
                .unsupported(feature, "gpt2 (byte-level pairs) or llama (SentencePiece pairs)"));
        }
    };
    let specials = source.specials()?;
    let add_start = match open.fact("tokenizer.ggml.add_bos_token") {
        Some(Fact::Flag(flag)) => *flag,
        _ => adds_start,
    };
    let refused = |source| open.about().tokenizer(source);
    let tokenizer = hugging_face::read(file.to_string().as_bytes()).map_err(refused)?;
    HuggingFace::with_specials(tokenizer, specials, Some(add_start))
        .map(|found| Some(found.into()))
        .map_err(refused)
}

struct Source<'s, 'f> {
    open: &'s Open<'f>,
    pieces: &'s [&'f str],
    kinds: &'s [f32],
    scores: &'s [f32],
}

impl Source<'_, '_> {
    fn specials(&self) -> Result<Specials, ImportError> {
        let id = |name: &str| match self.open.fact(name) {
            Some(Fact::Whole(id)) => u32::try_from(*id).ok().filter(|id| (*id as usize) < self.pieces.len()),
            _ => None,
        };
        let mut ends: Vec<u32> = Vec::new();
        let named = ["eos", "eot", "eom"].map(|name| id(&format!("tokenizer.ggml.{name}_token_id")));
        let turn_ends = TURN_ENDS.iter().filter_map(|name| self.control_id(name));
        for id in named.into_iter().flatten().chain(turn_ends) {
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        let missing = || {
            let keys = "tokenizer.ggml.bos_token_id or eos_token_id";
            self.open.about().damaged(format!("no token starts or ends a text; expected {keys}"))
        };
        let start = id("tokenizer.ggml.bos_token_id").or(ends.first().copied()).ok_or_else(missing)?;
        let chat_template = match self.open.fact("tokenizer.chat_template") {
            Some(Fact::Text(template)) => Some((*template).to_owned()),
            _ => None,
        };
        Ok(Specials { start, add_start: false, ends, chat_template })
    }

    fn control_id(&self, name: &str) -> Option<u32> {
        let id = self.pieces.iter().position(|piece| *piece == name)?;
        (self.kinds.get(id) == Some(&CONTROL)).then_some(id as u32)
    }

    /// Pieces that stand for themselves wherever they appear in a text.
    fn added(&self) -> Vec<Value> {
        let whole = |(id, kind): (usize, &f32)| {
            let special = *kind == CONTROL;
            (special || *kind == USER_DEFINED).then(|| {
                json!({
                    "id": id, "content": self.pieces[id], "special": special, "single_word": false,
                    "lstrip": false, "rstrip": false, "normalized": false,
                })
            })
        };
        self.kinds.iter().enumerate().filter_map(whole).collect()
    }

    fn vocab(&self) -> Map<String, Value> {
        self.pieces.iter().enumerate().map(|(id, piece)| ((*piece).to_owned(), id.into())).collect()
    }

    fn byte_level(&self) -> Result<Value, ImportError> {
        let Some(Fact::Texts(merges)) = self.open.fact("tokenizer.ggml.merges") else {
            return Err(self
                .open
                .about()
                .damaged("tokenizer.ggml.merges is missing. Convert the model again"));
        };
        let rules = match self.open.fact("tokenizer.ggml.pre") {
            Some(Fact::Text(name)) => *name,
            _ => "gpt-2",
        };
        let bytes = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
        let words = |digits: &str| {
            let pattern = WORDS.replace("DIGITS", digits);
            json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false })
        };
        let digits = json!({ "type": "Digits", "individual_digits": true });
        let cut = |steps: [Value; 2]| json!({ "type": "Sequence", "pretokenizers": steps });
        let (normalizer, cuts, ignore_merges) = match rules {
            "gpt-2" | "default" => (Value::Null, bytes(true), false),
            "llama-bpe" => (Value::Null, cut([words(r"\p{N}{1,3}"), bytes(false)]), true),
            "qwen2" => (json!({ "type": "NFC" }), cut([words(r"\p{N}"), bytes(false)]), false),
            "smollm" => (Value::Null, cut([digits, bytes(true)]), false),
            other => {
                let feature = format!("the rule {other:?} for cutting text");
                return Err(self.open.about().unsupported(feature, "gpt-2, llama-bpe, qwen2 or smollm"));
            }
        };
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": self.added(),
            "normalizer": normalizer, "pre_tokenizer": cuts, "post_processor": null, "decoder": bytes(true),
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": ignore_merges, "vocab": self.vocab(), "merges": merges,
            },
        }))
    }

    fn scored(&self) -> Result<Value, ImportError> {
        if self.scores.is_empty() {
            return Err(self
                .open
                .about()
                .damaged("tokenizer.ggml.scores is missing. Convert the model again"));
        }
        let prefix = !matches!(self.open.fact("tokenizer.ggml.add_space_prefix"), Some(Fact::Flag(false)));
        let space = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" });
        let normalizers = match prefix {
            true => json!([{ "type": "Prepend", "prepend": "\u{2581}" }, space]),
            false => json!([space]),
        };
        let mut decoders = vec![
            json!({ "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " }),
            json!({ "type": "ByteFallback" }),
            json!({ "type": "Fuse" }),
        ];
        if prefix {
            decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        let unknown = match self.open.fact("tokenizer.ggml.unknown_token_id") {
            Some(Fact::Whole(id)) => self.pieces.get(*id as usize).copied(),
            _ => self.pieces.first().copied(),
        };
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": self.added(),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": null, "post_processor": null,
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": {
                "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": self.vocab(), "merges": self.merges(),
            },
        }))
    }

    /// SentencePiece merges the pair whose whole has the highest score; a list of pairs in the order of that score does the same.
    fn merges(&self) -> Vec<[&str; 2]> {
        let ids: HashMap<&str, usize> =
            self.pieces.iter().enumerate().map(|(id, piece)| (*piece, id)).collect();
        let mut found: Vec<(f32, usize, usize, [&str; 2])> = Vec::new();
        for (id, piece) in self.pieces.iter().enumerate() {
            let special = self.kinds.get(id).is_some_and(|kind| *kind != 1.0);
            if special || piece.chars().count() > PIECE_CHARACTERS_MAX {
                continue;
            }
            for (at, _) in piece.char_indices().skip(1) {
                let (left, right) = piece.split_at(at);
                if let (Some(&first), Some(&second)) = (ids.get(left), ids.get(right)) {
                    found.push((self.scores[id], first, second, [left, right]));
                }
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        found.into_iter().map(|(.., pair)| pair).collect()
    }
}
