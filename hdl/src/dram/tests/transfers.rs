//! Random transfers through the whole slice, with the memory's model at its port: every row, every word, every rule of the sheet.
//!
//! `expected.rs` tells beforehand what the port reads and what rows go back, so one run of the circuit is enough; the memory's model then
//! sees what the circuit drove.

use super::expected::{Activation, Expected, expect, goes_back};
use crate::bench::{Bench, Random, Response, Stimulus};
use crate::dram::memory::{Memory, Pins, SDR_IS42S16160G_7, Sheet};
use crate::dram::pack::ROW_READ;
use crate::dram::phy::SdrPhy;
use crate::dram::sequencer::COMMAND;
use crate::dram::shape::{Part, Shape, chips};
use crate::dram::slice::DramSlice;
use crate::emit::emit;
use lpu_isa::Geometry;
use lpu_isa::instruction::{Format, StepBy, Transfer, Way};
use lpu_isa::timing::TRANSFER_LEAD;
use lpu_isa::transfer::{Frames, Layout};
use std::collections::BTreeMap;

/// Rows of DRAM's banks that are used.
const ROWS: usize = 64;
/// Rows of the chip's memories that are used.
const CHIP_ROWS: u64 = 64;

/// What the token is.
const TOKEN: i64 = 7;
const POSITION: i64 = 5;
const BLOCK: i64 = 3;

fn transfer(random: &mut Random) -> Transfer {
    let ways = [Way::Weights, Way::Kv, Way::Vmem, Way::FromKv, Way::FromVmem];
    let formats = [Format::Rows, Format::Codes4, Format::Codes5, Format::Codes6, Format::Codes8];
    let way = ways[random.below(5) as usize];
    let back = matches!(way, Way::FromKv | Way::FromVmem);
    Transfer {
        way,
        format: if back { Format::Rows } else { formats[random.below(5) as usize] },
        offset_codes: random.below(2) == 0,
        step_by: [StepBy::None, StepBy::Token, StepBy::Position, StepBy::Block][random.below(4) as usize],
        address_offset: random.below(2) == 0,
        row_offset: random.below(2) == 0,
        shift: 8 + random.below(6) as u32,
        run: random.below(9) as u32,
        blocks: random.below(4) as u32,
        address: random.below((ROWS as u64) << 5) as u32,
        address_step: random.below(60) as u32,
        row: random.below(CHIP_ROWS) as u32,
        row_step: random.below(3) as i32,
        run_step: random.below(9) as i32,
        row_number_step: random.below(4) as u32,
    }
}

/// The transfers of a segment, one after the other.
fn segment(random: &mut Random, chip: &Geometry, start: i64) -> Vec<Activation> {
    let frames = Frames::of(chip);
    let (mut activation, mut activations): (i64, Vec<Activation>) = (0, vec![]);
    for _ in 0..1 + random.below(12) {
        let transfer = transfer(random);
        let layout = Layout::of(chip, &transfer);
        let count = ((1 + random.below(3) as usize) * layout.run_granules()) as i64;
        // The bus turns round in an empty slot.
        let turns = activations.last().is_some_and(|last| goes_back(&last.transfer) != goes_back(&transfer));
        let delay = i64::from(turns) * chip.dram_granule_cycles as i64 + random.below(4) as i64 / 3 * 50;
        let slot = frames.slot_from(activation + delay + TRANSFER_LEAD);
        let offsets = [random.below(20) as i64, random.below(4) as i64];
        let index = match transfer.step_by {
            StepBy::None => 0,
            StepBy::Token => TOKEN,
            StepBy::Position => POSITION,
            StepBy::Block => BLOCK,
        };
        let moved = |first: u32, step: u32, uses: bool, offset: i64| {
            i64::from(first) + i64::from(step) * index + if uses { offset } else { 0 }
        };
        activations.push(Activation {
            cycle: start + activation,
            transfer,
            offsets,
            slots: (slot..slot + count).map(|slot| start + frames.begin(slot)).collect(),
            address: moved(transfer.address, transfer.address_step, transfer.address_offset, offsets[0]),
            row: moved(transfer.row, transfer.row_number_step, transfer.row_offset, offsets[1]),
        });
        activation = frames.end(slot + count - 1) - TRANSFER_LEAD;
    }
    activations
}

/// Cells of a row, as the chip's memories give them.
fn cells(lanes: &[i64], wide: bool) -> Vec<u64> {
    let (count, width) = if wide { (2, 18) } else { (4, 9) };
    let cell = |lanes: &[i64]| {
        lanes.iter().rev().fold(0, |cell, lane| cell << width | (*lane as u64 & ((1 << width) - 1)))
    };
    lanes.chunks(count).map(cell).collect()
}

fn fields(stimulus: &mut Stimulus, activation: &Activation) {
    let Activation { transfer, offsets, .. } = activation;
    let flags = [
        ("offset_codes", transfer.offset_codes),
        ("address_offset", transfer.address_offset),
        ("row_offset", transfer.row_offset),
    ];
    flags.iter().for_each(|(port, flag)| {
        stimulus.set(port, (*flag).into());
    });
    stimulus.set("way", transfer.way as u64).set("format", transfer.format as u64);
    stimulus.set("step_by", transfer.step_by as u64).set("shift", transfer.shift.into());
    stimulus.set("run", transfer.run.into()).set("blocks", transfer.blocks.into());
    stimulus.set("address", transfer.address.into()).set("address_step", transfer.address_step.into());
    stimulus.set("first_row", transfer.row.into()).set_signed("row_step", transfer.row_step.into());
    stimulus.set_signed("run_step", transfer.run_step.into());
    stimulus.set("row_number_step", transfer.row_number_step.into());
    stimulus.set_signed("offset_first", offsets[0]).set_signed("offset_second", offsets[1]);
}

/// A run of the circuit.
struct Run {
    chip: Geometry,
    shape: Shape,
    starts: Vec<i64>,
    activations: Vec<Activation>,
    expected: Expected,
    before: Vec<u8>,
    cycles: i64,
}

fn script(random: &mut Random, chip: Geometry, segments: usize) -> Run {
    let shape = Shape::new(&chip, &Part::SDR_32MB);
    let (mut starts, mut activations, mut now) = (vec![], vec![], 20);
    for _ in 0..segments {
        starts.push(now);
        activations.extend(segment(random, &chip, now));
        let end: i64 =
            activations.last().and_then(|last: &Activation| last.slots.last().copied()).unwrap_or(now);
        now = end + chip.dram_granule_cycles as i64 + random.below(40) as i64;
    }
    let bytes = (ROWS << shape.column_bits) * chip.granule_bytes();
    let before: Vec<u8> = (0..bytes).map(|_| random.unsigned(8) as u8).collect();
    let expected = expect(&chip, &activations, before.clone());
    Run { chip, shape, starts, activations, expected, before, cycles: now + 60 }
}

impl Run {
    /// Cycle, counted from the slot, in which the PHY gives the first word.
    fn phy_cycle(&self) -> i64 {
        (COMMAND + self.shape.column_cycle + SdrPhy::READ_LATENCY) as i64
    }

    /// Cycles in which no token runs, as if each segment were one: it ends while the words of its last granule leave.
    fn rests(&self) -> Vec<std::ops::Range<i64>> {
        let nexts = self.starts[1..].iter().copied().chain([self.cycles]);
        let rest = |(start, next): (&i64, i64)| {
            let slots = self.activations.iter().flat_map(|activation| &activation.slots);
            let last = slots.filter(|slot| (*start..next).contains(slot)).max().unwrap_or(start);
            last + self.chip.dram_granule_cycles as i64..next
        };
        self.starts.iter().zip(nexts).map(rest).collect()
    }

    fn stimulus(&self, bench: &Bench) -> Stimulus {
        let (mut stimulus, rests) = (bench.stimulus(), self.rests());
        let (mut next, mut now) = (self.activations.iter().peekable(), None);
        for t in 0..self.cycles {
            stimulus
                .cycle()
                .set("hold", (t < 19).into())
                .set("segment", self.starts.contains(&(t + 1)).into());
            stimulus.set("token", TOKEN as u64).set("position", POSITION as u64).set("block", BLOCK as u64);
            if let Some(activation) = now {
                fields(&mut stimulus, activation);
            }
            stimulus.set("idle", rests.iter().any(|rest| rest.contains(&t)).into());
            if let Some(activation) = now.filter(|now| now.slots.contains(&t)) {
                stimulus.set("take", 1).set("first", (activation.slots[0] == t).into());
            }
            // The fields come a cycle after the activation.
            if next.peek().is_some_and(|next| next.cycle == t) {
                now = next.next();
            }
            let word = self.expected.granules.range(..=t - self.phy_cycle()).next_back();
            let word = word.and_then(|(slot, words)| words.get((t - self.phy_cycle() - slot) as usize));
            stimulus.set("read_word", word.copied().unwrap_or(0xdead));
            if let Some((wide, _, lanes)) = self.expected.read.get(&(t - ROW_READ as i64)) {
                for (c, cell) in cells(lanes, *wide).into_iter().enumerate() {
                    stimulus.set(&format!("{}${c}", if *wide { "wide" } else { "narrow" }), cell);
                }
            }
        }
        stimulus
    }

    fn check_rows(&self, response: &Response) {
        let (mut written, mut read) = (BTreeMap::new(), BTreeMap::new());
        let slots = self.activations.iter().flat_map(|activation| &activation.slots);
        assert!(slots.clone().all(|slot| response.get(*slot as usize, "slot") == 1), "each is a slot");
        for t in 0..self.cycles {
            let get = |port: &str| response.get(t as usize, port);
            for (port, way) in [("weights", Way::Weights), ("kv", Way::Kv), ("vmem", Way::Vmem)] {
                if get(port) == 1 {
                    let wide = way == Way::Vmem;
                    let count = if wide { self.chip.vxm_lanes / 2 } else { self.chip.mxm_lanes / 4 };
                    let found: Vec<u64> = (0..count).map(|c| get(&format!("cells${c}"))).collect();
                    written.insert(t, (way, get("row") as i64, found));
                }
            }
            if get("reads_kv") + get("reads_vmem") > 0 {
                read.insert(t, (get("reads_vmem") == 1, get("read_row") as i64));
            }
            for fault in ["outside_dram", "outside_kv", "outside_vmem", "turnaround"] {
                assert_eq!(get(fault), 0, "`{fault}` in cycle {t}");
            }
        }
        let wanted = self
            .expected
            .written
            .iter()
            .map(|(t, (way, row, lanes))| (*t, (*way, *row, cells(lanes, *way == Way::Vmem))));
        assert_eq!(written, wanted.collect());
        let wanted = self.expected.read.iter().map(|(t, (wide, row, _))| (*t, (*wide, *row)));
        assert_eq!(read, wanted.collect());
        assert!(written.len() > 3_000 && read.len() > 1_500, "{} and {} rows", written.len(), read.len());
    }

    /// The circuit's commands to the memory's model: it drives what was expected, and holds in the end what was expected.
    fn check_memory(&self, response: &Response) {
        let period_ps = 1_000_000_000_000 / self.chip.clock_hz;
        let window = SDR_IS42S16160G_7.refresh_window_ps / 8192 * ROWS as u64;
        let sheet =
            Sheet { power_up: None, rows: ROWS as u32, refresh_window_ps: window, ..SDR_IS42S16160G_7 };
        let mut memory = Memory::new(sheet, period_ps).unwrap();
        self.each_cell(&self.before, |place, value| memory.set_cell(place.0, place.1, place.2, value));
        let mut words = 0;
        // The pads take a cycle.
        for t in 1..self.cycles {
            let get = |port: &str| response.get(t as usize - 1, port);
            let pins = Pins {
                cs_n: false,
                ras_n: get("ras") == 0,
                cas_n: get("cas") == 0,
                we_n: get("we") == 0,
                bank: get("bank") as u8,
                address: get("line") as u16,
                data: (get("drive") == 1).then(|| get("write_word")),
                ..Pins::IDLE
            };
            let driven = memory.clock(&pins).unwrap_or_else(|violation| panic!("{violation}"));
            let slot = t - self.phy_cycle() + 1;
            let word = self.expected.granules.range(..=slot).next_back();
            let word = word.and_then(|(from, words)| words.get((slot - from) as usize));
            assert_eq!(driven, word.copied(), "cycle {t}");
            words += u64::from(driven.is_some());
        }
        assert!(words > 30_000, "{words} words");
        self.each_cell(&self.expected.dram, |(bank, row, column), value| {
            assert_eq!(memory.cell(bank, row, column), value, "bank {bank}, row {row}, column {column}");
        });
    }

    /// Granule by granule: four bursts of eight words, one in each bank.
    fn each_cell(&self, dram: &[u8], mut visit: impl FnMut((u8, u16, u16), u16)) {
        for (word, bytes) in dram.chunks(2).enumerate() {
            let (granule, within) = (word / 32, word % 32);
            let (row, burst) = (granule >> self.shape.column_bits, granule % (1 << self.shape.column_bits));
            let place = ((within / 8) as u8, row as u16, (burst * 8 + within % 8) as u16);
            visit(place, u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }
}

#[test]
fn rows_and_words_are_where_the_instruction_set_says() {
    for chip in chips::SDR {
        let run = script(&mut Random::from_seed_variable(), chip, 120);
        let mut slice = DramSlice::new(&chip, &run.shape, SdrPhy::READ_LATENCY);
        let bench = Bench::new(&emit(&mut slice, "dut").unwrap()).unwrap();
        let response = bench.run(&run.stimulus(&bench)).unwrap();
        run.check_rows(&response);
        run.check_memory(&response);
    }
}
