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

/// A shape that the memories of `ulx3s-85f` have no room for.
fn large(layers: usize) -> lpu_model::Config {
    lpu_model::Config {
        dim: 64,
        heads: 16,
        kv_heads: 8,
        hidden_dim: 2048,
        layers,
        ..lpu_model::synthetic::tiny_llama()
    }
}

fn write_large(fixture: &Fixture, layers: usize) {
    let model = lpu_model::synthetic(&large(layers), 1).unwrap();
    fixture.write("large.bin", &lpu_model::llama2c::to_bytes(&model).unwrap());
}

#[test]
fn fit_names_what_is_short() {
    let fixture = Fixture::new();
    write_large(&fixture, 8);
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

#[test]
fn inspect_tells_the_traffic_of_external_memory() {
    let fixture = Fixture::new();
    write_large(&fixture, 2);
    let inspect = fixture.json(&["inspect", "large.bin", "--geometry", "ulx3s-85f-sdram", "--json"]);
    let traffic = &inspect["external_memory"];
    let [bytes, of_peak, of_refreshed] =
        ["bytes", "of_peak", "of_refreshed"].map(|key| traffic[key].as_f64().expect(key));
    // Blocks of 32 codes of eight bits with a scale of two bytes; beside weights, constants and keys and values are little.
    let config = large(2);
    let attention = 2 * config.dim * (config.q_dim() + config.kv_dim());
    let weights =
        config.layers * (attention + 3 * config.dim * config.hidden_dim) + config.vocab * config.dim;
    let least = weights as f64 * 34.0 / 32.0;
    assert!(least < bytes && bytes < 1.15 * least, "{bytes} bytes of at least {least}");
    assert!(0.5 < of_peak && of_peak < of_refreshed && of_refreshed <= 1.0, "{traffic}");
    let on_chip = fixture.json(&["inspect", "model.bin", "--geometry", "nano", "--json"]);
    assert!(on_chip["external_memory"].is_null());
}

/// The image of a large model is found again, and made again where its file is damaged.
#[test]
fn images_of_large_models_are_kept() {
    let fixture = Fixture::new();
    write_large(&fixture, 11);
    let run = || {
        let arguments =
            ["run", "large.bin", "--tokenizer", "tokenizer.bin", "--prompt", "a", "--tokens", "2", "--json"];
        let mut command = fixture.command(&arguments);
        let output = command.env("XDG_CACHE_HOME", fixture.path("cache")).output().expect("it starts");
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{err}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        (report["steps"].clone(), err)
    };
    let (steps, err) = run();
    assert!(err.contains("is for ulx3s-85f-sdram, the smallest chip that holds it (ulx3s-85f has "), "{err}");
    let kept = || {
        let files = std::fs::read_dir(fixture.path("cache/lpu/images")).expect("the cache");
        let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        let [file] = &files[..] else { panic!("{files:?}") };
        file.clone()
    };
    // What only the kept file says shows that it was read.
    let whole = std::fs::read(kept()).unwrap();
    let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let about =
        String::from_utf8(whole[..end].to_vec()).unwrap().replace("the smallest chip", "the kept chip");
    std::fs::write(kept(), [about.as_bytes(), &whole[end..]].concat()).unwrap();
    let again = run();
    assert_eq!(again.0, steps);
    assert!(again.1.contains("the kept chip"), "{}", again.1);
    for damaged in
        [whole[..whole.len() / 2].to_vec(), [&whole[..whole.len() - 9], b"damaged!\n"].concat(), Vec::new()]
    {
        std::fs::write(kept(), damaged).unwrap();
        assert_eq!(run().0, steps);
        assert!(std::fs::read(kept()).unwrap() == whole, "the image is made again");
    }
}
