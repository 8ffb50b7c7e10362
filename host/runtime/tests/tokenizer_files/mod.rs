//! Vocabularies in files of every kind, and what the files beside them say.

use super::{GOLDEN, lines, tokenizer};
use lpu_model::Tokenizer;
use lpu_runtime::chat::{Message, Template};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/goldens")
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

/// A small vocabulary of bytes with one pair, as `vocab.json` has it.
fn byte_vocab() -> Value {
    let pieces = ["<s>", "</s>", "<turn>", "a", "b", "c", "Ġ", "Ċ", "ab", "Ġa", "1", "2"];
    pieces
        .iter()
        .enumerate()
        .map(|(id, piece)| ((*piece).to_owned(), id.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

const MERGES: &str = "#version: 0.2\na b\nĠ a\n";

fn read(path: &Path) -> Tokenizer {
    lpu_model::read_tokenizer(path, 1 << 16).unwrap()
}

fn refusal(path: &Path) -> String {
    lpu_model::read_tokenizer(path, 1 << 16).unwrap_err().to_string()
}

#[test]
fn vocab_and_merges_are_a_tokenizer() {
    let folder = TempDir::new().unwrap();
    write(&folder, "config.json", json!({ "bos_token_id": 0, "eos_token_id": 1 }).to_string());
    let vocab = write(&folder, "vocab.json", byte_vocab().to_string());
    assert!(refusal(&vocab).contains("expected the merges.txt"), "{}", refusal(&vocab));
    let merges = write(&folder, "merges.txt", MERGES);
    for path in [vocab.as_path(), &merges, folder.path()] {
        let tokenizer = read(path);
        assert_eq!(tokenizer.encode_plain("ab ab\n<s>").unwrap(), [8, 6, 8, 7, 0]);
        assert_eq!(tokenizer.decode(&[8, 9, 4]), "ab ab");
        assert_eq!((tokenizer.bos(), tokenizer.ends()), (0, vec![1]));
    }
}

#[test]
fn a_sentencepiece_model_gives_the_ids_of_sentencepiece() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(goldens().join("sentencepiece/golden.json")).unwrap()).unwrap();
    let lines = lines();
    let count = golden["lines"].as_u64().unwrap() as usize;
    for (name, expected) in golden["hashes"].as_object().unwrap() {
        let tokenizer = read(&goldens().join(format!("sentencepiece/{name}.model")));
        let mut hash = Sha256::new();
        for line in &lines[..count] {
            let ids = tokenizer.encode_plain(line).unwrap();
            hash.update((ids.len() as u32).to_le_bytes());
            ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
            if name != "normalised" {
                assert_eq!(&tokenizer.decode(&ids), line, "{name}");
            }
        }
        let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected.as_str().unwrap(), "{name}");
    }
    assert!(GOLDEN["hashes"].is_object());
}

#[test]
fn what_is_no_tokenizer_is_named_with_the_way_to_convert_it() {
    let folder = TempDir::new().unwrap();
    let own = write(&folder, "own.json", r#"{"vocab": ["a"], "merges": []}"#);
    let tekken = write(&folder, "tekken.json", r#"{"config": {}, "vocab": []}"#);
    let tiktoken = write(&folder, "tokenizer.model", "IQ== 0\nIg== 1\n");
    for (path, expected) in [
        (&own, "it has the fields merges, vocab; expected a tokenizer.json"),
        (&tekken, "Mistral's own format (tekken)"),
        (&tiktoken, "no tokenizer.model that can be read"),
    ] {
        let refusal = refusal(path);
        assert!(refusal.contains(expected) && refusal.contains("To convert, run: python3"), "{refusal}");
        assert!(!refusal.contains("etch it again"), "{refusal}");
    }
}

/// The file of a GGUF golden with a text in it written otherwise, in as many bytes.
fn patched(name: &str, old: &[u8], new: &[u8]) -> (TempDir, PathBuf) {
    assert_eq!(old.len(), new.len());
    let mut file = std::fs::read(goldens().join("tokens").join(name)).unwrap();
    let at = file.windows(old.len()).position(|bytes| bytes == old).expect("the text is in the file");
    file[at..at + old.len()].copy_from_slice(new);
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "model.gguf", file);
    (folder, path)
}

#[test]
fn a_named_tokenizer_replaces_the_vocabulary_of_a_gguf_file() {
    let other = goldens().join("tokens/hugging_face/tokenizer.json");
    let key = b"tokenizer.ggml.pre";
    let rule = [key.as_slice(), &[8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0], b"qwen2"].concat();
    let unknown = [&rule[..rule.len() - 5], b"qwenX"].concat();
    let (_folder, path) = patched("qwen2.gguf", &rule, &unknown);
    let refusal = lpu_model::load(&path).unwrap_err().to_string();
    assert!(refusal.contains(r#"the rule "qwenX""#) && refusal.contains("--tokenizer"), "{refusal}");
    let (_, tokenizer) = lpu_model::load_with_tokenizer(&path, &other).unwrap();
    assert_eq!(tokenizer.encode_plain("Once").unwrap(), read(&other).encode_plain("Once").unwrap());
    // What starts and ends a text the model's file still says.
    let own = self::tokenizer("qwen2.gguf");
    assert!(own.ends().iter().all(|id| tokenizer.is_end(*id)));

    let kind = [b"tokenizer.ggml.model".as_slice(), &[8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0], b"gpt2"].concat();
    let none = [&kind[..kind.len() - 4], b"none"].concat();
    let (_folder, path) = patched("qwen2.gguf", &kind, &none);
    assert!(lpu_model::load(&path).unwrap().1.is_none());
    assert!(lpu_model::load_with_tokenizer(&path, &other).is_ok());
}

#[test]
fn equal_scores_merge_the_leftmost_pair() {
    let mut file = std::fs::read(goldens().join("tokens/sentencepiece.gguf")).unwrap();
    let key = b"tokenizer.ggml.scores";
    let at = file.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len() + 8;
    let count = u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    file[at + 8..at + 8 + 4 * count].fill(0);
    let folder = TempDir::new().unwrap();
    let tokenizer = lpu_model::load(write(&folder, "model.gguf", file)).unwrap().1.unwrap();
    for line in lines().iter().step_by(200) {
        assert_eq!(tokenizer.encode_plain(line).unwrap(), leftmost(&tokenizer, line), "{line}");
    }
}

/// The leftmost pair that is a piece is merged until none is: what equal scores mean.
fn leftmost(tokenizer: &Tokenizer, line: &str) -> Vec<u32> {
    let is_text = |id: &u32| !tokenizer.decode_piece(None, *id).is_empty();
    let id = |text: &str| tokenizer.id_of(text).filter(is_text);
    let text =
        if line.is_empty() { String::new() } else { format!("\u{2581}{}", line.replace(' ', "\u{2581}")) };
    let mut symbols: Vec<String> = text.chars().map(String::from).collect();
    while let Some(at) = symbols.windows(2).position(|pair| id(&pair.concat()).is_some()) {
        let right = symbols.remove(at + 1);
        symbols[at].push_str(&right);
    }
    let bytes =
        |symbol: &String| symbol.bytes().map(|byte| id(&format!("<0x{byte:02X}>")).unwrap()).collect();
    symbols.iter().flat_map(|symbol| id(symbol).map_or_else(|| bytes(symbol), |id| vec![id])).collect()
}

/// A folder with a vocabulary and these files beside it.
fn folder_with(files: &[(&str, String)]) -> (TempDir, Tokenizer) {
    let folder = TempDir::new().unwrap();
    write(&folder, "vocab.json", byte_vocab().to_string());
    write(&folder, "merges.txt", MERGES);
    for (name, content) in files {
        write(&folder, name, content);
    }
    let tokenizer = read(folder.path());
    (folder, tokenizer)
}

fn rendered(tokenizer: &Tokenizer) -> String {
    Template::for_tokenizer(tokenizer).render(&[Message::new("user", "a")]).unwrap()
}

#[test]
fn templates_are_found_where_transformers_finds_them() {
    let settings = |template: Value| {
        json!({ "bos_token": "<s>", "eos_token": { "content": "</s>" }, "chat_template": template })
            .to_string()
    };
    let own = ("tokenizer_config.json", settings("settings".into()));
    let file = ("chat_template.jinja", "\u{feff}{% if true %}\r\nfile\r\n{% endif %}\r\n".to_owned());
    let json = ("chat_template.json", json!({ "chat_template": "processor" }).to_string());
    let bare = ("tokenizer_config.json", json!({ "bos_token": "<s>", "eos_token": "</s>" }).to_string());
    assert_eq!(rendered(&folder_with(&[own.clone(), json.clone()]).1), "settings");
    assert_eq!(rendered(&folder_with(&[own, file.clone(), json.clone()]).1), "file\n");
    assert_eq!(rendered(&folder_with(&[bare, json]).1), "processor");
    let several =
        json!([{ "name": "tool_use", "template": "tools" }, { "name": "default", "template": "usual" }]);
    let several = ("tokenizer_config.json", settings(several));
    assert_eq!(rendered(&folder_with(&[several]).1), "usual");
    let more = ("additional_chat_templates/rag.jinja", "rag".to_owned());
    let (_folder, tokenizer) = folder_with(&[file, more]);
    assert_eq!(rendered(&tokenizer), "file\n");
    assert_eq!(Template::named(&tokenizer, "rag").unwrap().render(&[]).unwrap(), "rag");
    let without = json!([{ "name": "rag", "template": "rag" }]);
    let (_folder, tokenizer) = folder_with(&[("tokenizer_config.json", settings(without))]);
    let refusal = Template::for_tokenizer(&tokenizer).render(&[]).unwrap_err().to_string();
    assert!(refusal.contains("none of them is its default") && refusal.contains("rag"), "{refusal}");
}

#[test]
fn a_token_that_is_null_is_undefined_in_a_template() {
    let shown = "{{ bos_token is defined }}[{{ bos_token }}]{{ eos_token }}";
    let shows = |bos: Value| {
        let settings = json!({ "bos_token": bos, "eos_token": "</s>", "chat_template": shown }).to_string();
        let config = json!({ "model_type": "llama", "bos_token_id": 0, "eos_token_id": 1 }).to_string();
        rendered(&folder_with(&[("tokenizer_config.json", settings), ("config.json", config)]).1)
    };
    assert_eq!(shows("<s>".into()), "True[<s>]</s>");
    assert_eq!(shows(Value::Null), "False[]</s>");
    // Without settings a class of transformers has its usual tokens.
    let config = ("config.json", json!({ "model_type": "llama", "bos_token_id": 0 }).to_string());
    let template = ("chat_template.jinja", shown.to_owned());
    assert_eq!(rendered(&folder_with(&[config, template]).1), "True[<s>]</s>");
}

#[test]
fn a_turn_ends_where_tokenizer_generation_and_template_say() {
    let settings = json!({ "bos_token": "<s>", "eos_token": "</s>" }).to_string();
    let generation = json!({ "eos_token_id": [3, 1, 99] }).to_string();
    let template = "{% for m in messages %}{{ m.content }}<turn>\n{% endfor %}".to_owned();
    let (_folder, tokenizer) = folder_with(&[
        ("tokenizer_config.json", settings),
        ("generation_config.json", generation),
        ("chat_template.jinja", template),
    ]);
    assert_eq!(tokenizer.ends(), [3, 1]);
    let chatting = Template::for_tokenizer(&tokenizer).with_turn_end(tokenizer);
    assert_eq!(chatting.ends(), [3, 1, 2]);
}

/// Converters write the end of a turn as a piece of any kind.
#[test]
fn an_end_in_gguf_ends_whatever_kind_it_is() {
    let own = tokenizer("qwen2.gguf");
    let end = own.id_of("<|im_end|>").unwrap();
    let mut file = std::fs::read(goldens().join("tokens/qwen2.gguf")).unwrap();
    let key = b"tokenizer.ggml.token_type";
    let at = file.windows(key.len()).position(|bytes| bytes == key).unwrap() + key.len() + 16;
    for kind in [1u8, 3, 4] {
        file[at + 4 * end as usize] = kind;
        let folder = TempDir::new().unwrap();
        let tokenizer = lpu_model::load(write(&folder, "model.gguf", &file)).unwrap().1.unwrap();
        assert!(tokenizer.is_end(end), "kind {kind}");
        assert_eq!(tokenizer.encode_plain("<|im_end|>").unwrap(), [end], "kind {kind}");
    }
}
