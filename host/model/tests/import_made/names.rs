//! Tensors under the names that wrappers give them, and buffers that no result depends on.

use super::*;

fn renamed(rename: impl Fn(&str) -> String) -> Vec<Tensor> {
    let tensors = hugging_face_tensors(&llama()).into_iter();
    tensors.map(|tensor| Tensor { name: rename(&tensor.name), ..tensor }).collect()
}

#[test]
fn wrappers_change_names_and_not_models() {
    let without_model = |name: &str| name.strip_prefix("model.").unwrap_or(name).to_owned();
    let names: [&dyn Fn(&str) -> String; 10] = [
        &|name| name.to_owned(),
        &without_model,
        &|name| format!("_orig_mod.{name}"),
        &|name| format!("module.{name}"),
        &|name| format!("module._orig_mod.{name}"),
        &|name| format!("language_model.{name}"),
        &|name| format!("model.language_model.{}", without_model(name)),
        &|name| format!("transformer.{}", without_model(name)),
        &|name| {
            name.replace(".mlp.", "._orig_mod.mlp.").replace("layers.0.", "layers.0._fsdp_wrapped_module.")
        },
        &|name| name.replacen("model.", "model.module.", 1),
    ];
    for (index, rename) in names.iter().enumerate() {
        let folder = hugging_face(&config(json!({})), &renamed(rename));
        assert_eq!(load(folder.path()).unwrap(), llama(), "the names of number {index}");
    }
}

#[test]
fn buffers_are_passed_over() {
    let buffer = |name: &str, kind, length: usize, bytes: usize| Tensor {
        kind,
        bytes: vec![0; length * bytes],
        ..Tensor::new(name, &[length], &[])
    };
    let mut tensors = hugging_face_tensors(&llama());
    tensors.extend([
        buffer("model.layers.0.self_attn.position_ids", Dtype::I64, 32, 8),
        buffer("model.layers.1.self_attn.rotary_emb.inv_freq", Dtype::F32, 2, 4),
        buffer("model.rotary_emb.inv_freq", Dtype::F16, 2, 2),
        buffer("model.layers.0.self_attn.some_mask", Dtype::BOOL, 9, 1),
        buffer("model.causal_mask", Dtype::U8, 9, 1),
        buffer("model.steps_so_far", Dtype::I64, 1, 8),
    ]);
    let folder = hugging_face(&config(json!({})), &tensors);
    assert_eq!(load(folder.path()).unwrap(), llama());
    tensors.push(buffer("model.layers.0.mlp.up_proj.qzeros", Dtype::I32, 4, 4));
    let folder = hugging_face(&config(json!({})), &tensors);
    assert!(refusal(folder.path()).contains("the tensor model.layers.0.mlp.up_proj.qzeros is not supported"));
}

#[test]
fn what_is_wrong_with_names_is_told_in_the_files_words() {
    let mut tensors = renamed(|name| format!("module.{name}"));
    tensors.push(Tensor::new("model.norm.weight", &[16], &[1.0; 16]));
    let folder = hugging_face(&config(json!({})), &tensors);
    let found = refusal(folder.path());
    assert!(found.contains("module.model.norm.weight") && found.contains("are two of one name"), "{found}");
    let tensors: Vec<Tensor> = hugging_face_tensors(&llama())
        .into_iter()
        .filter(|tensor| !tensor.name.contains("layers.1.mlp.up"))
        .collect();
    let folder = hugging_face(&config(json!({})), &tensors);
    let expected = "the tensor model.layers.1.mlp.up_proj.weight is missing; expected one of shape [44, 16]";
    assert!(refusal(folder.path()).ends_with(expected));
    let adapter =
        [Tensor::new("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", &[2, 16], &[0.0; 32])];
    let folder = hugging_face(&config(json!({})), &adapter);
    assert!(refusal(folder.path()).contains("a LoRA adapter (tensor base_model.model."));
}
