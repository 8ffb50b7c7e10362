//! Random programs are legal, run on the emulator as the verifier says, and leave no mode of an instruction unused.

use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::instruction::*;
use lpu_random_program::{TOKEN_CYCLES_MAX, TOKEN_CYCLES_MAX_EXTERNAL, random_program};
use lpu_sim::prediction::predict;
use lpu_sim::{Device, Emulator, PortDevice};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 200;

#[test]
fn the_emulator_takes_the_cycles_that_the_verifier_counts() {
    for geometry in Geometry::ALL.into_iter().chain([Geometry::NANO_SDRAM]) {
        let most = most_cycles(&geometry);
        for seed in 0..SEEDS / 4 {
            let program = random_program(seed, &geometry);
            let mut device = PortDevice::new(Emulator::new(geometry));
            device.load(&program.image).expect("the image is for this chip");
            device.start(&program.request).expect("the run begins");
            let mut cycles = Vec::new();
            while let Some(step) = device.next_step().expect("the run goes on") {
                assert!(u32::from(step.token) < program.image.model.vocab, "{} seed {seed}", geometry.name);
                cycles.push(u64::from(step.cycles));
            }
            assert_eq!(cycles, program.report.cycles, "{} seed {seed}", geometry.name);
            let predicted = (0..cycles.len()).map(|position| predict(&program.image, position) as u64);
            assert!(predicted.eq(cycles.iter().copied()), "{} seed {seed}", geometry.name);
            assert_eq!(device.faults(), Ok(Fault::default()), "{} seed {seed}", geometry.name);
            assert!(cycles.iter().all(|&cycles| cycles <= most), "{} seed {seed}", geometry.name);
        }
    }
}

fn most_cycles(geometry: &Geometry) -> u64 {
    if geometry.has_external_memory() { TOKEN_CYCLES_MAX_EXTERNAL } else { TOKEN_CYCLES_MAX }
}

#[test]
fn equal_seeds_give_equal_programs() {
    for seed in 0..5 {
        let [first, second] = [0; 2].map(|_| random_program(seed, &Geometry::NANO));
        assert_eq!(first.image, second.image, "seed {seed}");
        assert_eq!(first.request, second.request, "seed {seed}");
    }
    assert_ne!(random_program(1, &Geometry::NANO).image, random_program(2, &Geometry::NANO).image);
}

/// Values seen in each field of each operation.
type Seen = BTreeMap<(&'static str, &'static str), BTreeSet<u64>>;

fn see(seen: &mut Seen, word: &Word) {
    let instruction = Instruction::decode(word).expect("a legal program");
    let row = instruction.op.row();
    for field in CONTROL_FIELDS.iter().chain(row.fields) {
        let value = word[field.part] >> field.low & ((1 << field.width) - 1);
        seen.entry((row.name, field.name)).or_default().insert(value);
    }
}

/// The values that a narrow field can have: the codes of a choice, both bits, every small number.
fn possible(row: &Row, field: &Field) -> Vec<u64> {
    let legal = |value: &u64| {
        let mut word = [0; PARTS];
        word[0] = row.code;
        word[field.part] |= value << field.low;
        Instruction::decode(&word).is_some()
    };
    (0..1 << field.width).filter(legal).collect()
}

#[test]
fn every_mode_of_every_instruction_is_used() {
    for geometry in [Geometry::NANO, Geometry::NANO_SDRAM] {
        let mut seen = Seen::new();
        for seed in 0..SEEDS {
            let image = random_program(seed, &geometry).image;
            let words = Queue::ALL.into_iter().flat_map(|queue| image.queue(queue));
            words.for_each(|word| see(&mut seen, word));
        }
        check_seen(&seen, geometry.has_external_memory());
    }
}

fn check_seen(seen: &Seen, external: bool) {
    for row in TABLE.iter().filter(|row| external || row.on != On::Transfer) {
        for field in row.fields.iter().filter(|field| external || !field.external) {
            let values = &seen[&(row.name, field.name)];
            if field.width <= 3 {
                for value in possible(row, field) {
                    assert!(values.contains(&value), "{}.{} is never {value}", row.name, field.name);
                }
            } else {
                assert!(values.len() >= 3, "{}.{} has only the values {values:?}", row.name, field.name);
            }
        }
    }
    for name in ["Dot", "Gather", "Vector"] {
        for field in &CONTROL_FIELDS {
            let values = &seen[&(name, field.name)];
            assert!(values.len() >= 3, "{name}.{} has only the values {values:?}", field.name);
        }
    }
}

#[test]
fn programs_are_rich_and_short() {
    let mut instructions = 0;
    let mut cycles = 0;
    for seed in 0..SEEDS {
        let report = random_program(seed, &Geometry::NANO).report;
        instructions += report.instructions;
        cycles += report.cycles.iter().sum::<u64>() as usize / report.cycles.len();
    }
    let [instructions, cycles] = [instructions, cycles].map(|sum| sum / SEEDS as usize);
    println!("{instructions} instructions, {cycles} cycles a token");
    assert!(instructions >= 15, "{instructions} instructions on average");
    assert!((60..250).contains(&cycles), "{cycles} cycles on average");
}
