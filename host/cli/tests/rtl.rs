//! Programs on the Verilated chips: the emulator's bits, the predicted cycles.
#![cfg(feature = "rtl")]

#[path = "../../model/tests/shared/mod.rs"]
mod shared;

use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_model::synthetic::{architectures, micro_gpt, tiny_llama};
use lpu_model::{Config, Model, Tokenizer, load, synthetic};
use lpu_random_program::random_program;
use lpu_sim::device::{Device, Outcome, RunRequest, run_with_logits};
use lpu_sim::lockstep::lockstep;
use lpu_sim::prediction::predict;
use lpu_sim::rtl::chip;
use lpu_sim::{Emulator, PortDevice};

/// Random programs at nano; `LPU_RANDOM_PROGRAMS` asks for more.
const RANDOM_PROGRAMS: u64 = 2000;
/// Random programs with external memory, which wakes, is loaded and read through the port for each of them: four times as long.
const RANDOM_PROGRAMS_EXTERNAL: u64 = 500;
/// Random programs at the full size, whose chip is slower to make.
const RANDOM_PROGRAMS_FULL: u64 = 40;

fn outcome(device: &mut dyn Device, image: &Image, request: &RunRequest) -> Outcome {
    device.load(image).expect("the image is for this chip");
    let outcome = run_with_logits(device, request, |_, _| {}).expect("the run goes on");
    assert_eq!(device.faults(), Ok(Fault(0)));
    outcome
}

/// Runs a request on emulator and RTL: equal tokens, logits and cycles at every position, and the cycles predicted.
fn agree(image: &Image, request: &RunRequest) -> usize {
    let mut emulator = PortDevice::new(Emulator::new(image.geometry));
    let expected = outcome(&mut emulator, image, request);
    let mut rtl = chip(&image.geometry).expect("RTL of this chip exists");
    let found = outcome(&mut rtl, image, request);
    for (expected, found) in expected.steps.iter().zip(&found.steps) {
        assert_eq!(expected, found);
        let position = usize::from(found.position);
        assert_eq!(i64::from(found.cycles), predict(image, position), "position {position}");
    }
    assert_eq!(expected.steps.len(), found.steps.len());
    assert_eq!(expected.logits_hashes, found.logits_hashes);
    found.steps.len()
}

fn random_programs(geometry: &Geometry, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let program = random_program(seed, geometry);
        let mut emulator = PortDevice::new(Emulator::new(*geometry));
        let mut rtl = chip(geometry).expect("RTL of this chip exists");
        lockstep(&mut emulator, &mut rtl, &program.image, &program.request)
            .unwrap_or_else(|failure| panic!("{} seed {seed}: {failure}", geometry.name));
    }
}

/// How many random programs a small chip executes, unless a number is asked for.
fn wanted(usual: u64) -> u64 {
    let count = std::env::var("LPU_RANDOM_PROGRAMS").ok().and_then(|count| count.parse().ok());
    count.unwrap_or(usual)
}

#[test]
fn random_programs_at_nano_are_lockstep_clean() {
    random_programs(&Geometry::NANO, 0..wanted(RANDOM_PROGRAMS));
}

/// With transfers of all kinds, every row that comes, and external memory in the end; its model objects to whatever the sheet forbids.
#[test]
fn random_programs_with_external_memory_are_lockstep_clean() {
    random_programs(&Geometry::NANO_SDRAM, 0..wanted(RANDOM_PROGRAMS_EXTERNAL));
}

#[test]
fn random_programs_at_full_size_are_lockstep_clean() {
    random_programs(&Geometry::ULX3S_85F, 0..RANDOM_PROGRAMS_FULL);
}

#[test]
fn a_transformer_at_nano_takes_every_position_of_its_context() {
    let model = synthetic(&tiny_llama(), 3).expect("a possible shape");
    let image = compile(&model, None, &Geometry::NANO, &Options::default()).expect("the model fits").image;
    let context = image.model.context as usize;
    assert_eq!(agree(&image, &RunRequest::greedy(&[1, 40, 200], context)), context);
    let mut emulator = PortDevice::new(Emulator::new(image.geometry));
    let mut rtl = chip(&image.geometry).expect("RTL of this chip exists");
    let agreement = lockstep(&mut emulator, &mut rtl, &image, &RunRequest::greedy(&[7, 8], 20))
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(agreement.positions, 20);
}

#[test]
fn every_architecture_is_the_same_on_the_rtl() {
    for (name, model) in architectures().expect("possible shapes") {
        println!("{name}");
        let image =
            compile(&model, None, &Geometry::NANO, &Options::default()).expect("the model fits").image;
        // Two blocks of positions: keys and values of an earlier block, and of the current one.
        assert_eq!(agree(&image, &RunRequest::greedy(&[1, 20, 9], 12)), 12);
    }
}

#[test]
fn microgpt_takes_its_whole_context_on_the_full_chip() {
    let model = synthetic(&micro_gpt(), 1).expect("a possible shape");
    let options = Options::default();
    let image = compile(&model, None, &Geometry::ULX3S_85F, &options).expect("the model fits").image;
    assert_eq!(agree(&image, &RunRequest::greedy(&[26], 16)), 16);
}

#[test]
fn the_bundled_model_tells_the_emulators_story() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/stories-lpu");
    let (model, tokenizer) = load(folder.join("model.bin")).expect("the bundled model loads");
    let tokenizer = tokenizer.expect("it has a tokenizer");
    let options = Options::default();
    let image =
        compile(&model, Some(&tokenizer), &Geometry::ULX3S_85F, &options).expect("the model fits").image;
    let prompt: Vec<u16> =
        tokenizer.encode("Lily").expect("plain text").into_iter().map(|token| token as u16).collect();
    assert_eq!(agree(&image, &RunRequest::greedy(&prompt, 64)), 64);
}

/// The prompts of the golden file as token ids.
fn golden_prompts(text: &str) -> Vec<Vec<u16>> {
    let golden: serde_json::Value = serde_json::from_str(text).expect("the golden file is JSON");
    let ids = |case: &serde_json::Value| {
        let ids = case["prompt_tokens"].as_array().expect("each case has its prompt");
        ids.iter().map(|id| id.as_u64().expect("an id") as u16).collect()
    };
    golden["cases"].as_array().expect("cases").iter().map(ids).collect()
}

#[test]
fn golden_prompts_run_256_tokens_with_equal_bits_and_predicted_cycles() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, tokenizer) = load(folder.join("stories260K.bin")).expect("the shared model loads");
    let image = compile(&model, tokenizer.as_ref(), &Geometry::ULX3S_85F, &Options::default())
        .expect("the model fits")
        .image;
    let golden = std::fs::read_to_string(folder.join("golden.json")).expect("the golden file is there");
    let prompts = golden_prompts(&golden);
    assert_eq!(prompts.len(), 10);
    for prompt in &prompts {
        let limit = prompt.len() + 255;
        assert_eq!(agree(&image, &RunRequest::greedy(prompt, limit)), limit);
    }
    // The last position of the context, after a prompt that fills it.
    let context = image.model.context as usize;
    let long: Vec<u16> = prompts.iter().flatten().copied().cycle().take(context - 1).collect();
    assert_eq!(agree(&image, &RunRequest::greedy(&long, context)), context);
}

#[test]
fn sampling_is_the_same_on_both() {
    let model = synthetic(&tiny_llama(), 4).expect("a possible shape");
    let image = compile(&model, None, &Geometry::NANO, &Options::default()).expect("the model fits").image;
    let scale = lpu_sim::device::inverse_temperature(&image.model, 0.8);
    let request = RunRequest { seed: 99, sampling: scale, ..RunRequest::greedy(&[5], 24) };
    agree(&image, &request);
}

/// A small model streamed through the chip with external memory: every write in lockstep, then its whole context.
#[test]
fn a_transformer_streams_from_external_memory() {
    let shape = Config { context: 64, ..tiny_llama() };
    let model = synthetic(&shape, 3).expect("a possible shape");
    let image =
        compile(&model, None, &Geometry::NANO_SDRAM, &Options::default()).expect("the model fits").image;
    let mut emulator = PortDevice::new(Emulator::new(image.geometry));
    let mut rtl = chip(&image.geometry).expect("RTL of this chip exists");
    let from = |prompt: &[u16], limit| {
        let start_position = image.model.first_position as usize;
        RunRequest { start_position, ..RunRequest::greedy(prompt, limit) }
    };
    let agreement = lockstep(&mut emulator, &mut rtl, &image, &from(&[7, 8], 20))
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(agreement.positions, 20);
    let positions = (image.model.context - image.model.first_position) as usize;
    assert_eq!(agree(&image, &from(&[1, 40, 200], positions)), positions);
}

/// Sixty-four tokens of each prompt, streamed.
fn streams(model: &Model, tokenizer: &Tokenizer, prompts: [&str; 3]) {
    let image = compile(model, Some(tokenizer), &Geometry::NANO_SDRAM, &Options::default());
    let image = image.expect("the model fits").image;
    for prompt in prompts {
        let ids = tokenizer.encode(prompt).expect("plain text");
        let prompt: Vec<u16> = ids.into_iter().map(|token| token as u16).collect();
        // Keys and values of position 0 may be part of the image.
        let start_position = image.model.first_position as usize;
        assert_eq!(agree(&image, &RunRequest { start_position, ..RunRequest::greedy(&prompt, 64) }), 64);
    }
}

#[test]
fn the_bundled_model_streams_from_external_memory() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/stories-lpu");
    let (model, tokenizer) = load(folder.join("model.bin")).expect("the bundled model loads");
    streams(&model, &tokenizer.expect("it has a tokenizer"), ["Lily", "Once upon a time", "Tom had a"]);
}

#[test]
fn a_model_of_others_streams_from_external_memory() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let (model, tokenizer) = load(folder.join("stories260K.bin")).expect("the shared model loads");
    streams(&model, &tokenizer.expect("it has a tokenizer"), ["Lily", "Once upon a time", "Tom had a"]);
}
