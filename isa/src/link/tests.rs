//! Frames and requests of the serial link come back as they were, and damaged ones do not.

use super::*;
use crate::soc::checksum;
use std::vec::Vec;

/// Numbers that are the same in every run.
fn random(state: &mut u32) -> u32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *state >> 8
}

fn line_of(frame: &[u8]) -> Vec<u8> {
    let mut out = [0; LINE_BYTES_MAX];
    let length = to_line(frame, &mut out).expect("it fits");
    out[..length].to_vec()
}

fn frames_of(line: &[u8]) -> Vec<Vec<u8>> {
    let mut receiver = FromLine::new();
    line.iter()
        .filter_map(|&byte| receiver.push(byte).map(|length| receiver.frame(length).to_vec()))
        .collect()
}

#[test]
fn frames_of_every_length_pass_the_line() {
    let mut state = 1;
    for length in HEAD_BYTES + CHECKSUM_BYTES..=FRAME_BYTES_MAX {
        for zeros in [0, 2, 300] {
            let frame: Vec<u8> = (0..length)
                .map(|_| if random(&mut state) % 300 < zeros { 0 } else { random(&mut state) as u8 | 1 })
                .collect();
            let line = line_of(&frame);
            assert_eq!(line.iter().position(|&byte| byte == 0), Some(line.len() - 1), "one zero, at the end");
            assert_eq!(frames_of(&line), [frame]);
        }
    }
}

#[test]
fn zeros_become_ways_to_the_next_zero() {
    assert_eq!(line_of(&[]), [1, 0]);
    assert_eq!(line_of(&[0, 0]), [1, 1, 1, 0]);
    assert_eq!(line_of(&[11, 22, 0, 33]), [3, 11, 22, 2, 33, 0]);
    // 254 bytes without a zero are the most that a code stands before; the next one stands for no zero.
    let run = [7; 254];
    assert_eq!(line_of(&run[1..]), [&[254], &run[1..], &[0]].concat());
    assert_eq!(line_of(&run), [&[255], &run[..], &[1, 0]].concat());
    let frame = [&run[..], &[9, 9, 0, 8], &run].concat();
    assert_eq!(line_of(&frame), [&[255], &run[..], &[3, 9, 9, 255, 8], &run[1..], &[2, 7, 0]].concat());
    let frame = [&run[1..], &[0], &run, &[0, 5]].concat();
    assert_eq!(line_of(&frame), [&[254], &run[1..], &[255], &run, &[1, 2, 5, 0]].concat());
}

#[test]
fn a_frame_that_is_too_long_is_dropped_and_the_next_is_sound() {
    let mut line: Vec<u8> = (0..5000).map(|index| index as u8 | 1).collect();
    line.push(0);
    line.extend(line_of(b"a sound frame"));
    assert_eq!(frames_of(&line), [b"a sound frame"]);
    assert_eq!(to_line(&[1; FRAME_BYTES_MAX], &mut [0; 100]), None);
}

#[test]
fn any_bytes_are_taken_without_a_panic() {
    let (mut state, mut receiver) = (7, FromLine::new());
    for _ in 0..200_000 {
        let byte = if random(&mut state).is_multiple_of(40) { 0 } else { random(&mut state) as u8 };
        if let Some(length) = receiver.push(byte) {
            let frame = receiver.frame(length);
            assert!((HEAD_BYTES + CHECKSUM_BYTES..=FRAME_BYTES_MAX).contains(&frame.len()));
            let _ = (Request::decode(frame), Reply::decode(frame), checked(frame, checksum));
        }
    }
}

#[test]
fn messages_come_back_as_they_were() {
    let requests = [
        Request::Identify {},
        Request::Open { isa: 1, geometry: 2, program: 3, words: 4, checksum: 5 },
        Request::Load { first: 9, space: 1, address: 77, words: &[1, 2, 3] },
        Request::Start {
            run: 1,
            program: 2,
            prompt: 3,
            limit: 4,
            start_position: 5,
            stop: 6,
            stop_too: 7,
            seed: 8,
            mode: 3,
            inverse_temperature: 10,
        },
    ];
    for (sequence, request) in requests.iter().enumerate() {
        let mut out = [0; FRAME_BYTES_MAX];
        let length = request.encode(sequence as u16, &mut out).expect("it fits");
        assert_eq!(Request::decode(&out[..length]), Ok((sequence as u16, *request)));
        assert!(!matches!(Request::decode(&out[..length - 1]), Ok((_, found)) if found == *request));
    }
}

#[test]
fn another_version_is_told_from_a_wrong_frame() {
    assert_eq!(Request::decode(&[VERSION + 1, 0x0c, 5, 0]), Err((5, Refusal::Version)));
    assert_eq!(Request::decode(&[VERSION + 1, IDENTIFY, 5, 0]), Ok((5, Request::Identify {})));
    assert_eq!(Request::decode(&[VERSION, 0x7f, 5, 0]), Err((5, Refusal::Kind)));
    assert_eq!(Request::decode(&[VERSION, 0x0c, 5, 0, 1]), Err((5, Refusal::Length)));
    assert_eq!(Request::decode(&[VERSION]), Err((0, Refusal::Length)));
}

#[test]
fn every_kind_and_code_is_its_own() {
    let kinds: Vec<u8> = Request::KINDS.iter().chain(Reply::KINDS).map(|entry| entry.1).collect();
    assert!((1..kinds.len()).all(|index| !kinds[..index].contains(&kinds[index])), "{kinds:?}");
    for (refusal, text) in Refusal::TABLE {
        assert_eq!(Refusal::from_code(*refusal as u8), Some(*refusal));
        assert!(!text.is_empty());
    }
}
