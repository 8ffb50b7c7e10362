//! Vocabularies of Hugging Face's `tokenizers`, with the ids that start and end a text.

use super::{EncodeError, TokenizerError};
use crate::text;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tokenizers::DecoderWrapper;

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
    /// The model's chat template, in Jinja.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

/// A `tokenizer.json` with its special ids.
#[derive(Clone, Debug)]
pub struct HuggingFace {
    tokenizer: tokenizers::Tokenizer,
    specials: Specials,
    vocab: usize,
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
            Err(_) => Self::with_names(read(file)?),
        }
    }

    /// A tokenizer whose special ids are found by their names.
    ///
    /// # Errors
    /// When no piece has a name that starts or ends a text.
    pub fn with_names(tokenizer: tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        let find = |names: &[&str]| names.iter().find_map(|name| tokenizer.token_to_id(name));
        let end = find(&ENDS);
        let start = find(&STARTS).or(end).ok_or(TokenizerError::NoStart)?;
        let specials =
            Specials { start, add_start: false, ends: end.into_iter().collect(), chat_template: None };
        Self::with_specials(tokenizer, specials, None)
    }

    /// A tokenizer whose special ids other files name. `add_start` overrules what the tokenizer does by itself.
    ///
    /// # Errors
    /// When the tokenizer's settings contradict one another.
    pub fn with_specials(
        tokenizer: tokenizers::Tokenizer,
        specials: Specials,
        add_start: Option<bool>,
    ) -> Result<Self, TokenizerError> {
        let add_start = add_start.unwrap_or_else(|| adds(&tokenizer, specials.start));
        Self::new(tokenizer, Specials { add_start, ..specials })
    }

    fn new(mut tokenizer: tokenizers::Tokenizer, specials: Specials) -> Result<Self, TokenizerError> {
        // A model's context is its own limit, and one text needs no padding.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| TokenizerError::Json { reason: error.to_string() })?;
        let byte_level =
            matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_))).then(byte_characters);
        let vocab = tokenizer.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1);
        Ok(Self { tokenizer, specials, vocab, byte_level })
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
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| EncodeError::Text { reason: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
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
        match super::pieces::byte_of_name(name.as_bytes()) {
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

/// Whether the tokenizer puts `start` in front of a text by itself.
fn adds(tokenizer: &tokenizers::Tokenizer, start: u32) -> bool {
    tokenizer.encode_fast("", true).is_ok_and(|encoding| encoding.get_ids().first() == Some(&start))
}

/// Byte-level vocabularies write printable Latin-1 bytes as themselves and the others as the characters from U+0100 on.
fn byte_characters() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=255u8).filter(|&byte| !printable(byte)).zip('\u{100}'..);
    let others = others.map(|(byte, character)| (character, byte));
    (0..=255u8).filter(|&byte| printable(byte)).map(|byte| (char::from(byte), byte)).chain(others).collect()
}
