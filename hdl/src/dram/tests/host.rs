//! The host reads and writes external memory between tokens, with the memory's model at the port.

use crate::bench::{Bench, Random, Response, Stimulus};
use crate::dram::memory::{Memory, Pins, SDR_IS42S16160G_7, Sheet};
use crate::dram::phy::SdrPhy;
use crate::dram::shape::{Part, Shape, chips};
use crate::dram::slice::DramSlice;
use crate::emit::emit;
use lpu_isa::Geometry;
use std::collections::HashMap;

/// Rows of the memory's banks.
const ROWS: u64 = 64;
/// Cycles from request to request: longer than a refresh and a granule.
const PERIOD: usize = 150;

/// A request: address, and what is written.
type Request = (u64, Option<u64>);

/// Requests for few places, so that many are read after they were written, with others around them.
fn requests(random: &mut Random, shape: &Shape) -> Vec<Request> {
    let places: Vec<u64> = (0..8).map(|_| random.below(ROWS << (shape.column_bits + 3))).collect();
    let mut request = || {
        let near = random.below(8) ^ places[random.below(8) as usize];
        (near, (random.below(2) == 0).then(|| random.next_u64()))
    };
    (0..600).map(|_| request()).collect()
}

fn stimulus(bench: &Bench, requests: &[Request], words: &[Option<u64>]) -> Stimulus {
    let mut stimulus = bench.stimulus();
    for t in 0..(requests.len() + 1) * PERIOD {
        stimulus.cycle().set("idle", 1);
        if let Some((address, data)) = requests.get(t / PERIOD).filter(|_| t % PERIOD == 0) {
            stimulus.set(if data.is_some() { "host_write" } else { "host_read" }, 1);
            stimulus.set("host_address", *address).set("host_data", data.unwrap_or(0x5a5a));
        }
        // Pads take a cycle both ways.
        let word = t.checked_sub(2).and_then(|t| words.get(t).copied().flatten());
        stimulus.set("read_word", word.unwrap_or(0xbad));
    }
    stimulus
}

/// What the memory drives, counted from the circuit's command pins, and the memory in the end.
fn serve(chip: &Geometry, response: &Response, cycles: usize) -> (Vec<Option<u64>>, Memory) {
    let window = SDR_IS42S16160G_7.refresh_window_ps / 8192 * ROWS;
    let sheet = Sheet { power_up: None, rows: ROWS as u32, refresh_window_ps: window, ..SDR_IS42S16160G_7 };
    let mut memory = Memory::new(sheet, 1_000_000_000_000 / chip.clock_hz).unwrap();
    let driven = (0..cycles).map(|t| {
        let get = |port: &str| response.get(t, port);
        let pins = Pins {
            cs_n: false,
            ras_n: get("ras") == 0,
            cas_n: get("cas") == 0,
            we_n: get("we") == 0,
            bank: get("bank") as u8,
            address: get("line") as u16,
            mask: get("mask") == 1,
            data: (get("drive") == 1).then(|| get("write_word")),
            ..Pins::IDLE
        };
        memory.clock(&pins).unwrap_or_else(|violation| panic!("{violation}"))
    });
    (driven.collect(), memory)
}

fn check(chip: Geometry) {
    let shape = Shape::new(&chip, &Part::SDR_32MB);
    let requests = requests(&mut Random::from_seed_variable(), &shape);
    let mut slice = DramSlice::new(&chip, &shape, SdrPhy::READ_LATENCY);
    let bench = Bench::new(&emit(&mut slice, "dut").unwrap()).unwrap();
    let cycles = (requests.len() + 1) * PERIOD;
    // Commands do not depend on what is read: a run without words tells which words there are.
    let first = bench.run(&stimulus(&bench, &requests, &[])).unwrap();
    let (words, _) = serve(&chip, &first, cycles);
    let second = bench.run(&stimulus(&bench, &requests, &words)).unwrap();
    for port in ["ras", "cas", "we", "bank", "line", "drive", "mask"] {
        assert!((0..cycles).all(|t| first.get(t, port) == second.get(t, port)), "`{port}`");
    }
    let (again, memory) = serve(&chip, &second, cycles);
    assert_eq!(words, again);

    let mut known = HashMap::new();
    let mut reads = 0;
    for (number, (address, data)) in requests.iter().enumerate() {
        let span = number * PERIOD..(number + 1) * PERIOD;
        let done: Vec<usize> = span.filter(|&t| second.get(t, "host_done") == 1).collect();
        assert_eq!(done.len(), 1, "request {number} is done once: {done:?}");
        match data {
            Some(data) => drop(known.insert(*address, *data)),
            None if known.contains_key(address) => {
                let word = second.words(done[0], "host_read_data");
                let found = u64::from(word[0]) | u64::from(word[1]) << 32;
                assert_eq!((found, word[2]), (known[address], 0), "request {number}");
                reads += 1;
            }
            None => {}
        }
    }
    assert!(reads > 100, "{reads} reads");
    for (address, data) in known {
        let (granule, eighth) = (address / 8, address % 8);
        let cell = |part: u64| {
            let column = (granule % (1 << shape.column_bits)) * 8 + eighth % 2 * 4 + part;
            memory.cell((eighth / 2) as u8, (granule >> shape.column_bits) as u16, column as u16)
        };
        let found = (0..4).fold(0, |word, part| word | u64::from(cell(part)) << (16 * part));
        assert_eq!(found, data, "address {address}");
    }
}

#[test]
fn the_host_reads_what_it_wrote() {
    chips::SDR.into_iter().for_each(check);
}

/// Needs no model: a request waits while a token runs.
#[test]
fn a_request_waits_for_the_end_of_a_token() {
    let chip = chips::SDR[0];
    let shape = Shape::new(&chip, &Part::SDR_32MB);
    let mut slice = DramSlice::new(&chip, &shape, SdrPhy::READ_LATENCY);
    let bench = Bench::new(&emit(&mut slice, "dut").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    for t in 0..900u64 {
        stimulus.cycle().set("idle", (t >= 600).into()).set("host_read", (t == 5).into());
    }
    let response = bench.run(&stimulus).unwrap();
    let done: Vec<usize> = (0..900).filter(|&t| response.get(t, "host_done") == 1).collect();
    assert!(done.len() == 1 && done[0] > 640, "{done:?}");
}
