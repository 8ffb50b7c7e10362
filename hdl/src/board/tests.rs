//! The top of a small board, as its pins see it; the soft core relays bytes between line and chip.

use super::{Plan, PllSettings, PowerOn, emit};
use crate::bench::{Bench, Response, Stimulus};
use crate::soc::SocPlan;
use crate::soc::tests::relay;
use lpu_isa::Geometry;
use lpu_isa::host::{COMMAND_READ, HOST_WORD_BYTES, Register, Space};
use lpu_isa::instruction::ISA_HASH;
use lpu_isa::soc::serial_rate;

/// Cycles of the soft core's clock in a bit of the line.
const BIT_CYCLES: usize = 40;
/// Rows of the stimulus in a bit: two in a cycle of the oscillator, of which the soft core's clock takes two.
const BIT_ROWS: usize = 4 * BIT_CYCLES;
const CONTROL_HZ: u32 = 48_000_000;

fn plan() -> Plan {
    let rate = serial_rate(CONTROL_HZ, CONTROL_HZ / BIT_CYCLES as u32);
    Plan {
        geometry: Geometry::NANO,
        pll: PllSettings::Ecp5 { input: 1, feedback: 4, output: 6, output_control: 12 },
        soc: SocPlan { clock_hz: CONTROL_HZ, image: relay(rate) },
        leds_active_low: true,
    }
}

/// Holds the line's level and moves the oscillator.
fn hold(stimulus: &mut Stimulus, level: u64, rows: usize) {
    for _ in 0..rows / 2 {
        stimulus.cycle().set("oscillator", 0).set("serial_in", level);
        stimulus.cycle().set("oscillator", 1).set("serial_in", level);
    }
}

fn send(stimulus: &mut Stimulus, bytes: &[u8]) {
    for byte in bytes {
        let levels = 0x200 | u64::from(*byte) << 1;
        (0..10).for_each(|bit| hold(stimulus, levels >> bit & 1, BIT_ROWS));
    }
}

/// The bytes on the line, each found by its start bit and sampled in the middle of its bits.
fn received(response: &Response, rows: usize) -> Vec<u8> {
    let level = |row: usize| response.get(row, "serial_out") as u8;
    let (mut row, mut bytes) = (0, vec![]);
    while row + 10 * BIT_ROWS < rows {
        if level(row) == 1 {
            row += 1;
            continue;
        }
        let middle = |bit: usize| row + BIT_ROWS / 2 + BIT_ROWS * bit;
        bytes.push((0..8).map(|bit| level(middle(bit + 1)) << bit).sum());
        assert_eq!(level(middle(9)), 1, "the stop bit at row {row}");
        row = middle(9);
    }
    bytes
}

#[test]
fn a_host_on_the_serial_line_reads_who_the_chip_is() {
    let mut plan_with_number = emit(&plan()).unwrap();
    plan_with_number.preamble.insert_str(0, "`define LPU_BITSTREAM 64'hfedc_ba98_7654_3210\n");
    let bench = Bench::new(&plan_with_number).unwrap();
    let mut stimulus = bench.stimulus();
    hold(&mut stimulus, 1, 2 * (PowerOn::LATENCY + PowerOn::WAIT_CYCLES) + 2000);
    for (register, count) in [(Register::Identity, 3), (Register::Bitstream, 1)] {
        send(&mut stimulus, &[COMMAND_READ, Space::Registers as u8, register as u8, 0, 0, count, 0]);
        hold(&mut stimulus, 1, (usize::from(count) * HOST_WORD_BYTES + 2) * 10 * BIT_ROWS);
    }
    let response = bench.run(&stimulus).unwrap();
    let words: Vec<u64> = received(&response, stimulus.cycles())
        .chunks(HOST_WORD_BYTES)
        .map(|word| u64::from_le_bytes(word[..8].try_into().unwrap()))
        .collect();
    let identity = lpu_isa::host::IDENTITY;
    assert_eq!(words, [identity, ISA_HASH, Geometry::NANO.hash(), 0xfedc_ba98_7654_3210]);
    // Nothing runs or is wrong; of the lights, which are dark when high, the program has set numbers 1, 3, 4 and 6.
    let last = stimulus.cycles() - 1;
    let lights =
        ["led_alive", "led_loaded", "led_cause_0", "led_cause_1"].map(|name| response.get(last, name));
    assert_eq!(lights, [1, 0, 0, 1]);
    for (pin, level) in [("led_busy", 1), ("led_fault", 1), ("flash_hold_n", 1), ("flash_protect_n", 1)] {
        assert!((0..stimulus.cycles()).all(|row| response.get(row, pin) == level), "{pin}");
    }
}

#[test]
fn the_familys_cells_stand_under_its_define() {
    let ecp5 = emit(&plan()).unwrap().verilog();
    let texts = ["`ifdef LPU_ECP5", "EHXPLLL", ".CLKFB_DIV(4)", ".CLKOP_DIV(6)", ".CLKOS_DIV(12)", "USRMCLK"];
    for text in texts {
        assert!(ecp5.contains(text), "{text}");
    }
}
