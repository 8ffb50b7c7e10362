//! The soft core runs a program at two clocks; the chip's side is played by the test.

use super::*;
use crate::bench::{Bench, Family, cells};
use crate::emit::{Design, emit};
use lpu_isa::soc::{SEND_BYTES_MAX, SEND_IDLE, SocRegister, serial_rate};

/// A few instructions of RV32I, encoded.
mod rv32 {
    pub fn lui(rd: u32, value: u32) -> u32 {
        value & 0xffff_f000 | rd << 7 | 0x37
    }
    pub fn addi(rd: u32, rs1: u32, value: i32) -> u32 {
        (value as u32) << 20 | rs1 << 15 | rd << 7 | 0x13
    }
    pub fn add(rd: u32, rs1: u32, rs2: u32) -> u32 {
        rs2 << 20 | rs1 << 15 | rd << 7 | 0x33
    }
    pub fn andi(rd: u32, rs1: u32, value: i32) -> u32 {
        addi(rd, rs1, value) | 7 << 12
    }
    pub fn lw(rd: u32, rs1: u32, offset: u32) -> u32 {
        offset << 20 | rs1 << 15 | 2 << 12 | rd << 7 | 0x03
    }
    fn store(kind: u32, rs2: u32, rs1: u32, offset: u32) -> u32 {
        (offset >> 5) << 25 | rs2 << 20 | rs1 << 15 | kind << 12 | (offset & 31) << 7 | 0x23
    }
    pub fn sw(rs2: u32, rs1: u32, offset: u32) -> u32 {
        store(2, rs2, rs1, offset)
    }
    pub fn sb(rs2: u32, rs1: u32, offset: u32) -> u32 {
        store(0, rs2, rs1, offset)
    }
    pub fn beq(rs1: u32, rs2: u32, offset: i32) -> u32 {
        let o = offset as u32;
        (o >> 12 & 1) << 31
            | (o >> 5 & 63) << 25
            | rs2 << 20
            | rs1 << 15
            | (o >> 1 & 15) << 8
            | (o >> 11 & 1) << 7
            | 0x63
    }
}

fn register(register: SocRegister) -> u32 {
    4 * register as u32
}

/// Sends what comes from the line to the chip and what comes from the chip to the line, and shows a light.
pub fn relay(rate: u32) -> Vec<u32> {
    use rv32::*;
    let (base, word, bit) = (1, 2, 3);
    vec![
        lui(base, lpu_isa::soc::REGISTERS),
        addi(word, 0, rate as i32),
        sw(word, base, register(SocRegister::SerialRate)),
        addi(word, 0, 0x5a),
        sw(word, base, register(SocRegister::Leds)),
        // A byte of the line?
        lw(word, base, register(SocRegister::Serial)),
        andi(bit, word, 0x100),
        beq(bit, 0, 8),
        sb(word, base, register(SocRegister::Chip)),
        // A byte of the chip?
        lw(word, base, register(SocRegister::Chip)),
        andi(bit, word, 0x100),
        beq(bit, 0, -24),
        sb(word, base, register(SocRegister::Serial)),
        beq(0, 0, -32),
    ]
}

const CLOCK_HZ: u32 = 48_000_000;
/// Cycles of the soft core's clock in a bit: so many that the rate fits the constant of one instruction.
const BIT_CYCLES: usize = 40;

fn design(image: Vec<u32>) -> Design {
    let plan = SocPlan { clock_hz: CLOCK_HZ, image };
    let mut design = emit(&mut Soc::new(&plan), "soc").unwrap();
    design.preamble = core_source().unwrap();
    design
}

/// Levels of a line that carries bytes, one a step of the soft core's clock.
fn line(bytes: &[u8], rest: usize) -> Vec<u64> {
    let mut levels = vec![1; rest];
    for byte in bytes {
        let frame = 0x200 | u64::from(*byte) << 1;
        (0..10).for_each(|bit| levels.extend([frame >> bit & 1; BIT_CYCLES]));
    }
    levels
}

/// Bytes on a line of which a level is known every cycle.
fn bytes_of(levels: &[u64]) -> Vec<u8> {
    let (mut bytes, mut t) = (vec![], 1);
    while t < levels.len() {
        if levels[t - 1] == 1 && levels[t] == 0 && t + 10 * BIT_CYCLES <= levels.len() {
            let bit = |n: usize| levels[t + n * BIT_CYCLES + BIT_CYCLES / 2] as u8;
            bytes.push((0..8).fold(0, |byte, n| byte | bit(n + 1) << n));
            t += 9 * BIT_CYCLES;
        }
        t += 1;
    }
    bytes
}

/// Runs the relay with the chip's clock `ratio` of eight steps long; gives the bytes at both of its ends and the lights.
fn run_relay(datapath_period: usize, phase: usize) -> (Vec<u8>, Vec<u8>, u64) {
    const SOC_PERIOD: usize = 8;
    let rate = serial_rate(CLOCK_HZ, CLOCK_HZ / BIT_CYCLES as u32);
    let bench = Bench::new(&design(relay(rate))).unwrap();
    let levels = line(b"LPU!\x00\xff", 2000);
    let answer = b"chip";
    let mut stimulus = bench.stimulus();
    let steps = (levels.len() + 4000) * SOC_PERIOD;
    let datapath = |step: usize| u64::from((step + phase) % datapath_period < datapath_period / 2);
    let mut rising = vec![];
    let mut chip_cycle = 0;
    for step in 0..steps {
        stimulus.cycle();
        stimulus.set("clock_soc", u64::from(step % SOC_PERIOD < SOC_PERIOD / 2));
        stimulus.set("clock_datapath", datapath(step)).set("ready", 1);
        stimulus.set("serial_in", levels.get((step + 2) / SOC_PERIOD).copied().unwrap_or(1));
        if step > 0 && datapath(step) > datapath(step - 1) {
            rising.push(step);
        }
        // The chip's ports change between edges: one byte each 500 cycles once the program runs.
        if step > 0 && datapath(step) < datapath(step - 1) {
            chip_cycle += 1;
        }
        let (index, within) = (chip_cycle / 500, chip_cycle % 500);
        let byte = if within == 0 && index >= 2 { answer.get(index - 2) } else { None };
        stimulus
            .set("from_chip_valid", byte.is_some().into())
            .set("from_chip_data", byte.copied().unwrap_or(0).into());
        stimulus.set("to_chip_ready", u64::from(chip_cycle % 3 == 0));
    }
    let response = bench.run(&stimulus).unwrap();
    let ready = |step: usize| {
        // Falling edges so far, as above.
        let falls = (1..=step).filter(|&s| datapath(s) < datapath(s - 1)).count();
        falls % 3 == 0
    };
    let taken = rising
        .iter()
        .filter(|&&step| response.get(step - 1, "to_chip_valid") == 1 && ready(step - 1))
        .map(|&step| response.get(step - 1, "to_chip_data") as u8)
        .collect();
    let out: Vec<u64> = (0..steps).step_by(SOC_PERIOD).map(|step| response.get(step, "serial_out")).collect();
    (taken, bytes_of(&out), response.get(steps - 1, "leds"))
}

#[test]
fn bytes_pass_between_line_and_chip_at_any_clock_ratio() {
    for (period, phase) in [(4, 0), (6, 1), (8, 3), (20, 7)] {
        let (to_chip, to_line, leds) = run_relay(period, phase);
        assert_eq!(to_chip, b"LPU!\x00\xff", "period {period}, phase {phase}");
        assert_eq!(to_line, b"chip", "period {period}, phase {phase}");
        assert_eq!(leds, 0x5a);
    }
}

/// Sends words to a line that stands still until the queue is full and beyond, and shows the room, one higher; then lets the line
/// go, and shows the room again when everything was sent.
fn flood(words: usize, rate: u32) -> Vec<u32> {
    use rv32::*;
    let (base, word, step, left, status) = (1, 2, 3, 4, 5);
    vec![
        lui(base, lpu_isa::soc::REGISTERS),
        lui(word, 0x0302_0000),
        addi(word, word, 0x100),
        lui(step, 0x0404_0000),
        addi(step, step, 0x404),
        addi(left, 0, words as i32),
        sw(word, base, register(SocRegister::Serial)),
        add(word, word, step),
        addi(left, left, -1),
        beq(left, 0, 8),
        beq(0, 0, -16),
        lw(status, base, register(SocRegister::SerialStatus)),
        addi(status, status, 1),
        sw(status, base, register(SocRegister::Leds)),
        addi(word, 0, rate as i32),
        sw(word, base, register(SocRegister::SerialRate)),
        lw(status, base, register(SocRegister::SerialStatus)),
        andi(word, status, SEND_IDLE as i32),
        beq(word, 0, -8),
        addi(status, status, 1),
        sw(status, base, register(SocRegister::Leds)),
        beq(0, 0, 0),
    ]
}

/// The transmitter holds a byte and the queue as many as fit; what is beyond them is lost, and nothing else.
#[test]
fn words_go_to_the_line_while_there_is_room() {
    let rate = serial_rate(CLOCK_HZ, CLOCK_HZ / BIT_CYCLES as u32);
    let bytes = SEND_BYTES_MAX + 1;
    let bench = Bench::new(&design(flood(bytes / 4 + 1, rate))).unwrap();
    let mut stimulus = bench.stimulus();
    let cycles = (bytes + 4) * 10 * BIT_CYCLES;
    for step in 0..2 * cycles as u64 {
        stimulus.cycle().set("clock_soc", step % 2).set("ready", 1).set("serial_in", 1);
    }
    let response = bench.run(&stimulus).unwrap();
    let values = |name: &str| -> Vec<u64> { (0..cycles).map(|t| response.get(2 * t, name)).collect() };
    assert_eq!(bytes_of(&values("serial_out")), (0..bytes as u8).collect::<Vec<_>>());
    let mut leds = values("leds");
    leds.dedup();
    assert_eq!(leds, [0, 1, SEND_BYTES_MAX as u64 + 1]);
}

/// The first instruction of an empty image is illegal: the core starts over again and again, and the line rests.
#[test]
fn a_trap_restarts_the_core() {
    let image = vec![
        rv32::lui(1, lpu_isa::soc::REGISTERS),
        rv32::lw(2, 1, register(SocRegister::Cause)),
        rv32::addi(2, 2, 1),
        rv32::sw(2, 1, register(SocRegister::Cause)),
        rv32::sw(2, 1, register(SocRegister::Leds)),
        0,
    ];
    let bench = Bench::new(&design(image)).unwrap();
    let mut stimulus = bench.stimulus();
    for step in 0..1200u64 {
        stimulus.cycle().set("clock_soc", step % 2).set("ready", 1).set("serial_in", 1);
    }
    let response = bench.run(&stimulus).unwrap();
    let leds: Vec<u64> = (0..1200).map(|step| response.get(step, "leds")).collect();
    assert!(leds.is_sorted() && leds[1199] >= 3, "the cause survives each reset: {}", leds[1199]);
    assert!((0..1200).all(|step| response.get(step, "serial_out") == 1));
}

#[test]
fn the_soft_core_takes_eight_block_rams_and_few_tables() {
    let cells = cells(&design(relay(100)), Family::Ecp5).unwrap();
    let count = |name: &str| cells.get(name).copied().unwrap_or(0);
    assert_eq!(count("DP16KD"), 8, "{cells:?}");
    assert!(count("LUT4") < 3000 && count("MULT18X18D") == 0, "{cells:?}");
}
