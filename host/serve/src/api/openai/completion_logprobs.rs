//! Log-probabilities as completions tell them: lists side by side, from the prompt's first token on if it is echoed.

use crate::engine::{PromptToken, Token};
use crate::model::ServedModel;
use lpu_runtime::sampling::LogProb;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Clone, Default, Serialize, ToSchema)]
pub struct CompletionLogprobs {
    pub tokens: Vec<String>,
    /// Null for the first token of an echoed prompt, which nothing predicts.
    pub token_logprobs: Vec<Option<f64>>,
    /// The likeliest tokens and the token itself; null where that has none.
    pub top_logprobs: Vec<Option<BTreeMap<String, f64>>>,
    /// Characters of the answer before each token.
    pub text_offset: Vec<usize>,
}

/// Writes the tokens of one answer.
pub struct LogprobWriter {
    model: Arc<ServedModel>,
    told: CompletionLogprobs,
    /// Characters so far.
    offset: usize,
    /// The token before.
    before: Option<u32>,
}

impl LogprobWriter {
    /// `first` begins an echoed prompt.
    pub fn new(model: Arc<ServedModel>, first: Option<u32>) -> Self {
        let mut writer = Self { model, told: CompletionLogprobs::default(), offset: 0, before: None };
        if let Some(id) = first {
            let bytes = writer.piece(id);
            writer.push(id, &bytes, None);
        }
        writer
    }

    /// A token of the echoed prompt.
    pub fn prompt(&mut self, token: &PromptToken) {
        let bytes = self.piece(token.id);
        self.push(token.id, &bytes, Some(&token.logprob));
    }

    /// A token of the answer; one that ends texts is none.
    pub fn token(&mut self, token: &Token) {
        self.before = Some(token.made.executed.input.into());
        if let Some(logprob) = token.made.logprob.as_ref().filter(|_| !token.is_end) {
            self.push(token.made.id, &token.made.bytes, Some(logprob));
        }
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> CompletionLogprobs {
        std::mem::take(&mut self.told)
    }

    fn push(&mut self, id: u32, bytes: &[u8], logprob: Option<&LogProb>) {
        let name = name(bytes);
        let top = logprob.map(|logprob| {
            let top = logprob.top.iter();
            let top = top.map(|&(id, logprob)| (self::name(&self.piece(id)), logprob));
            // The token itself is listed however unlikely it is, and stands before another of the same name.
            top.chain([(name.clone(), logprob.chosen)]).collect()
        });
        self.told.tokens.push(name);
        self.told.token_logprobs.push(logprob.map(|logprob| logprob.chosen));
        self.told.top_logprobs.push(top);
        self.told.text_offset.push(self.offset);
        self.offset += String::from_utf8_lossy(bytes).chars().count();
        self.before = Some(id);
    }

    /// A token's bytes after the token before it. What begins texts has none.
    fn piece(&self, id: u32) -> Vec<u8> {
        match self.before {
            None if id == self.model.tokenizer.bos() => Vec::new(),
            before => self.model.tokenizer.decode_piece(before, id),
        }
    }
}

/// A token's name: its text, or its bytes as OpenAI writes them.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().fold("bytes:".into(), |name, byte| format!("{name}\\x{byte:02x}")),
    }
}
