//! The whole chip over its host port: memories, registers, and a program that runs.

use super::Lpu;
use crate::bench::{Bench, Random, Response, Stimulus};
use lpu_isa::Geometry;
use lpu_isa::host::{COMMAND_READ, COMMAND_WRITE, Fault, HOST_WORD_BYTES, Register, Space, Step};
use lpu_isa::instruction::*;
use lpu_isa::timing;
use std::sync::OnceLock;

const GEOMETRY: Geometry = Geometry::NANO;
/// Cycles in which a host word is surely written or read.
const WORD_CYCLES: usize = Lpu::HOST_READ_CYCLES + HOST_WORD_BYTES + 4;

/// The chip, built once for all tests.
fn bench() -> &'static Bench {
    static BUILT: OnceLock<Bench> = OnceLock::new();
    BUILT.get_or_init(|| Bench::new(&super::emit(&GEOMETRY, "lpu").unwrap()).unwrap())
}

fn send(stimulus: &mut Stimulus, bytes: &[u8]) {
    for &byte in bytes {
        stimulus.cycle().set("host_in_valid", 1).set("host_in_data", byte.into()).set("host_out_ready", 1);
        for _ in 0..3 {
            stimulus.cycle().set("host_out_ready", 1);
        }
    }
}

fn header(command: u8, space: Space, address: u32, count: usize) -> [u8; 7] {
    let [a, b, c, _] = address.to_le_bytes();
    [command, space as u8, a, b, c, count as u8, (count >> 8) as u8]
}

fn write(stimulus: &mut Stimulus, space: Space, address: u32, words: &[[u8; HOST_WORD_BYTES]]) {
    send(stimulus, &header(COMMAND_WRITE, space, address, words.len()));
    send(stimulus, words.as_flattened());
}

fn write_number(stimulus: &mut Stimulus, space: Space, address: u32, number: u64) {
    let mut word = [0; HOST_WORD_BYTES];
    word[..8].copy_from_slice(&number.to_le_bytes());
    write(stimulus, space, address, &[word]);
}

/// Asks for a word, and says where in the response its answer lies.
fn read(stimulus: &mut Stimulus, space: Space, address: u32) -> std::ops::Range<usize> {
    let begin = stimulus.cycles();
    send(stimulus, &header(COMMAND_READ, space, address, 1));
    wait(stimulus, WORD_CYCLES);
    begin..stimulus.cycles()
}

fn wait(stimulus: &mut Stimulus, cycles: usize) {
    for _ in 0..cycles {
        stimulus.cycle().set("host_out_ready", 1);
    }
}

fn answer(response: &Response, cycles: std::ops::Range<usize>) -> [u8; HOST_WORD_BYTES] {
    let valid = cycles.filter(|&t| response.get(t, "host_out_valid") == 1);
    let bytes: Vec<u8> = valid.map(|t| response.get(t, "host_out_data") as u8).collect();
    bytes.try_into().unwrap()
}

fn number(response: &Response, cycles: std::ops::Range<usize>) -> u64 {
    u64::from_le_bytes(answer(response, cycles)[..8].try_into().unwrap())
}

#[test]
fn every_chip_is_emitted() {
    for geometry in Geometry::ALL {
        let design = super::emit(&geometry, "lpu").unwrap();
        assert!(design.verilog().contains("module lpu ("), "{}", geometry.name);
    }
}

#[test]
fn memories_hold_what_the_host_writes() {
    let bench = bench();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let spaces = [Space::Weights, Space::Kv, Space::Vmem];
    let mut written = vec![];
    for space in spaces {
        for address in 0..20 {
            let word: [u8; HOST_WORD_BYTES] = std::array::from_fn(|_| random.unsigned(8) as u8);
            write(&mut stimulus, space, address * 31, &[word]);
            written.push((space, address * 31, word));
        }
    }
    let reads: Vec<_> =
        written.iter().map(|&(space, address, _)| read(&mut stimulus, space, address)).collect();
    let identity = read(&mut stimulus, Space::Registers, Register::Identity as u32);
    let geometry = read(&mut stimulus, Space::Registers, Register::GeometryHash as u32);
    let faults = read(&mut stimulus, Space::Registers, Register::Faults as u32);
    let response = bench.run(&stimulus).unwrap();
    for (cycles, (space, address, word)) in reads.into_iter().zip(written) {
        assert_eq!(answer(&response, cycles), word, "{space:?} {address}");
    }
    assert_eq!(number(&response, identity), lpu_isa::host::IDENTITY);
    assert_eq!(number(&response, geometry), GEOMETRY.hash());
    assert_eq!(number(&response, faults), 0);
}

/// Row 0 of vector memory through the vector unit to row 1, and the best lane chosen.
fn copying() -> [Vec<Instruction>; 2] {
    let end = Instruction { control: Control::default(), op: End {}.into() };
    let vector = |destination, row| {
        let one = 2 * GEOMETRY.scalars as u32;
        let fields =
            Vector { b: B::Scalar, scalar: one, destination, row, restart: true, ..Vector::default() };
        Instruction {
            control: Control { delay: Affine::fixed(8), count: Affine::fixed(1), interval: 1 },
            op: fields.into(),
        }
    };
    let wait = Instruction { control: Control::after(40), op: Nop {}.into() };
    [vec![end], vec![vector(Destination::Vmem, 1), vector(Destination::Argmax, 0), wait, end]]
}

#[test]
fn a_program_runs_and_is_recorded() {
    let bench = bench();
    let mut stimulus = bench.stimulus();
    let lanes: [i64; 8] = [5, -7, 1000, -20_000, 77_777, 3, 77_777, 0];
    let mut words = [[0; HOST_WORD_BYTES]; 2];
    for (lane, &value) in lanes.iter().enumerate() {
        let mut bits = [0; 16];
        bits[..HOST_WORD_BYTES].copy_from_slice(&words[lane / 4]);
        let word = u128::from_le_bytes(bits) | u128::from(value as u64 & 0x3_ffff) << (18 * (lane % 4));
        words[lane / 4].copy_from_slice(&word.to_le_bytes()[..HOST_WORD_BYTES]);
    }
    write(&mut stimulus, Space::Vmem, 0, &words);
    for (space, program) in [Space::MatrixQueue, Space::VectorQueue].into_iter().zip(copying()) {
        for (index, instruction) in program.iter().enumerate() {
            for (part, &data) in instruction.encode().unwrap().iter().enumerate() {
                write_number(&mut stimulus, space, (index * 8 + part) as u32, data);
            }
        }
    }
    for (register, value) in [
        (Register::Limit, 3),
        (Register::StopToken, 0xffff),
        (Register::StopTokenToo, 0xffff),
        (Register::StartPosition, 6),
    ] {
        write_number(&mut stimulus, Space::Registers, register as u32, value);
    }
    write_number(&mut stimulus, Space::Registers, Register::Control as u32, 1);
    wait(&mut stimulus, 400);
    let copies = [0, 1].map(|quad| read(&mut stimulus, Space::Vmem, 2 + quad));
    let records: Vec<_> = (0..4).map(|_| read(&mut stimulus, Space::TokensOut, 0)).collect();
    let faults = read(&mut stimulus, Space::Registers, Register::Faults as u32);
    let response = bench.run(&stimulus).unwrap();
    for (copy, word) in copies.into_iter().zip(words) {
        assert_eq!(answer(&response, copy), word);
    }
    // Both vector instructions take delay + one issue, the wait its delay; the first activation comes after the start.
    let cycles = (timing::START_CYCLES + 2 * 9 + 40 + timing::TURNAROUND_CYCLES) as u32;
    for (step, record) in records.into_iter().enumerate() {
        let expected = (step < 3).then(|| Step { token: 4, position: 6 + step as u16, cycles });
        assert_eq!(Step::decode(number(&response, record)), expected, "step {step}");
    }
    assert_eq!(Fault(number(&response, faults) as u32), Fault::default());
}
