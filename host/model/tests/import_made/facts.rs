//! No fact of a file is passed over: it is used, without effect, refused, or told.

use super::*;
use lpu_model::{Rope, RopeScaling};

fn with(changes: Value) -> (TempDir, Result<Model, String>) {
    let folder = hugging_face(&config(changes), &hugging_face_tensors(&llama()));
    let found = load(folder.path()).map_err(|error| {
        assert_plain(&error.to_string());
        error.to_string()
    });
    (folder, found)
}

fn windows(changes: Value) -> Vec<Option<usize>> {
    with(changes).1.unwrap().config.windows
}

#[test]
fn what_is_off_is_off_in_configurations() {
    let expected = llama();
    for changes in [
        json!({"model_type": "mistral", "sliding_window": 0}),
        json!({"model_type": "mistral", "sliding_window": null}),
        json!({"model_type": "mistral", "sliding_window": -1}),
        json!({"model_type": "mistral", "sliding_window": 32}),
        json!({"model_type": "mistral"}),
        json!({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 0, "max_window_layers": 0}),
        json!({"model_type": "qwen2", "use_sliding_window": false, "sliding_window": 4, "max_window_layers": 0}),
        json!({"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 2}),
        json!({"rope_scaling": null, "rope_parameters": null}),
        json!({"rope_scaling": {"type": "default", "factor": 1.0}}),
        json!({"sliding_window": null, "num_experts": 0, "attn_logit_softcapping": null, "logit_scale": 1.0}),
        json!({"pretraining_tp": 1, "rope_interleaved": false, "pruned_heads": {}, "use_cache": false}),
    ] {
        let found = with(changes.clone()).1.unwrap();
        let same = Model { warnings: Vec::new(), ..found };
        assert_eq!(same, expected, "{changes}");
    }
}

#[test]
fn layers_have_the_windows_that_lists_and_numbers_say() {
    let each = |kinds: [&str; 2]| json!({"layer_types": kinds});
    let (full, slides) = ("full_attention", "sliding_attention");
    let qwen = |more: Value| {
        let mut all = json!({"model_type": "qwen3", "use_sliding_window": true, "sliding_window": 8});
        merge(&mut all, more);
        all
    };
    let no_head_norms = |mut changes: Value| {
        merge(&mut changes, json!({"model_type": "qwen2"}));
        windows(changes)
    };
    assert_eq!(no_head_norms(qwen(each([full, slides]))), [None, Some(8)]);
    assert_eq!(no_head_norms(qwen(json!({"max_window_layers": 1}))), [None, Some(8)]);
    assert_eq!(no_head_norms(qwen(json!({"max_window_layers": 0}))), [Some(8), Some(8)]);
    assert_eq!(no_head_norms(qwen(json!({}))), [], "the usual first layer with a window is the 28th");
    let llama = json!({"sliding_window": 8, "layer_types": [slides, full]});
    assert_eq!(windows(llama), [Some(8), None]);
    assert_eq!(windows(json!({"model_type": "mistral", "sliding_window": 8})), [Some(8), Some(8)]);
    let (_folder, error) = with(json!({"layer_types": [full, "linear_attention"]}));
    assert!(
        error.unwrap_err().contains("layer_types is [\"full_attention\",\"linear_attention\"]; expected")
    );
    let (_folder, error) = with(json!({"layer_types": [full]}));
    assert!(error.unwrap_err().contains("for each of 2 layers"));
}

#[test]
fn keys_that_could_change_results_are_refused_by_name() {
    for (changes, expected) in [
        (json!({"sliding_window": 8}), "sliding_window: 8 in this architecture is not supported"),
        (json!({"num_experts": 4}), "num_experts: 4 is not supported"),
        (
            json!({"final_logit_softcapping": 30.0}),
            "final_logit_softcapping: 30.0 is not supported; expected it off",
        ),
        (json!({"x_norm_scale": 2}), "x_norm_scale: 2 is not supported"),
        (json!({"residual_multiplier": 0.22}), "residual_multiplier: 0.22 is not supported; expected 1"),
        (json!({"rope_scaling": {"factor": 4.0}}), "rope_scaling.factor: 4.0 is not supported; expected 1"),
        (
            json!({"rope_scaling": {"type": "linear", "factor": 4.0, "mrope_section": [1, 1]}}),
            "rope_scaling.mrope_section: [1,1] is not supported",
        ),
        (
            json!({"rope_parameters": {"rope_theta": 5000.0, "rope_type": "default"}}),
            "rope_theta: 10000 beside another rope_theta: 5000 of the rotary embedding is not supported",
        ),
        (
            json!({"rope_parameters": {"rope_type": "default"}, "rope_scaling": {"type": "linear", "factor": 2}}),
            "rope_parameters beside another rope_scaling",
        ),
        (
            json!({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2}}}),
            "rope_parameters.full_attention: {\"factor\":2,\"rope_type\":\"linear\"} is not supported",
        ),
        (json!({"rms_norm_eps": "NaN"}), "rms_norm_eps is \"NaN\"; expected a number"),
    ] {
        let error = with(changes).1.unwrap_err();
        assert!(error.contains(expected), "expected {expected:?} in {error:?}");
    }
}

#[test]
fn unknown_keys_are_told_once() {
    let (folder, found) = with(json!({"my_note": "x", "colour": 3, "use_new_norm": false}));
    let file = folder.path().join("config.json");
    let expected =
        format!("{}: the keys colour, my_note, use_new_norm are unknown and not used", file.display());
    assert_eq!(found.unwrap().warnings, [expected]);
    let (_folder, path) = gguf_with(&[("llama.colour", Fact::U32(3)), ("other.thing", Fact::Text("x"))]);
    let expected = format!("{}: the keys llama.colour, other.thing are unknown and not used", path.display());
    assert_eq!(load(&path).unwrap().warnings, [expected]);
}

#[test]
fn what_python_and_other_editors_write_is_read() {
    let json = config(json!({})).to_string();
    let odd =
        json.replacen('{', "{\"temperature\": Infinity, \"length_penalty\": -Infinity, \"top_p\": NaN, ", 1);
    let weights = safetensors(&hugging_face_tensors(&llama()));
    let utf16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(odd.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for bytes in [format!("\u{feff}{odd}").into_bytes(), utf16] {
        let folder = folder(&[("config.json", &bytes), ("model.safetensors", &weights)]);
        assert_eq!(load(folder.path()).unwrap(), llama());
    }
}

fn scaled(more: &[(&'static str, Fact)]) -> RopeScaling {
    let (_folder, path) = gguf_with(more);
    let Rope { scaling, .. } = load(&path).unwrap().config.rope.unwrap();
    scaling
}

#[test]
fn every_way_to_say_a_linear_rotary_scaling_is_one() {
    let (kind, factor, old) =
        ("llama.rope.scaling.type", "llama.rope.scaling.factor", "llama.rope.scale_linear");
    let four = RopeScaling::Linear { factor: 4.0 };
    assert_eq!(scaled(&[(kind, Fact::Text("linear")), (factor, Fact::F32(4.0))]), four);
    assert_eq!(scaled(&[(factor, Fact::F32(4.0))]), four);
    assert_eq!(scaled(&[(factor, Fact::U32(4))]), four);
    assert_eq!(scaled(&[(old, Fact::F32(4.0))]), four);
    assert_eq!(scaled(&[(old, Fact::F32(2.0)), (factor, Fact::F32(4.0))]), four);
    assert_eq!(scaled(&[(old, Fact::F32(4.0)), (factor, Fact::F32(0.0))]), four);
    assert_eq!(scaled(&[(kind, Fact::Text("none")), (factor, Fact::F32(4.0))]), RopeScaling::None);
    assert_eq!(scaled(&[(factor, Fact::F32(0.0))]), RopeScaling::None);
}

#[test]
fn facts_of_gguf_files_are_used_off_or_refused() {
    for (name, fact) in [
        ("llama.expert_count", Fact::U32(0)),
        ("llama.expert_used_count", Fact::U32(0)),
        ("llama.attention.sliding_window", Fact::U32(0)),
        ("llama.attention.sliding_window", Fact::U32s(vec![0, 0])),
        ("llama.attention.sliding_window", Fact::U32(32)),
        ("llama.attention.scale", Fact::F32(0.0)),
        ("llama.attention.causal", Fact::Flag(true)),
        ("llama.attention.value_length", Fact::U32(4)),
        ("llama.vocab_size", Fact::U32(300)),
        ("llama.use_parallel_residual", Fact::Flag(true)),
        ("llama.logit_scale", Fact::F32(1.0)),
        ("general.file_type", Fact::U32(1)),
        ("general.type", Fact::Text("model")),
    ] {
        let (_folder, path) = gguf_with(&[(name, fact)]);
        assert_eq!(load(&path).unwrap(), gguf_llama(), "{name}");
    }
    for (name, fact, expected) in [
        ("llama.expert_count", Fact::U32(8), "a mixture of 8 experts is not supported"),
        ("llama.attention.causal", Fact::Flag(false), "llama.attention.causal: false is not supported"),
        (
            "llama.attn_logit_softcapping",
            Fact::F32(50.0),
            "llama.attn_logit_softcapping: 50 is not supported",
        ),
        (
            "llama.attention.value_length",
            Fact::U32(8),
            "attention.value_length other than the length of keys",
        ),
        ("llama.rope.scaling.type", Fact::Text("ntk"), "the rotary scaling \"ntk\" is not supported"),
        ("llama.rope.scaling.yarn_ext_factor", Fact::F32(0.5), "yarn_ext_factor: 0.5 is not supported"),
        ("llama.rope.dimension_sections", Fact::U32s(vec![1, 1]), "rope.dimension_sections: [1,1] is not"),
        ("llama.context_length2", Fact::Text(""), "it was accepted"),
        ("general.type", Fact::Text("adapter"), "a LoRA adapter is not supported; expected a whole model"),
        ("general.type", Fact::Text("mmproj"), "general.type \"mmproj\" is not supported"),
        ("llama.rope.freq_base", Fact::Text("x"), "llama.rope.freq_base is \"x\"; expected a number"),
    ] {
        let (_folder, path) = gguf_with(&[(name, fact)]);
        let found = match load(&path) {
            Ok(_) => "it was accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_plain(&found);
        assert!(found.contains(expected), "expected {expected:?} in {found:?}");
    }
}

#[test]
fn a_gguf_file_says_which_layers_have_a_window() {
    let window = ("llama.attention.sliding_window", Fact::U32(8));
    let pattern = |flags: [bool; 2]| ("llama.attention.sliding_window_pattern", Fact::Flags(flags.into()));
    let windows = |more: &[(&'static str, Fact)]| {
        let (_folder, path) = gguf_with(more);
        load(&path).unwrap().config.windows
    };
    assert_eq!(windows(std::slice::from_ref(&window)), [Some(8), Some(8)]);
    assert_eq!(windows(&[window.clone(), pattern([true, false])]), [Some(8), None]);
    let period = ("llama.attention.sliding_window_pattern", Fact::U32(2));
    assert_eq!(windows(&[window.clone(), period]), [Some(8), None]);
    assert_eq!(windows(&[window, pattern([false, false])]), []);
    assert_eq!(windows(&[pattern([true, true])]), []);
}

#[test]
fn nothing_of_the_goldens_is_unknown() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let mut seen = 0;
    for entry in goldens.read_dir().unwrap() {
        let case = entry.unwrap().path();
        let file =
            ["model.gguf", "config.json"].map(|name| case.join(name)).into_iter().find(|file| file.exists());
        let Some(file) = file else { continue };
        let path = if file.ends_with("config.json") { &case } else { &file };
        assert_eq!(lpu_model::load_model(path).unwrap().warnings, Vec::<String>::new(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 15, "{seen}");
}
