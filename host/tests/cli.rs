//! The `lpu` command as a user sees it.

mod cli_fixture;
mod cli_golden;
mod shared;

use cli_fixture::Fixture;
use lpu_host::model::{Config, Rope, llama2c, synthetic};
use lpu_isa::image::Image;
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
    let expected = ["device", "finish", "geometry", "isa_hash", "prompt_tokens", "steps", "text", "tokens"];
    assert_eq!(keys(&report), expected);
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
    assert!(lines[1].contains("tokens/s at 100 MHz on ulx3s-85f"), "{}", finished.err);
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
        "error: ./model.bin is the model itself; expected another file for the image: name one with -o\n"
    );
    assert_eq!(fixture.read("model.bin"), model);
    let error = fixture.refused(&["compile", "model.bin", "-o", "absent/model.lpu"]);
    assert_eq!(
        error,
        "error: cannot write absent/model.lpu: No such file or directory (os error 2). \
         Name a file in a folder that you may write\n"
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
        &lpu_host::model::tokenizer::TokenizerBuilder::with_bytes().build().unwrap().to_bytes(),
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
    let numbers = fixture.ok(&["run", "model.bin", "--tokens", "3"]);
    assert_eq!(numbers.split_whitespace().filter(|id| id.parse::<u32>().is_ok()).count(), 4, "{numbers}");
}

#[cfg(not(feature = "rtl"))]
#[test]
fn without_the_rtl_device_its_absence_is_explained() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refused(&["run", "model.bin", "--device", "rtl"]),
        "error: this `lpu` was built without the RTL device; expected `--device emu`. To have it, install Verilator and build \
         with `cargo build --release -p lpu-host --features rtl`\n"
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
    let program = lpu_host::assembly::assemble(&fixture.ok(&["inspect", "model.lpu", "--asm"])).unwrap();
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
    assert_eq!(keys(&report), ["kl", "ppl_fp32", "ppl_lpu", "tokens", "top1"]);
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
    for command in ["run", "compile", "check", "inspect", "eval", "bench", "completions"] {
        assert!(fixture.ok(&[command, "--help"]).contains("Examples:\n"), "{command}");
    }
}
