//! From a path to a model and the tokenizer that lies beside it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Model;
use super::llama2c::{self, Llama2cError};
use super::tokenizer::{Tokenizer, TokenizerError};

/// Far above any real vocabulary (Llama 3 needs 2 MB), far below what would hurt.
const TOKENIZER_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is not a file; expected a llama2.c version 0 checkpoint, for example stories260K.bin")]
    NotAFile { path: PathBuf },
    #[error("{path} has {found} bytes; expected a tokenizer of at most {TOKENIZER_BYTES_MAX}")]
    TokenizerTooLarge { path: PathBuf, found: u64 },
    #[error("{path}: {source}")]
    Checkpoint { path: PathBuf, source: Llama2cError },
    #[error("{path}: {source}")]
    Tokenizer { path: PathBuf, source: TokenizerError },
    #[error(
        "both {first} and {second} have {vocab} pieces and lie beside the model; \
         expected one tokenizer: name the right one"
    )]
    AmbiguousTokenizer { first: PathBuf, second: PathBuf, vocab: usize },
}

/// A model with its tokenizer, if one was found.
pub type Loaded = (Model, Option<Tokenizer>);

/// Loads the checkpoint at `path` and the tokenizer in the same folder (`tokenizer.bin` or `tok*.bin`)
/// that has exactly as many pieces as the model has token ids. No such file is no error: a model can run
/// on ids alone.
///
/// # Errors
/// When the checkpoint cannot be read, when two different tokenizers fit, or when none fits and one is
/// damaged.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, LoadError> {
    let path = path.as_ref();
    let model = load_model(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tokenizer = find_tokenizer(folder, model.config.vocab)?;
    Ok((model, tokenizer))
}

/// Loads the checkpoint at `path` and exactly this tokenizer.
///
/// # Errors
/// When either cannot be read, or when the tokenizer has another vocabulary than the model.
pub fn load_with_tokenizer(
    path: impl AsRef<Path>,
    tokenizer: impl AsRef<Path>,
) -> Result<(Model, Tokenizer), LoadError> {
    let model = load_model(path)?;
    let tokenizer = read_tokenizer(tokenizer.as_ref(), model.config.vocab)?;
    Ok((model, tokenizer))
}

fn open(path: &Path) -> Result<(File, u64), LoadError> {
    let failed = |source| LoadError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(LoadError::NotAFile { path: path.to_owned() });
    }
    Ok((file, metadata.len()))
}

/// Loads the checkpoint at `path` and looks for no tokenizer.
///
/// The header is read first, so that a file of another kind is refused before its gigabytes are read.
///
/// # Errors
/// When the checkpoint cannot be read.
pub fn load_model(path: impl AsRef<Path>) -> Result<Model, LoadError> {
    let path = path.as_ref();
    let failed = |source| LoadError::Io { path: path.to_owned(), source };
    let refused = |source| LoadError::Checkpoint { path: path.to_owned(), source };
    let (file, length) = open(path)?;
    let mut file = file.take(length);
    let mut bytes = Vec::new();
    file.by_ref().take(llama2c::HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
    llama2c::Header::parse(&bytes, length).map_err(refused)?;
    file.read_to_end(&mut bytes).map_err(failed)?;
    llama2c::parse(&bytes).map_err(refused)
}

fn read_tokenizer(path: &Path, vocab: usize) -> Result<Tokenizer, LoadError> {
    let (file, length) = open(path)?;
    if length > TOKENIZER_BYTES_MAX {
        return Err(LoadError::TokenizerTooLarge { path: path.to_owned(), found: length });
    }
    let mut bytes = Vec::new();
    file.take(length)
        .read_to_end(&mut bytes)
        .map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    Tokenizer::parse_for(&bytes, vocab)
        .map_err(|source| LoadError::Tokenizer { path: path.to_owned(), source })
}

/// Candidates are tried in the order of their names; those of models with another vocabulary are passed over.
fn find_tokenizer(folder: &Path, vocab: usize) -> Result<Option<Tokenizer>, LoadError> {
    let mut found: Option<(PathBuf, Tokenizer)> = None;
    let mut damaged = None;
    for path in tokenizer_candidates(folder)? {
        match (read_tokenizer(&path, vocab), &found) {
            (Ok(tokenizer), Some((first, same))) if *same != tokenizer => {
                return Err(LoadError::AmbiguousTokenizer { first: first.clone(), second: path, vocab });
            }
            (Ok(tokenizer), None) => found = Some((path, tokenizer)),
            (Ok(_), Some(_)) => {}
            (Err(LoadError::Tokenizer { source: TokenizerError::Vocabulary { .. }, .. }), _) => {}
            (Err(error), _) => damaged = damaged.or(Some(error)),
        }
    }
    match (found, damaged) {
        (Some((_, tokenizer)), _) => Ok(Some(tokenizer)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

fn tokenizer_candidates(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("tok") && name.ends_with(".bin") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
