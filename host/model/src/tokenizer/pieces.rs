//! The tokenizer of llama2.c: byte-pair merges by score over UTF-8 characters, with bytes to fall back on.
//!
//! ```text
//!  file:    int32 longest piece in bytes, then for each id: fp32 score, int32 length, bytes (little endian)
//!  encode:  BOS, then " " if the text is not empty, then every character as its piece or else as its bytes;
//!           then merge the adjacent pair whose concatenation is the piece with the highest score
//!           (leftmost on ties) until no pair is a piece
//!  decode:  the pieces one after the other; after BOS one leading space is dropped; `<0xNN>` is that byte
//! ```
//!
//! The ids of BOS, EOS and the bytes are found by their names (`<s>`, `</s>`, `<0xNN>`), so a vocabulary may
//! order them freely and may leave out EOS, the space prefix and the bytes, as character models do.

use super::scored::{ScoredPieces, byte_of_name};
use super::{EncodeError, Tokenizer, TokenizerError};
use std::collections::HashMap;

/// Longer pieces are damage: the longest of Llama 3 has 128 bytes.
pub const PIECE_BYTES_MAX: usize = 1024;

/// As llama2.c has it.
const SCORE_NEVER_MERGED: f32 = -1e10;

#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub bytes: Vec<u8>,
    /// Pieces with higher scores are merged first.
    pub score: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PieceTokenizer {
    pieces: Vec<Piece>,
    bos: u32,
    eos: Option<u32>,
    scored: ScoredPieces,
    /// What an id decodes to when it is a byte.
    bytes_by_id: HashMap<u32, u8>,
}

impl PieceTokenizer {
    /// Builds a tokenizer in which piece `i` has id `i`.
    ///
    /// # Errors
    /// When a piece is too long, a score is not finite, or no piece is named `<s>`.
    pub fn from_pieces(pieces: Vec<Piece>) -> Result<Self, TokenizerError> {
        let mut bytes_by_id = HashMap::new();
        let (mut bos, mut eos) = (None, None);
        for (index, piece) in pieces.iter().enumerate() {
            check_piece(index, piece)?;
            let id = index as u32;
            if let Some(byte) = byte_of_name(&piece.bytes) {
                bytes_by_id.insert(id, byte);
            }
            // llama2.c's exporter writes the control pieces with line feeds around them.
            match piece.bytes.trim_ascii() {
                b"<s>" => _ = bos.get_or_insert(id),
                b"</s>" => _ = eos.get_or_insert(id),
                _ => {}
            }
        }
        let bos = bos.ok_or(TokenizerError::NoBos)?;
        // llama2.c starts its search for the best pair at this score, so pieces at or below are never merged into.
        let score = |piece: &Piece| (piece.score > SCORE_NEVER_MERGED).then_some(piece.score);
        let scored = pieces.iter().map(|piece| (piece.bytes.clone(), score(piece)));
        let scored = ScoredPieces::new(scored);
        Ok(Self { pieces, bos, eos, scored, bytes_by_id })
    }

    /// Reads a tokenizer file.
    ///
    /// # Errors
    /// When the file is truncated or a length, a score or the set of pieces is impossible.
    pub fn parse(file: &[u8]) -> Result<Self, TokenizerError> {
        let mut reader = Reader { file, offset: 0 };
        let longest = i32::from_le_bytes(reader.word(|| "its header".into())?);
        let max = usize::try_from(longest)
            .ok()
            .filter(|max| (1..=PIECE_BYTES_MAX).contains(max))
            .ok_or(TokenizerError::LongestPiece { found: longest })?;
        let mut pieces = Vec::new();
        while reader.offset < file.len() {
            let id = pieces.len();
            let score = f32::from_le_bytes(reader.word(|| format!("the score of piece {id}"))?);
            let length = i32::from_le_bytes(reader.word(|| format!("the length of piece {id}"))?);
            let bytes = usize::try_from(length)
                .ok()
                .filter(|length| *length <= max)
                .ok_or(TokenizerError::PieceLength { id, found: length.into(), max })?;
            let bytes = reader.take(bytes, || format!("the text of piece {id}"))?.to_vec();
            pieces.push(Piece { bytes, score });
        }
        Self::from_pieces(pieces)
    }

    /// The file that [`PieceTokenizer::parse`] and llama2.c read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = (self.scored.longest_bytes() as i32).to_le_bytes().to_vec();
        for piece in &self.pieces {
            file.extend(piece.score.to_le_bytes());
            file.extend((piece.bytes.len() as i32).to_le_bytes());
            file.extend(&piece.bytes);
        }
        file
    }

    /// Number of pieces, and so of token ids.
    pub fn vocab(&self) -> usize {
        self.pieces.len()
    }

    /// The id that starts every text.
    pub fn bos(&self) -> u32 {
        self.bos
    }

    /// The id that ends a text, if there is one besides [`PieceTokenizer::bos`].
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// True for the ids that mark the start or the end of a text; llama2.c stops at either.
    pub fn is_end(&self, id: u32) -> bool {
        id == self.bos || Some(id) == self.eos
    }

    pub fn piece(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(id as usize)
    }

    /// The ids of a text, BOS first, exactly as llama2.c's `run.c` makes them.
    ///
    /// # Errors
    /// When a character has neither a piece nor byte pieces.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let mut ids = vec![self.bos];
        ids.extend(self.encode_plain(text)?);
        Ok(ids)
    }

    /// As [`PieceTokenizer::encode`], without BOS.
    ///
    /// # Errors
    /// As [`PieceTokenizer::encode`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        let prefix = self.scored.id(b" ").filter(|_| !text.is_empty());
        let unknown = |character, offset| Err(EncodeError::Character { character, offset });
        let symbols = self.scored.symbols(prefix, text, unknown)?;
        Ok(self.scored.merge(symbols))
    }

    /// The bytes that `id` adds to a text after `previous` (`None` at the start of a fragment). Ids that
    /// mark start or end add nothing, and an id outside the vocabulary adds the replacement character.
    pub fn decode_piece(&self, previous: Option<u32>, id: u32) -> &[u8] {
        let Some(piece) = self.piece(id) else { return "\u{FFFD}".as_bytes() };
        if self.is_end(id) {
            return &[];
        }
        if let Some(byte) = self.bytes_by_id.get(&id) {
            return std::slice::from_ref(byte);
        }
        match piece.bytes.strip_prefix(b" ") {
            Some(rest) if previous == Some(self.bos) => rest,
            _ => &piece.bytes,
        }
    }
}

fn check_piece(id: usize, piece: &Piece) -> Result<(), TokenizerError> {
    if !piece.score.is_finite() {
        return Err(TokenizerError::Score { id, score: piece.score });
    }
    if piece.bytes.len() > PIECE_BYTES_MAX {
        let found = piece.bytes.len() as i64;
        return Err(TokenizerError::PieceLength { id, found, max: PIECE_BYTES_MAX });
    }
    Ok(())
}

struct Reader<'f> {
    file: &'f [u8],
    offset: usize,
}

impl<'f> Reader<'f> {
    fn take(&mut self, bytes: usize, part: impl Fn() -> String) -> Result<&'f [u8], TokenizerError> {
        let found = &self.file[self.offset..];
        let taken = found
            .get(..bytes)
            .ok_or_else(|| TokenizerError::Truncated { part: part(), found: self.file.len() })?;
        self.offset += bytes;
        Ok(taken)
    }

    fn word(&mut self, part: impl Fn() -> String) -> Result<[u8; 4], TokenizerError> {
        let bytes = self.take(4, part)?;
        Ok([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// Collects the pieces of a new vocabulary; the ids are given in the order of the calls.
#[derive(Clone, Debug, Default)]
pub struct TokenizerBuilder {
    pieces: Vec<Piece>,
}

impl TokenizerBuilder {
    /// No piece yet: a character model adds its characters and `<s>`.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The 259 pieces that start every llama2.c vocabulary: `<unk>`, BOS, EOS and the bytes.
    pub fn with_bytes() -> Self {
        let control = [&b"<unk>"[..], b"\n<s>\n", b"\n</s>\n"];
        let start = control.iter().fold(Self::empty(), |builder, name| builder.piece(name, 0.0));
        (0..=255u8).fold(start, |builder, byte| builder.piece(format!("<0x{byte:02X}>"), 0.0))
    }

    #[must_use]
    pub fn piece(mut self, bytes: impl AsRef<[u8]>, score: f32) -> Self {
        self.pieces.push(Piece { bytes: bytes.as_ref().to_vec(), score });
        self
    }

    /// # Errors
    /// As [`PieceTokenizer::from_pieces`].
    pub fn build(self) -> Result<Tokenizer, TokenizerError> {
        PieceTokenizer::from_pieces(self.pieces).map(Tokenizer::from)
    }
}
