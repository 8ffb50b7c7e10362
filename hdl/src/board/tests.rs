//! The top of a small board, as its pins see it.

use super::{Plan, PllSettings, PowerOn, emit};
use crate::bench::{Bench, Response, Stimulus};
use lpu_isa::Geometry;
use lpu_isa::host::{COMMAND_READ, HOST_WORD_BYTES, Register, Space};
use lpu_isa::instruction::ISA_HASH;

const BIT_CYCLES: usize = 8;

const PLAN: Plan = Plan {
    geometry: Geometry::NANO,
    pll: PllSettings::Ecp5 { input: 1, feedback: 4, output: 6, output_control: 12 },
    serial_bit_cycles: BIT_CYCLES as u32,
    leds_active_low: true,
};

/// Drives the oscillator: two rows of the stimulus are one cycle.
fn hold(stimulus: &mut Stimulus, level: u64, cycles: usize) {
    for _ in 0..cycles {
        stimulus.cycle().set("oscillator", 0).set("serial_in", level);
        stimulus.cycle().set("oscillator", 1).set("serial_in", level);
    }
}

fn send(stimulus: &mut Stimulus, bytes: &[u8]) {
    for byte in bytes {
        hold(stimulus, 0, BIT_CYCLES);
        (0..8).for_each(|bit| hold(stimulus, u64::from(byte >> bit & 1), BIT_CYCLES));
        hold(stimulus, 1, BIT_CYCLES);
    }
}

/// The bytes on the line, each found by its start bit and sampled in the middle of its bits.
fn received(response: &Response, rows: usize) -> Vec<u8> {
    let level = |row: usize| response.get(row, "serial_out") as u8;
    let (mut row, mut bytes) = (0, vec![]);
    while row + 20 * BIT_CYCLES < rows {
        if level(row) == 1 {
            row += 1;
            continue;
        }
        let middle = |bit: usize| row + BIT_CYCLES + 2 * BIT_CYCLES * bit;
        bytes.push((0..8).map(|bit| level(middle(bit + 1)) << bit).sum());
        assert_eq!(level(middle(9)), 1, "the stop bit at row {row}");
        row += 19 * BIT_CYCLES;
    }
    bytes
}

#[test]
fn a_host_on_the_serial_line_reads_who_the_chip_is() {
    let mut plan_with_number = emit(&PLAN).unwrap();
    plan_with_number.verilog.insert_str(0, "`define LPU_BITSTREAM 64'hfedc_ba98_7654_3210\n");
    let bench = Bench::new(&plan_with_number).unwrap();
    let mut stimulus = bench.stimulus();
    hold(&mut stimulus, 1, PowerOn::LATENCY + PowerOn::WAIT_CYCLES + 2);
    let registers = [Register::Identity, Register::IsaHash, Register::GeometryHash, Register::Bitstream];
    for register in registers {
        send(&mut stimulus, &[COMMAND_READ, Space::Registers as u8, register as u8, 0, 0, 1, 0]);
        hold(&mut stimulus, 1, (HOST_WORD_BYTES + 2) * 10 * BIT_CYCLES);
    }
    let response = bench.run(&stimulus).unwrap();
    let words: Vec<u64> = received(&response, stimulus.cycles())
        .chunks(HOST_WORD_BYTES)
        .map(|word| u64::from_le_bytes(word[..8].try_into().unwrap()))
        .collect();
    let identity = u64::from(u32::from_le_bytes(*b"LPU1"));
    assert_eq!(words, [identity, ISA_HASH, Geometry::NANO.hash(), 0xfedc_ba98_7654_3210]);
    // Nothing runs, waits or is wrong: those lights are dark, which is high here.
    for light in ["led_busy", "led_waiting", "led_fault"] {
        assert!((0..stimulus.cycles()).all(|row| response.get(row, light) == 1), "{light}");
    }
}

#[test]
fn the_familys_cell_stands_under_its_define() {
    let ecp5 = emit(&PLAN).unwrap().verilog;
    for text in ["`ifdef LPU_ECP5", "EHXPLLL", ".CLKFB_DIV(4)", ".CLKOP_DIV(6)", ".CLKOS_DIV(12)"] {
        assert!(ecp5.contains(text), "{text}");
    }
}
