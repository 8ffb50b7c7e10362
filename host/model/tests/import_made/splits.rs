//! GGUF models in several files.

use super::*;

const PARTS: u16 = 3;

/// The parts of [`gguf_llama`]; the facts stand in the first.
fn parts() -> Vec<(String, Vec<u8>)> {
    let tensors = gguf_tensors(&gguf_llama());
    let size = tensors.len().div_ceil(usize::from(PARTS));
    let chunks = tensors.chunks(size).enumerate().map(|(number, tensors_of_part)| {
        let split = [
            ("split.no", Fact::U16(number as u16)),
            ("split.count", Fact::U16(PARTS)),
            ("split.tensors.count", Fact::U32(tensors.len() as u32)),
        ];
        let facts = if number == 0 { [facts(), split.into()].concat() } else { split.into() };
        (format!("model-{:05}-of-{PARTS:05}.gguf", number + 1), gguf(&facts, tensors_of_part))
    });
    chunks.collect()
}

fn written(parts: &[(String, Vec<u8>)]) -> TempDir {
    let files: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    folder(&files)
}

#[test]
fn parts_beside_each_other_are_one_model() {
    let parts = parts();
    let folder = written(&parts);
    for (name, _) in &parts {
        assert_eq!(load(&folder.path().join(name)).unwrap(), gguf_llama(), "{name}");
    }
    assert_eq!(load(folder.path()).unwrap(), gguf_llama(), "the folder");
}

#[test]
fn missing_and_mixed_parts_are_named() {
    let parts = parts();
    let folder = written(&parts[..1]);
    let found = refusal(&folder.path().join(&parts[0].0));
    let expected = "this is part 1 of 3 of a model; expected model-00002-of-00003.gguf, model-00003-of-00003.gguf beside it";
    assert!(found.contains(expected), "{found}");
    let folder = written(&parts[1..]);
    assert!(refusal(folder.path()).contains("expected model-00001-of-00003.gguf beside it"));

    let mut twice = parts.clone();
    twice[2].1 = twice[1].1.clone();
    let found = refusal(written(&twice).path());
    assert!(
        found.contains("split.no is 1 and split.count is 3; expected 2 and 3, as its name says"),
        "{found}"
    );

    let renamed = [("first.gguf".to_owned(), parts[0].1.clone())];
    let found = refusal(written(&renamed).path());
    assert!(found.contains("this is one of 3 parts of a model; expected it under its name"), "{found}");
}
