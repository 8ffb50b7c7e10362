//! SentencePiece's `tokenizer.model`, and pieces with scores from elsewhere, as a `tokenizer.json` says them.

use super::hugging_face::read;
use super::{TokenizerError, Vocabulary};
use prost::Message;
use serde_json::{Value, json};
use tokenizers::normalizers::Precompiled;

/// Kinds of piece. Control pieces are never text; those of users are text that is never cut; unused ones are never made.
pub const NORMAL: i32 = 1;
pub const UNKNOWN: i32 = 2;
pub const CONTROL: i32 = 3;
pub const USER_DEFINED: i32 = 4;
const UNIGRAM: i32 = 1;
const PAIRS: i32 = 2;

/// The fields of `sentencepiece_model.proto` that tokenizing needs.
#[derive(Clone, PartialEq, Message)]
struct ModelFile {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<PieceField>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Clone, PartialEq, Message)]
struct PieceField {
    #[prost(string, tag = "1")]
    piece: String,
    #[prost(float, tag = "2")]
    score: f32,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

impl PieceField {
    fn piece(&self) -> Piece<'_> {
        Piece { text: &self.piece, score: self.score, kind: self.kind.unwrap_or(NORMAL) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Trainer {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// A piece with its kind and its score.
pub struct Piece<'p> {
    pub text: &'p str,
    pub score: f32,
    pub kind: i32,
}

/// How a text is normalised.
pub struct Form {
    /// Whether a space is put in front.
    pub has_prefix: bool,
    pub removes_spaces: bool,
    /// SentencePiece's table of characters that it writes otherwise.
    pub table: Vec<u8>,
}

/// Reads a `tokenizer.model`.
///
/// # Errors
/// When it is none, or cuts text by words or characters alone.
pub fn parse(file: &[u8]) -> Result<Vocabulary, TokenizerError> {
    let refuse = |reason: String| TokenizerError::SentencePiece { reason };
    let model = ModelFile::decode(file).map_err(|error| refuse(error.to_string()))?;
    if model.pieces.is_empty() {
        return Err(refuse("it holds no pieces".into()));
    }
    let pieces: Vec<Piece> = model.pieces.iter().map(PieceField::piece).collect();
    let normalizer = model.normalizer.unwrap_or_default();
    if normalizer.escape_whitespaces == Some(false) {
        return Err(refuse("it keeps spaces as they are, which is not supported".into()));
    }
    let form = Form {
        has_prefix: normalizer.add_dummy_prefix.unwrap_or(true),
        removes_spaces: normalizer.remove_extra_whitespaces.unwrap_or(true),
        table: normalizer.precompiled_charsmap.unwrap_or_default(),
    };
    let unknown = pieces.iter().position(|piece| piece.kind == UNKNOWN);
    let trainer = model.trainer.unwrap_or_default();
    match trainer.model_type.unwrap_or(UNIGRAM) {
        PAIRS => pairs(&pieces, unknown, &form),
        UNIGRAM => unigram(&pieces, unknown, &form, trainer.byte_fallback.unwrap_or(false)),
        _ => Err(refuse("it cuts text by words or characters, which is not supported".into())),
    }
}

/// A vocabulary that merges pairs by the score of the whole.
///
/// # Errors
/// When `tokenizers` refuses it.
pub fn pairs(pieces: &[Piece], unknown: Option<usize>, form: &Form) -> Result<Vocabulary, TokenizerError> {
    let vocab: serde_json::Map<String, Value> =
        pieces.iter().enumerate().map(|(id, piece)| (piece.text.to_owned(), id.into())).collect();
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": unknown.map(|id| pieces[id].text), "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
        "vocab": vocab, "merges": [],
    });
    let score = |piece: &Piece| (piece.kind == NORMAL && piece.score.is_finite()).then_some(piece.score);
    let scores = pieces.iter().map(score).collect();
    Ok(Vocabulary { tokenizer: tokenizer(model, pieces, form)?, scores, adds_start: Some(true) })
}

fn unigram(
    pieces: &[Piece],
    unknown: Option<usize>,
    form: &Form,
    byte_fallback: bool,
) -> Result<Vocabulary, TokenizerError> {
    let vocab: Vec<(&str, f32)> = pieces.iter().map(|piece| (piece.text, piece.score)).collect();
    let model =
        json!({ "type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": byte_fallback });
    let tokenizer = tokenizer(model, pieces, form)?;
    // T5 and its kin put nothing in front; settings beside the file may say otherwise.
    Ok(Vocabulary { adds_start: Some(false), ..tokenizer.into() })
}

fn tokenizer(model: Value, pieces: &[Piece], form: &Form) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let added = |(id, piece): (usize, &Piece)| {
        let special = matches!(piece.kind, CONTROL | UNKNOWN);
        (special || piece.kind == USER_DEFINED).then(|| super::byte_level::added(id, piece.text, special))
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": pieces.iter().enumerate().filter_map(added).collect::<Vec<_>>(),
        "normalizer": { "type": "Sequence", "normalizers": normalizers(form)? },
        "pre_tokenizer": null, "post_processor": null,
        "decoder": { "type": "Sequence", "decoders": decoders(form.has_prefix) },
        "model": model,
    });
    read(file.to_string().as_bytes())
}

fn normalizers(form: &Form) -> Result<Vec<Value>, TokenizerError> {
    let mut steps = Vec::new();
    if !form.table.is_empty() {
        let refuse = |reason: String| TokenizerError::SentencePiece { reason };
        // The library trusts the offsets in the table.
        let table = std::panic::catch_unwind(|| Precompiled::from(&form.table));
        let table = table
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| refuse("its table of characters is damaged".into()))?;
        steps.push(serde_json::to_value(table).map_err(|error| refuse(error.to_string()))?);
    }
    if form.removes_spaces {
        steps.push(json!({ "type": "Replace", "pattern": { "Regex": "^ +| +$" }, "content": "" }));
        steps.push(json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " }));
    }
    if form.has_prefix {
        steps.push(json!({ "type": "Prepend", "prepend": "\u{2581}" }));
    }
    steps.push(json!({ "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" }));
    Ok(steps)
}

fn decoders(has_prefix: bool) -> Vec<Value> {
    let mut steps = vec![
        json!({ "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if has_prefix {
        steps.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    steps
}
