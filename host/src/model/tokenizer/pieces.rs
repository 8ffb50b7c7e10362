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

use super::{EncodeError, Tokenizer, TokenizerError};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// Longer pieces are damage: the longest of Llama 3 has 128 bytes.
pub const PIECE_BYTES_MAX: usize = 1024;

/// llama2.c starts its search for the best pair here, so pieces at or below are never merged into.
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
    /// The lowest id of every text.
    ids: HashMap<Vec<u8>, u32>,
    byte_ids: [Option<u32>; 256],
    /// What an id decodes to when it is a byte.
    bytes_by_id: HashMap<u32, u8>,
    longest_bytes: usize,
}

impl PieceTokenizer {
    /// Builds a tokenizer in which piece `i` has id `i`.
    ///
    /// # Errors
    /// When a piece is too long, a score is not finite, or no piece is named `<s>`.
    pub fn from_pieces(pieces: Vec<Piece>) -> Result<Self, TokenizerError> {
        let mut ids = HashMap::with_capacity(pieces.len());
        let mut byte_ids = [None; 256];
        let mut bytes_by_id = HashMap::new();
        let (mut bos, mut eos) = (None, None);
        for (index, piece) in pieces.iter().enumerate() {
            check_piece(index, piece)?;
            let id = index as u32;
            ids.entry(piece.bytes.clone()).or_insert(id);
            if let Some(byte) = byte_of_name(&piece.bytes) {
                byte_ids[usize::from(byte)].get_or_insert(id);
                bytes_by_id.insert(id, byte);
            }
            // llama2.c's exporter writes the control pieces with line feeds around them.
            match piece.bytes.trim_ascii() {
                b"<s>" => _ = bos.get_or_insert(id),
                b"</s>" => _ = eos.get_or_insert(id),
                _ => {}
            }
        }
        let longest_bytes = pieces.iter().map(|piece| piece.bytes.len()).max().unwrap_or(0);
        let bos = bos.ok_or(TokenizerError::NoBos)?;
        Ok(Self { pieces, bos, eos, ids, byte_ids, bytes_by_id, longest_bytes })
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
        let mut file = (self.longest_bytes as i32).to_le_bytes().to_vec();
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
        let prefix = self.ids.get(&b" "[..]).filter(|_| !text.is_empty());
        let mut symbols: Vec<u32> = prefix.copied().into_iter().collect();
        for (offset, character) in text.char_indices() {
            let mut buffer = [0; 4];
            let utf8 = character.encode_utf8(&mut buffer).as_bytes();
            if let Some(&id) = self.ids.get(utf8) {
                symbols.push(id);
                continue;
            }
            for &byte in utf8 {
                symbols.push(
                    self.byte_ids[usize::from(byte)].ok_or(EncodeError::Character { character, offset })?,
                );
            }
        }
        Ok(Merger::new(self, symbols).run().collect())
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

    fn merged(&self, left: u32, right: u32, buffer: &mut Vec<u8>) -> Option<(u32, f32)> {
        let (left, right) = (&self.pieces[left as usize].bytes, &self.pieces[right as usize].bytes);
        if left.len() + right.len() > self.longest_bytes {
            return None;
        }
        buffer.clear();
        buffer.extend(left);
        buffer.extend(right);
        let id = *self.ids.get(buffer.as_slice())?;
        let score = self.pieces[id as usize].score;
        (score > SCORE_NEVER_MERGED).then_some((id, score))
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

/// `<0x0A>` is the byte 10.
pub(super) fn byte_of_name(name: &[u8]) -> Option<u8> {
    let digits = name.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
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

/// Merges in O(n log n) what llama2.c merges by scanning all pairs after every merge. The heap yields the
/// pair that the scan would find: highest score, then leftmost. A symbol never moves: a merge keeps the
/// place of its left half, so order of place is order in the text.
struct Merger<'t> {
    tokenizer: &'t PieceTokenizer,
    symbols: Vec<Symbol>,
    heap: BinaryHeap<Pair>,
    buffer: Vec<u8>,
}

struct Symbol {
    /// `None` once it was merged into the symbol at its left.
    id: Option<u32>,
    left: Option<usize>,
    right: Option<usize>,
}

#[derive(PartialEq)]
struct Pair {
    score: f32,
    place: usize,
    /// The ids when the pair was found; the pair is stale once they differ.
    ids: (u32, u32),
    merged: u32,
}

impl Eq for Pair {}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        // Scores are finite, and -0.0 ties with 0.0 as it does in C.
        let by_score = self.score.partial_cmp(&other.score).unwrap_or(Ordering::Equal);
        by_score.then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'t> Merger<'t> {
    fn new(tokenizer: &'t PieceTokenizer, ids: Vec<u32>) -> Self {
        let last = ids.len().checked_sub(1);
        let symbol = |(place, id): (usize, u32)| Symbol {
            id: Some(id),
            left: place.checked_sub(1),
            right: (Some(place) != last).then_some(place + 1),
        };
        let symbols: Vec<Symbol> = ids.into_iter().enumerate().map(symbol).collect();
        let mut merger = Self { tokenizer, symbols, heap: BinaryHeap::new(), buffer: Vec::new() };
        (0..merger.symbols.len()).for_each(|place| merger.offer(place));
        merger
    }

    /// The ids of the symbol at `place` and of its right neighbour.
    fn pair_at(&self, place: usize) -> Option<(u32, u32)> {
        let symbol = &self.symbols[place];
        Some((symbol.id?, self.symbols[symbol.right?].id?))
    }

    fn offer(&mut self, place: usize) {
        let Some(ids) = self.pair_at(place) else { return };
        if let Some((merged, score)) = self.tokenizer.merged(ids.0, ids.1, &mut self.buffer) {
            self.heap.push(Pair { score, place, ids, merged });
        }
    }

    fn run(mut self) -> impl Iterator<Item = u32> {
        while let Some(pair) = self.heap.pop() {
            if self.pair_at(pair.place) == Some(pair.ids) {
                self.merge(&pair);
            }
        }
        self.symbols.into_iter().filter_map(|symbol| symbol.id)
    }

    fn merge(&mut self, pair: &Pair) {
        let Some(gone) = self.symbols[pair.place].right else { return };
        let after = self.symbols[gone].right;
        self.symbols[gone].id = None;
        self.symbols[pair.place].id = Some(pair.merged);
        self.symbols[pair.place].right = after;
        if let Some(after) = after {
            self.symbols[after].left = Some(pair.place);
        }
        self.offer(pair.place);
        if let Some(left) = self.symbols[pair.place].left {
            self.offer(left);
        }
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
