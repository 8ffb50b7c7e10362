//! The golden prompts of stories260K through the `lpu` command: prompt ids are those of fp32, every position takes the predicted
//! cycles, and the chip begins each story as fp32 does.

use crate::cli_fixture::Fixture;
use crate::shared;
use serde_json::Value;

/// Cycles of a token, mean of the first 256 positions: what the project promises.
const CYCLES_MEAN_MAX: f64 = 4_000.0;
/// fp32's choices are safe to expect where its best logit leads by this much.
const MARGIN_SAFE: f64 = 0.5;

fn ids(list: &Value) -> Vec<u64> {
    list.as_array().expect("a list").iter().map(|id| id.as_u64().expect("an id")).collect()
}

#[test]
fn golden_prompts_take_the_predicted_cycles() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let fixture = Fixture::new();
    let golden = std::fs::read(folder.join("golden.json")).expect("readable");
    let golden: Value = serde_json::from_slice(&golden).expect("JSON");
    let checkpoint = folder.join("stories260K.bin").display().to_string();
    fixture.ok(&["compile", &checkpoint, "-o", "stories.lpu"]);
    let inspected = fixture.json(&["inspect", "stories.lpu", "--json"]);
    let context = inspected["context"].as_u64().expect("a number") as usize;
    for case in golden["cases"].as_array().expect("cases") {
        let prompt = case["prompt"].as_str().expect("a text");
        let run = fixture.json(&[
            "run",
            "stories.lpu",
            "--prompt",
            prompt,
            "--tokens",
            "256",
            "--ignore-eos",
            "--json",
        ]);
        assert_eq!(ids(&run["prompt_tokens"]), ids(&case["prompt_tokens"]), "{prompt:?}");
        let steps = run["steps"].as_array().expect("steps");
        let wanted = ids(&case["prompt_tokens"]).len() - 1 + 256;
        assert_eq!(steps.len(), wanted.min(context), "{prompt:?}");
        for step in steps {
            assert_eq!(step["predicted"], step["measured"], "{prompt:?}: {step}");
        }
        let margins = case["margins"].as_array().expect("margins");
        let safe = margins.iter().take_while(|margin| margin.as_f64() > Some(MARGIN_SAFE)).count();
        let made = ids(&run["tokens"]);
        let safe = safe.min(made.len());
        assert_eq!(made[..safe], ids(&case["tokens"])[..safe], "{prompt:?}");
    }
    let whole = fixture.json(&["run", "stories.lpu", "--tokens", "10000", "--ignore-eos", "--json"]);
    let last = whole["steps"].as_array().expect("steps").last().expect("a step");
    assert_eq!(last["position"], context - 1);
    assert_eq!(last["predicted"], last["measured"]);
}

#[test]
fn stories260k_keeps_its_promises_on_the_large_chip() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let fixture = Fixture::new();
    let checkpoint = folder.join("stories260K.bin").display().to_string();
    let bench = fixture.json(&["bench", &checkpoint, "--json"]);
    assert_eq!(bench["tokens"], 256, "the context is shorter than 256");
    assert!(bench["cycles_mean"].as_f64() <= Some(CYCLES_MEAN_MAX), "{bench}");
    let text = folder.join("eval.txt").display().to_string();
    let eval = fixture.json(&["eval", &checkpoint, "--text", &text, "--json"]);
    let number = |key: &str| eval[key].as_f64().expect("a number");
    assert_eq!(eval["tokens"], 8_347);
    assert!((number("ppl_fp32") - 4.077_448).abs() < 1e-3, "{eval}");
    assert!((number("ppl_lpu") / number("ppl_fp32") - 1.0).abs() <= 0.002, "{eval}");
    assert!(number("top1") >= 0.985, "{eval}");
}
