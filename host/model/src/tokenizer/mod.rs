//! Text to token ids and back, for two kinds of vocabulary behind one type.
//!
//! | kind | file | source |
//! |---|---|---|
//! | pieces with scores, as llama2.c has them | `tok*.bin` | `pieces.rs` |
//! | Hugging Face's `tokenizers`: every vocabulary that is made into a `tokenizer.json` | see below | `hugging_face.rs` |
//!
//! | becomes a `tokenizer.json` | source |
//! |---|---|
//! | byte-level pairs: `vocab.json` beside `merges.txt`, `gpt2` in GGUF | `byte_level.rs`, its rules in `cuts.rs` |
//! | SentencePiece: `tokenizer.model`, `llama` in GGUF | `sentencepiece.rs`, its merges in `scored.rs` |
//!
//! What other files say of a vocabulary joins it in `facts.rs`.
//!
//! A [`Tokenizer`] also knows which ids start and end a text: the ids that a model was trained to stop at are part of what
//! its text means. [`Tokenizer::encode`] puts the start in front exactly once, whatever the text begins with.

pub mod byte_level;
mod cuts;
mod facts;
pub mod hugging_face;
mod pieces;
mod scored;
pub mod sentencepiece;
mod stream;

pub use facts::{Facts, Vocabulary};
pub use hugging_face::{HuggingFace, Specials};
pub use pieces::{PIECE_BYTES_MAX, Piece, PieceTokenizer, TokenizerBuilder};
pub use stream::StreamDecoder;

use std::collections::BTreeMap;

/// What makes a `tokenizer.json` of the formats that are not read.
pub const CONVERT: &str = "To convert, run: python3 -c \"from transformers import AutoTokenizer; \
     AutoTokenizer.from_pretrained('FOLDER').save_pretrained('FOLDER')\"";

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TokenizerError {
    #[error(
        "the tokenizer ends inside {part} after {found} bytes. It is truncated, or is not a llama2.c tokenizer"
    )]
    Truncated { part: String, found: usize },
    #[error(
        "the longest piece is said to have {found} bytes; expected 1 to {PIECE_BYTES_MAX}. This is not a llama2.c tokenizer, or it is damaged"
    )]
    LongestPiece { found: i32 },
    #[error(
        "piece {id} has {found} bytes; expected 0 to {max}, the longest by the file's own header. The tokenizer is damaged"
    )]
    PieceLength { id: usize, found: i64, max: usize },
    #[error("the score of piece {id} is {score}; expected a finite number. The tokenizer is damaged")]
    Score { id: usize, score: f32 },
    #[error("no piece is named <s>; expected one, the start of every text")]
    NoBos,
    #[error(
        "the tokenizer has {found} pieces, the model has {expected} token ids; \
         expected the same number: name the tokenizer that belongs to this model"
    )]
    Vocabulary { expected: usize, found: usize },
    #[error(
        "the tokenizer has {found} pieces, the model has only {expected} token ids; \
         expected at most as many: name the tokenizer that belongs to this model"
    )]
    TooManyPieces { expected: usize, found: usize },
    #[error("this is no tokenizer.json that can be read: {reason}")]
    Json { reason: String },
    #[error(
        "this JSON is no tokenizer: it has {found}; expected a tokenizer.json of Hugging Face's `tokenizers`. {CONVERT}"
    )]
    OtherJson { found: String },
    #[error(
        "this is no tokenizer.model that can be read: {reason}; expected one of SentencePiece. {CONVERT}"
    )]
    SentencePiece { reason: String },
    #[error(
        "the rule {found:?} for cutting text is unknown; expected one of {known}. Name another vocabulary with --tokenizer tokenizer.json"
    )]
    Rule { found: String, known: String },
    #[error(
        "the tokenizer names no token that starts or ends a text; expected bos_token or eos_token in \
         tokenizer_config.json, generation_config.json or config.json"
    )]
    NoStart,
}

/// A text that a vocabulary cannot say; impossible when it has all 256 byte pieces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error(
        "the tokenizer has no piece for {character:?} (at byte {offset} of the text) and none for its bytes; \
         use characters of its vocabulary"
    )]
    Character { character: char, offset: usize },
    #[error("the tokenizer cannot encode the text: {reason}; use characters of its vocabulary")]
    Text { reason: String },
}

/// A vocabulary with the rules that cut text into its pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenizer {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Pieces(Box<PieceTokenizer>),
    HuggingFace(Box<HuggingFace>),
}

impl From<PieceTokenizer> for Tokenizer {
    fn from(pieces: PieceTokenizer) -> Self {
        Self { kind: Kind::Pieces(Box::new(pieces)) }
    }
}

impl From<HuggingFace> for Tokenizer {
    fn from(tokenizer: HuggingFace) -> Self {
        Self { kind: Kind::HuggingFace(Box::new(tokenizer)) }
    }
}

impl Tokenizer {
    /// Builds a tokenizer in which piece `i` has id `i`.
    ///
    /// # Errors
    /// When a piece is too long, a score is not finite, or no piece is named `<s>`.
    pub fn from_pieces(pieces: Vec<Piece>) -> Result<Self, TokenizerError> {
        PieceTokenizer::from_pieces(pieces).map(Self::from)
    }

    /// Reads a tokenizer file of either kind: a `tokenizer.json` and what [`Tokenizer::to_bytes`] makes of one begin with `{`,
    /// which no llama2.c tokenizer can.
    ///
    /// # Errors
    /// When the file is damaged, or names no token that starts or ends a text.
    pub fn parse(file: &[u8]) -> Result<Self, TokenizerError> {
        match file.trim_ascii_start().starts_with(b"{") {
            true => HuggingFace::parse(file).map(Self::from),
            false => PieceTokenizer::parse(file).map(Self::from),
        }
    }

    /// Reads the tokenizer file of a model with `vocab` token ids.
    ///
    /// # Errors
    /// As [`Tokenizer::parse`], and when the vocabularies differ.
    pub fn parse_for(file: &[u8], vocab: usize) -> Result<Self, TokenizerError> {
        let tokenizer = Self::parse(file)?;
        tokenizer.check_vocab(vocab)?;
        Ok(tokenizer)
    }

    /// Whether a model with `vocab` token ids can use this tokenizer. Hugging Face models may round their number of ids up.
    ///
    /// # Errors
    /// When the vocabularies differ.
    pub fn check_vocab(&self, vocab: usize) -> Result<(), TokenizerError> {
        let found = self.vocab();
        match self.kind {
            Kind::Pieces(_) if found != vocab => Err(TokenizerError::Vocabulary { expected: vocab, found }),
            Kind::HuggingFace(_) if found > vocab => {
                Err(TokenizerError::TooManyPieces { expected: vocab, found })
            }
            _ => Ok(()),
        }
    }

    /// The file that [`Tokenizer::parse`] reads; for scored pieces it is llama2.c's.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.to_bytes(),
            Kind::HuggingFace(tokenizer) => tokenizer.to_bytes(),
        }
    }

    /// Number of pieces.
    pub fn vocab(&self) -> usize {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.vocab(),
            Kind::HuggingFace(tokenizer) => tokenizer.vocab(),
        }
    }

    /// The id that a text starts with when nothing else is known of it.
    pub fn bos(&self) -> u32 {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.bos(),
            Kind::HuggingFace(tokenizer) => tokenizer.specials().start,
        }
    }

    /// The first id that ends a text, if there is one besides [`Tokenizer::bos`].
    pub fn eos(&self) -> Option<u32> {
        let bos = self.bos();
        self.ends().into_iter().find(|&id| id != bos)
    }

    /// The ids that end a text, the likeliest first.
    pub fn ends(&self) -> Vec<u32> {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.eos().into_iter().chain([pieces.bos()]).collect(),
            Kind::HuggingFace(tokenizer) => tokenizer.specials().ends.clone(),
        }
    }

    /// True for the ids that mark the start or the end of a text; generation stops at either.
    pub fn is_end(&self, id: u32) -> bool {
        id == self.bos() || self.ends().contains(&id)
    }

    /// The piece of an id; `None` for tokenizers that are not made of scored pieces.
    pub fn piece(&self, id: u32) -> Option<&Piece> {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.piece(id),
            Kind::HuggingFace(_) => None,
        }
    }

    /// The model's own chat templates, in Jinja, by their names; one without a name is `default`.
    pub fn chat_templates(&self) -> BTreeMap<String, String> {
        match &self.kind {
            Kind::Pieces(_) => BTreeMap::new(),
            Kind::HuggingFace(tokenizer) => tokenizer.specials().chat_templates.clone(),
        }
    }

    /// The texts that a chat template sees, such as `bos_token`; one that the model does not have is missing.
    pub fn special_tokens(&self) -> BTreeMap<String, String> {
        if let Kind::HuggingFace(tokenizer) = &self.kind
            && let Some(tokens) = &tokenizer.specials().special_tokens
        {
            return tokens.clone();
        }
        let end = self.eos().map(|id| self.special_text(id)).unwrap_or_default();
        [("bos_token".into(), self.special_text(self.bos())), ("eos_token".into(), end)].into()
    }

    /// The id of a piece of this name, if ids of this vocabulary have names.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        match &self.kind {
            Kind::Pieces(_) => None,
            Kind::HuggingFace(tokenizer) => tokenizer.id_of(name),
        }
    }

    /// The same tokenizer with one more id that ends a text.
    #[must_use]
    pub fn with_end(mut self, id: u32) -> Self {
        if let Kind::HuggingFace(tokenizer) = &mut self.kind {
            tokenizer.add_end(id);
        }
        self
    }

    fn special_text(&self, id: u32) -> String {
        match &self.kind {
            Kind::Pieces(pieces) => {
                let bytes = pieces.piece(id).map(|piece| piece.bytes.trim_ascii()).unwrap_or_default();
                String::from_utf8_lossy(bytes).into_owned()
            }
            Kind::HuggingFace(tokenizer) => tokenizer.name_of(id).unwrap_or_default(),
        }
    }

    /// The ids of a text with the start in front, once, if this tokenizer puts one there.
    ///
    /// # Errors
    /// When the vocabulary cannot say the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.encode(text),
            Kind::HuggingFace(tokenizer) => tokenizer.encode(text),
        }
    }

    /// The ids of a text that brings its own start, as one from a chat template does.
    ///
    /// # Errors
    /// When the vocabulary cannot say the text.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.encode_plain(text),
            Kind::HuggingFace(tokenizer) => tokenizer.encode_plain(text),
        }
    }

    /// The bytes that `id` adds to a text after `previous` (`None` at the start of a fragment). Ids that
    /// mark start or end add nothing, and an id outside the vocabulary adds the replacement character.
    pub fn decode_piece(&self, previous: Option<u32>, id: u32) -> Vec<u8> {
        match &self.kind {
            Kind::Pieces(pieces) => pieces.decode_piece(previous, id).to_vec(),
            Kind::HuggingFace(tokenizer) => tokenizer.piece_bytes(id),
        }
    }

    /// The text of a whole sequence; what is not UTF-8 becomes replacement characters.
    pub fn decode(&self, ids: &[u32]) -> String {
        match &self.kind {
            Kind::Pieces(_) => {
                let mut decoder = StreamDecoder::default();
                let mut text: String = ids.iter().map(|&id| decoder.push(self, id)).collect();
                text.push_str(&decoder.finish());
                text
            }
            Kind::HuggingFace(tokenizer) => tokenizer.decode(ids),
        }
    }
}
