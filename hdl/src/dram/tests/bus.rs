//! Frames, commands and pins in front of the memory's model: random segments of random granules, every rule of the sheet, every word.

use crate::bench::{Bench, Random, Response};
use crate::dialect::*;
use crate::dram::frames::Frames;
use crate::dram::memory::{DDR3_1GBIT_X16, Memory, Pins, PowerUp, SDR_IS42S16160G_7, Sheet};
use crate::dram::model::frames;
use crate::dram::phy::SdrPhy;
use crate::dram::sequencer::{ADDRESS, BANK, COMMAND, GRANULE, LINE, Sequencer};
use crate::dram::shape::{Shape, chips::shapes};
use crate::emit::emit;
use std::collections::HashMap;

/// Frames and commands: the wide port.
#[derive(LogicBlock, Default)]
struct Bus {
    pub clock: Signal<In, Clock>,
    pub segment: Signal<In, Bit>,
    pub hold: Signal<In, Bit>,
    pub granule: Signal<In, Bit>,
    pub write: Signal<In, Bit>,
    pub address: Signal<In, Bits<GRANULE>>,
    pub ras: Signal<Out, Bit>,
    pub cas: Signal<Out, Bit>,
    pub we: Signal<Out, Bit>,
    pub bank: Signal<Out, Bits<BANK>>,
    pub line: Signal<Out, Bits<LINE>>,
    pub drive: Signal<Out, Bit>,
    frames: Frames,
    sequencer: Sequencer,
    kind: Kind<Self>,
}

impl Logic for Bus {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, frames, sequencer);
        self.frames.segment.next = self.segment.val();
        self.frames.hold.next = self.hold.val();
        self.sequencer.take.next = self.frames.slot.val() & self.granule.val();
        self.sequencer.write.next = self.write.val();
        self.sequencer.address.next = self.address.val();
        self.sequencer.refresh.next = self.frames.refresh.val();
        self.ras.next = self.sequencer.ras.val();
        self.cas.next = self.sequencer.cas.val();
        self.we.next = self.sequencer.we.val();
        self.bank.next = self.sequencer.bank.val();
        self.line.next = self.sequencer.line.val();
        self.drive.next = self.sequencer.drive.val();
    }
}

/// The same with the pins of an SDR SDRAM.
#[derive(LogicBlock, Default)]
struct SdrBus {
    pub clock: Signal<In, Clock>,
    pub segment: Signal<In, Bit>,
    pub hold: Signal<In, Bit>,
    pub granule: Signal<In, Bit>,
    pub write: Signal<In, Bit>,
    pub address: Signal<In, Bits<GRANULE>>,
    pub data: Signal<In, Bits<16>>,
    pub awake: Signal<Out, Bit>,
    pub clock_enable: Signal<Out, Bit>,
    pub cs_n: Signal<Out, Bit>,
    pub ras_n: Signal<Out, Bit>,
    pub cas_n: Signal<Out, Bit>,
    pub we_n: Signal<Out, Bit>,
    pub bank: Signal<Out, Bits<2>>,
    pub line: Signal<Out, Bits<13>>,
    pub mask: Signal<Out, Bits<2>>,
    pub data_out: Signal<Out, Bits<16>>,
    pub drive: Signal<Out, Bit>,
    pub data_in: Signal<In, Bits<16>>,
    pub read_data: Signal<Out, Bits<16>>,
    frames: Frames,
    sequencer: Sequencer,
    phy: SdrPhy,
    kind: Kind<Self>,
}

impl Logic for SdrBus {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, frames, sequencer, phy);
        self.frames.segment.next = self.segment.val();
        self.frames.hold.next = self.hold.val() | !self.phy.awake.val();
        self.sequencer.take.next = self.frames.slot.val() & self.granule.val();
        self.sequencer.write.next = self.write.val();
        self.sequencer.address.next = self.address.val();
        self.sequencer.refresh.next = self.frames.refresh.val();
        self.phy.ras.next = self.sequencer.ras.val();
        self.phy.cas.next = self.sequencer.cas.val();
        self.phy.we.next = self.sequencer.we.val();
        self.phy.bank.next = self.sequencer.bank.val();
        self.phy.line.next = self.sequencer.line.val();
        self.phy.drive.next = self.sequencer.drive.val();
        self.phy.data.next = self.data.val();
        self.phy.mask.next = false;
        self.phy.data_in.next = self.data_in.val();
        self.awake.next = self.phy.awake.val();
        self.clock_enable.next = self.phy.clock_enable.val();
        self.cs_n.next = self.phy.cs_n.val();
        self.ras_n.next = self.phy.ras_n.val();
        self.cas_n.next = self.phy.cas_n.val();
        self.we_n.next = self.phy.we_n.val();
        self.bank.next = self.phy.bank_pins.val();
        self.line.next = self.phy.line_pins.val();
        self.mask.next = self.phy.mask_pins.val();
        self.data_out.next = self.phy.data_out.val();
        self.drive.next = self.phy.drive_pins.val();
        self.read_data.next = self.phy.read_data.val();
    }
}

/// Cycles of waiting after power-up, and those in which the memory surely wakes.
const WAIT: usize = 500;
const WAKING: usize = WAIT + 200;
/// Rows of the memories here: few, so that all are refreshed often enough to be held to it.
const ROWS: usize = 64;

/// A granule in a slot.
#[derive(Clone, Copy, Debug)]
struct Access {
    slot: usize,
    write: bool,
    address: u64,
}

/// Segments with their granules, as a legal program would have them.
struct Script {
    times: Vec<(bool, bool)>,
    accesses: Vec<Access>,
}

/// Segments of random lengths, with a start pending before some; and for each cycle the end of its segment, if it is in one.
fn segments(random: &mut Random, shape: &Shape, cycles: usize) -> (Vec<(bool, bool)>, Vec<usize>) {
    let mut times = vec![(false, true); WAKING];
    let mut ends = vec![0; WAKING];
    while times.len() < cycles {
        let longest = 1 << (2 + random.below(10));
        let length = 1 + random.below(longest) as usize;
        let pending = random.below(2) as usize * (shape.refresh + 4);
        times.push((true, pending > 0));
        // A slot in this cycle belongs to the frame before.
        ends.push(0);
        times.extend((0..length).map(|_| (false, false)));
        ends.resize(times.len(), times.len());
        times.extend((0..pending).map(|_| (false, true)));
        ends.resize(times.len(), 0);
    }
    (times, ends)
}

/// Random granules in the slots of segments. None begins before those of the one before are over.
fn script(random: &mut Random, shape: &Shape, cycles: usize) -> Script {
    let (times, ends) = segments(random, shape, cycles);
    let mut accesses: Vec<Access> = vec![];
    for (slot, _) in frames(shape, &times).iter().enumerate().filter(|(_, time)| time.slot) {
        if slot + shape.granule() > ends[slot] || random.below(4) == 0 {
            continue;
        }
        let write = random.below(2) == 0;
        // The bus turns round in an empty slot, or in a refresh.
        let previous = accesses.last().filter(|last| last.slot + shape.granule() == slot);
        if previous.is_none_or(|last| last.write == write) {
            let known = accesses.get(random.below(1 + accesses.len() as u64) as usize);
            let fresh = random.below((ROWS << shape.column_bits) as u64);
            let address = known.filter(|_| !write).map_or(fresh, |known| known.address);
            accesses.push(Access { slot, write, address });
        }
    }
    Script { times, accesses }
}

/// The word that a written granule has at a place.
fn written(access: &Access, word: usize) -> u64 {
    (access.slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(word as u32 * 7)
}

fn run(block: &mut impl Block, shape: &Shape, script: &Script, has_pins: bool) -> Response {
    let bench = Bench::new(&emit(block, "dut").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let slots: HashMap<usize, &Access> = script.accesses.iter().map(|access| (access.slot, access)).collect();
    let word = |t: usize| {
        let start = t.checked_sub(COMMAND + shape.column_cycle)?;
        let access = (0..shape.granule()).find_map(|back| slots.get(&start.checked_sub(back)?))?;
        Some(written(access, start - access.slot))
    };
    for (t, (begin, hold)) in script.times.iter().enumerate() {
        let here = slots.get(&t);
        stimulus.cycle().set("segment", (*begin).into()).set("hold", (*hold).into());
        stimulus.set("granule", here.is_some().into()).set("write", here.is_some_and(|a| a.write).into());
        let latched = t.checked_sub(ADDRESS).and_then(|slot| slots.get(&slot));
        stimulus.set("address", latched.map_or_else(|| random.unsigned(24), |access| access.address));
        if has_pins {
            stimulus.set("data", word(t).unwrap_or_default() & 0xffff).set("data_in", t as u64 & 0xffff);
        }
    }
    bench.run(&stimulus).unwrap()
}

/// Feeds the pins to the memory: no rule is broken, and words that were written are read, in their cycles: `first_word` after the slot.
fn serve(
    sheet: Sheet,
    period_ps: u64,
    shape: &Shape,
    script: &Script,
    pins: impl Fn(usize) -> Pins,
    first_word: usize,
) {
    let refresh_window_ps = sheet.refresh_window_ps / u64::from(sheet.rows) * ROWS as u64;
    let sheet = Sheet { rows: ROWS as u32, refresh_window_ps, ..sheet };
    let mut memory = Memory::new(sheet, period_ps).unwrap();
    let driven: Vec<Option<u64>> = (0..script.times.len() - 1)
        .map(|t| memory.clock(&pins(t)).unwrap_or_else(|violation| panic!("{violation}")))
        .collect();
    let mask = if shape.word_bits == 64 { u64::MAX } else { (1 << shape.word_bits) - 1 };
    let (mut known, mut checked, mut words) = (HashMap::new(), 0, 0);
    for access in &script.accesses {
        for word in 0..shape.granule() {
            let place = (access.address, word);
            let Some(found) = driven.get(access.slot + first_word + word).copied() else { continue };
            if access.write {
                known.insert(place, written(access, word) & mask);
                continue;
            }
            words += 1;
            assert!(found.is_some(), "{access:?}, word {word}");
            if let Some(expected) = known.get(&place) {
                assert_eq!(found, Some(*expected), "{access:?}, word {word}");
                checked += 1;
            }
        }
    }
    assert_eq!(driven.iter().flatten().count(), words, "words that nobody asked for");
    assert!(checked > 10_000, "{checked} words");
    assert!(memory.refreshes() > 100, "{} refreshes", memory.refreshes());
}

#[test]
fn an_sdr_sdram_is_served_by_its_sheet() {
    let [nano, ulx3s, _] = shapes();
    for (shape, period_ps) in [(nano, 20_000), (ulx3s, 10_000)] {
        let mut random = Random::from_seed_variable();
        let script = script(&mut random, &shape, 300_000);
        let mut bus = SdrBus {
            frames: Frames::new(&shape),
            sequencer: Sequencer::new(&shape),
            phy: SdrPhy::new(WAIT),
            ..SdrBus::default()
        };
        let response = run(&mut bus, &shape, &script, true);
        let flag = |t: usize, port: &str| response.get(t, port) == 1;
        let pins = |t: usize| Pins {
            clock_enable: flag(t, "clock_enable"),
            cs_n: flag(t, "cs_n"),
            ras_n: flag(t, "ras_n"),
            cas_n: flag(t, "cas_n"),
            we_n: flag(t, "we_n"),
            bank: response.get(t, "bank") as u8,
            address: response.get(t, "line") as u16,
            mask: response.get(t, "mask") != 0,
            data: flag(t, "drive").then(|| response.get(t, "data_out")),
        };
        let power_up = PowerUp { wait_ps: WAIT as u64 * period_ps, refreshes: 8, mode: 0x033 };
        let sheet = Sheet { power_up: Some(power_up), ..SDR_IS42S16160G_7 };
        let first_word = COMMAND + SdrPhy::LATENCY + shape.column_cycle + sheet.read_latency as usize;
        serve(sheet, period_ps, &shape, &script, pins, first_word);
        assert!(flag(WAKING, "awake"));
        // What stands on the pins is read a fixed time after the command, seen from the PHY's inputs.
        assert_eq!(first_word + 1, COMMAND + shape.column_cycle + SdrPhy::READ_LATENCY);
        assert!((1..1_000).all(|t| response.get(t + 1, "read_data") == t as u64));
    }
}

#[test]
fn a_wide_memory_is_served_by_its_sheet() {
    let [.., shape] = shapes();
    let script = script(&mut Random::from_seed_variable(), &shape, 300_000);
    let mut bus = Bus { frames: Frames::new(&shape), sequencer: Sequencer::new(&shape), ..Bus::default() };
    let response = run(&mut bus, &shape, &script, false);
    let slots: HashMap<usize, &Access> = script.accesses.iter().map(|access| (access.slot, access)).collect();
    let flag = |t: usize, port: &str| response.get(t, port) == 1;
    let first = COMMAND + shape.column_cycle;
    let word = |t: usize| {
        let slot = (0..shape.granule()).find(|word| slots.contains_key(&(t - first - word)));
        slot.map(|word| written(slots[&(t - first - word)], word))
    };
    let pins = |t: usize| Pins {
        ras_n: !flag(t, "ras"),
        cas_n: !flag(t, "cas"),
        we_n: !flag(t, "we"),
        cs_n: false,
        bank: response.get(t, "bank") as u8,
        address: response.get(t, "line") as u16,
        data: if flag(t, "drive") { word(t) } else { None },
        ..Pins::IDLE
    };
    serve(DDR3_1GBIT_X16, 10_000, &shape, &script, pins, first + DDR3_1GBIT_X16.read_latency as usize);
}
