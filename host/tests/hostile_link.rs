//! A host that sends anything: refused with a code, the board's state intact.

mod cable;

use cable::{Cable, Damage, World};
use lpu_host::serial::{Line, Options, SerialDevice};
use lpu_isa::Geometry;
use lpu_isa::host::Space;
use lpu_isa::instruction::ISA_HASH;
use lpu_isa::link::{
    CHECKSUM_BYTES, FRAME_BYTES_MAX, FromLine, LINE_BYTES_MAX, RATE_DEFAULT, Refusal, Reply, Request,
    VERSION, checked, to_line,
};
use lpu_isa::soc::checksum;
use lpu_sim::device::conformance::programs;
use lpu_sim::device::{Device, RunRequest, run_to_end};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::time::Duration;

/// The line's form of a frame, with its checksum.
fn line_of(frame: &[u8]) -> Vec<u8> {
    let whole = [frame, &checksum(frame).to_le_bytes()].concat();
    let mut out = [0; LINE_BYTES_MAX + 600];
    let length = to_line(&whole, &mut out).expect("it fits");
    out[..length].to_vec()
}

/// Sends a frame and gives the answer, if there is one.
fn answer(cable: &mut Cable, frame: &[u8]) -> Option<Vec<u8>> {
    cable.send(&line_of(frame)).expect("the cable takes it");
    let (mut bytes, mut receiver) = ([0; 1024], FromLine::new());
    let end = cable.now() + Duration::from_millis(300);
    while cable.now() < end {
        let count = cable.receive(&mut bytes, Duration::from_millis(20)).expect("the cable gives it");
        for &byte in &bytes[..count] {
            if let Some(length) = receiver.push(byte) {
                return checked(receiver.frame(length), checksum).map(<[u8]>::to_vec);
            }
        }
    }
    None
}

fn refusal(cable: &mut Cable, frame: &[u8]) -> Option<Refusal> {
    match Reply::decode(&answer(cable, frame)?) {
        Ok((_, Reply::Refused { code, .. })) => Refusal::from_code(code),
        _ => None,
    }
}

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut frame = [0; FRAME_BYTES_MAX - CHECKSUM_BYTES];
    let length = request.encode(7, &mut frame).expect("it fits");
    frame[..length].to_vec()
}

/// A board with a program, at the default rate, and what its run gives.
fn board() -> Cable {
    let world = World::new(Geometry::NANO, 1, Damage::default());
    let options = Options { bits_per_second: Some(RATE_DEFAULT), ..Options::default() };
    let mut device = SerialDevice::connect(Cable(world.clone()), &options).expect("a board");
    device.load(&programs::counting(&Geometry::NANO)).expect("the image is for this chip");
    drop(device);
    // The device's last words, and the answer to them, pass.
    world.borrow_mut().idle(Duration::from_millis(50));
    Cable(world)
}

/// The program is still there and runs.
fn is_intact(cable: Cable) {
    let options = Options { nonce: 77, ..Options::default() };
    let mut device = SerialDevice::connect(cable, &options).expect("a board");
    let image = programs::counting(&Geometry::NANO);
    assert_eq!(device.load_program(&image), Ok(false), "the program is on the board");
    assert_eq!(
        run_to_end(&mut device, &RunRequest::greedy(&[1, 2], 5)).map(|outcome| outcome.steps.len()),
        Ok(5)
    );
}

#[test]
fn what_cannot_be_is_refused_with_its_code() {
    let mut cable = board();
    let geometry = Geometry::NANO.hash();
    let (memory, words) = (Space::Weights as u8, [0; 18]);
    let start = |program, limit, run| Request::Start {
        run,
        program,
        prompt: 1,
        limit,
        start_position: 0,
        stop: 0xffff,
        stop_too: 0xffff,
        seed: 1,
        mode: 0,
        inverse_temperature: 0,
    };
    let cases = [
        (Request::Open { isa: ISA_HASH, geometry: 1, program: 2, words: 3, checksum: 4 }, Refusal::OtherChip),
        (Request::Open { isa: 1, geometry, program: 2, words: 3, checksum: 4 }, Refusal::OtherChip),
        (Request::Open { isa: ISA_HASH, geometry, program: 0, words: 3, checksum: 4 }, Refusal::Program),
        (Request::Load { first: 0, space: 99, address: 0, words: &words }, Refusal::Space),
        (
            Request::Load { first: 0, space: Space::Registers as u8, address: 0, words: &words },
            Refusal::Space,
        ),
        (Request::Load { first: 0, space: memory, address: 0, words: &words[1..] }, Refusal::Length),
        (Request::Load { first: 0, space: memory, address: 4095, words: &words }, Refusal::Address),
        (Request::Load { first: 0, space: memory, address: u32::MAX, words: &words }, Refusal::Address),
        (Request::Read { space: memory, address: 0, count: 0 }, Refusal::Length),
        (Request::Read { space: memory, address: 0, count: 57 }, Refusal::Length),
        (Request::Read { space: memory, address: 4096, count: 1 }, Refusal::Address),
        (Request::Read { space: Space::TokensOut as u8, address: 0, count: 1 }, Refusal::Space),
        (Request::Read { space: Space::MatrixQueue as u8, address: 0, count: 1 }, Refusal::Space),
        (Request::Prompt { first: 0, tokens: &words[..1] }, Refusal::Length),
        (Request::Prompt { first: 511, tokens: &words[..4] }, Refusal::Address),
        (start(5, 1, 3), Refusal::Program),
        (Request::Continue { run: 9, step: 0 }, Refusal::Run),
        (Request::Taken { run: 9, steps: 0, again: 0 }, Refusal::Run),
        (Request::Rate { bits_per_second: 100_000_000 }, Refusal::Rate),
        (Request::Rate { bits_per_second: 0 }, Refusal::Rate),
        (Request::March { space: Space::Registers as u8, address: 0, count: 1 }, Refusal::Space),
        (Request::March { space: memory, address: 0, count: 300 }, Refusal::Length),
        (Request::March { space: memory, address: 4096, count: 1 }, Refusal::Address),
    ];
    for (request, expected) in cases {
        assert_eq!(refusal(&mut cable, &encoded(&request)), Some(expected), "{request:?}");
    }
    assert_eq!(refusal(&mut cable, &[VERSION, 0x7e, 1, 0]), Some(Refusal::Kind));
    assert_eq!(refusal(&mut cable, &[VERSION, 0x0a, 1, 0, 9]), Some(Refusal::Length));
    assert_eq!(refusal(&mut cable, &[VERSION + 1, 0x0a, 1, 0]), Some(Refusal::Version));
    is_intact(cable);
}

/// Sound frames of random kinds and fields, and bytes that are no frames: the board goes on.
#[test]
fn random_frames_and_noise_leave_a_board_that_works() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut cable = board();
    for _ in 0..3_000 {
        let length = random.next_u32() as usize % 40;
        let mut frame: Vec<u8> = (0..length + 4).map(|_| random.next_u32() as u8).collect();
        frame[0] = VERSION;
        // All kinds but those that a host uses to change the rate, to reset the board, and to test or replace its program.
        frame[1] = [1, 4, 5, 6, 7, 8, 9, 10, 14, 0x81, 0xff][random.next_u32() as usize % 11];
        if random.next_u32().is_multiple_of(4) {
            let noise: Vec<u8> = (0..60).map(|_| random.next_u32() as u8).collect();
            cable.send(&noise).expect("the cable takes it");
        }
        cable.send(&line_of(&frame)).expect("the cable takes it");
    }
    cable.0.borrow_mut().idle(Duration::from_secs(12));
    is_intact(cable);
}
