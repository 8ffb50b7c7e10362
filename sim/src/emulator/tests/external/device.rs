//! External memory behind the host port.

use super::*;
use crate::device::{Device, PortDevice, RunRequest, run_to_end};
use lpu_isa::host::{Fault, Register};

/// The token after `t` is `(3 * t + 1) mod 16`: external memory holds a row of logits pair a token, and gets the logits of the last one.
#[test]
fn a_device_loads_external_memory_and_reads_logits_from_it() {
    let mut bits = Bits(Vec::new());
    for token in 0..16 {
        (0..16).for_each(|lane| bits.put(18, if lane == (3 * token + 1) % 16 { 90 } else { lane - 20 }));
        bits.pad(GRANULE);
    }
    let load = Transfer {
        way: Way::Vmem,
        run: 2,
        step_by: StepBy::Token,
        address_step: 1,
        row: 40,
        row_step: 1,
        ..Transfer::default()
    };
    let back = Transfer { way: Way::FromVmem, address: 30, address_step: 0, ..load };
    let choose = Vector {
        vmem: 40,
        vmem_advance: true,
        b: B::Scalar,
        scalar: 33,
        destination: Destination::Argmax,
        row_step: 1,
        restart: true,
        ..Vector::default()
    };
    let sync = op(control(0, 1, 1), Op::Sync(Sync {}));
    let wait = op(control(60, 1, 1), Op::Nop(Nop {}));
    let transfers = [transfer(1, load), wait, sync, transfer(1, back)];
    let mut image = external(&[sync], &[sync, vector(2, choose)], &transfers, bits.bytes());
    (image.model.vocab, image.model.logits_row) = (16, 30);
    let mut device = PortDevice::new(Emulator::new(CHIP));
    device.load(&image).expect("loads");
    let outcome = run_to_end(&mut device, &RunRequest::greedy(&[2], 6)).expect("runs");
    assert_eq!(outcome.tokens(), [7, 6, 3, 10, 15, 14]);
    assert_eq!(device.faults().expect("answers"), Fault::default());
    // The input of the last position was 15.
    let logits = device.logits().expect("answers");
    let expected: Vec<i32> = (0..16).map(|lane| if lane == 14 { 90 } else { lane - 20 }).collect();
    assert_eq!(logits, expected);
    // Beyond its end the port refuses.
    let words = (CHIP.dram_granules * 8) as u32;
    assert_eq!(device.port().read(Space::Dram, words, 1).expect("answers"), [[0; 9]]);
    assert_eq!(Fault(device.register(Register::Faults).expect("answers") as u32), Fault::HOST_ACCESS);
}

/// Loading by the host port and loading directly are the same to a program, also where an image's memory ends within a word.
#[test]
fn both_ways_of_loading_give_the_same_memory() {
    let dram_bytes: Vec<u8> = (0..200_003).map(|at| (at * 7 + at / 256) as u8).collect();
    let image = external(&[], &[], &[], dram_bytes.clone());
    let mut device = PortDevice::new(Emulator::new(CHIP));
    device.load(&image).expect("loads");
    let mut direct = Emulator::with_image(&image);
    let mut taken = Emulator::from(image);
    let mut expected = dram_bytes;
    expected.resize(200_064, 0);
    assert_eq!(dram(&mut direct, 0, 65_536 * 2), expected[..65_536 * 2]);
    for address in [0, 65_528, 131_000, 199_936] {
        let wanted = &expected[address..address + 128];
        assert_eq!(dram(&mut direct, address, 128), wanted, "with_image, {address}");
        assert_eq!(dram(&mut taken, address, 128), wanted, "from, {address}");
        assert_eq!(dram(device.port(), address, 128), wanted, "host port, {address}");
    }
}

/// Words are written up to the end of memory; of a command that goes beyond it, those that exist.
#[test]
fn the_host_port_writes_to_the_end_of_external_memory() {
    let mut emulator = Emulator::new(CHIP);
    let words = (CHIP.dram_granules * 8) as u32;
    emulator.write(Space::Dram, words - 2, &[[1; 9]; 2]).expect("answers");
    assert_eq!(emulator.faults(), Fault::default());
    emulator.write(Space::Dram, words - 1, &[[2; 9]; 2]).expect("answers");
    assert_eq!(emulator.faults(), Fault::HOST_ACCESS);
    let at = (words as usize - 2) * 8;
    assert_eq!(dram(&mut emulator, at, 16), [[1; 8], [2; 8]].concat());
}
