//! Byte-pair merges by score over UTF-8 characters, with bytes to fall back on: what llama2.c, SentencePiece and llama.cpp do.
//!
//! ```text
//!  every character becomes its piece, or else its bytes; then the adjacent pair whose concatenation is the piece with the
//!  highest score is merged (the leftmost of equals) until no pair is a piece
//! ```

use super::EncodeError;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// Texts with their ids and the order in which they are made of smaller ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredPieces {
    texts: Vec<Vec<u8>>,
    /// `None` for pieces that are never merged into.
    scores: Vec<Option<f32>>,
    /// The lowest id of every text.
    ids: HashMap<Vec<u8>, u32>,
    byte_ids: [Option<u32>; 256],
    longest_bytes: usize,
}

impl ScoredPieces {
    /// Pieces with their scores; piece `i` has id `i`.
    pub fn new(pieces: impl Iterator<Item = (Vec<u8>, Option<f32>)>) -> Self {
        let (texts, scores): (Vec<_>, Vec<_>) = pieces.unzip();
        let mut ids = HashMap::with_capacity(texts.len());
        let mut byte_ids = [None; 256];
        for (id, text) in (0..).zip(&texts) {
            ids.entry(text.clone()).or_insert(id);
            if let Some(byte) = byte_of_name(text) {
                byte_ids[usize::from(byte)].get_or_insert(id);
            }
        }
        let longest_bytes = texts.iter().map(Vec::len).max().unwrap_or(0);
        Self { texts, scores, ids, byte_ids, longest_bytes }
    }

    pub fn longest_bytes(&self) -> usize {
        self.longest_bytes
    }

    pub fn id(&self, text: &[u8]) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The ids of a text's characters, after those of `prefix`; `unknown` says what becomes of a character that has neither a
    /// piece nor bytes.
    ///
    /// # Errors
    /// When `unknown` refuses a character.
    pub fn symbols(
        &self,
        prefix: Option<u32>,
        text: &str,
        unknown: impl Fn(char, usize) -> Result<u32, EncodeError>,
    ) -> Result<Vec<u32>, EncodeError> {
        let mut symbols: Vec<u32> = prefix.into_iter().collect();
        for (offset, character) in text.char_indices() {
            let utf8 = &text.as_bytes()[offset..offset + character.len_utf8()];
            if let Some(id) = self.id(utf8) {
                symbols.push(id);
                continue;
            }
            let bytes: Option<Vec<u32>> = utf8.iter().map(|byte| self.byte_ids[usize::from(*byte)]).collect();
            match bytes {
                Some(bytes) => symbols.extend(bytes),
                None => symbols.push(unknown(character, offset)?),
            }
        }
        Ok(symbols)
    }

    /// The ids after all merges.
    pub fn merge(&self, symbols: Vec<u32>) -> Vec<u32> {
        Merger::new(self, symbols).run()
    }

    fn merged(&self, left: u32, right: u32, buffer: &mut Vec<u8>) -> Option<(u32, f32)> {
        let (left, right) = (&self.texts[left as usize], &self.texts[right as usize]);
        if left.len() + right.len() > self.longest_bytes {
            return None;
        }
        buffer.clear();
        buffer.extend(left);
        buffer.extend(right);
        let id = self.id(buffer)?;
        Some((id, self.scores[id as usize]?))
    }
}

/// `<0x0A>` is the byte 10.
pub fn byte_of_name(name: &[u8]) -> Option<u8> {
    let digits = name.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// Merges in O(n log n) what llama2.c merges by scanning all pairs after every merge. The heap yields the
/// pair that the scan would find: highest score, then leftmost. A symbol never moves: a merge keeps the
/// place of its left half, so order of place is order in the text.
struct Merger<'t> {
    pieces: &'t ScoredPieces,
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
    fn new(pieces: &'t ScoredPieces, ids: Vec<u32>) -> Self {
        let last = ids.len().checked_sub(1);
        let symbol = |(place, id): (usize, u32)| Symbol {
            id: Some(id),
            left: place.checked_sub(1),
            right: (Some(place) != last).then_some(place + 1),
        };
        let symbols: Vec<Symbol> = ids.into_iter().enumerate().map(symbol).collect();
        let mut merger = Self { pieces, symbols, heap: BinaryHeap::new(), buffer: Vec::new() };
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
        if let Some((merged, score)) = self.pieces.merged(ids.0, ids.1, &mut self.buffer) {
            self.heap.push(Pair { score, place, ids, merged });
        }
    }

    fn run(mut self) -> Vec<u32> {
        while let Some(pair) = self.heap.pop() {
            if self.pair_at(pair.place) == Some(pair.ids) {
                self.merge(&pair);
            }
        }
        self.symbols.into_iter().filter_map(|symbol| symbol.id).collect()
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
