//! Compiled models are legal, take the predicted cycles, stay close to fp32, and are the same bytes every time.

mod compile_shapes;
#[path = "../../model/tests/shared/mod.rs"]
mod shared;

use compile_shapes::{Outcome, Shape};
use lpu_compiler::fit;
use lpu_compiler::{CompileError, Compiled, Features, Options, compile};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_model::synthetic::{architectures, micro_gpt, tiny_gpt2, tiny_llama};
use lpu_model::{
    Activation, Block, Config, Model, NormPlace, Reference, Rope, RopePairing, RopeScaling, load, synthetic,
};
use lpu_sim::Emulator;
use lpu_sim::prediction::predict;
use lpu_verifier::verify;

/// Random shapes that are tried unless `LPU_SHAPES` says otherwise.
const SHAPES: u64 = 60;
const CHIPS: [Geometry; 2] = [Geometry::ULX3S_85F, Geometry::NANO];

/// A model that is legal on a chip, runs in the predicted cycles, and whose logits follow fp32's.
fn holds(model: &Model, geometry: &Geometry) -> Compiled {
    let compiled = compile(model, None, geometry, &Options::default()).expect("the model fits");
    let report = verify(&compiled.image).unwrap_or_else(|violation| panic!("{}: {violation}", geometry.name));
    let mut chip = Emulator::with_image(&compiled.image);
    let mut reference = Reference::new(model);
    let (mut signal, mut noise) = (0.0, 0.0);
    for position in 0..compiled.plan.context {
        let token = (position * 7 + 3) as u32 % model.config.vocab as u32;
        let executed = chip.execute(token as u16, position);
        assert_eq!(executed.cycles, predict(&compiled.image, position), "position {position}");
        assert_eq!(executed.cycles as u64, report.cycles[position], "position {position}");
        let unit = f64::from(compiled.formats.logits).exp2();
        let expected = reference.step(token, position).expect("positions in order");
        let mean = expected.iter().sum::<f32>() / expected.len() as f32;
        for (index, expected) in expected.iter().enumerate() {
            let lanes = geometry.vxm_lanes;
            let word = chip.state().vmem_row(compiled.plan.vmem.logits + index / lanes)[index % lanes];
            signal += f64::from(expected - mean).powi(2);
            noise += (f64::from(word) / unit - f64::from(*expected)).powi(2);
        }
    }
    assert_eq!(chip.faults(), Fault(0));
    let decibels = 10.0 * (signal / noise).log10();
    assert!(decibels > 30.0, "{}: logits are {decibels:.1} dB above their error", geometry.name);
    compiled
}

fn shape(heads: usize, kv_heads: usize, head_dim: usize, hidden_dim: usize) -> Config {
    let rope =
        Rope { theta: 10_000.0, pairing: RopePairing::Adjacent, dims: head_dim, scaling: RopeScaling::None };
    Config { heads, kv_heads, head_dim, hidden_dim, rope: Some(rope), ..tiny_llama() }
}

#[test]
fn heads_of_every_width_run_on_both_chips() {
    for (heads, kv_heads, head_dim) in [(4, 4, 4), (4, 2, 8), (2, 1, 16), (6, 3, 6), (3, 1, 8)] {
        for geometry in CHIPS {
            let config = shape(heads, kv_heads, head_dim, 40);
            println!("{heads} heads of {head_dim} on {}", geometry.name);
            holds(&synthetic(&config, 5).expect("a possible shape"), &geometry);
        }
    }
}

#[test]
fn heads_wider_than_a_vector_row_run() {
    let config = shape(2, 1, 32, 48);
    holds(&synthetic(&config, 6).expect("a possible shape"), &Geometry::ULX3S_85F);
}

#[test]
fn rotation_of_halves_is_rotation_of_neighbours_in_other_lanes() {
    let rope = Rope { theta: 10_000.0, pairing: RopePairing::Halves, dims: 8, scaling: RopeScaling::None };
    let config = Config { rope: Some(rope), ..shape(4, 2, 8, 40) };
    holds(&synthetic(&config, 7).expect("a possible shape"), &Geometry::ULX3S_85F);
}

#[test]
fn inner_vectors_of_every_width_run() {
    for hidden_dim in [16, 33, 100, 172] {
        let config = shape(4, 2, 8, hidden_dim);
        holds(&synthetic(&config, 8).expect("a possible shape"), &Geometry::ULX3S_85F);
    }
}

#[test]
fn one_layer_and_many_layers_run() {
    for layers in [1, 4] {
        let config = Config { layers, ..shape(4, 2, 8, 40) };
        holds(&synthetic(&config, 9).expect("a possible shape"), &Geometry::NANO);
    }
}

#[test]
fn every_architecture_runs_on_both_chips() {
    for (name, model) in architectures().expect("possible shapes") {
        for geometry in CHIPS {
            println!("{name} on {}", geometry.name);
            holds(&model, &geometry);
        }
    }
}

/// A window of one, within a block, of a block, and over several; in all layers, in some, and different ones.
#[test]
fn layers_with_attention_windows_see_no_further() {
    let windows: [[Option<usize>; 2]; 6] =
        [[Some(1); 2], [Some(7); 2], [Some(16); 2], [Some(27); 2], [None, Some(12)], [Some(40), Some(9)]];
    for windows in windows {
        for geometry in CHIPS {
            let config = Config { windows: windows.to_vec(), context: 70, ..shape(4, 2, 8, 40) };
            println!("{windows:?} on {}", geometry.name);
            let compiled = holds(&synthetic(&config, 11).expect("a possible shape"), &geometry);
            assert_eq!(compiled.plan.context, 70);
        }
    }
}

#[test]
fn architectures_of_every_kind_run_with_windows() {
    for (name, model) in architectures().expect("possible shapes") {
        for geometry in CHIPS {
            println!("{name} on {}", geometry.name);
            let windows = (0..model.config.layers).map(|layer| (layer % 2 == 0).then_some(10)).collect();
            let config = Config { windows, ..model.config.clone() };
            // Normalised heads with windows need a longer queue than the small chip's.
            let geometry = Geometry { vector_queue_depth: 160, ..geometry };
            let compiled = holds(&Model { config, ..model.clone() }, &geometry);
            assert_eq!(compiled.plan.context, model.config.context);
        }
    }
}

#[test]
fn windows_of_wide_heads_and_of_one_layer_run() {
    let wide = Config { windows: vec![Some(20); 2], context: 50, ..shape(2, 1, 32, 48) };
    holds(&synthetic(&wide, 12).expect("a possible shape"), &Geometry::ULX3S_85F);
    let single = Config { windows: vec![Some(20)], layers: 1, context: 50, ..shape(4, 2, 8, 40) };
    holds(&synthetic(&single, 12).expect("a possible shape"), &Geometry::NANO);
}

/// Keys and values of a single layer depend on their own position alone, so what lies before the window must not change a bit of the
/// logits, however large its scores are.
#[test]
fn positions_before_the_window_change_no_bit() {
    let window = 5;
    let config = Config {
        windows: vec![Some(window)],
        layers: 1,
        context: 60,
        score_scale: Some(2.0),
        ..shape(4, 2, 8, 40)
    };
    let model = synthetic(&config, 13).expect("a possible shape");
    for geometry in CHIPS {
        let compiled = compile(&model, None, &geometry, &Options::default()).expect("the model fits");
        let rows = compiled.plan.vmem.logits..compiled.plan.vmem.logits + compiled.plan.rows.vocab;
        let logits = |first: usize| -> Vec<Vec<i32>> {
            let mut chip = Emulator::with_image(&compiled.image);
            let mut run = |position: usize| {
                let token = if position < 30 { position * first + first } else { position * 7 };
                chip.execute((token % config.vocab) as u16, position);
                rows.clone().flat_map(|row| chip.state().vmem_row(row).to_vec()).collect()
            };
            let logits = (0..config.context).map(&mut run).collect();
            assert_eq!(chip.saturations(), 0, "hiding is no saturation");
            logits
        };
        let (one, other) = (logits(11), logits(29));
        assert_ne!(one[30 + window - 2], other[30 + window - 2], "the window still shows one of them");
        assert_eq!(one[30 + window - 1..], other[30 + window - 1..], "{}", geometry.name);
    }
}

/// A program with masks is longer. Where it is too long, the context ends with the window, and that is told.
#[test]
fn where_masks_do_not_fit_the_context_is_the_window() {
    let windows = vec![Some(12), None];
    let config = Config { windows, context: 64, ..shape(4, 2, 8, 40) };
    let model = synthetic(&config, 16).expect("a possible shape");
    let plain = Model { config: Config { windows: Vec::new(), ..config.clone() }, ..model.clone() };
    let needed =
        compile(&plain, None, &Geometry::NANO, &Options::default()).expect("it fits").image.vector.len();
    let chip = Geometry { vector_queue_depth: needed + 1, ..Geometry::NANO };
    let compiled = holds(&model, &chip);
    assert_eq!(compiled.plan.context, 12);
    let limit = compiled.plan.limit.expect("a limit").to_string();
    assert!(limit.starts_with("more positions than the attention window of 12 need "), "{limit}");
    let options = Options { context: Some(40), ..Options::default() };
    let error = compile(&model, None, &chip, &options).expect_err("too long");
    assert!(matches!(error, CompileError::QueueTooShort { .. }), "{error}");
}

/// More positions than the activation file has entries for.
#[test]
fn a_window_of_a_long_context_runs() {
    let config = Config { windows: vec![Some(100); 2], context: 300, ..shape(2, 1, 8, 40) };
    let compiled = holds(&synthetic(&config, 14).expect("a possible shape"), &Geometry::ULX3S_85F);
    assert_eq!(compiled.plan.context, 300);
}

#[test]
fn a_window_as_long_as_the_context_changes_nothing() {
    let plain = synthetic(&shape(4, 2, 8, 40), 15).expect("a possible shape");
    let windows = vec![Some(plain.config.context); 2];
    let config = Config { windows, ..plain.config.clone() };
    let windowed = Model { config, ..plain.clone() };
    let image = |model: &Model| {
        compile(model, None, &Geometry::NANO, &Options::default()).expect("the model fits").image.encode()
    };
    assert_eq!(image(&windowed), image(&plain));
}

#[test]
fn what_bounds_a_context_is_named() {
    let long = Config { context: 8000, ..shape(4, 2, 8, 40) };
    let model = synthetic(&long, 1).expect("a possible shape");
    let limit = |model: &Model, geometry: &Geometry, context: Option<usize>| {
        let options = Options { context, ..Options::default() };
        let plan = compile(model, None, geometry, &options).expect("the model fits").plan;
        (plan.context, plan.limit.map(|limit| limit.to_string()))
    };
    let (context, found) = limit(&model, &Geometry::NANO, None);
    let expected = format!("{} positions need ", context + 8);
    assert!(found.as_ref().is_some_and(|found| found.starts_with(&expected)), "{context}: {found:?}");
    let roomy = Geometry { kv_rows: 1 << 14, vmem_rows: 1 << 14, positions: 256, ..Geometry::NANO };
    assert_eq!(limit(&model, &roomy, None), (256, Some("the chip counts 256 positions".into())));
    assert_eq!(limit(&model, &Geometry::NANO, Some(16)), (16, Some("no more were asked for".into())));
    let short = synthetic(&shape(4, 2, 8, 40), 1).expect("a possible shape");
    assert_eq!(limit(&short, &Geometry::NANO, None), (32, None));
}

#[test]
fn a_residual_that_is_no_power_of_two_runs() {
    let config = Config { dim: 48, hidden_dim: 72, vocab: 60, ..tiny_llama() };
    holds(&synthetic(&config, 18).expect("a possible shape"), &Geometry::ULX3S_85F);
}

#[test]
fn a_residual_wider_than_the_matrix_unit_runs() {
    // A piece of each matrix for each width of the chip: the program is longer than the small chip's queues.
    let chip =
        Geometry { matrix_queue_depth: 512, vector_queue_depth: 512, weight_rows: 4096, ..Geometry::NANO };
    let wide = Config { dim: 48, hidden_dim: 72, vocab: 60, ..tiny_llama() };
    holds(&synthetic(&wide, 18).expect("a possible shape"), &chip);
    let gpt2 = Config { dim: 48, hidden_dim: 72, vocab: 60, ..tiny_gpt2() };
    holds(&synthetic(&gpt2, 18).expect("a possible shape"), &chip);
}

/// Rows of keys beyond the first hold nothing yet at position 0.
#[test]
fn an_only_narrow_head_runs() {
    for geometry in CHIPS {
        holds(&synthetic(&shape(1, 1, 4, 40), 5).expect("a possible shape"), &geometry);
    }
}

/// No text moves the inner vector: it has no range.
#[test]
fn a_relu_that_never_opens_has_a_program() {
    let config = Config { activation: Activation::Relu, gated: false, ..shape(4, 2, 8, 8) };
    let mut model = synthetic(&config, 5).expect("a possible shape");
    for layer in &mut model.layers {
        layer.up.bias = Some(vec![-100.0; config.hidden_dim]);
    }
    for geometry in CHIPS {
        holds(&model, &geometry);
    }
}

#[test]
fn microgpt_takes_at_most_500_cycles_a_token() {
    let model = synthetic(&micro_gpt(), 1).expect("a possible shape");
    let compiled = holds(&model, &Geometry::ULX3S_85F);
    assert_eq!((model.parameter_count(), compiled.plan.context), (4192, 16));
    let cycles: i64 = (0..16).map(|position| predict(&compiled.image, position)).sum();
    println!("{} cycles a token, mean over 16 positions", cycles as f64 / 16.0);
    assert!(cycles <= 500 * 16, "{cycles} cycles for 16 tokens");
}

#[test]
fn the_same_model_compiles_to_the_same_bytes() {
    let model = synthetic(&tiny_llama(), 1).expect("a possible shape");
    let bytes = || {
        let compiled = compile(&model, None, &Geometry::NANO, &Options::default()).expect("the model fits");
        compiled.image.encode()
    };
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_model_that_does_not_fit_says_where_and_by_how_much() {
    let config = Config { vocab: 4096, dim: 128, ..shape(4, 2, 8, 40) };
    let model = synthetic(&config, 1).expect("a possible shape");
    let error = compile(&model, None, &Geometry::NANO, &Options::default()).expect_err("too large");
    assert!(matches!(error, CompileError::DoesNotFit { .. } | CompileError::Unsupported { .. }), "{error}");
    let config = Config { layers: 40, ..shape(4, 2, 8, 172) };
    let model = synthetic(&config, 1).expect("a possible shape");
    let error = compile(&model, None, &Geometry::NANO, &Options::default()).expect_err("too large");
    let CompileError::DoesNotFit { memory, needed, available } = error else { panic!("{error}") };
    assert_eq!((memory, available), ("weight memory rows", 2048));
    assert!(needed > available);
    let text = CompileError::DoesNotFit { memory, needed, available }.to_string();
    assert!(text.contains(&format!("({} too many)", needed - available)), "{text}");
}

#[test]
fn a_context_that_does_not_fit_is_refused() {
    let config = Config { context: 8000, ..shape(4, 2, 8, 40) };
    let model = synthetic(&config, 1).expect("a possible shape");
    let options = Options { context: Some(1000), ..Options::default() };
    let error = compile(&model, None, &Geometry::NANO, &options).expect_err("too long");
    assert!(matches!(error, CompileError::DoesNotFit { .. }), "{error}");
}

#[test]
fn stories260k_fits_the_board_with_256_positions_and_meets_its_cycles() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, tokenizer) = load(folder.join("stories260K.bin")).expect("the shared model loads");
    let compiled = compile(&model, tokenizer.as_ref(), &Geometry::ULX3S_85F, &Options::default())
        .expect("the model fits");
    assert!(compiled.plan.context >= 256);
    let cycles: Vec<i64> = (0..256).map(|position| predict(&compiled.image, position)).collect();
    assert_eq!(verify(&compiled.image).expect("legal").cycles[255], cycles[255] as u64);
    let mean = cycles.iter().sum::<i64>() as f64 / 256.0;
    assert!(mean <= 4000.0, "{mean} cycles a token");
    // A change of the schedule shows here; 2,669 would be a multiplier that never waits.
    println!("{mean} cycles a token, mean over 256 positions");
}

#[test]
fn layers_that_no_program_computes_are_refused_by_name() {
    let other =
        |dims| Some(Rope { theta: 500.0, pairing: RopePairing::Adjacent, dims, scaling: RopeScaling::None });
    let usual = Block::default();
    for (block, name) in [
        (Block { score_cap: Some(50.0), ..usual.clone() }, "soft-capping of attention scores"),
        (Block { logit_cap: Some(30.0), ..usual.clone() }, "soft-capping of logits"),
        (Block { norms: NormPlace::Both, ..usual.clone() }, "what attention and MLP add to the residual"),
        (Block { norms: NormPlace::After, ..usual.clone() }, "without a normalisation before attention"),
        (Block { whole_qk_norm: true, ..usual.clone() }, "q and k over all heads together"),
        (Block { ropes: vec![other(4), None], ..usual.clone() }, "more than two rotary embeddings"),
        (Block { ropes: vec![other(4), other(2)], ..usual }, "more than two rotary embeddings"),
    ] {
        let model = synthetic(&Config { block, ..tiny_llama() }, 1).expect("a possible shape");
        Reference::new(&model).step(3, 0).expect("the reference computes it");
        let error = compile(&model, None, &Geometry::ULX3S_85F, &Options::default()).expect_err("no program");
        assert!(matches!(error, CompileError::Unsupported { feature } if feature.contains(name)), "{error}");
        let fit = fit::fit(&model.config, Features::of(&model), &Geometry::ULX3S_85F);
        assert_eq!(fit.impossible, Some(error));
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// `LPU_SHAPES=2000 cargo test --release -p lpu-compiler --test compile shapes -- --nocapture` tries more of them, and `LPU_SHAPE=N` one
/// alone.
#[test]
fn random_shapes_run_as_predicted_or_are_refused_with_the_reason() {
    let seeds = match number("LPU_SHAPE") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LPU_SHAPES").unwrap_or(SHAPES),
    };
    let (mut ran, mut positions, mut refused, mut third) = (0, 0, 0, Vec::new());
    for seed in seeds.clone() {
        let shape = Shape::new(seed);
        let begin = std::time::Instant::now();
        let outcome = std::panic::catch_unwind(|| shape.outcome()).unwrap_or_else(|_| Err("a panic".into()));
        println!("LPU_SHAPE={seed} {} ms {outcome:?} {shape:?}", begin.elapsed().as_millis());
        match outcome {
            Ok(Outcome::Ran(count)) => {
                ran += 1;
                positions += count;
            }
            Ok(Outcome::Refused(reason)) if !reason.is_empty() => refused += 1,
            _ => third.push(format!("LPU_SHAPE={seed}: {outcome:?} {shape:?}")),
        }
    }
    println!("{ran} ran {positions} positions, {refused} were refused, {} did neither", third.len());
    assert!(third.is_empty(), "{third:#?}");
    assert!(seeds.end - seeds.start < SHAPES || ran > 0 && refused > 0, "{ran} ran, {refused} were refused");
}
