//! A vocabulary and what other files say of it, joined into a [`Tokenizer`].

use super::{HuggingFace, Specials, Tokenizer, TokenizerError};
use std::collections::BTreeMap;

/// A vocabulary alone.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    pub tokenizer: tokenizers::Tokenizer,
    /// Scores of a vocabulary that merges by score; `None` for pieces that are never merged into.
    pub scores: Vec<Option<f32>>,
    /// Whether a text begins with the start; where the vocabulary does not say, its own rules decide.
    pub adds_start: Option<bool>,
}

impl From<tokenizers::Tokenizer> for Vocabulary {
    fn from(tokenizer: tokenizers::Tokenizer) -> Self {
        Self { tokenizer, scores: Vec::new(), adds_start: None }
    }
}

/// What files beside a vocabulary say: settings of the tokenizer and of generation, chat templates.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The id that starts a text.
    pub start: Option<u32>,
    /// The ids that end a text, the likeliest first.
    pub ends: Vec<u32>,
    pub add_start: Option<bool>,
    /// Chat templates by their names; one without a name is `default`.
    pub chat_templates: BTreeMap<String, String>,
    /// The texts that a chat template sees, such as `bos_token`; `None` if nothing is said of them.
    pub special_tokens: Option<BTreeMap<String, String>>,
    /// The same by their ids.
    pub special_ids: Vec<(&'static str, u32)>,
}

impl Facts {
    /// What these files say, and where they are silent what the others say. Every end that either names is one.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.ends.extend(other.ends);
        Self {
            start: self.start.or(other.start),
            ends: self.ends,
            add_start: self.add_start.or(other.add_start),
            chat_templates: if self.chat_templates.is_empty() {
                other.chat_templates
            } else {
                self.chat_templates
            },
            special_tokens: self.special_tokens.or(other.special_tokens),
            special_ids: if self.special_ids.is_empty() { other.special_ids } else { self.special_ids },
        }
    }
}

impl Vocabulary {
    /// The tokenizer that facts make of this vocabulary. Where they name neither a start nor an end, their usual names are looked
    /// for.
    ///
    /// # Errors
    /// When nothing starts or ends a text.
    pub fn with(self, facts: Facts) -> Result<Tokenizer, TokenizerError> {
        let is_known = |id: &u32| self.tokenizer.id_to_token(*id).is_some();
        let special_tokens = facts.special_tokens.or_else(|| {
            let text = |(key, id): &(&str, u32)| Some(((*key).to_owned(), self.tokenizer.id_to_token(*id)?));
            (!facts.special_ids.is_empty()).then(|| facts.special_ids.iter().filter_map(text).collect())
        });
        let named = |key: &str| self.tokenizer.token_to_id(special_tokens.as_ref()?.get(key)?);
        let mut ends = Vec::new();
        for id in facts.ends.into_iter().filter(is_known).chain(named("eos_token")) {
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        let bos = named("bos_token").or(facts.start.filter(is_known));
        let (start, ends) = match bos.or(ends.first().copied()) {
            Some(start) => (start, ends),
            None => super::hugging_face::named_specials(&self.tokenizer)?,
        };
        let add_start = facts.add_start.or(self.adds_start).or(bos.is_none().then_some(false));
        let specials = Specials {
            start,
            add_start: add_start.unwrap_or_else(|| super::hugging_face::adds(&self.tokenizer, start)),
            ends,
            chat_templates: facts.chat_templates,
            special_tokens,
            scores: self.scores,
        };
        HuggingFace::new(self.tokenizer, specials).map(Into::into)
    }
}
