//! The `lpu` command as a user sees it.

mod cli_fixture;
mod cli_golden;
mod cli_manners;
mod cli_outputs;
#[path = "../../model/tests/shared/mod.rs"]
mod shared;

use cli_fixture::Fixture;
use lpu_isa::image::Image;
use lpu_model::{Config, Rope, llama2c, synthetic};
use serde_json::Value;

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn ids(list: &Value) -> Vec<u32> {
    list.as_array().expect("a list").iter().map(|id| id.as_u64().expect("an id") as u32).collect()
}

#[test]
fn run_reports_every_executed_position() {
    let fixture = Fixture::new();
    let report =
        fixture.json(&["run", "model.bin", "--prompt", "abc", "--tokens", "5", "--ignore-eos", "--json"]);
    let expected = [
        "clock_hz",
        "context",
        "device",
        "finish",
        "geometry",
        "isa_hash",
        "prompt_tokens",
        "saturations",
        "simulated",
        "steps",
        "text",
        "tokens",
        "tokens_per_second",
        "warnings",
    ];
    assert_eq!(keys(&report), expected);
    assert_eq!((&report["context"], &report["saturations"]), (&32.into(), &0.into()));
    assert_eq!(report["warnings"], serde_json::json!([]));
    assert_eq!((&report["simulated"], &report["clock_hz"]), (&true.into(), &100_000_000.into()));
    assert_eq!((&report["device"], &report["geometry"]), (&"emu".into(), &"ulx3s-85f".into()));
    let prompt = ids(&report["prompt_tokens"]);
    assert_eq!(prompt, fixture.tokenizer.encode("abc").unwrap());
    let tokens = ids(&report["tokens"]);
    assert_eq!(tokens.len(), 5);
    let all = [prompt.clone(), tokens.clone()].concat();
    assert_eq!(report["text"], fixture.tokenizer.decode(&all));
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), all.len() - 1);
    for (position, step) in steps.iter().enumerate() {
        assert_eq!(keys(step), ["input", "logits_sha256", "measured", "position", "predicted", "token"]);
        assert_eq!(step["position"], position);
        assert_eq!(step["input"], all[position]);
        assert_eq!(step["predicted"], step["measured"]);
        assert_eq!(step["logits_sha256"].as_str().unwrap().len(), 64);
    }
    let cycles: u64 = steps.iter().map(|step| step["measured"].as_u64().unwrap()).sum();
    let rate = 1e8 * steps.len() as f64 / cycles as f64;
    assert!((report["tokens_per_second"].as_f64().unwrap() / rate - 1.0).abs() < 1e-9, "{report}");
    let chosen: Vec<u32> = steps.iter().map(|step| step["token"].as_u64().unwrap() as u32).collect();
    assert_eq!(chosen[prompt.len() - 1..], tokens);
}

#[test]
fn run_streams_text_and_ends_with_a_summary() {
    let fixture = Fixture::new();
    let arguments = ["run", "model.bin", "--prompt", "abc", "--tokens", "5", "--ignore-eos"];
    let finished = fixture.lpu(&arguments);
    let report = fixture.json(&[&arguments[..], &["--json"]].concat());
    assert_eq!(finished.out.trim_end_matches('\n'), report["text"].as_str().unwrap().trim_end_matches('\n'));
    assert!(finished.out.ends_with('\n'));
    let positions = report["steps"].as_array().unwrap().len();
    let lines: Vec<&str> = finished.err.lines().collect();
    assert!(lines[1].ends_with(" tokens/s at 100 MHz on ulx3s-85f, simulated"), "{}", finished.err);
    assert!(lines[2].ends_with(&format!("measured: equal at all {positions} positions")), "{}", finished.err);
    assert!(lines[3].starts_with("5 tokens after "), "{}", finished.err);
    assert!(!finished.err.contains('\x1b'), "colours are for terminals: {:?}", finished.err);
}

#[test]
fn a_run_is_repeated_exactly_and_the_seed_matters() {
    let fixture = Fixture::new();
    let sampled = |seed: &str| {
        fixture.ok(&[
            "run",
            "model.bin",
            "--temperature",
            "1.5",
            "--seed",
            seed,
            "--ignore-eos",
            "--tokens",
            "20",
            "--json",
        ])
    };
    assert_eq!(sampled("7"), sampled("7"));
    assert_ne!(sampled("7"), sampled("8"));
}

#[test]
fn a_run_ends_with_the_context() {
    let fixture = Fixture::new();
    let finished = fixture.lpu(&["run", "model.bin", "--tokens", "1000", "--ignore-eos"]);
    assert!(finished.err.contains("32 tokens after 1 of prompt, the context is full"), "{}", finished.err);
}

#[test]
fn an_image_runs_as_its_checkpoint_does() {
    let fixture = Fixture::new();
    for geometry in ["ulx3s-85f", "nano"] {
        fixture.ok(&["compile", "model.bin", "-o", "model.lpu", "--geometry", geometry]);
        let tail = ["--prompt", "hello", "--tokens", "6", "--json"];
        let image = fixture.json(&[&["run", "model.lpu"][..], &tail].concat());
        let checkpoint = fixture.json(&[&["run", "model.bin", "--geometry", geometry][..], &tail].concat());
        assert_eq!(image, checkpoint);
        assert_eq!(image["geometry"], geometry);
    }
}

#[test]
fn compile_writes_the_same_bytes_and_nothing_else() {
    let fixture = Fixture::new();
    let report = fixture.json(&["compile", "model.bin", "-o", "a.lpu", "--json"]);
    fixture.ok(&["compile", "model.bin", "-o", "b.lpu"]);
    assert_eq!(fixture.read("a.lpu"), fixture.read("b.lpu"));
    assert_eq!(report["bytes"], fixture.read("a.lpu").len());
    assert_eq!(fixture.files(), ["a.lpu", "b.lpu", "model.bin", "tokenizer.bin"]);
}

#[test]
fn a_refused_compile_leaves_what_was_there() {
    let fixture = Fixture::new();
    fixture.write("kept.lpu", b"older");
    fixture.write("cut.bin", &fixture.read("model.bin")[..1000]);
    fixture.refused(&["compile", "cut.bin", "-o", "kept.lpu"]);
    assert_eq!(fixture.read("kept.lpu"), b"older");
    let model = fixture.read("model.bin");
    let error = fixture.refused(&["compile", "model.bin", "-o", "./model.bin"]);
    assert_eq!(
        error,
        "error: ./model.bin is one of the files that this command reads; expected another one to write: name it with -o\n"
    );
    assert_eq!(fixture.read("model.bin"), model);
    let error = fixture.refused(&["compile", "model.bin", "-o", "absent/model.lpu"]);
    assert_eq!(
        error,
        "error: cannot write absent/model.lpu: No such file or directory (os error 2). \
         Create the folder first, or name a file in another one\n"
    );
    assert_eq!(fixture.files(), ["cut.bin", "kept.lpu", "model.bin", "tokenizer.bin"]);
}

#[test]
fn check_accepts_what_compile_made() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let out = fixture.ok(&["check", "model.lpu"]);
    assert!(out.starts_with("legal: ") && out.ends_with(" at 32 positions obey every rule\n"), "{out}");
    let report = fixture.json(&["check", "model.lpu", "--json"]);
    assert_eq!(
        (&report["legal"], &report["violation"], &report["context"]),
        (&true.into(), &Value::Null, &32.into())
    );
}

#[test]
fn damaged_images_are_refused() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let image = fixture.read("model.lpu");
    let mut flipped = image.clone();
    flipped[image.len() / 2] ^= 4;
    fixture.write("flipped.lpu", &flipped);
    fixture.write("cut.lpu", &image[..image.len() - 9]);
    fixture.write("longer.lpu", &[image.as_slice(), b"x"].concat());
    for command in ["run", "check", "inspect", "bench"] {
        assert_eq!(
            fixture.refused(&[command, "flipped.lpu"]),
            "error: flipped.lpu: the image's checksum does not match its contents: copy or compile it again\n"
        );
        assert_eq!(
            fixture.refused(&[command, "cut.lpu"]),
            "error: cut.lpu: the image ends inside its section `tokenizer`: copy it again\n"
        );
        assert_eq!(
            fixture.refused(&[command, "longer.lpu"]),
            "error: longer.lpu: 1 bytes stand after the end of the image: copy it again\n"
        );
    }
}

#[test]
fn images_that_state_impossible_facts_are_refused() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let image = Image::decode(&fixture.read("model.lpu")).unwrap();
    type Damage = fn(&mut Image);
    let cases: [(Damage, &str); 5] = [
        (
            |image| image.model.context = u32::MAX,
            "the image states a context of 4294967295; expected 1 to 1024: compile the model again",
        ),
        (
            |image| image.model.context = 0,
            "the image states a context of 0; expected 1 to 1024: compile the model again",
        ),
        (
            |image| image.model.vocab = 65_536,
            "the image states a vocabulary of 65536; expected 1 to 65535: compile the model again",
        ),
        (
            |image| image.model.logits_row = 500,
            "the image states logits from row 500; expected 19 rows inside vector memory: compile the model again",
        ),
        (
            |image| image.geometry.weight_rows = 1 << 24,
            "the image is for a chip of 2147622912 words of memory; expected at most 2147483648: compile the model again",
        ),
    ];
    for (damage, expected) in cases {
        let mut image = image.clone();
        damage(&mut image);
        fixture.write("odd.lpu", &image.encode());
        for command in ["run", "check", "inspect", "bench"] {
            assert_eq!(fixture.refused(&[command, "odd.lpu"]), format!("error: odd.lpu: {expected}\n"));
        }
    }
}

#[test]
fn an_illegal_program_is_named_and_never_runs() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let mut image = Image::decode(&fixture.read("model.lpu")).unwrap();
    image.matrix[0] = [0; 6];
    fixture.write("illegal.lpu", &image.encode());
    let expected = "illegal.lpu: instruction 0 of the matrix queue: expected an instruction, found a word that encodes none";
    assert_eq!(fixture.refused(&["check", "illegal.lpu"]), format!("error: {expected}\n"));
    let report = fixture.lpu(&["check", "illegal.lpu", "--json"]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!((&report["legal"], &report["violation"]), (&false.into(), &expected.into()));
    let rule = expected.strip_prefix("illegal.lpu: ").unwrap();
    for command in ["run", "bench", "chat", "serve"] {
        let refused = fixture.refused(&[command, "illegal.lpu"]);
        assert!(
            refused.starts_with(&format!("error: illegal.lpu: the program is illegal: {rule}. ")),
            "{refused}"
        );
    }
}

/// Random numbers are made at a fixed rate, and a narrow model's logits come faster.
#[test]
fn a_narrow_model_with_a_large_vocabulary_waits_for_random_numbers() {
    let fixture = Fixture::new();
    let config =
        Config { dim: 32, heads: 4, kv_heads: 4, head_dim: 8, vocab: 680, ..synthetic::tiny_llama() };
    let rope = config.rope.clone().map(|rope| Rope { dims: 8, ..rope });
    let model = synthetic(&Config { rope, ..config }, 5).unwrap();
    fixture.write("narrow.bin", &llama2c::to_bytes(&model).unwrap());
    assert_eq!(fixture.json(&["fit", "narrow.bin", "--json"])["fits"], true);
    fixture.ok(&["compile", "narrow.bin", "-o", "narrow.lpu"]);
    for sampling in [&["--temperature", "0"][..], &["--temperature", "0.8", "--seed", "3"]] {
        fixture.ok(&[&["run", "narrow.lpu", "--tokens", "8"], sampling].concat());
    }
}

#[test]
fn wrong_input_is_refused_in_words() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let long = "x".repeat(100);
    let cases: [(&[&str], &str); 10] = [
        (&["run", "absent.bin"], "cannot read absent.bin: No such file or directory (os error 2)"),
        (
            &["run", "."],
            ". holds model.bin, tokenizer.bin (weights or vocabularies); expected a folder with config.json and \
             *.safetensors, a GGUF file, or a llama2.c checkpoint of version 0, 1 or 2. Name the file itself if it is a \
             checkpoint of llama2.c",
        ),
        (
            &["run", "model.bin", "--prompt", &long],
            "the prompt has 101 tokens; expected at most 32, the context on ulx3s-85f: shorten the prompt",
        ),
        (
            &["run", "model.lpu", "--geometry", "nano"],
            "model.lpu is compiled for ulx3s-85f; expected one for nano: compile the model for it, or leave out --geometry",
        ),
        (
            &["run", "model.bin", "--temperature", "1e-30"],
            "the chip cannot express the temperature 0.000000000000000000000000000001; expected 0.05 to 100, or 0 for the \
             most likely token",
        ),
        (
            &["compile", "model.lpu", "-o", "x.lpu"],
            "model.lpu is compiled already; expected a model. Run it with `lpu run model.lpu`",
        ),
        (
            &["check", "model.bin"],
            "model.bin is no program image; expected one made by `lpu compile MODEL -o FILE`",
        ),
        (
            &["inspect", "model.lpu", "--trace", "t.json", "--position", "32"],
            "position 32 is beyond the context; expected --position from 0 to 31",
        ),
        (
            &["eval", "model.lpu", "--text", "model.bin"],
            "model.lpu is a compiled image; expected the checkpoint that it was made from, whose fp32 weights are the \
             reference",
        ),
        (
            &["eval", "model.bin", "--text", "absent.txt"],
            "cannot read absent.txt: No such file or directory (os error 2)",
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(fixture.refused(arguments), format!("error: {expected}\n"));
    }
}

#[test]
fn a_tokenizer_must_be_the_models_own() {
    let fixture = Fixture::new();
    fixture.write(
        "other.bin",
        &lpu_model::tokenizer::TokenizerBuilder::with_bytes().build().unwrap().to_bytes(),
    );
    assert_eq!(
        fixture.refused(&["run", "model.bin", "--tokenizer", "other.bin"]),
        "error: other.bin: the tokenizer has 259 pieces, the model has 300 token ids; expected the same number: name the \
         tokenizer that belongs to this model\n"
    );
    std::fs::remove_file(fixture.path("tokenizer.bin")).unwrap();
    assert_eq!(
        fixture.refused(&["run", "model.bin", "--prompt", "Hi"]),
        "error: no tokenizer of 300 pieces lies beside the model; expected one to encode the prompt: name it with \
         --tokenizer, or leave out --prompt\n"
    );
    fixture.write("my-tokens.bin", b"of another name");
    let missing = "no tokenizer of 300 pieces lies beside the model (my-tokens.bin not used: expected a name as tok*.bin or \
                   tokenizer.json, and 300 pieces)";
    let finished = fixture.lpu(&["run", "model.bin", "--tokens", "3"]);
    let told = format!("{missing}: tokens are shown as numbers. Name a tokenizer with --tokenizer\n");
    assert!(finished.err.starts_with(&told), "{}", finished.err);
    assert_eq!(
        fixture.refused(&["chat", "model.bin"]),
        format!("error: {missing}; expected one to chat with the model: name it with --tokenizer\n")
    );
    let numbers = finished.out;
    assert_eq!(numbers.split_whitespace().filter(|id| id.parse::<u32>().is_ok()).count(), 4, "{numbers}");
}

#[cfg(not(feature = "rtl"))]
#[test]
fn without_the_rtl_device_its_absence_is_explained() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refused(&["run", "model.bin", "--device", "rtl"]),
        "error: this `lpu` was built without the RTL device; expected `--device emu`. To have it, install Verilator and build \
         with `cargo build --release -p lpu-cli --features rtl`\n"
    );
}

#[test]
fn inspect_states_cycles_as_a_closed_form() {
    let fixture = Fixture::new();
    let report = fixture.json(&["inspect", "model.bin", "--geometry", "nano", "--json"]);
    let cycles = &report["cycles"];
    let block = cycles["block"].as_u64().unwrap();
    let pieces = cycles["closed_form"].as_array().unwrap();
    for (position, found) in cycles["at"].as_object().unwrap() {
        let position: u64 = position.parse().unwrap();
        let within = |piece: &&Value| {
            (piece["positions"][0].as_u64().unwrap()..=piece["positions"][1].as_u64().unwrap())
                .contains(&position)
        };
        let piece = pieces.iter().find(within).expect("every position has a piece");
        let constant = piece["constant"].as_i64().unwrap();
        let per_block = piece["per_block"].as_i64().unwrap();
        assert_eq!(found.as_i64(), Some(constant + per_block * (position / block) as i64));
    }
    let run =
        fixture.json(&["run", "model.bin", "--geometry", "nano", "--tokens", "32", "--ignore-eos", "--json"]);
    let steps = run["steps"].as_array().unwrap();
    assert_eq!(cycles["at"]["31"], steps[31]["measured"]);
    for used in report["memory"].as_array().unwrap() {
        assert!(used["used"].as_u64() <= used["of"].as_u64(), "{used}");
    }
    for slice in report["utilisation"].as_array().unwrap() {
        assert!((0.0..=1.0).contains(&slice["mean"].as_f64().unwrap()), "{slice}");
    }
}

#[test]
fn inspect_prints_assembly_that_assembles_to_the_same_program() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let image = Image::decode(&fixture.read("model.lpu")).unwrap();
    let program = lpu_assembly::assemble(&fixture.ok(&["inspect", "model.lpu", "--asm"])).unwrap();
    assert_eq!((program.matrix, program.vector), (image.matrix, image.vector));
}

#[test]
fn a_trace_has_bars_that_do_not_overlap() {
    let fixture = Fixture::new();
    fixture.ok(&["inspect", "model.bin", "--trace", "token.json", "--position", "20"]);
    let trace: Value = serde_json::from_slice(&fixture.read("token.json")).unwrap();
    assert_eq!(trace["metadata"]["time_unit"], "1 cycle = 1 us");
    let total = trace["metadata"]["cycles"].as_u64().unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let mut tracks = std::collections::BTreeMap::<u64, Vec<(u64, u64)>>::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let number = |key: &str| event[key].as_u64().unwrap();
        tracks.entry(number("tid")).or_default().push((number("ts"), number("ts") + number("dur")));
    }
    assert!(tracks.len() >= 5, "{} tracks", tracks.len());
    for bars in tracks.values_mut() {
        bars.sort_unstable();
        assert!(bars.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{bars:?}");
        assert!(bars.iter().all(|bar| bar.1 <= total));
    }
}

#[test]
fn eval_compares_with_fp32() {
    let fixture = Fixture::new();
    fixture.write("text.txt", b"abcdefg hij\n<|story|>\nklm nop qrs\n");
    let report = fixture.json(&["eval", "model.bin", "--text", "text.txt", "--json"]);
    let texts = ["contexts", "kl", "positions", "ppl_fp32", "ppl_lpu"];
    assert_eq!(keys(&report)[..5], texts);
    assert_eq!(keys(&report)[5..], ["saturations", "tokens", "tokens_dropped", "top1", "warnings"]);
    let tokens: usize = ["abcdefg hij", "klm nop qrs"]
        .iter()
        .map(|story| fixture.tokenizer.encode(story).unwrap().len() - 1)
        .sum();
    assert_eq!(report["tokens"], tokens);
    let number = |key: &str| report[key].as_f64().unwrap();
    assert!((number("ppl_lpu") / number("ppl_fp32") - 1.0).abs() < 0.02, "{report}");
    assert!(number("kl") >= 0.0 && number("kl") < 0.01, "{report}");
    assert!(number("top1") > 0.8, "{report}");
    let text = fixture.ok(&["eval", "model.bin", "--text", "text.txt"]);
    assert!(text.starts_with(&format!("{tokens} tokens predicted\n  perplexity ")), "{text}");
}

#[test]
fn eval_cuts_a_plain_text_into_contexts_and_tells_what_it_drops_of_stories() {
    let fixture = Fixture::new();
    let long = "abcdefg hijkl mnop ".repeat(12);
    let predictions = fixture.tokenizer.encode(&long).unwrap().len() - 1;
    assert!(predictions > 2 * 32);
    fixture.write("plain.txt", long.as_bytes());
    let report = fixture.json(&["eval", "model.bin", "--text", "plain.txt", "--json"]);
    assert_eq!((&report["tokens"], &report["tokens_dropped"]), (&predictions.into(), &0.into()));
    assert_eq!((&report["contexts"], &report["positions"]), (&predictions.div_ceil(32).into(), &32.into()));
    let text = fixture.ok(&["eval", "model.bin", "--text", "plain.txt"]);
    assert!(text.contains("contexts of up to 32 positions; nothing was dropped\n"), "{text}");
    fixture.write("stories.txt", format!("{long}\n<|story|>\nklm\n").as_bytes());
    let report = fixture.json(&["eval", "model.bin", "--text", "stories.txt", "--json"]);
    assert_eq!(report["tokens_dropped"], predictions - 32);
    let text = fixture.ok(&["eval", "model.bin", "--text", "stories.txt"]);
    assert!(text.contains(&format!("  {} more tokens were dropped (", predictions - 32)), "{text}");
}

/// The small chip has no room for all positions of this model: each command says so and why.
#[test]
fn what_bounds_the_context_is_named_by_fit_run_and_eval() {
    let fixture = Fixture::new();
    let tiny = lpu_model::synthetic::tiny_llama();
    let config = lpu_model::Config { context: 200, kv_heads: 4, layers: 6, ..tiny };
    let model = lpu_model::synthetic(&config, 1).unwrap();
    fixture.write("long.bin", &lpu_model::llama2c::to_bytes(&model).unwrap());
    fixture.write("text.txt", "abcdefg hijkl mnop ".repeat(15).as_bytes());
    let nano = ["long.bin", "--tokenizer", "tokenizer.bin", "--geometry", "nano"];
    let fit = fixture.json(&[&["fit"], &nano[..], &["--json"]].concat());
    let context = fit["context"].as_u64().unwrap();
    let limit = fit["context_limit"].as_str().unwrap();
    assert!(limit.starts_with(&format!("{} positions need ", context + 8)), "{limit}");
    let text = fixture.ok(&[&["fit"], &nano[..]].concat());
    assert!(text.contains(&format!("context {context} of 200: {limit}\n")), "{text}");
    let expected = format!("the context is {context} of the model's 200 positions: {limit}");
    let run = fixture.lpu(&[&["run"], &nano[..], &["--tokens", "2"]].concat());
    assert!(run.err.contains(&expected), "{}", run.err);
    let run = fixture.json(&[&["run"], &nano[..], &["--tokens", "2", "--json"]].concat());
    assert_eq!(run["context_limit"], expected);
    let eval = [&["eval"], &nano[..], &["--text", "text.txt", "--stories", "1"]].concat();
    let finished = fixture.lpu(&eval);
    assert_eq!(finished.code, 0, "{}", finished.err);
    assert!(finished.err.contains(&format!("nano has room for {context} positions of ")), "{}", finished.err);
    assert!(finished.err.contains(limit), "{}", finished.err);
}

#[test]
fn values_that_are_cut_off_are_warned_of() {
    let fixture = Fixture::new();
    fixture.ok(&["compile", "model.bin", "-o", "model.lpu"]);
    let mut image = Image::decode(&fixture.read("model.lpu")).unwrap();
    for word in &mut image.vmem {
        *word = (*word * 64).clamp(lpu_isa::arith::WORD_MIN, lpu_isa::arith::WORD_MAX);
    }
    fixture.write("loud.lpu", &image.encode());
    let report = fixture.json(&["run", "loud.lpu", "--tokens", "4", "--ignore-eos", "--json"]);
    assert!(report["saturations"].as_u64().unwrap() > 0);
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("`Saturations`") && warning.contains("`lpu eval"), "{warning}");
    let run = fixture.lpu(&["run", "loud.lpu", "--tokens", "4", "--ignore-eos"]);
    assert!(run.err.contains(warning), "{}", run.err);
}

#[test]
fn bench_holds_cycles_against_the_ideal() {
    let fixture = Fixture::new();
    let report = fixture.json(&["bench", "model.bin", "--geometry", "nano", "--tokens", "20", "--json"]);
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key} in {report}"));
    assert_eq!(report["tokens"], 20);
    assert_eq!(number("cycles_mean"), number("cycles_predicted_mean"));
    assert!(number("ideal_mean") > 0.0 && number("ideal_mean") < number("cycles_mean"));
    assert_eq!(number("mxm_utilisation"), number("ideal_mean") / number("cycles_mean"));
    assert_eq!(number("board_tokens_per_second"), number("clock_hz") / number("cycles_mean"));
    assert!(number("device_tokens_per_second") > 0.0);
    assert_eq!(keys(&report["cycles_at"]), ["0", "19"]);
}

#[test]
fn version_completions_and_help_work_without_files() {
    let fixture = Fixture::new();
    let isa = format!("{:016x}", lpu_isa::instruction::ISA_HASH);
    assert_eq!(fixture.ok(&["--version"]), format!("lpu {} (isa {isa})\n", env!("CARGO_PKG_VERSION")));
    assert!(fixture.ok(&["completions", "bash"]).contains("_lpu()"));
    let version = fixture.json(&["version", "--json"]);
    assert_eq!((&version["isa_hash"], &version["link_version"]), (&isa.into(), &1.into()));
    assert!(fixture.ok(&["version"]).contains("features   "));
    for command in
        ["run", "compile", "check", "inspect", "eval", "bench", "completions", "man", "cache", "version"]
    {
        assert!(fixture.ok(&[command, "--help"]).contains("Examples:\n"), "{command}");
    }
}
