//! Files that are something else than was asked for, named for what they are by their first bytes.

use super::error::ImportError;
use super::json::begins_as_json;
use crate::text as texts;
use serde_json::Value;
use std::path::Path;

/// Bytes at the start of a file that decide what it is.
pub const START_BYTES: usize = 4096;
/// Characters of a text that a message repeats.
const EXCERPT_CHARACTERS: usize = 60;

const CONVERT: &str = "Convert it with transformers: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW, \
                       safe_serialization=True)";
const OLD: &str = "Convert it with convert_llama_ggml_to_gguf.py of llama.cpp, or download the model as GGUF";
const BIG_ENDIAN: &str = "Convert it with gguf-convert-endian FILE little, from the Python package gguf";
const OTHER_FRAMEWORK: &str = "Export the model again as safetensors or GGUF";
const UNPACK: &str = "Unpack it first";
const IS_MODEL: &str = "Name it as the model";

/// What a file is, and what its user can do about it.
#[derive(Debug, PartialEq)]
pub struct Foreign {
    what: String,
    advice: String,
}

impl Foreign {
    fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }

    pub fn refuse(self, path: &Path, expected: &str) -> ImportError {
        let Self { what, advice } = self;
        ImportError::OtherFormat { path: path.to_owned(), what, expected: expected.to_owned(), advice }
    }
}

/// A format that says its name at a fixed place.
struct Signature {
    at: usize,
    bytes: &'static [u8],
    what: &'static str,
    advice: &'static str,
}

const fn signature(bytes: &'static [u8], what: &'static str, advice: &'static str) -> Signature {
    Signature { at: 0, bytes, what, advice }
}

const SIGNATURES: &[Signature] = &[
    signature(b"tjgg", "a model in GGJT, a format of llama.cpp from before GGUF", OLD),
    signature(b"fmgg", "a model in GGMF, a format of llama.cpp from before GGUF", OLD),
    signature(b"lmgg", "a model in GGML, a format of llama.cpp from before GGUF", OLD),
    signature(b"algg", "a LoRA adapter in GGLA, a format of llama.cpp from before GGUF", OLD),
    signature(b"FUGG", "a big-endian GGUF file", BIG_ENDIAN),
    signature(b"\x1f\x8b", "compressed with gzip", "Unpack it first: gunzip --keep FILE"),
    signature(b"\x28\xb5\x2f\xfd", "compressed with Zstandard", "Unpack it first: unzstd FILE"),
    signature(b"\xfd7zXZ\0", "compressed with xz", "Unpack it first: unxz --keep FILE"),
    signature(b"BZh", "compressed with bzip2", "Unpack it first: bunzip2 --keep FILE"),
    signature(b"\x04\x22\x4d\x18", "compressed with LZ4", "Unpack it first: unlz4 FILE"),
    signature(b"\x1f\x9d", "compressed with compress", "Unpack it first: uncompress FILE"),
    signature(b"\x5d\0\0\x80\0", "compressed with LZMA", "Unpack it first: unlzma --keep FILE"),
    signature(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    signature(b"Rar!", "a RAR archive", UNPACK),
    Signature { at: 257, bytes: b"ustar", what: "a tar archive", advice: "Unpack it first: tar -xf FILE" },
    signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and TensorFlow write", OTHER_FRAMEWORK),
    signature(b"\x93NUMPY", "an array of NumPy", OTHER_FRAMEWORK),
    Signature { at: 4, bytes: b"TFL3", what: "a TensorFlow Lite model", advice: OTHER_FRAMEWORK },
    signature(b"%PDF", "a PDF document", "Name the file of the model"),
    signature(b"\x89PNG", "a picture", "Name the file of the model"),
    signature(b"\x7fELF", "a program", "Name the file of the model"),
    signature(b"SQLite format 3\0", "an SQLite database", "Name the file of the model"),
];

/// Formats that are models here: foreign only where something else is asked for.
const MODELS: &[Signature] = &[
    signature(b"GGUF", "a GGUF model", IS_MODEL),
    signature(b"24ka", "a checkpoint of llama2.c", IS_MODEL),
    signature(&lpu_isa::image::MAGIC, "a program compiled by lpu", IS_MODEL),
];

/// What a file is by its first [`START_BYTES`]; `None` when they are of no format known here.
pub fn foreign(start: &[u8]) -> Option<Foreign> {
    named(start).or_else(|| text(start))
}

fn named(start: &[u8]) -> Option<Foreign> {
    by_signature(start, SIGNATURES).or_else(|| archive_of_pickles(start)).or_else(|| written(start))
}

/// [`foreign`] for files that should hold a vocabulary: models are foreign, too, and neither JSON nor a text is.
pub fn foreign_tokenizer(start: &[u8]) -> Option<Foreign> {
    if is_safetensors(start) {
        return Some(Foreign::new("a safetensors file", "Name its folder as the model"));
    }
    by_signature(start, MODELS).or_else(|| named(start).filter(|_| !begins_as_json(start)))
}

/// A vocabulary in place of a model.
pub fn tokenizer() -> Foreign {
    Foreign::new("a tokenizer of llama2.c", "Name the model, and this file with --tokenizer")
}

/// Whether a file is of the one kind that begins with the length of a JSON object.
pub fn is_safetensors(start: &[u8]) -> bool {
    matches!(start, [_, _, _, _, 0, 0, 0, 0, b'{', ..])
}

/// Whether a GGUF file has the bytes of its numbers in the other order: no version is as large as that makes it.
pub fn big_endian(start: &[u8]) -> Option<Foreign> {
    let version = start.get(4..8).filter(|_| start.starts_with(b"GGUF"))?;
    let swapped = matches!(version, [0, 0, ..]) && version != [0; 4];
    swapped.then(|| Foreign::new("a big-endian GGUF file", BIG_ENDIAN))
}

/// A file that begins with four letters of its own: numbers that look like these would be sizes that no model has.
pub fn unknown(start: &[u8]) -> Option<Foreign> {
    let name = start.get(..4).filter(|name| name.iter().all(u8::is_ascii_graphic))?;
    let name = String::from_utf8_lossy(name);
    Some(Foreign::new(format!("in an unknown format that begins with {name:?}"), OTHER_FRAMEWORK))
}

fn by_signature(start: &[u8], signatures: &[Signature]) -> Option<Foreign> {
    let found =
        signatures.iter().find(|one| start.get(one.at..).is_some_and(|rest| rest.starts_with(one.bytes)));
    found.map(|one| Foreign::new(one.what, one.advice))
}

/// PyTorch writes pickles, since version 1.6 inside a zip archive.
fn archive_of_pickles(start: &[u8]) -> Option<Foreign> {
    match start {
        [0x80, 2..=5, ..] => Some(Foreign::new("a pickle, as PyTorch writes its checkpoints", CONVERT)),
        [b'P', b'K', 3, 4, ..] => {
            let head = &start[..start.len().min(256)];
            let is_torch = [&b"data.pkl"[..], b"byteorder", b".format_version", b"/version"]
                .iter()
                .any(|name| head.windows(name.len()).any(|part| part == *name));
            Some(match is_torch {
                true => Foreign::new("a zip archive of pickles, as PyTorch writes its checkpoints", CONVERT),
                false => Foreign::new("a zip archive", UNPACK),
            })
        }
        _ => None,
    }
}

/// A text of any kind.
pub fn text(start: &[u8]) -> Option<Foreign> {
    let text = readable(start)?;
    Some(Foreign::new(
        format!("a text that begins with {:?}", excerpt(text.trim())),
        "Name the file of the model",
    ))
}

fn readable(start: &[u8]) -> Option<String> {
    let is_readable = |text: &String| {
        !text.trim().is_empty() && !text.chars().any(|one| one.is_control() && !one.is_whitespace())
    };
    whole_characters(start).filter(is_readable)
}

/// What servers and people write in place of files.
fn written(start: &[u8]) -> Option<Foreign> {
    let text = readable(start)?;
    let text = text.trim();
    let lower = text.get(..text.len().min(16)).unwrap_or(text).to_ascii_lowercase();
    let is_pointer = text.starts_with("version https://") && text.contains("\noid ");
    if is_pointer || text.starts_with("# xet version") {
        let size = text.lines().find_map(|line| line.strip_prefix("size "));
        let size = size.map(|size| format!(" to a file of {} bytes", size.trim())).unwrap_or_default();
        let advice = "Run `git lfs pull` in its folder, or download the file itself";
        return Some(Foreign::new(format!("a Git LFS pointer{size}"), advice));
    }
    if ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.starts_with(tag)) {
        return Some(Foreign::new("a web page", "Download the file itself, not the page that shows it"));
    }
    if text.starts_with("<?xml") || text.starts_with('<') {
        return Some(Foreign::new("an XML document", "Download the file itself, not the page that shows it"));
    }
    text.starts_with(['{', '[']).then(|| json(text))
}

/// The text at the start of a file; a character that the end cuts off is left out.
fn whole_characters(start: &[u8]) -> Option<String> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return texts::decode(&start[..start.len() & !1]).map(|text| text.into_owned());
    }
    let end = match std::str::from_utf8(start) {
        Ok(text) => text.len(),
        Err(error) if start.len() >= START_BYTES && error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return None,
    };
    texts::decode(&start[..end]).map(|text| text.into_owned())
}

fn json(text: &str) -> Foreign {
    let folder = "Name the folder of a model, which holds config.json and the weights";
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let answer = ["error", "message", "detail"].iter().find_map(|key| match &value[key] {
        Value::String(text) => Some(text.as_str()),
        nested => nested["message"].as_str(),
    });
    match answer {
        Some(answer) => Foreign::new(
            format!("the answer of a server: {:?}", excerpt(answer)),
            "Download the model again with the rights that its server asks for",
        ),
        None => Foreign::new("a JSON file", folder),
    }
}

fn excerpt(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(EXCERPT_CHARACTERS).collect()
}
