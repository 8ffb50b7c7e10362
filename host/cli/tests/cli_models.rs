//! Models of all formats at the command line: `fit`, `chat`, `run` with its choices, and virtual chips.

mod cli_fixture;

use assert_cmd::Command;
use cli_fixture::Fixture;
use std::path::Path;

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/goldens").join(name).display().to_string()
}

#[test]
fn fit_predicts_what_bench_measures() {
    let fixture = Fixture::new();
    let fit = fixture.json(&["fit", "model.bin", "--json"]);
    assert_eq!(
        (&fit["fits"], &fit["context"], &fit["context_of_model"]),
        (&true.into(), &32.into(), &32.into())
    );
    assert_eq!(fit["short"], serde_json::json!([]));
    let bench = fixture.json(&["bench", "model.bin", "--json"]);
    assert_eq!(fit["cycles_mean"], bench["cycles_mean"]);
    let text = fixture.ok(&["fit", "model.bin", "--geometry", "nano"]);
    assert!(text.starts_with("model  "), "{text}");
    assert!(
        text.contains("fits nano\n") && text.contains("cycles/token: ") && text.contains(", predicted\n"),
        "{text}"
    );
}

/// What the import left aside is told on standard error, and in reports.
#[test]
fn warnings_of_the_import_are_told() {
    let fixture = Fixture::new();
    for name in ["config.json", "model.safetensors"] {
        fixture.write(name, &std::fs::read(Path::new(&golden("smollm")).join(name)).unwrap());
    }
    let config = String::from_utf8(fixture.read("config.json")).unwrap();
    fixture.write("config.json", config.replacen('{', "{ \"colour\": 3,", 1).as_bytes());
    let fit = fixture.lpu(&["fit", ".", "--json"]);
    let expected = "./config.json: the key colour is unknown and not used";
    assert_eq!((fit.code, fit.err), (0, format!("warning: {expected}\n")));
    let report: serde_json::Value = serde_json::from_str(&fit.out).unwrap();
    assert_eq!(report["warnings"], serde_json::json!([expected]));
}

#[test]
fn fit_names_what_is_short() {
    let fixture = Fixture::new();
    let config = lpu_model::Config {
        dim: 64,
        heads: 16,
        kv_heads: 8,
        hidden_dim: 2048,
        layers: 8,
        ..lpu_model::synthetic::tiny_llama()
    };
    let model = lpu_model::synthetic(&config, 1).unwrap();
    fixture.write("large.bin", &lpu_model::llama2c::to_bytes(&model).unwrap());
    let finished = fixture.lpu(&["fit", "large.bin", "--geometry", "ulx3s-85f"]);
    let text = finished.out;
    assert_eq!((finished.code, finished.err.as_str()), (1, ""), "the answer is no: {text}");
    assert!(text.contains("does not fit ulx3s-85f\n"), "{text}");
    assert!(text.contains(" weight memory rows needed, 2,048 there: "), "{text}");
    assert_eq!(fixture.lpu(&["fit", "absent.bin"]).code, 2);
    assert!(text.contains("virtual chip for all positions: "), "{text}");
    let text = fixture.ok(&["fit", "large.bin"]);
    assert!(text.contains("fits ulx3s-85f-sdram\n"), "{text}");
    let row = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    assert!(row("ulx3s-85f ").ends_with(" weight memory rows too few"), "{text}");
    assert!(row("ulx3s-85f-sdram").contains("8-bit blocks in DRAM"), "{text}");
    assert!(row("ulx3s-85f-sdram").ends_with(" memory"), "{text}");
}

#[test]
fn fit_promises_no_chip_to_a_model_without_a_program() {
    let fixture = Fixture::new();
    let finished = fixture.lpu(&["fit", &golden("stablelm"), "--json"]);
    assert_eq!(finished.code, 1, "{}", finished.err);
    let fit: serde_json::Value = serde_json::from_str(&finished.out).unwrap();
    let text = fixture.lpu(&["fit", &golden("stablelm")]).out;
    assert!(text.contains(", not supported\n"), "{text}");
    assert!(!text.contains("does not fit") && !text.contains("too large"), "{text}");
    assert_eq!(fit["supported"], false);
    assert_eq!((&fit["fits"], &fit["fitting"]), (&false.into(), &serde_json::json!([])));
    assert!(fit["impossible"].as_str().is_some_and(|text| text.contains("biases of a gated MLP")), "{fit}");
    assert!(fit["made_to_measure"].is_null(), "{fit}");
}

#[test]
fn a_folder_runs_on_a_chip_made_to_measure() {
    let fixture = Fixture::new();
    let folder = golden("smollm");
    let run = |device: &[&str]| {
        let arguments = ["run", &folder, "--tokens", "6", "--ignore-eos", "--json"];
        fixture.json(&[&arguments, device].concat())["tokens"].clone()
    };
    let tokens = run(&["--geometry", "virtual"]);
    assert_eq!(tokens.as_array().map(Vec::len), Some(6));
    // A wider or narrower chip with the same arithmetic chooses the same tokens.
    assert_eq!(run(&[]), tokens);
}

#[test]
fn choices_of_the_host_repeat_and_say_what_they_cost() {
    let fixture = Fixture::new();
    let arguments = [
        "run",
        "model.bin",
        "--prompt",
        "ab",
        "--tokens",
        "8",
        "--ignore-eos",
        "--temperature",
        "1",
        "--top-k",
        "20",
    ];
    let first = fixture.lpu(&arguments);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.err.contains("the host samples: "), "{}", first.err);
    assert_eq!(fixture.lpu(&arguments).out, first.out);
    let other = fixture.lpu(&[&arguments[..], &["--seed", "2"]].concat());
    assert_ne!(other.out, first.out);
    let refused = fixture.refused(&["run", "model.bin", "--top-p", "0"]);
    assert_eq!(refused, "error: top_p is 0.0; expected more than 0 and at most 1\n");
}

#[test]
fn log_probabilities_are_reported() {
    let fixture = Fixture::new();
    let report =
        fixture.json(&["run", "model.bin", "--tokens", "3", "--ignore-eos", "--json", "--logprobs", "2"]);
    let logprobs = report["logprobs"].as_array().unwrap();
    assert_eq!(logprobs.len(), 3);
    for (found, token) in logprobs.iter().zip(report["tokens"].as_array().unwrap()) {
        // Greedy: the chosen token is the likeliest.
        assert_eq!((&found["token"], &found["top"][0][0]), (token, token));
        assert_eq!(found["logprob"], found["top"][0][1]);
    }
    assert_eq!(report["finish"], "length");
}

#[test]
fn chat_answers_lines_and_keeps_what_was_said() {
    let fixture = Fixture::new();
    let chat = |input: &str| {
        let output = Command::cargo_bin("lpu")
            .unwrap()
            .current_dir(fixture.folder.path())
            .args(["chat", "model.bin", "--tokens", "2", "--ignore-eos"])
            .write_stdin(input)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, one, notes) = chat("ab\n");
    assert_eq!(code, Some(0), "{notes}");
    assert!(notes.contains("2 tokens after "), "{notes}");
    let (_, two, notes) = chat("ab\ncd\n/quit\nab\n");
    assert!(two.starts_with(&one), "{two}");
    assert_eq!(notes.matches(" tokens after ").count(), 2, "{notes}");
    let (_, cleared, _) = chat("ab\n/clear\nab\n");
    assert_eq!(cleared, format!("{one}{one}"));
}

#[test]
fn chat_takes_the_template_that_the_user_names() {
    let fixture = Fixture::new();
    // A template that refuses shows what it saw.
    let shows = "{{ raise_exception('start ' ~ bos_token ~ ', said ' ~ messages[-1].content|tojson) }}";
    fixture.write("shows.jinja", shows.as_bytes());
    let chat = |template: &str| {
        let output = Command::cargo_bin("lpu")
            .unwrap()
            .current_dir(fixture.folder.path())
            .args(["chat", "model.bin", "--tokens", "2", "--chat-template", template])
            .write_stdin("<ab>\n")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, notes) = chat("shows.jinja");
    assert_eq!(code, Some(2), "{notes}");
    assert!(notes.contains("start <s>, said \"<ab>\""), "{notes}");
    let (code, notes) = chat("absent.jinja");
    assert_eq!(code, Some(2), "{notes}");
    assert!(notes.contains("absent.jinja"), "{notes}");
}

/// The project's own models.
fn models() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").display().to_string()
}

#[test]
fn the_ladder_meets_its_targets_without_jitter() {
    let fixture = Fixture::new();
    let ladder = ["bench", "--ladder", "--parameters-max", "120000", "--models", &models()];
    let report = fixture.json(&[&ladder[..], &["--json", "--plot", "ladder.svg"]].concat());
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    let [micro, characters] = &rows[..] else { panic!("{report}") };
    assert_eq!((&micro["model"], &micro["parameters"]), (&"microGPT".into(), &4192.into()));
    assert_eq!((&characters["parameters"], &characters["positions"]), (&114_688.into(), &128.into()));
    let number = |row: &serde_json::Value, name: &str| row[name].as_f64().expect("a number");
    assert!(number(micro, "cycles_mean") <= 500.0, "{micro}");
    assert!(number(characters, "tokens_per_second") >= 40_000.0, "{characters}");
    for row in rows {
        assert_eq!(row["executed"], row["positions"]);
        assert_eq!(number(&row["time"], "jitter_us"), 0.0);
        assert!(number(&row["cpu"], "tokens_per_second") > 0.0);
        assert!(
            row["published"].as_array().is_some_and(|all| all.iter().all(|one| one["source"].is_string()))
        );
    }
    let picture = String::from_utf8(fixture.read("ladder.svg")).expect("UTF-8");
    assert!(picture.contains("<svg") && picture.contains("TALOS-V2, DE1-SoC (published)"), "{picture}");
}

#[test]
fn the_ladder_is_a_table() {
    let fixture = Fixture::new();
    let ladder = ["bench", "--ladder", "--parameters-max", "5000", "--models", &models()];
    let table = fixture.ok(&ladder);
    assert!(table.starts_with("| model | parameters | machine | kind | cycles/token | "), "{table}");
    assert_eq!(table.matches("| published |").count(), 2, "{table}");
    let csv = fixture.ok(&[&ladder[..], &["--csv"]].concat());
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.lines().all(|line| line.matches(',').count() >= 12), "{csv}");
    let missing = fixture.lpu(&["bench", "--ladder"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("or name the folder with --models"), "{}", missing.err);
}

#[test]
fn a_token_is_drawn_over_the_slices() {
    let fixture = Fixture::new();
    fixture.ok(&["inspect", "model.bin", "--plot", "token.svg", "--position", "20"]);
    let picture = String::from_utf8(fixture.read("token.svg")).expect("UTF-8");
    for text in ["the token at position 20", "one layer of it", "MXM, beats", "cycles of each position"] {
        assert!(picture.contains(text), "{text}");
    }
    let beyond = fixture.lpu(&["inspect", "model.bin", "--plot", "token.svg", "--position", "32"]);
    assert_eq!(beyond.code, 2);
}
