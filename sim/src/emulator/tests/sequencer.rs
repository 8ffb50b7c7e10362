//! Runs, registers and records as the host port shows them.

use super::*;
use crate::device::{Device, HostPort, PortDevice, RunRequest, Step, from_number, number_of, run_to_end};
use lpu_isa::arith::Scalar;
use lpu_isa::host::{Fault, Register, Space};

/// A model of eight tokens: the token after `t` is `t + 1`, or with sampling any, drawn with equal weight.
fn counting_image() -> Image {
    // Row t of weights: a one in lane t + 1. Gather puts it into vector memory row 40; then logits are compared.
    let mut weights = vec![0; 4 * L];
    for token in 0..V {
        weights[token * V + (token + 1) % V] = 1;
    }
    let matrix = gather(1, Gather { index: Index::Token, row: 0, chunks: 0, store: 40 });
    let choose = Vector {
        vmem: 40,
        b: B::Scalar,
        scalar: 33,
        c: C::Noise,
        destination: Destination::Argmax,
        restart: true,
        ..Vector::default()
    };
    let mut image = image(&[matrix], &[vector(1, choose)]);
    image.weights = weights;
    image.model.vocab = V as u32;
    image.model.logits_row = 40;
    image
}

fn device() -> PortDevice<Emulator> {
    let mut device = PortDevice::new(Emulator::new(Geometry::NANO));
    device.load(&counting_image()).expect("loads");
    device
}

fn tokens(device: &mut PortDevice<Emulator>, request: &RunRequest) -> Vec<u16> {
    run_to_end(device, request).expect("runs").tokens()
}

#[test]
fn a_run_feeds_its_choices_back() {
    let mut device = device();
    let outcome = run_to_end(&mut device, &RunRequest::greedy(&[2], 7)).unwrap();
    assert_eq!(outcome.tokens(), [3, 4, 5, 6, 7, 0, 1]);
    assert_eq!(
        outcome.steps.iter().map(|step| step.position).collect::<Vec<_>>(),
        (0..7).collect::<Vec<_>>()
    );
    // Start 4, 40 to the issue and 1 for it, 40 of waiting, turnaround 7.
    assert!(outcome.steps.iter().all(|step| step.cycles == 92), "{:?}", outcome.steps);
    assert_eq!(outcome.cycles(), 7 * 92);
    assert_eq!(device.register(Register::Cycles).unwrap(), 7 * 92);
    assert_eq!(device.faults().unwrap(), Fault::default());
}

#[test]
fn prompts_of_any_length_are_fed() {
    let prompt: Vec<u16> = (0..50).map(|k| k * 3 % 8).collect();
    let mut device = device();
    let found = tokens(&mut device, &RunRequest::greedy(&prompt, 52));
    let mut expected: Vec<u16> = prompt.iter().map(|token| (token + 1) % 8).collect();
    expected.extend([(expected[49] + 1) % 8, (expected[49] + 2) % 8]);
    assert_eq!(found, expected);
}

#[test]
fn runs_end_at_stop_tokens_context_and_limit() {
    let mut device = device();
    let request = RunRequest { stop_tokens: [None, Some(5)], ..RunRequest::greedy(&[4, 4, 0], 20) };
    // The first choices are 5, but only the last prompt position counts.
    assert_eq!(tokens(&mut device, &request), [5, 5, 1, 2, 3, 4, 5]);
    let request = RunRequest { start_position: 60, ..RunRequest::greedy(&[0], 20) };
    assert_eq!(tokens(&mut device, &request), [1, 2, 3, 4], "the context has 64 positions");
    // Without a prompt a run goes on from the token chosen last.
    let request = RunRequest { start_position: 4, ..RunRequest::greedy(&[], 2) };
    assert_eq!(tokens(&mut device, &request), [5, 6]);
}

#[test]
fn paused_runs_show_logits() {
    let mut device = device();
    device.start(&RunRequest { pause: true, ..RunRequest::greedy(&[6], 3) }).unwrap();
    for token in [7, 0, 1] {
        let step = device.next_step().unwrap().unwrap();
        assert_eq!(step.token, token);
        let mut expected = vec![0; V];
        expected[usize::from(token)] = 1;
        assert_eq!(device.logits().unwrap(), expected);
    }
    assert_eq!(device.next_step().unwrap(), None);
    assert_eq!(device.faults().unwrap(), Fault::default());
}

#[test]
fn sampling_is_reproducible_and_depends_on_the_seed() {
    let mut device = device();
    let flat = Some(Scalar { mantissa: 0, exponent: 0 });
    let sample = |device: &mut PortDevice<Emulator>, seed| {
        tokens(device, &RunRequest { sampling: flat, seed, ..RunRequest::greedy(&[0], 60) })
    };
    let first = sample(&mut device, 1);
    assert_eq!(first, sample(&mut device, 1));
    assert_ne!(first, sample(&mut device, 2));
    assert!((0..8).all(|token| first.contains(&token)), "sixty even draws of eight: {first:?}");
    // The generator stands still without sampling.
    assert_eq!(tokens(&mut device, &RunRequest::greedy(&[0], 3)), [1, 2, 3]);
}

#[test]
fn a_cancelled_run_leaves_nothing_behind() {
    let mut device = device();
    device.start(&RunRequest::greedy(&[0, 1, 2], 30)).unwrap();
    device.next_step().unwrap();
    device.cancel().unwrap();
    assert_eq!(device.next_step().unwrap(), None);
    assert_eq!(tokens(&mut device, &RunRequest::greedy(&[3], 2)), [4, 5]);
}

#[test]
fn a_run_waits_for_prompt_tokens_and_for_room() {
    let mut device = device();
    let chip = device.port();
    let status = |chip: &mut Emulator| number_of(&chip.read(Space::Registers, 3, 1).unwrap()[0]) & 0xffff;
    for (register, value) in [
        (Register::StopToken, 0xffff),
        (Register::StopTokenToo, 0xffff),
        (Register::InverseTemperature, (16 << 18) | (1 << 16)),
        (Register::PromptLength, 2),
        (Register::Limit, 200),
        (Register::Control, 1),
    ] {
        chip.write(Space::Registers, register as u32, &[from_number(value)]).unwrap();
    }
    assert_eq!(status(chip), 0b110, "active, waiting for a prompt token");
    chip.write(Space::TokensIn, 0, &[from_number(1), from_number(5)]).unwrap();
    (0..100).for_each(|_| _ = status(chip));
    assert_eq!(status(chip), 0b1010, "active, waiting for room");
    let records = chip.read(Space::TokensOut, 0, 3).unwrap();
    let found: Vec<u16> = records.iter().map(|word| Step::decode(number_of(word)).unwrap().token).collect();
    assert_eq!(found, [2, 6, 7]);
}

#[test]
fn memories_are_refused_while_a_token_runs() {
    let mut device = device();
    device.start(&RunRequest::greedy(&[0], 30)).unwrap();
    let words = device.port().read(Space::Vmem, 80, 1).unwrap();
    assert_eq!(words, [[0; 9]]);
    assert_eq!(device.faults().unwrap(), Fault::HOST_ACCESS);
}

#[test]
fn memories_read_back_as_written() {
    let mut chip = Emulator::new(Geometry::NANO);
    for (space, address) in [(Space::Weights, 4095), (Space::Kv, 2047), (Space::Vmem, 1023)] {
        let word = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0xa5];
        chip.write(space, address, &[word]).unwrap();
        assert_eq!(chip.read(space, address, 1).unwrap(), [word], "{space:?}");
        assert_eq!(chip.faults(), Fault::default());
        chip.write(space, address + 1, &[word]).unwrap();
        assert_eq!(chip.faults(), Fault::HOST_ACCESS, "{space:?} has no word {}", address + 1);
        chip.write(Space::Registers, Register::Faults as u32, &[from_number(u64::MAX)]).unwrap();
    }
}

#[test]
fn equal_runs_give_equal_chips() {
    let traces = || {
        let mut emulator = Emulator::with_image(&counting_image());
        let mut events: Vec<crate::trace::Trace> = Vec::new();
        for position in 0..9 {
            emulator.execute_traced(position as u16 % 8, position, &mut events);
        }
        (events, emulator.state().vmem_row(40).to_vec())
    };
    assert_eq!(traces(), traces());
    assert!(!traces().0.is_empty());
}
