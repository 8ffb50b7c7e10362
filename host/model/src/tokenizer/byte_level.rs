//! Vocabularies whose pieces are bytes written as characters and whose pairs are listed, as a `tokenizer.json` says them.

use super::hugging_face::read;
use super::{TokenizerError, Vocabulary, cuts};
use serde_json::{Map, Value, json};

/// A byte-level vocabulary: ids by piece, pairs in the order in which they are merged (`left right`), and the name that llama.cpp
/// gives to the rule for cutting text.
pub struct ByteLevel<'v> {
    pub vocab: Map<String, Value>,
    pub merges: Vec<&'v str>,
    pub added: Vec<Value>,
    pub rule: &'v str,
}

impl ByteLevel<'_> {
    /// # Errors
    /// When the rule is unknown, or `tokenizers` refuses the vocabulary.
    pub fn build(self) -> Result<Vocabulary, TokenizerError> {
        let rule = cuts::rule(self.rule)
            .ok_or_else(|| TokenizerError::Rule { found: self.rule.into(), known: cuts::names() })?;
        let steps: Vec<Value> = rule.cuts.iter().map(|cut| split(cut)).chain([bytes()]).collect();
        let normalizer = if rule.composes { json!({ "type": "NFC" }) } else { Value::Null };
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": self.added,
            "normalizer": normalizer, "pre_tokenizer": { "type": "Sequence", "pretokenizers": steps },
            "post_processor": null, "decoder": bytes(),
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": rule.ignores_merges, "vocab": self.vocab, "merges": self.merges,
            },
        });
        let tokenizer = read(file.to_string().as_bytes())?;
        Ok(Vocabulary { adds_start: Some(rule.adds_start), ..tokenizer.into() })
    }
}

fn split(pattern: &str) -> Value {
    json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false })
}

fn bytes() -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false })
}

/// A piece that stands for itself wherever it appears in a text.
pub fn added(id: usize, text: &str, special: bool) -> Value {
    json!({
        "id": id, "content": text, "special": special, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false,
    })
}
