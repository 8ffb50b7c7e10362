//! Frames that no board may obey, and the refusal of each; the same for every board.

use lpu_isa::Geometry;
use lpu_isa::host::Space;
use lpu_isa::instruction::ISA_HASH;
use lpu_isa::link::{
    CHECKSUM_BYTES, FRAME_BYTES_MAX, FromLine, LINE_BYTES_MAX, Refusal, Reply, Request, VERSION, checked,
    to_line,
};
use lpu_isa::soc::checksum;
use lpu_runtime::serial::Line;
use std::time::Duration;

/// The line's form of a frame, with its checksum.
pub fn line_of(frame: &[u8]) -> Vec<u8> {
    let whole = [frame, &checksum(frame).to_le_bytes()].concat();
    let mut out = [0; LINE_BYTES_MAX + 600];
    let length = to_line(&whole, &mut out).expect("it fits");
    out[..length].to_vec()
}

/// Sends a frame and gives the answer, if there is one.
fn answer(line: &mut impl Line, frame: &[u8]) -> Option<Vec<u8>> {
    line.send(&line_of(frame)).expect("the line takes it");
    let (mut bytes, mut receiver) = ([0; 1024], FromLine::new());
    let end = line.now() + Duration::from_millis(300);
    while line.now() < end {
        let count = line.receive(&mut bytes, Duration::from_millis(20)).expect("the line gives it");
        for &byte in &bytes[..count] {
            if let Some(length) = receiver.push(byte) {
                return checked(receiver.frame(length), checksum).map(<[u8]>::to_vec);
            }
        }
    }
    None
}

pub fn refusal(line: &mut impl Line, frame: &[u8]) -> Option<Refusal> {
    match Reply::decode(&answer(line, frame)?) {
        Ok((_, Reply::Refused { code, .. })) => Refusal::from_code(code),
        _ => None,
    }
}

pub fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut frame = [0; FRAME_BYTES_MAX - CHECKSUM_BYTES];
    let length = request.encode(7, &mut frame).expect("it fits");
    frame[..length].to_vec()
}

/// Sends what a board with the small chip, and without a program of number 5, refuses.
pub fn check_refusals(line: &mut impl Line) {
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
        assert_eq!(refusal(line, &encoded(&request)), Some(expected), "{request:?}");
    }
    assert_eq!(refusal(line, &[VERSION, 0x7e, 1, 0]), Some(Refusal::Kind));
    assert_eq!(refusal(line, &[VERSION, 0x0a, 1, 0, 9]), Some(Refusal::Length));
    assert_eq!(refusal(line, &[VERSION + 1, 0x0a, 1, 0]), Some(Refusal::Version));
}
