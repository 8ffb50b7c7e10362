//! The whole board Verilated: the bitstream's Verilog, the firmware's image on its soft core, levels at its pins.
#![cfg(feature = "rtl")]

#[path = "../../runtime/tests/hostile_frames/mod.rs"]
mod hostile_frames;
mod pins;

use hostile_frames::{check_refusals, encoded, line_of};
use lpu_compiler::{Options as CompileOptions, compile};
use lpu_isa::Geometry;
use lpu_isa::host::{Fault, HOST_WORD_BYTES};
use lpu_isa::image::Image;
use lpu_isa::link::{LINE_BITS_PER_BYTE, RATE_MAX, Request, STEP_BYTES};
use lpu_model::load;
use lpu_runtime::serial::{Line, Options, SerialDevice, stored_program};
use lpu_sim::board::{CLOCK_HZ, Flash, RtlBoard};
use lpu_sim::device::conformance::programs;
use lpu_sim::device::{Device, Outcome, RunRequest, program_words, run_to_end, run_with_logits};
use lpu_sim::prediction::predict;
use lpu_sim::rtl::chip;
use lpu_sim::{Emulator, PortDevice};
use pins::{Pins, World};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

type Shared = Rc<RefCell<World<RtlBoard>>>;

/// The bundled microGPT: a real model whose load the simulated line carries in seconds.
static MODEL: LazyLock<Image> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/microgpt");
    let (model, tokenizer) = load(path).expect("the bundled model loads");
    compile(&model, tokenizer.as_ref(), &Geometry::NANO, &CompileOptions::default())
        .expect("the model fits")
        .image
        .into_image()
});

/// A small program that takes every memory and both queues, for what does not depend on the model.
static PROGRAM: LazyLock<Image> = LazyLock::new(|| programs::attention(&Geometry::NANO));

/// Prompts of the comparison, names begun; tokens of each answer, and positions whose logits cross the line.
const PROMPTS: [&[u16]; 3] = [&[26, 0], &[26], &[26, 9, 12]];
const TOKENS: usize = 13;
const LOGITS: usize = 2;

/// A board that was just switched on, with a program in its flash memory if it is not empty.
fn board(stored: &[u8]) -> Shared {
    World::new(RtlBoard::new(&Geometry::NANO, Flash::new(stored)).expect("the board was built"))
}

fn connect(world: &Shared) -> SerialDevice<Pins<RtlBoard>> {
    let options = Options { nonce: world.borrow().cycles as u32 | 1, ..Options::default() };
    SerialDevice::connect(Pins(world.clone()), &options).expect("the board answers")
}

/// The answers to all prompts: tokens with their cycles, and logits of the first positions.
fn answers(device: &mut dyn Device) -> Vec<[Outcome; 2]> {
    device.load(&MODEL).expect("the image is for this chip");
    let mut answer = |prompt: &&[u16]| {
        let request = RunRequest { pause: false, ..RunRequest::greedy(prompt, prompt.len() + TOKENS - 1) };
        let tokens = run_to_end(device, &request).expect("the run goes on");
        let request = RunRequest::greedy(prompt, LOGITS);
        let logits = run_with_logits(device, &request, |_, _| {}).expect("the run goes on");
        assert_eq!(device.faults(), Ok(Fault(0)));
        [tokens, logits]
    };
    PROMPTS.iter().map(&mut answer).collect()
}

fn assert_predicted(image: &Image, outcome: &Outcome) {
    for step in &outcome.steps {
        let position = usize::from(step.position);
        assert_eq!(i64::from(step.cycles), predict(image, position), "position {position}");
    }
}

#[test]
fn tokens_logits_and_cycles_are_those_of_emulator_and_chip() {
    let expected = answers(&mut PortDevice::new(Emulator::new(Geometry::NANO)));
    for [tokens, logits] in &expected {
        assert_predicted(&MODEL, tokens);
        assert!(tokens.steps.len() >= TOKENS && logits.logits_hashes.len() == LOGITS);
    }
    assert_eq!(answers(&mut chip(&Geometry::NANO).expect("RTL of this chip exists")), expected);
    let world = board(&[]);
    let begin = std::time::Instant::now();
    assert_eq!(answers(&mut connect(&world)), expected);
    println!("{} cycles of the soft core in {:?}", world.borrow().cycles, begin.elapsed());
}

/// Cycles of the soft core in which the line carries bytes at its fastest.
fn line_cycles(bytes: usize) -> f64 {
    let bits = bytes as f64 * f64::from(LINE_BITS_PER_BYTE);
    bits * f64::from(CLOCK_HZ) / f64::from(RATE_MAX)
}

/// Cycles that something takes on a board.
fn cycles_of<T>(world: &Shared, work: impl FnOnce() -> T) -> (T, f64) {
    let begin = world.borrow().cycles;
    let result = work();
    (result, (world.borrow().cycles - begin) as f64)
}

#[test]
fn a_load_takes_the_line_s_rate() {
    let world = board(&[]);
    let mut device = connect(&world);
    assert_eq!(device.board().map(|board| board.rate_max), Ok(RATE_MAX));
    let (loaded, cycles) = cycles_of(&world, || device.load_program(&PROGRAM));
    assert_eq!(loaded, Ok(true));
    let bytes: usize = program_words(&PROGRAM).iter().map(|(_, words)| words.len() * HOST_WORD_BYTES).sum();
    let share = line_cycles(bytes) / cycles;
    println!("{bytes} bytes of a program in {cycles} cycles: {:.1} % of {RATE_MAX} bits/s", 100.0 * share);
    assert!(share >= 0.9, "{share}");
}

/// The part of the line that the tokens of a fast chip take at least: 1,250 cycles of the soft core a token.
const STREAM_SHARE_MIN: f64 = 0.8;

/// A chip that is faster than the line: tokens stream as fast as the firmware moves them.
#[test]
fn tokens_stream_at_the_firmware_s_rate() {
    let world = board(&[]);
    let mut device = connect(&world);
    let mut image = programs::counting(&Geometry::NANO);
    image.model.context = Geometry::NANO.positions as u32;
    device.load(&image).expect("the image is for this chip");
    let request = RunRequest { pause: false, ..RunRequest::greedy(&[1], 1000) };
    let (outcome, cycles) = cycles_of(&world, || run_to_end(&mut device, &request));
    let steps = outcome.expect("the run goes on").steps.len();
    let share = line_cycles(steps * STEP_BYTES) / cycles;
    let rate = steps as f64 * f64::from(CLOCK_HZ) / cycles;
    println!(
        "{steps} tokens in {cycles} cycles: {rate:.0} tokens/s, {:.1} % of {RATE_MAX} bits/s",
        100.0 * share
    );
    assert_eq!(steps, 1000);
    assert!(share >= STREAM_SHARE_MIN, "{share}");
}

/// Bytes of a full line: more than the run takes.
const FLOOD_BYTES: u64 = 3_000;
/// The light that says that a program is loaded.
const LOADED: u8 = 1 << 1;

/// A host that sends requests as fast as the line takes them, whatever else it does.
struct Flood {
    pins: Pins<RtlBoard>,
    /// When the line will have carried what was sent.
    busy_until: Duration,
    sent: u64,
}

impl Flood {
    fn fill(&mut self) {
        while self.busy_until < self.pins.now() + Duration::from_micros(200) {
            let bytes = line_of(&encoded(&Request::Identify {}));
            let time = Duration::from_nanos(bytes.len() as u64 * 10_000_000_000 / u64::from(RATE_MAX));
            self.busy_until = self.busy_until.max(self.pins.now()) + time;
            self.sent += bytes.len() as u64;
            self.pins.send(&bytes).expect("the line takes it");
        }
    }
}

/// Cycles of a token do not depend on what the soft core and the line do meanwhile.
#[test]
fn a_full_line_changes_no_token_s_cycles() {
    let world = board(&[]);
    let mut device = connect(&world);
    device.load(&PROGRAM).expect("the image is for this chip");
    let request = RunRequest { pause: false, ..RunRequest::greedy(&[1, 2, 3], 60) };
    let quiet = run_to_end(&mut device, &request).expect("the run goes on");
    assert_predicted(&PROGRAM, &quiet);
    device.start(&request).expect("the run starts");
    let begin = world.borrow().cycles;
    let mut flood = Flood { pins: Pins(world.clone()), busy_until: Duration::ZERO, sent: 0 };
    let mut bytes = [0; 4096];
    let mut answered = 0;
    // Nothing is acknowledged meanwhile, so that the board keeps all steps of the run.
    while flood.sent < FLOOD_BYTES {
        flood.fill();
        answered += flood.pins.receive(&mut bytes, Duration::from_micros(50)).expect("bytes");
    }
    let carried = line_cycles(flood.sent as usize) / (world.borrow().cycles - begin) as f64;
    assert!(carried > 0.95 && answered > 1_000, "{carried} of the line, {answered} bytes of answers");
    world.borrow_mut().step(200_000);
    while flood.pins.receive(&mut bytes, Duration::from_millis(1)).expect("bytes") > 0 {}
    let mut steps = vec![];
    while let Some(step) = device.next_step().expect("the run goes on") {
        steps.push(step);
    }
    assert_eq!(steps, quiet.steps);
}

#[test]
fn a_board_serves_its_stored_program_after_power_on() {
    let image = &*PROGRAM;
    let stored = stored_program(image).expect("an image's frames are short");
    let request = RunRequest { pause: false, ..RunRequest::greedy(&[1, 2, 3], 16) };
    let mut emulator = PortDevice::new(Emulator::new(Geometry::NANO));
    emulator.load(image).expect("the image is for this chip");
    let expected = run_to_end(&mut emulator, &request);

    let world = board(&stored);
    while world.borrow().board.lights() & LOADED == 0 {
        world.borrow_mut().step(1_000);
        assert!(world.borrow().cycles < 40_000_000, "the program is not loaded");
    }
    println!("{} bytes of flash memory loaded after {} cycles", stored.len(), world.borrow().cycles);
    let mut device = connect(&world);
    let before = world.borrow().bytes_sent;
    assert_eq!(device.load_program(image), Ok(false), "it is there");
    assert!(world.borrow().bytes_sent - before < 200, "a few small frames");
    assert_eq!(run_to_end(&mut device, &request), expected);
    device.reset().expect("the board answers");
    assert_eq!(device.load_program(image), Ok(false), "it is there again");
    assert_eq!(run_to_end(&mut device, &request), expected);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let image = programs::counting(&Geometry::NANO);
    let world = board(&[]);
    let mut device = connect(&world);
    device.load(&image).expect("the image is for this chip");
    let request = RunRequest { pause: false, ..RunRequest::greedy(&[1, 2], 5) };
    let expected = run_to_end(&mut device, &request);
    check_refusals(&mut Pins(world.clone()));
    assert_eq!(device.load_program(&image), Ok(false), "the program is on the board");
    assert_eq!(run_to_end(&mut device, &request), expected);
}

/// A host that was killed at the fast rate leaves a board that the next one meets at the slow one. Seconds are short here: the
/// firmware believes in a slower clock.
#[test]
fn a_board_comes_back_from_a_rate_that_its_host_has_left() {
    let board =
        RtlBoard::with_clock(&Geometry::NANO, Flash::default(), 2_000_000).expect("the board was built");
    let world = World::new(board);
    std::mem::forget(connect(&world));
    let mut device = connect(&world);
    assert_eq!(device.board().map(|board| board.rate_max), Ok(2_000_000 / 16));
}
