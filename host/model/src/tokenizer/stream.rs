//! Text from ids that arrive one by one.

use super::{Kind, Tokenizer};

/// Fresh ids after which text is given out even if it ends in a replacement character: a character has at most 4 bytes.
const HELD_IDS_MAX: usize = 4;

/// Decodes ids as they arrive and holds back the bytes of an unfinished character.
#[derive(Clone, Debug, Default)]
pub struct StreamDecoder {
    previous: Option<u32>,
    /// Bytes of an unfinished character; pieces only.
    pending: Vec<u8>,
    /// Ids whose text was given out last, then the fresh ones; Hugging Face only. They begin where a character begins, which
    /// matters: decoders read a run of bytes as a whole, and one that is no text becomes replacement characters altogether.
    window: Vec<u32>,
    fresh: usize,
    /// What is left if no more ids come.
    rest: String,
}

impl StreamDecoder {
    /// A decoder for what follows `previous`, the last id of a prompt.
    pub fn after(previous: u32) -> Self {
        Self { previous: Some(previous), window: vec![previous], ..Self::default() }
    }

    /// The text that became complete with `id`.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> String {
        match &tokenizer.kind {
            Kind::Pieces(pieces) => {
                self.pending.extend(pieces.decode_piece(self.previous, id));
                self.previous = Some(id);
                let complete = self.pending.len() - unfinished_bytes(&self.pending);
                let text = String::from_utf8_lossy(&self.pending[..complete]).into_owned();
                self.pending.drain(..complete);
                text
            }
            Kind::HuggingFace(tokenizer) => {
                self.window.push(id);
                self.fresh += 1;
                let old = self.window.len() - self.fresh;
                let before = tokenizer.decode(&self.window[..old]);
                let text = tokenizer.decode(&self.window);
                // The text of earlier ids changes only while a character is unfinished.
                let text = match text.strip_prefix(&before) {
                    Some(text) => text.to_owned(),
                    None => tokenizer.decode(&self.window[old..]),
                };
                if text.ends_with('\u{FFFD}') && self.fresh < HELD_IDS_MAX {
                    self.rest = text;
                    return String::new();
                }
                self.rest.clear();
                self.fresh = 0;
                self.window.drain(..old);
                text
            }
        }
    }

    /// What is left at the end: replacement characters for an unfinished character, otherwise nothing.
    pub fn finish(self) -> String {
        match self.rest.is_empty() {
            true => String::from_utf8_lossy(&self.pending).into_owned(),
            false => self.rest,
        }
    }
}

/// How many bytes at the end begin a character that later bytes may complete.
fn unfinished_bytes(bytes: &[u8]) -> usize {
    bytes.utf8_chunks().last().map_or(0, |chunk| {
        let tail = chunk.invalid();
        match std::str::from_utf8(tail) {
            Err(error) if error.error_len().is_none() => tail.len(),
            _ => 0,
        }
    })
}
