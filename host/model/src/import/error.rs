//! Why a file is no model for here.

use super::super::ModelError;
use super::super::llama2c::Llama2cError;
use super::super::tokenizer::TokenizerError;
use std::io;
use std::path::{Path, PathBuf};

/// What a user may bring, for messages.
pub const FORMATS: &str =
    "a folder with config.json and *.safetensors, a GGUF file, or a llama2.c checkpoint of version 0, 1 or 2";
pub const TOKENIZERS: &str = "a tokenizer.json, a tokenizer.model, a vocab.json beside its merges.txt, a GGUF file, or a tokenizer of llama2.c";
pub const ARCHITECTURES: &str = "llama (SmolLM too), mistral, qwen2, qwen3, gemma, gemma2, gemma3, phi3, olmo2, granite, smollm3, stablelm, gpt2, \
     gpt_neo, gpt_neox, microgpt";

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is neither a file nor a folder; expected {FORMATS}")]
    NotAFile { path: PathBuf },
    #[error("{path} has {found} bytes; expected at most {most}")]
    TooLarge { path: PathBuf, found: u64, most: u64 },
    #[error("{path}: {source}")]
    Llama2c { path: PathBuf, source: Llama2cError },
    #[error("{path}: {source}")]
    Tokenizer { path: PathBuf, source: TokenizerError },
    #[error("{path}: {source}")]
    Model { path: PathBuf, source: ModelError },
    #[error(
        "both {first} and {second} have {vocab} pieces and lie beside the model; \
         expected one tokenizer: name the right one"
    )]
    AmbiguousTokenizer { first: PathBuf, second: PathBuf, vocab: usize },
    #[error("{path} holds {found}; expected {FORMATS}. {advice}")]
    OtherFolder { path: PathBuf, found: String, advice: String },
    #[error("{path} is {what}; expected {expected}. {advice}")]
    OtherFormat { path: PathBuf, what: String, expected: String, advice: String },
    #[error("{path}: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("{path}: {feature} is not supported; expected {expected}")]
    Unsupported { path: PathBuf, feature: String, expected: String },
}

/// Errors that say which file they are about.
pub struct About<'p>(pub &'p Path);

impl About<'_> {
    pub fn io(&self, source: io::Error) -> ImportError {
        ImportError::Io { path: self.0.to_owned(), source }
    }

    pub fn damaged(&self, reason: impl Into<String>) -> ImportError {
        ImportError::Damaged { path: self.0.to_owned(), reason: reason.into() }
    }

    pub fn unsupported(&self, feature: impl Into<String>, expected: impl Into<String>) -> ImportError {
        let (path, feature, expected) = (self.0.to_owned(), feature.into(), expected.into());
        ImportError::Unsupported { path, feature, expected }
    }

    pub fn tokenizer(&self, source: TokenizerError) -> ImportError {
        ImportError::Tokenizer { path: self.0.to_owned(), source }
    }
}
