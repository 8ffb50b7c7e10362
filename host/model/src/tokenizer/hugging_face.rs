//! Vocabularies of Hugging Face's `tokenizers`, with the ids that start and end a text.

use super::scored::ScoredPieces;
use super::{EncodeError, TokenizerError};
use crate::text;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, HashMap};
use tokenizers::{DecoderWrapper, ModelWrapper, OffsetReferential, OffsetType};

/// The name of a chat template that has none.
pub const DEFAULT_TEMPLATE: &str = "default";

/// Names under which a bare `tokenizer.json` may hold the start and the end of a text, the likeliest first.
const STARTS: [&str; 5] = ["<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>", "[BOS]"];
const ENDS: [&str; 7] =
    ["</s>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<eos>", "<|endoftext|>", "[EOS]"];

/// What a vocabulary alone does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Specials {
    /// The id that starts a text; where there is none, the one that ends texts.
    pub start: u32,
    /// Whether `start` stands in front of every text.
    pub add_start: bool,
    /// The ids that end a text, the likeliest first.
    pub ends: Vec<u32>,
    /// The model's chat templates, in Jinja, by their names; one without a name is `default`.
    #[serde(default, alias = "chat_template", deserialize_with = "one_or_named")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub chat_templates: BTreeMap<String, String>,
    /// The texts that a chat template sees, such as `bos_token`; `None` if nothing is said of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_tokens: Option<BTreeMap<String, String>>,
    /// Scores of a vocabulary that merges by score; `None` for pieces that are never merged into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Option<f32>>,
}

/// Older images have one template without a name.
fn one_or_named<'de, D: Deserializer<'de>>(file: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a chat template, or several by name")]
    enum Templates {
        One(String),
        Named(BTreeMap<String, String>),
    }
    Ok(match Templates::deserialize(file)? {
        Templates::One(template) => [(DEFAULT_TEMPLATE.into(), template)].into(),
        Templates::Named(templates) => templates,
    })
}

/// A `tokenizer.json` with its special ids.
#[derive(Clone, Debug)]
pub struct HuggingFace {
    tokenizer: tokenizers::Tokenizer,
    specials: Specials,
    vocab: usize,
    /// The merges of a vocabulary that merges by score.
    scored: Option<ScoredPieces>,
    /// The byte of each character in which byte-level vocabularies write bytes; `None` for other vocabularies.
    byte_level: Option<HashMap<char, u8>>,
}

/// What is looked at before the library reads the rest.
#[derive(Deserialize)]
struct Parts {
    model: Option<serde::de::IgnoredAny>,
}

/// How an image stores both.
#[derive(Serialize, Deserialize)]
struct Stored<T, S> {
    lpu_specials: S,
    tokenizer: T,
}

impl PartialEq for HuggingFace {
    fn eq(&self, other: &Self) -> bool {
        self.specials == other.specials && self.to_bytes() == other.to_bytes()
    }
}

impl HuggingFace {
    /// Reads a bare `tokenizer.json`, whose special ids are found by their names, or what [`HuggingFace::to_bytes`] wrote.
    ///
    /// # Errors
    /// When it is no tokenizer, or names no start and no end.
    pub fn parse(file: &[u8]) -> Result<Self, TokenizerError> {
        match serde_json::from_slice(file) {
            Ok(Stored { lpu_specials, tokenizer }) => Self::new(tokenizer, lpu_specials),
            Err(_) => {
                let tokenizer = read(file)?;
                let (start, ends) = named_specials(&tokenizer)?;
                let add_start = adds(&tokenizer, start);
                let (chat_templates, special_tokens, scores) = Default::default();
                let specials = Specials { start, add_start, ends, chat_templates, special_tokens, scores };
                Self::new(tokenizer, specials)
            }
        }
    }

    /// A tokenizer with its special ids.
    ///
    /// # Errors
    /// When the tokenizer's settings contradict one another.
    pub fn new(mut tokenizer: tokenizers::Tokenizer, specials: Specials) -> Result<Self, TokenizerError> {
        // A model's context is its own limit, and one text needs no padding.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| TokenizerError::Json { reason: error.to_string() })?;
        let byte_level =
            matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_))).then(byte_characters);
        let vocab = tokenizer.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1);
        let scored = (!specials.scores.is_empty()).then(|| {
            let text = |id: u32| tokenizer.id_to_token(id).unwrap_or_default().into_bytes();
            ScoredPieces::new((0..).zip(&specials.scores).map(|(id, score)| (text(id), *score)))
        });
        Ok(Self { tokenizer, specials, vocab, scored, byte_level })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let stored = Stored { lpu_specials: &self.specials, tokenizer: &self.tokenizer };
        serde_json::to_vec(&stored).expect("a tokenizer that was read can be written")
    }

    pub fn specials(&self) -> &Specials {
        &self.specials
    }

    /// One more than the largest id.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    pub fn name_of(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// # Errors
    /// When the vocabulary cannot say the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let mut ids = self.encode_plain(text)?;
        if self.specials.add_start && ids.first() != Some(&self.specials.start) {
            ids.insert(0, self.specials.start);
        }
        Ok(ids)
    }

    /// # Errors
    /// When the vocabulary cannot say the text.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        if let Some(scored) = &self.scored {
            return self.encode_scored(scored, text);
        }
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| EncodeError::Text { reason: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The library's way to cut and normalise a text, with merges of our own: its list of merges has no equals, and SentencePiece
    /// merges the leftmost of pairs with equal scores.
    fn encode_scored(&self, scored: &ScoredPieces, text: &str) -> Result<Vec<u32>, EncodeError> {
        let unknown = match self.tokenizer.get_model() {
            ModelWrapper::BPE(model) => model.get_unk_token().as_ref().and_then(|name| self.id_of(name)),
            _ => None,
        };
        let added = self.tokenizer.get_added_vocabulary();
        let parts = added.extract_and_normalize(self.tokenizer.get_normalizer(), text);
        let mut ids = Vec::new();
        for (part, _, whole) in parts.get_splits(OffsetReferential::Original, OffsetType::None) {
            if let Some(whole) = whole {
                ids.extend(whole.iter().map(|token| token.id));
                continue;
            }
            let refuse = |character, offset| EncodeError::Character { character, offset };
            let symbols =
                scored.symbols(None, part, |character, offset| unknown.ok_or(refuse(character, offset)))?;
            let mut merged = scored.merge(symbols);
            merged.dedup_by(|next, id| next == id && Some(*id) == unknown);
            ids.extend(merged);
        }
        Ok(ids)
    }

    /// The id of a piece.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        self.tokenizer.token_to_id(name)
    }

    /// One more id that ends a text.
    pub fn add_end(&mut self, id: u32) {
        if !self.specials.ends.contains(&id) {
            self.specials.ends.push(id);
        }
    }

    /// Special ids add nothing; an id without a piece adds nothing either.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids, true).unwrap_or_default()
    }

    /// The bytes that a piece stands for in the middle of a text.
    pub fn piece_bytes(&self, id: u32) -> Vec<u8> {
        let Some(name) = self.name_of(id) else { return "\u{FFFD}".into() };
        if self.tokenizer.get_added_vocabulary().is_special_token(&name) {
            return Vec::new();
        }
        if let Some(bytes) = &self.byte_level {
            return name.chars().filter_map(|character| bytes.get(&character).copied()).collect();
        }
        match super::scored::byte_of_name(name.as_bytes()) {
            Some(byte) => vec![byte],
            None => name.replace('\u{2581}', " ").into_bytes(),
        }
    }
}

/// Reads a `tokenizer.json`.
///
/// # Errors
/// When it is none.
pub fn read(file: &[u8]) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let refuse = |reason: String| TokenizerError::Json { reason };
    let parts: Parts = serde_json::from_slice(file).map_err(|error| refuse(text::plain(error)))?;
    if parts.model.is_none() {
        return Err(refuse("it has no \"model\", which holds the vocabulary".into()));
    }
    // The library panics on some files that are JSON and no tokenizer, as one with a damaged table of precompiled characters.
    let read = std::panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(file));
    let read = read.map_err(|_| refuse("the library `tokenizers` cannot read it".into()))?;
    read.map_err(|error| refuse(text::plain(error)))
}

/// The ids that start and end a text, by their usual names.
///
/// # Errors
/// When no piece has such a name.
pub fn named_specials(tokenizer: &tokenizers::Tokenizer) -> Result<(u32, Vec<u32>), TokenizerError> {
    let find = |names: &[&str]| names.iter().find_map(|name| tokenizer.token_to_id(name));
    let end = find(&ENDS);
    let start = find(&STARTS).or(end).ok_or(TokenizerError::NoStart)?;
    Ok((start, end.into_iter().collect()))
}

/// Whether the tokenizer puts `start` in front of a text by itself.
pub fn adds(tokenizer: &tokenizers::Tokenizer, start: u32) -> bool {
    tokenizer.encode_fast("", true).is_ok_and(|encoding| encoding.get_ids().first() == Some(&start))
}

/// Byte-level vocabularies write printable Latin-1 bytes as themselves and the others as the characters from U+0100 on.
fn byte_characters() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=255u8).filter(|&byte| !printable(byte)).zip('\u{100}'..);
    let others = others.map(|(byte, character)| (character, byte));
    (0..=255u8).filter(|&byte| printable(byte)).map(|byte| (char::from(byte), byte)).chain(others).collect()
}
