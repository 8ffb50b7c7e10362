//! The tokenizer in a folder or in a file of its own, and the files beside it that say more.
//!
//! | file | holds |
//! |---|---|
//! | `tokenizer.json` | a vocabulary of Hugging Face's `tokenizers` |
//! | `tokenizer.model` | one of SentencePiece |
//! | `vocab.json`, `merges.txt` | a byte-level one |
//! | `tok*.bin` | one of llama2.c |
//! | a GGUF file | a model with its vocabulary |
//! | `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json`, `config.json` | what starts and ends a text |
//! | `chat_template.jinja`, `additional_chat_templates/*.jinja`, `chat_template.json` | chat templates |

use super::error::{About, ImportError, TOKENIZERS};
use super::gguf::{self, GgufFile};
use super::hugging_face::{CONFIG, JSON_BYTES_MAX};
use super::{Tokenizer, TokenizerError, check_tokenizer_start, file, json, recognise};
use crate::tokenizer::byte_level::{ByteLevel, added};
use crate::tokenizer::hugging_face::{DEFAULT_TEMPLATE, read};
use crate::tokenizer::{Facts, Vocabulary, sentencepiece};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Far above any real vocabulary, far below what would hurt.
pub const TOKENIZER_BYTES_MAX: u64 = 256 << 20;
/// Names of vocabularies in a folder, the likeliest first.
const VOCABULARIES: [&str; 3] = ["tokenizer.json", "tokenizer.model", "vocab.json"];
/// The texts that a chat template sees, in transformers.
const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The tokenizer of a folder; `None` when there is none.
///
/// # Errors
/// When a file is damaged, or nothing starts or ends a text.
pub fn of_folder(folder: &Path) -> Result<Option<Tokenizer>, ImportError> {
    let Some(path) = VOCABULARIES.iter().map(|name| folder.join(name)).find(|path| path.exists()) else {
        return match folder.join("tekken.json").exists() {
            true => Err(tekken(&folder.join("tekken.json"))),
            false => Ok(None),
        };
    };
    of_file(&path, Facts::default()).map(Some)
}

/// The tokenizer of a file, with what lies beside it, or else with what `others` say.
///
/// # Errors
/// As [`of_folder`], and when the file is no tokenizer.
pub fn of_file(path: &Path, others: Facts) -> Result<Tokenizer, ImportError> {
    if path.is_dir() {
        let missing =
            || About(path).damaged(format!("no tokenizer lies here; expected {}", VOCABULARIES.join(", ")));
        return of_folder(path)?.ok_or_else(missing);
    }
    let about = About(path);
    let bytes = file::read(path, TOKENIZER_BYTES_MAX)?;
    if bytes.starts_with(&gguf::MAGIC) {
        let (vocabulary, facts) = GgufFile::open(path)?.vocabulary()?;
        let vocabulary = vocabulary.ok_or_else(|| about.damaged("this GGUF file holds no vocabulary"))?;
        return vocabulary.with(facts.or(others)).map_err(|source| about.tokenizer(source));
    }
    check_tokenizer_start(path, &bytes)?;
    let bytes = if json::begins_as_json(&bytes) { json::plain(&bytes) } else { bytes.as_slice().into() };
    match vocabulary(path, &bytes)? {
        Found::Whole(tokenizer) => Ok(tokenizer),
        Found::Vocabulary(vocabulary) => {
            let facts = facts(path.parent().unwrap_or(Path::new("")))?;
            vocabulary.with(facts.or(others)).map_err(|source| about.tokenizer(source))
        }
    }
}

enum Found {
    /// A file that says all of itself.
    Whole(Tokenizer),
    Vocabulary(Box<Vocabulary>),
}

impl From<Vocabulary> for Found {
    fn from(vocabulary: Vocabulary) -> Self {
        Self::Vocabulary(Box::new(vocabulary))
    }
}

fn vocabulary(path: &Path, bytes: &[u8]) -> Result<Found, ImportError> {
    let about = About(path);
    let refused = |source| about.tokenizer(source);
    let is_merges = path.extension().is_some_and(|extension| extension == "txt");
    match bytes.trim_ascii_start() {
        [b'{', ..] => json_vocabulary(path, bytes),
        [b'[', ..] => Err(refused(TokenizerError::OtherJson { found: "a list".into() })),
        // The first piece, in the words of a protocol buffer; a file of llama2.c has zeros here.
        _ if matches!(bytes, [0x0a, _, second, ..] if *second != 0) => {
            sentencepiece::parse(bytes).map(Found::from).map_err(refused)
        }
        _ if is_merges => {
            let path = path.with_file_name("vocab.json");
            vocabulary(&path, &file::read(&path, TOKENIZER_BYTES_MAX)?)
        }
        _ if path.extension().is_some_and(|extension| extension == "model") => {
            let reason = "it does not begin as one does".into();
            Err(refused(TokenizerError::SentencePiece { reason }))
        }
        _ => match recognise::text(&bytes[..bytes.len().min(recognise::START_BYTES)]) {
            Some(text) => Err(text.refuse(path, TOKENIZERS)),
            None => Tokenizer::parse(bytes).map(Found::Whole).map_err(refused),
        },
    }
}

fn json_vocabulary(path: &Path, bytes: &[u8]) -> Result<Found, ImportError> {
    let about = About(path);
    let refused = |source| about.tokenizer(source);
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| refused(TokenizerError::Json { reason: crate::text::plain(error) }))?;
    let fields = value.as_object().cloned().unwrap_or_default();
    if fields.contains_key("lpu_specials") {
        return Tokenizer::parse(bytes).map(Found::Whole).map_err(refused);
    }
    if fields.get("model").is_some_and(Value::is_object) {
        return read(bytes).map(|tokenizer| Vocabulary::from(tokenizer).into()).map_err(refused);
    }
    if fields.contains_key("config") && fields.contains_key("vocab") {
        return Err(tekken(path));
    }
    if fields.is_empty() || !fields.values().all(Value::is_u64) {
        let keys: Vec<&str> = fields.keys().take(6).map(String::as_str).collect();
        let found = format!("the fields {}", keys.join(", "));
        return Err(refused(TokenizerError::OtherJson { found }));
    }
    byte_level(path, fields).map(Found::from)
}

fn tekken(path: &Path) -> ImportError {
    let found = "a vocabulary of Mistral's own format (tekken)".into();
    About(path).tokenizer(TokenizerError::OtherJson { found })
}

/// A `vocab.json` with the `merges.txt` beside it.
fn byte_level(path: &Path, vocab: Map<String, Value>) -> Result<Vocabulary, ImportError> {
    let merges_path = path.with_file_name("merges.txt");
    let Some(merges) = file::read_if_present(&merges_path, TOKENIZER_BYTES_MAX)? else {
        return Err(
            About(path).damaged("this is a vocab.json; expected the merges.txt of its pairs beside it")
        );
    };
    let merges = text(&merges_path, merges)?;
    let merges = merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()).collect();
    let folder = path.parent().unwrap_or(Path::new(""));
    let (settings, config) = (optional(folder, "tokenizer_config.json")?, optional(folder, CONFIG)?);
    let rule = match class(&settings, &config) {
        "qwen2" | "qwen3" => "qwen2",
        _ => "gpt-2",
    };
    let added = added_tokens(folder, &settings, &vocab)?;
    let built = ByteLevel { vocab, merges, added, rule }.build();
    built.map_err(|source| About(path).tokenizer(source))
}

/// Pieces that are never cut: those that the settings list, and those that start and end a text.
fn added_tokens(
    folder: &Path,
    settings: &Value,
    vocab: &Map<String, Value>,
) -> Result<Vec<Value>, ImportError> {
    let mut found: BTreeMap<usize, (String, bool)> = BTreeMap::new();
    for (id, token) in settings["added_tokens_decoder"].as_object().into_iter().flatten() {
        if let (Ok(id), Some(text)) = (id.parse(), token["content"].as_str()) {
            found.insert(id, (text.into(), token["special"].as_bool().unwrap_or(false)));
        }
    }
    for (text, id) in optional(folder, "added_tokens.json")?.as_object().into_iter().flatten() {
        if let Some(id) = id.as_u64() {
            found.entry(id as usize).or_insert((text.clone(), true));
        }
    }
    let facts = facts(folder)?;
    let name_of =
        |id: u32| vocab.iter().find(|(_, other)| other.as_u64() == Some(id.into())).map(|(name, _)| name);
    let named = facts.special_tokens.iter().flat_map(BTreeMap::values);
    for text in facts.start.into_iter().chain(facts.ends.clone()).filter_map(name_of).chain(named) {
        if let Some(id) = vocab.get(text).and_then(Value::as_u64) {
            found.entry(id as usize).or_insert((text.clone(), true));
        }
    }
    Ok(found.into_iter().map(|(id, (text, special))| added(id, &text, special)).collect())
}

/// What the files of a folder say of its vocabulary.
///
/// # Errors
/// When one of them is damaged.
pub fn facts(folder: &Path) -> Result<Facts, ImportError> {
    let settings = optional(folder, "tokenizer_config.json")?;
    let map = optional(folder, "special_tokens_map.json")?;
    let (generation, config) = (optional(folder, "generation_config.json")?, optional(folder, CONFIG)?);
    let class = class(&settings, &config);
    let said = [&settings, &map, &config].iter().any(|file| file.is_object());
    let token = |key: &str| {
        // A key that is null says that there is none.
        let value = settings.get(key).or_else(|| map.get(key));
        let usual = || usual_tokens(class).iter().find(|(name, _)| *name == key).map(|(_, text)| *text);
        let text = match value {
            Some(value) => value.as_str().or_else(|| value["content"].as_str()),
            None => usual(),
        };
        text.map(|text| (key.to_owned(), text.to_owned()))
    };
    Ok(Facts {
        start: ids(&config["bos_token_id"]).first().copied(),
        ends: [&generation["eos_token_id"], &config["eos_token_id"]].map(ids).concat(),
        add_start: settings["add_bos_token"].as_bool(),
        chat_templates: chat_templates(folder, &settings)?,
        special_tokens: said.then(|| SPECIAL_TOKENS.iter().filter_map(|key| token(key)).collect()),
        special_ids: Vec::new(),
    })
}

/// The class of a tokenizer in the words of `model_type`.
fn class<'v>(settings: &'v Value, config: &'v Value) -> &'v str {
    let class = settings["tokenizer_class"].as_str().map(|class| class.trim_end_matches("Fast"));
    match class {
        Some("LlamaTokenizer" | "CodeLlamaTokenizer") => "llama",
        Some("GemmaTokenizer") => "gemma",
        Some("GPT2Tokenizer") => "gpt2",
        Some("GPTNeoXTokenizer") => "stablelm",
        Some("Qwen2Tokenizer") => "qwen2",
        Some(_) => "",
        None if settings.is_object() && settings.get("bos_token").is_some() => "",
        None => config["model_type"].as_str().unwrap_or(""),
    }
}

/// The tokens of a class in transformers where no file names others.
fn usual_tokens(class: &str) -> &'static [(&'static str, &'static str)] {
    const END: &str = "<|endoftext|>";
    match class {
        "llama" | "mistral" => &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")],
        "gemma" => {
            &[("bos_token", "<bos>"), ("eos_token", "<eos>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")]
        }
        "gpt2" | "gpt_neo" | "stablelm" => &[("bos_token", END), ("eos_token", END), ("unk_token", END)],
        "qwen2" | "qwen3" => &[("eos_token", END), ("pad_token", END), ("unk_token", END)],
        _ => &[],
    }
}

/// One id, or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// The templates of a folder by their names: files of their own go before the tokenizer's settings.
fn chat_templates(folder: &Path, settings: &Value) -> Result<BTreeMap<String, String>, ImportError> {
    let mut found = BTreeMap::new();
    match &settings["chat_template"] {
        Value::Array(all) => {
            let entry =
                |entry: &Value| Some((entry["name"].as_str()?.into(), entry["template"].as_str()?.into()));
            found.extend(all.iter().filter_map(entry));
        }
        Value::String(template) => _ = found.insert(DEFAULT_TEMPLATE.into(), template.clone()),
        _ => {}
    }
    let path = folder.join("chat_template.jinja");
    if let Some(bytes) = file::read_if_present(&path, JSON_BYTES_MAX)? {
        found = [(DEFAULT_TEMPLATE.into(), text(&path, bytes)?)].into();
    }
    let more = folder.join("additional_chat_templates");
    for entry in more.read_dir().into_iter().flatten() {
        let path = entry.map_err(|error| About(&more).io(error))?.path();
        if let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|kind| kind == "jinja"))
        {
            let bytes = file::read(&path, JSON_BYTES_MAX)?;
            found.insert(name.to_string_lossy().into_owned(), text(&path, bytes)?);
        }
    }
    if found.is_empty()
        && let Some(template) = optional(folder, "chat_template.json")?["chat_template"].as_str()
    {
        found.insert(DEFAULT_TEMPLATE.into(), template.into());
    }
    Ok(found)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ImportError> {
    let text =
        String::from_utf8(bytes).map_err(|_| About(path).damaged("this is not UTF-8; expected text"))?;
    Ok(text.strip_prefix('\u{feff}').map(Into::into).unwrap_or(text))
}

fn optional(folder: &Path, name: &str) -> Result<Value, ImportError> {
    json::read_if_present(&folder.join(name))
}
