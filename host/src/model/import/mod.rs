//! From a path to a model and its tokenizer. The content of the path decides what it is, never its name:
//!
//! | begins with | is | source |
//! |---|---|---|
//! | a folder with `config.json` | Hugging Face | `hugging_face.rs`, `safetensors.rs` |
//! | `GGUF` | GGUF | `gguf/` |
//! | `ak42` | llama2.c version 1 or 2 | [`super::llama2c`] |
//! | anything else | llama2.c version 0, whose length must be what its header says | [`super::llama2c`] |
//!
//! # Invariants
//! 1. A damaged or hostile file costs an error message: counts and shapes are held against the bytes that are there before
//!    anything is allocated for them, and no name leads out of the model's folder.
//! 2. Nothing in a file is passed over: a tensor or an option that no machine here computes is refused by name.
//! 3. Weight files are mapped; what is allocated is the fp32 model, four bytes for each weight that the file really holds.

mod error;
mod families;
mod fields;
mod file;
mod gguf;
mod hugging_face;
mod names;
mod rope;
mod safetensors;
mod tensors;

pub use error::{ARCHITECTURES, FORMATS, ImportError};

use super::Model;
use super::llama2c;
use super::tokenizer::{Tokenizer, TokenizerError};
use error::About;
use gguf::GgufFile;
use std::path::{Path, PathBuf};

/// Far above any real vocabulary, far below what would hurt.
const TOKENIZER_BYTES_MAX: u64 = 256 << 20;

/// A model with its tokenizer, if one was found.
pub type Loaded = (Model, Option<Tokenizer>);

/// Loads the model at `path` with the tokenizer that belongs to it: the one in the same file or folder, or for llama2.c
/// checkpoints the `tok*.bin` beside them that has exactly as many pieces as the model has token ids. No tokenizer is no
/// error: a model can run on ids alone.
///
/// # Errors
/// When the model cannot be read or is unsupported, when two different tokenizers fit, or when none fits and one is damaged.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, ImportError> {
    let path = path.as_ref();
    let (model, tokenizer) = match kind_of(path)? {
        Kind::Folder(folder) => (hugging_face::model(&folder)?, hugging_face::tokenizer(&folder)?),
        Kind::Gguf(file) => file.import()?,
        Kind::Llama2c => {
            let model = llama2c_model(path)?;
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let tokenizer = find_tokenizer(folder, model.config.vocab)?;
            (model, tokenizer)
        }
    };
    if let Some(tokenizer) = &tokenizer {
        check_vocab(path, tokenizer, &model)?;
    }
    Ok((model, tokenizer))
}

/// Loads the model at `path` and exactly this tokenizer: llama2.c's or a `tokenizer.json`.
///
/// # Errors
/// When either cannot be read, or when the tokenizer has another vocabulary than the model.
pub fn load_with_tokenizer(
    path: impl AsRef<Path>,
    tokenizer: impl AsRef<Path>,
) -> Result<(Model, Tokenizer), ImportError> {
    let model = load_model(path)?;
    let tokenizer = read_tokenizer(tokenizer.as_ref(), model.config.vocab)?;
    Ok((model, tokenizer))
}

/// Loads the model at `path` and looks for no tokenizer.
///
/// # Errors
/// When the model cannot be read or is unsupported.
pub fn load_model(path: impl AsRef<Path>) -> Result<Model, ImportError> {
    let path = path.as_ref();
    match kind_of(path)? {
        Kind::Folder(folder) => hugging_face::model(&folder),
        Kind::Gguf(file) => file.import().map(|(model, _)| model),
        Kind::Llama2c => llama2c_model(path),
    }
}

enum Kind {
    Folder(PathBuf),
    Gguf(GgufFile),
    Llama2c,
}

fn kind_of(path: &Path) -> Result<Kind, ImportError> {
    let about = About(path);
    if path.is_dir() {
        return match path.join(hugging_face::CONFIG).exists() {
            true => Ok(Kind::Folder(path.to_owned())),
            false => Err(ImportError::EmptyFolder { path: path.to_owned() }),
        };
    }
    let (file, length) = file::open(path)?;
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, 16), &mut start)
        .map_err(|error| about.io(error))?;
    if start.starts_with(&gguf::MAGIC) {
        return GgufFile::open(path).map(Kind::Gguf);
    }
    let is_safetensors = matches!(start.as_slice(), [_, _, _, _, 0, 0, 0, 0, b'{', ..]);
    match path.parent() {
        Some(folder) if is_safetensors && folder.join(hugging_face::CONFIG).exists() => {
            Ok(Kind::Folder(folder.to_owned()))
        }
        _ if is_safetensors => Err(about.unsupported(
            "a safetensors file without its config.json",
            "the folder of a model, with config.json in it",
        )),
        _ if length == 0 => Err(about.damaged(format!("the file is empty; expected {FORMATS}"))),
        _ => Ok(Kind::Llama2c),
    }
}

fn llama2c_model(path: &Path) -> Result<Model, ImportError> {
    let map = file::map(path)?;
    llama2c::parse(&map).map_err(|source| ImportError::Llama2c { path: path.to_owned(), source })
}

fn check_vocab(path: &Path, tokenizer: &Tokenizer, model: &Model) -> Result<(), ImportError> {
    tokenizer.check_vocab(model.config.vocab).map_err(|source| About(path).tokenizer(source))
}

fn read_tokenizer(path: &Path, vocab: usize) -> Result<Tokenizer, ImportError> {
    let bytes = file::read(path, TOKENIZER_BYTES_MAX)?;
    Tokenizer::parse_for(&bytes, vocab).map_err(|source| About(path).tokenizer(source))
}

/// Candidates are tried in the order of their names; those of models with another vocabulary are passed over.
fn find_tokenizer(folder: &Path, vocab: usize) -> Result<Option<Tokenizer>, ImportError> {
    let mut found: Option<(PathBuf, Tokenizer)> = None;
    let mut damaged = None;
    for path in tokenizer_candidates(folder)? {
        match (read_tokenizer(&path, vocab), &found) {
            (Ok(tokenizer), Some((first, same))) if *same != tokenizer => {
                return Err(ImportError::AmbiguousTokenizer { first: first.clone(), second: path, vocab });
            }
            (Ok(tokenizer), None) => found = Some((path, tokenizer)),
            (Ok(_), Some(_)) => {}
            (Err(ImportError::Tokenizer { source: TokenizerError::Vocabulary { .. }, .. }), _) => {}
            (Err(error), _) => damaged = damaged.or(Some(error)),
        }
    }
    match (found, damaged) {
        (Some((_, tokenizer)), _) => Ok(Some(tokenizer)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

fn tokenizer_candidates(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let failed = |source| About(folder).io(source);
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
