//! What transfers do, worked out beforehand: it follows the instruction set's frames and layouts and keeps the contents of all memories.

use lpu_isa::Geometry;
use lpu_isa::instruction::{Transfer, Way};
use lpu_isa::timing::{TRANSFER_DECODE, TRANSFER_SAMPLE};
use lpu_isa::transfer::{BLOCK_CODES, Layout, SCALE_BITS, bits, decode, put_bits};
use std::collections::{BTreeMap, HashMap};

/// A transfer of a program with what the queue adds to it.
#[derive(Clone, Debug)]
pub struct Activation {
    pub cycle: i64,
    pub transfer: Transfer,
    pub offsets: [i64; 2],
    /// Cycles in which its granules' slots begin.
    pub slots: Vec<i64>,
    /// First granule and first row.
    pub address: i64,
    pub row: i64,
}

/// Whether rows go to external memory.
pub fn goes_back(transfer: &Transfer) -> bool {
    matches!(transfer.way, Way::FromKv | Way::FromVmem)
}

/// Memories of the chip: rows by memory and address.
type Rows = HashMap<(bool, i64), Vec<i64>>;

/// What happens in a cycle; what takes effect comes before what is read.
#[derive(Debug)]
enum Event {
    Effect {
        wide: bool,
        row: i64,
        lanes: Vec<i64>,
    },
    /// Words of a granule are read.
    Granule {
        address: i64,
    },
    /// The last word of a row is read: activation, run, row of the run.
    Arrives {
        activation: usize,
        run: usize,
        k: usize,
    },
    Leaves {
        activation: usize,
        run: usize,
        k: usize,
    },
}

/// All that is known beforehand.
#[derive(Default)]
pub struct Expected {
    /// Words that the memory drives, by the slot's cycle.
    pub granules: BTreeMap<i64, Vec<u64>>,
    /// Rows that are written: memory, address, lanes, by cycle.
    pub written: BTreeMap<i64, (Way, i64, Vec<i64>)>,
    /// Rows that go back, by the cycle in which they are read.
    pub read: BTreeMap<i64, (bool, i64, Vec<i64>)>,
    pub dram: Vec<u8>,
}

struct Model<'a> {
    chip: &'a Geometry,
    activations: &'a [Activation],
    events: BTreeMap<(i64, usize), Event>,
    rows: Rows,
    expected: Expected,
}

impl Model<'_> {
    fn at(&mut self, cycle: i64, event: Event) {
        // Effects first; the rest in the order in which they were put in.
        let order = if matches!(event, Event::Effect { .. }) { 0 } else { 1 << 40 };
        self.events.insert((cycle, order + self.events.len()), event);
    }

    fn schedule(&mut self, number: usize) {
        let Activation { transfer, slots, address, .. } = &self.activations[number];
        let layout = Layout::of(self.chip, transfer);
        let back = goes_back(transfer);
        let (slots, address) = (slots.clone(), *address);
        if !back {
            for (granule, slot) in slots.iter().enumerate() {
                self.at(*slot, Event::Granule { address: address + granule as i64 });
            }
        }
        for run in 0..slots.len() / layout.run_granules() {
            for k in 0..layout.run() {
                let (first, end) = layout.row_bits(k);
                let (granule, word) = layout.word_of(if back { first } else { end - 1 });
                let cycle = slots[run * layout.run_granules() + granule] + word as i64;
                let activation = number;
                if back {
                    self.at(cycle + TRANSFER_SAMPLE, Event::Leaves { activation, run, k });
                } else {
                    self.at(cycle, Event::Arrives { activation, run, k });
                }
            }
        }
    }

    /// First bit of a run in DRAM.
    fn begin(&self, activation: usize, layout: &Layout, run: usize) -> usize {
        (self.activations[activation].address as usize + run * layout.run_granules()) * layout.granule_bits()
    }

    fn address(&self, activation: usize, run: usize, k: usize) -> i64 {
        let Activation { transfer, row, .. } = &self.activations[activation];
        row + run as i64 * i64::from(transfer.run_step) + k as i64 * i64::from(transfer.row_step)
    }

    fn happen(&mut self, cycle: i64, event: Event) {
        match event {
            Event::Effect { wide, row, lanes } => {
                self.rows.insert((wide, row), lanes);
            }
            Event::Granule { address } => {
                let word = |w: usize| bits(&self.expected.dram, (address as usize * 32 + w) * 16, 16);
                let words = (0..self.chip.dram_granule_cycles).map(word).collect();
                self.expected.granules.insert(cycle, words);
            }
            Event::Arrives { activation, run, k } => {
                let transfer = self.activations[activation].transfer;
                let layout = Layout::of(self.chip, &transfer);
                let begin = self.begin(activation, &layout, run);
                let lanes: Vec<i64> = (0..layout.lanes)
                    .map(|lane| value(&self.expected.dram, &transfer, &layout, begin, k, lane))
                    .collect();
                let row = self.address(activation, run, k);
                let port = cycle + self.chip.dram_read_latency as i64 + TRANSFER_DECODE;
                self.expected.written.insert(port, (transfer.way, row, lanes.clone()));
                if transfer.way != Way::Weights {
                    self.at(port + 1, Event::Effect { wide: transfer.way == Way::Vmem, row, lanes });
                }
            }
            Event::Leaves { activation, run, k } => self.leave(cycle, activation, run, k),
        }
    }

    fn leave(&mut self, cycle: i64, activation: usize, run: usize, k: usize) {
        let transfer = self.activations[activation].transfer;
        let layout = Layout::of(self.chip, &transfer);
        let (wide, row) = (transfer.way == Way::FromVmem, self.address(activation, run, k));
        let lanes = self.rows.get(&(wide, row)).cloned().unwrap_or_else(|| vec![0; layout.lanes]);
        let (begin, (first, end)) = (self.begin(activation, &layout, run), layout.row_bits(k));
        let dram = &mut self.expected.dram;
        for (lane, value) in lanes.iter().enumerate() {
            let width = layout.lane_bits as usize;
            put_bits(dram, begin + first + lane * width, width, *value as u64);
        }
        if k + 1 == layout.run() {
            let all = layout.run_granules() * layout.granule_bits();
            (end..all).for_each(|bit| put_bits(dram, begin + bit, 1, 0));
        }
        self.expected.read.insert(cycle, (wide, row, lanes));
    }
}

fn value(dram: &[u8], transfer: &Transfer, layout: &Layout, begin: usize, k: usize, lane: usize) -> i64 {
    let Some(code_bits) = layout.block_code_bits() else {
        let width = layout.lane_bits;
        let raw = bits(dram, begin + layout.row_bits(k).0 + lane * width as usize, width as usize);
        return (raw as i64) << (64 - width) >> (64 - width);
    };
    let (first, count) = layout.row_codes(k);
    if lane >= count {
        return 0;
    }
    let (block, code) = ((first + lane) / BLOCK_CODES, (first + lane) % BLOCK_CODES);
    let at = begin + layout.result_begin(k) + block * layout.block_bits();
    let scale = bits(dram, at, SCALE_BITS) as u16;
    let offset = transfer.offset_codes.then(|| bits(dram, at + SCALE_BITS, SCALE_BITS) as i16);
    let codes = at + SCALE_BITS * (1 + usize::from(transfer.offset_codes));
    let code = bits(dram, codes + code * code_bits as usize, code_bits as usize) as u32;
    i64::from(decode(scale, offset, code, code_bits, transfer.shift, layout.lane_bits))
}

/// What transfers do to memories that hold these bytes.
pub fn expect(chip: &Geometry, activations: &[Activation], dram: Vec<u8>) -> Expected {
    let expected = Expected { dram, ..Expected::default() };
    let mut model = Model { chip, activations, events: BTreeMap::new(), rows: HashMap::new(), expected };
    (0..activations.len()).for_each(|number| model.schedule(number));
    while let Some(((cycle, _), event)) = model.events.pop_first() {
        model.happen(cycle, event);
    }
    model.expected
}
