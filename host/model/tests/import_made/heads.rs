//! A classifier of its own, one that is the embedding, and files that contradict themselves.

use super::*;

/// The tensors with the embedding's values as the classifier.
fn with_equal_head(mut tensors: Vec<Tensor>, embedding: &str, head: &str) -> Vec<Tensor> {
    let bytes = tensors.iter().find(|tensor| tensor.name == embedding).unwrap().bytes.clone();
    tensors.iter_mut().find(|tensor| tensor.name == head).unwrap().bytes = bytes;
    tensors
}

#[test]
fn the_files_own_head_is_used_and_told_under_a_tied_flag() {
    let tensors = hugging_face_tensors(&llama());
    let folder = hugging_face(&config(json!({"tie_word_embeddings": true})), &tensors);
    let found = load(folder.path()).unwrap();
    let expected = format!(
        "{}: tie_word_embeddings says that lm_head.weight is the embedding, but the file has another one: \
         the file's own is used",
        folder.path().display()
    );
    assert_eq!(found.warnings, [expected]);
    assert_eq!(Model { warnings: Vec::new(), ..found }, llama());
}

#[test]
fn an_equal_head_is_stored_once_whatever_the_file_says() {
    let expected = Model { classifier: None, ..llama() };
    let tensors =
        with_equal_head(hugging_face_tensors(&llama()), "model.embed_tokens.weight", "lm_head.weight");
    for tied in [true, false] {
        let folder = hugging_face(&config(json!({"tie_word_embeddings": tied})), &tensors);
        assert_eq!(load(folder.path()).unwrap(), expected);
    }
    let tensors = with_equal_head(gguf_tensors(&gguf_llama()), "token_embd.weight", "output.weight");
    let folder = folder(&[("model.gguf", &gguf(&facts(), &tensors))]);
    let found = load(&folder.path().join("model.gguf")).unwrap();
    assert_eq!(found, Model { classifier: None, ..gguf_llama() });
    let mut model = gguf_llama();
    model.classifier = Some(model.embedding.clone());
    let file = lpu_model::llama2c::to_bytes(&model).unwrap();
    assert_eq!(lpu_model::llama2c::parse(&file).unwrap(), Model { classifier: None, ..gguf_llama() });
}

#[test]
fn a_model_without_the_head_that_it_should_have_is_refused() {
    let tensors = hugging_face_tensors(&Model { classifier: None, ..llama() });
    let folder = hugging_face(&config(json!({})), &tensors);
    let found = refusal(folder.path());
    assert!(
        found.contains("the tensor lm_head.weight is missing, and tie_word_embeddings does not say"),
        "{found}"
    );
    let folder = hugging_face(&config(json!({"tie_word_embeddings": true})), &tensors);
    assert_eq!(load(folder.path()).unwrap(), Model { classifier: None, ..llama() });
}
