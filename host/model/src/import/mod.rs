//! From a path to a model and its tokenizer. The content of the path decides what it is, never its name:
//!
//! | begins with | is | source |
//! |---|---|---|
//! | a folder with `config.json` and `*.safetensors` | Hugging Face | `hugging_face.rs`, `safetensors.rs` |
//! | `GGUF`, or a folder with one such file | GGUF | `gguf/` |
//! | `ak42` | llama2.c version 1 or 2 | [`super::llama2c`] |
//! | what another program writes | refused by name | `recognise.rs`, `folder.rs` |
//! | anything else | llama2.c version 0, whose length must be what its header says | [`super::llama2c`] |
//!
//! # Invariants
//! 1. A damaged or hostile file costs an error message: counts and shapes are held against the bytes that are there before
//!    anything is allocated for them, and no name leads out of the model's folder.
//! 2. Nothing in a file is passed over: a tensor or an option that no machine here computes is refused by name, and what is
//!    not known is told ([`Model::warnings`]; `keys.rs` has the rule).
//! 3. Weight files are mapped, and stay so for matrices that they pack in less than fp32; of others an fp32 copy is made, four
//!    bytes for each weight that the file really holds.

mod error;
mod families;
mod fields;
mod file;
mod folder;
mod gguf;
mod hugging_face;
mod json;
mod keys;
mod names;
mod recognise;
mod rope;
mod safetensors;
mod tensors;
mod tokenizer_files;

pub use error::{ARCHITECTURES, FORMATS, ImportError};
#[cfg(test)]
pub use gguf::{Container, Place};

use super::Model;
use super::llama2c;
use super::tokenizer::{Facts, Tokenizer, TokenizerError};
use error::{About, TOKENIZERS};
use folder::Folder;
use gguf::GgufFile;
use std::path::{Path, PathBuf};

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
        Kind::Folder(folder, file) => {
            (hugging_face::model(&folder, file.as_deref())?, tokenizer_files::of_folder(&folder)?)
        }
        Kind::Gguf(file) => file.import()?,
        Kind::Llama2c => {
            let model = llama2c_model(path)?;
            let tokenizer = find_tokenizer(folder_of(path), model.config.vocab)?;
            (model, tokenizer)
        }
    };
    if let Some(tokenizer) = &tokenizer {
        check_vocab(path, tokenizer, &model)?;
    }
    Ok((model, tokenizer))
}

/// Loads the model at `path` and exactly this tokenizer, whatever vocabulary the model brings. What the model's own files say of
/// the ids that start and end a text, and its chat template, still hold where nothing beside the tokenizer says otherwise.
///
/// # Errors
/// When either cannot be read, or when the tokenizer has another vocabulary than the model.
pub fn load_with_tokenizer(
    path: impl AsRef<Path>,
    tokenizer: impl AsRef<Path>,
) -> Result<(Model, Tokenizer), ImportError> {
    let (path, tokenizer_path) = (path.as_ref(), tokenizer.as_ref());
    let (model, facts) = match kind_of(path)? {
        Kind::Folder(folder, file) => {
            (hugging_face::model(&folder, file.as_deref())?, tokenizer_files::facts(&folder)?)
        }
        Kind::Gguf(file) => file.model()?,
        Kind::Llama2c => (llama2c_model(path)?, Facts::default()),
    };
    let tokenizer = tokenizer_files::of_file(tokenizer_path, facts)?;
    check_vocab(tokenizer_path, &tokenizer, &model)?;
    Ok((model, tokenizer))
}

/// Loads the model at `path` and looks for no tokenizer.
///
/// # Errors
/// When the model cannot be read or is unsupported.
pub fn load_model(path: impl AsRef<Path>) -> Result<Model, ImportError> {
    let path = path.as_ref();
    match kind_of(path)? {
        Kind::Folder(folder, file) => hugging_face::model(&folder, file.as_deref()),
        Kind::Gguf(file) => file.model().map(|(model, _)| model),
        Kind::Llama2c => llama2c_model(path),
    }
}

enum Kind {
    /// A folder, and the one file of weights in it that was named, if one was.
    Folder(PathBuf, Option<PathBuf>),
    Gguf(GgufFile),
    Llama2c,
}

fn kind_of(path: &Path) -> Result<Kind, ImportError> {
    if path.is_dir() {
        return kind_of_folder(path);
    }
    let (start, length) = file::start(path, recognise::START_BYTES)?;
    if start.starts_with(&gguf::MAGIC) {
        return GgufFile::open(path).map(Kind::Gguf);
    }
    if recognise::is_safetensors(&start) {
        return match folder_of(path).join(hugging_face::CONFIG).exists() {
            true => Ok(Kind::Folder(folder_of(path).to_owned(), Some(path.to_owned()))),
            false => Err(About(path).unsupported(
                "a safetensors file without its config.json",
                "the folder of a model, with config.json in it",
            )),
        };
    }
    if length == 0 {
        return Err(About(path).damaged(format!("the file is empty; expected {FORMATS}")));
    }
    if llama2c::is_versioned(&start) {
        return Ok(Kind::Llama2c);
    }
    match recognise::foreign(&start).or_else(|| recognise::unknown(&start)) {
        Some(found) => Err(found.refuse(path, FORMATS)),
        None => Ok(Kind::Llama2c),
    }
}

/// Weights as safetensors go before a GGUF file beside them: their configuration is the folder's.
fn kind_of_folder(path: &Path) -> Result<Kind, ImportError> {
    let folder = Folder::open(path)?;
    if folder.has(hugging_face::CONFIG) && !folder.with_extension("safetensors").is_empty() {
        return Ok(Kind::Folder(path.to_owned(), None));
    }
    match folder.gguf()? {
        Some(file) => GgufFile::open(&file).map(Kind::Gguf),
        None => Err(folder.without_model()),
    }
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn llama2c_model(path: &Path) -> Result<Model, ImportError> {
    let map = file::map(path)?;
    llama2c::parse(&map).map_err(|source| {
        let is_tokenizer =
            map.len() as u64 <= tokenizer_files::TOKENIZER_BYTES_MAX && Tokenizer::parse(&map).is_ok();
        match is_tokenizer {
            true => recognise::tokenizer().refuse(path, FORMATS),
            false => ImportError::Llama2c { path: path.to_owned(), source },
        }
    })
}

fn check_vocab(path: &Path, tokenizer: &Tokenizer, model: &Model) -> Result<(), ImportError> {
    tokenizer.check_vocab(model.config.vocab).map_err(|source| About(path).tokenizer(source))
}

/// Reads a tokenizer for a model with `vocab` token ids: a file of any kind, or the folder of one.
///
/// # Errors
/// When it cannot be read, is something else, or has another vocabulary.
pub fn read_tokenizer(path: &Path, vocab: usize) -> Result<Tokenizer, ImportError> {
    let tokenizer = tokenizer_files::of_file(path, Facts::default())?;
    tokenizer.check_vocab(vocab).map_err(|source| About(path).tokenizer(source))?;
    Ok(tokenizer)
}

/// Refuses a file that is something else than a tokenizer, named for what it is.
fn check_tokenizer_start(path: &Path, file: &[u8]) -> Result<(), ImportError> {
    let start = &file[..file.len().min(recognise::START_BYTES)];
    match recognise::foreign_tokenizer(start) {
        Some(found) => Err(found.refuse(path, TOKENIZERS)),
        None => Ok(()),
    }
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
