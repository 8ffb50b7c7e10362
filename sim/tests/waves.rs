//! Waves hold the window that was asked for: its cycles, all of them, and no other.
#![cfg(feature = "waves")]

use fst_reader::{FstFilter, FstHierarchyEntry, FstReader, FstSignalHandle, FstSignalValue};
use lpu_isa::Geometry;
use lpu_sim::device::conformance::programs;
use lpu_sim::device::{Device, RunRequest};
use lpu_sim::rtl::{WavesError, chip};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

const CYCLE_NS: u64 = 10;

/// The changes of one signal: time and value.
type Changes = Vec<(u64, u64)>;

/// An FST file.
struct Waves {
    reader: FstReader<BufReader<File>>,
    /// Full names of all signals, with their width in bits.
    signals: Vec<(String, u32, FstSignalHandle)>,
}

impl Waves {
    fn open(path: &Path) -> Self {
        let file = BufReader::new(File::open(path).expect("the file was written"));
        let mut reader = FstReader::open(file).expect("it is an FST file");
        let (mut scopes, mut signals) = (Vec::new(), Vec::new());
        let visit = |entry| match entry {
            FstHierarchyEntry::Scope { name, .. } => scopes.push(name),
            FstHierarchyEntry::UpScope => _ = scopes.pop(),
            FstHierarchyEntry::Var { name, length, handle, .. } => {
                let name = name.split(' ').next().unwrap_or_default();
                signals.push((format!("{}.{name}", scopes.join(".")), length, handle));
            }
            _ => {}
        };
        reader.read_hierarchy(visit).expect("it has signals");
        Self { reader, signals }
    }

    fn changes(&mut self, name: &str) -> Changes {
        let found = self.signals.iter().find(|(found, ..)| found == name);
        let index = found.unwrap_or_else(|| panic!("{name} is absent")).2.get_index();
        let handle = FstSignalHandle::from_index(index);
        let mut changes = Vec::new();
        self.reader
            .read_signals(&FstFilter::filter_signals(vec![handle]), |time, _, value| {
                let FstSignalValue::String(bits) = value else { panic!("{name} is no vector of bits") };
                let value = bits.iter().fold(0, |value, &bit| value << 1 | u64::from(bit == b'1'));
                changes.push((time, value));
                Ok::<(), ()>(())
            })
            .expect("the signal is readable");
        changes
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Cycles of positions 0 to 7 of a run whose waves go to a file.
fn run(request: &RunRequest, file: &Path, positions: std::ops::RangeInclusive<u16>) -> Vec<u64> {
    let image = programs::attention(&Geometry::NANO);
    let mut device = chip(&Geometry::NANO).expect("RTL of this chip exists");
    device.load(&image).expect("the image is for this chip");
    device.port().waves(file, positions).expect("the folder can be written");
    device.start(request).expect("the run is possible");
    let mut cycles = Vec::new();
    while let Some(step) = device.next_step().expect("the run goes on") {
        cycles.push(u64::from(step.cycles));
    }
    cycles
}

#[test]
fn the_window_holds_the_cycles_of_its_positions_exactly() {
    for pause in [false, true] {
        let file = path(&format!("window-{pause}.fst"));
        let request = RunRequest { pause, ..RunRequest::greedy(&[1, 2, 3], 8) };
        let cycles = run(&request, &file, 2..=4);
        let mut waves = Waves::open(&file);
        let header = waves.reader.get_header();
        let span: u64 = cycles[2..=4].iter().sum();
        assert_eq!(header.timescale_exponent, -9);
        assert_eq!((header.start_time, header.end_time), (0, span * CYCLE_NS - CYCLE_NS / 2));
        let rising: Vec<u64> = waves
            .changes("TOP.clock")
            .iter()
            .filter(|(_, level)| *level == 1)
            .map(|(time, _)| *time)
            .collect();
        let expected: Vec<u64> = (0..span).map(|cycle| cycle * CYCLE_NS).collect();
        assert_eq!(rising, expected);
        let starts = [0, cycles[2], cycles[2] + cycles[3]];
        let expected: Changes =
            starts.iter().zip(2..).map(|(&cycle, position)| (cycle * CYCLE_NS, position)).collect();
        assert_eq!(waves.changes("TOP.trace_position"), expected);
    }
}

#[test]
fn signals_inside_the_modules_are_there() {
    let file = path("signals.fst");
    run(&RunRequest::greedy(&[1], 1), &file, 0..=0);
    let waves = Waves::open(&file);
    let width = |end: &str| waves.signals.iter().find(|(name, ..)| name.ends_with(end)).map(|found| found.1);
    assert_eq!(width(".matrix.store_row$0"), Some(18));
    assert_eq!(width(".run.token_start"), Some(1));
    assert!(waves.signals.len() > 5000, "{} signals", waves.signals.len());
}

#[test]
fn a_window_that_is_not_reached_is_empty() {
    let file = path("empty.fst");
    run(&RunRequest::greedy(&[1], 2), &file, 5..=6);
    assert!(!Waves::open(&file).signals.is_empty());
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let mut device = chip(&Geometry::NANO).expect("RTL of this chip exists");
    let file = path("absent/waves.fst");
    assert_eq!(device.port().waves(&file, 0..=0), Err(WavesError::Unwritable(file.clone())));
}
