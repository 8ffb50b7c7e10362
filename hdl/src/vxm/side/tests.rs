//! Random vector instructions, back to back, against a model that knows the cycles of `lpu_isa::timing` and nothing of
//! the circuit. Hazards are not avoided: a read that comes too early must see the old value.

use super::*;
use crate::bench::{Bench, Random, Response, Stimulus};
use crate::emit::emit;
use crate::vxm::scalars::packed;
use lpu_isa::arith::{self, Scalar, Taus88, WORD_BITS};
use lpu_isa::instruction::{
    B, C, Destination, Field, Function, Instruction, Op, Reduce, Scaling, TABLE, Vector, VmemIndex, X,
};
use lpu_isa::timing::{self, RESULT};
use std::collections::BTreeMap;

mod model;
use model::{Expected, Issue, Model};

/// Cycles of one token's program, and those after it in which pipelines run empty.
const TOKEN_CYCLES: usize = 400;
const IDLE_CYCLES: usize = 48;

/// The fields that are ports: the dispatch before makes one row of those that say where vector memory is read, and one
/// number of those that say which scalar.
fn fields() -> impl Iterator<Item = &'static Field> {
    let row = TABLE.iter().find(|row| row.name == "Vector").expect("the table has Vector");
    row.fields
        .iter()
        .filter(|field| !["vmem", "vmem_index", "vmem_offset", "scalar", "scalar_step"].contains(&field.name))
}

/// Name of a field's port: `function` is a word of Verilog.
fn port(field: &Field) -> &'static str {
    if field.name == "function" { "function_code" } else { field.name }
}

#[test]
fn ports_are_the_fields_of_the_table() {
    let design = emit(&mut VectorSide::new(&Geometry::NANO), "vector_side").unwrap();
    for field in fields() {
        let found = design.inputs.iter().find(|input| input.name == port(field));
        assert_eq!(found.map(|input| input.width_bits), Some(field.width as usize), "{}", field.name);
    }
}

/// A random choice of an enumeration.
fn choice<T: Copy>(random: &mut Random, table: &[(T, &str, &str)]) -> T {
    table[random.below(table.len() as u64) as usize].0
}

/// A random instruction whose addresses mostly exist.
fn vector(random: &mut Random, chip: &Geometry) -> Vector {
    let flag = |random: &mut Random| random.below(2) == 1;
    let rare = |random: &mut Random| random.below(16) == 0;
    let below = |random: &mut Random, limit: usize| random.below(limit as u64) as u32;
    let c = choice(random, C::TABLE);
    let row_limit = if rare(random) { 2048 } else { chip.vmem_rows - 64 };
    let vmem_limit = if rare(random) { 1024 } else { 16 };
    let destination = choice(random, Destination::TABLE);
    // Numbers of candidates are not negative.
    let row_least = if destination == Destination::Argmax { 64 } else { 32 };
    let start_limit = if rare(random) { 1024 } else { 32 };
    Vector {
        x: choice(random, X::TABLE),
        x_shift: below(random, 8),
        swap: flag(random),
        subtract: flag(random),
        function: choice(random, Function::TABLE),
        b: choice(random, B::TABLE),
        // Rows of noise are made more slowly than rows are issued.
        c: if c == C::Noise && !rare(random) { C::Zero } else { c },
        shift: random.below(52) as i32 - 4,
        relu: flag(random),
        scalar: below(random, 2 * chip.scalars + 4),
        scalar_step: below(random, 4),
        vmem_index: choice(random, VmemIndex::TABLE),
        vmem_offset: flag(random),
        vmem_advance: flag(random),
        vmem: below(random, vmem_limit) + 64,
        a: below(random, 8),
        a_advance: flag(random),
        bc: below(random, 8),
        bc_advance: flag(random),
        write: flag(random),
        target: below(random, 8),
        target_advance: flag(random),
        destination,
        half: flag(random),
        sub: below(random, 16),
        sub_advance: flag(random),
        entry: below(random, chip.act_entries),
        entry_continue: flag(random),
        entry_advance: flag(random),
        start: below(random, start_limit),
        length: below(random, 2),
        period: below(random, 6),
        start_step: below(random, 4),
        row: below(random, row_limit) + row_least,
        row_step: random.signed(4) as i32,
        row_offset: flag(random),
        positions: below(random, 12),
        restart: rare(random),
        tail: below(random, chip.vxm_lanes),
        reduce: choice(random, Reduce::TABLE),
        scaling: choice(random, Scaling::TABLE),
        reduction: below(random, chip.scalars),
        sum_shift: below(random, 32),
        bias: random.unsigned(24) as u32 >> random.below(24),
    }
}

fn drive(stimulus: &mut Stimulus, issue: &Issue, vmem_start: i64) {
    let instruction = Instruction { control: Default::default(), op: Op::Vector(issue.vector) };
    let word = instruction.encode().expect("fields fit");
    for field in fields() {
        stimulus.set(port(field), word[field.part] >> field.low & ((1 << field.width) - 1));
    }
    stimulus
        .set("issue", issue.strobe.into())
        .set("first", (issue.k == 0).into())
        .set("last", issue.last.into());
    stimulus.set_signed("vmem_start", vmem_start);
    let vector = &issue.vector;
    let pair = vector.function == Function::Multiply && vector.b == B::ScalarPair;
    let number = (i64::from(vector.scalar) + issue.k * i64::from(vector.scalar_step)) % 128;
    stimulus.set("scalar_number", number as u64).set("scalar_pair", pair.into());
    stimulus.set("offset_second", issue.offsets[1] as u64 & 0xff_ffff);
}

/// The issues of one token: `None` where the payload is not valid.
fn program(random: &mut Random, chip: &Geometry) -> Vec<Option<Issue>> {
    let mut cycles = vec![];
    while cycles.len() < TOKEN_CYCLES {
        let vector = vector(random, chip);
        let (count, interval) = (1 + random.below(8) as i64, 1 + random.below(3) as usize);
        let offsets = [random.signed(5), random.signed(5)];
        for k in 0..count {
            let issue = Issue { vector, k, last: k == count - 1, strobe: true, offsets };
            cycles.push(Some(issue));
            let gap = if k == count - 1 { 0 } else { interval - 1 };
            cycles.extend((0..gap).map(|_| Some(Issue { strobe: false, ..issue })));
        }
        cycles.extend((0..random.below(3)).map(|_| None));
    }
    cycles.extend((0..IDLE_CYCLES).map(|_| None));
    cycles
}

/// Fills vector memory through the host's port.
fn load(stimulus: &mut Stimulus, model: &mut Model, random: &mut Random) {
    for row in 0..model.vmem.len() {
        let bits = 1 + random.below(18) as u32;
        for quad in 0..model.vmem[row].len() / 4 {
            let words: Vec<i64> = (0..4).map(|_| random.signed(bits)).collect();
            stimulus.cycle().set("host_write", 1).set("host_row", row as u64).set("host_quad", quad as u64);
            stimulus.set_lanes("host_data", 18, &words);
            for (lane, word) in words.iter().enumerate() {
                model.vmem[row][quad * 4 + lane] = *word as i32;
            }
        }
    }
    stimulus.cycle();
}

/// Reads vector memory back through the host's port: first cycle of the reads.
fn unload(stimulus: &mut Stimulus, rows: usize, quads: usize) -> usize {
    let first = stimulus.cycles();
    for row in 0..rows {
        for quad in 0..quads {
            for hold in 0..VectorSide::HOST_READ_LATENCY {
                stimulus.cycle().set("host_read", (hold == 0).into());
                stimulus.set("host_row", row as u64).set("host_quad", quad as u64);
            }
        }
    }
    stimulus.cycle();
    first
}

fn lanes(response: &Response, cycle: usize, name: &str, count: usize) -> Vec<i64> {
    (0..count).map(|lane| response.signed(cycle, &format!("{name}${lane}"))).collect()
}

/// Compares all outputs of a cycle.
fn compare(response: &Response, cycle: usize, expected: &Expected, chip: &Geometry) {
    let count = chip.vxm_lanes;
    let get = |name: &str| response.get(cycle, name);
    let (mask, entry, row) = expected.act.clone().unwrap_or((0, 0, vec![]));
    assert_eq!(get("act_write"), mask, "cycle {cycle}: half rows written");
    if mask != 0 {
        assert_eq!(
            (get("act_entry"), lanes(response, cycle, "sent", count)),
            (entry, row),
            "cycle {cycle}: act"
        );
    }
    assert_eq!(get("kv_write") == 1, expected.kv.is_some(), "cycle {cycle}: KV write");
    if let Some(kv) = &expected.kv {
        assert_eq!((get("kv_value_mode") == 1, get("kv_row")), (kv.value, kv.row), "cycle {cycle}: KV row");
        let codes: Vec<i64> =
            (0..kv.codes.len()).map(|lane| response.low_signed(cycle, &format!("sent${lane}"), 9)).collect();
        assert_eq!(codes, kv.codes, "cycle {cycle}: KV codes");
        let place = if kv.value { get("kv_lane") } else { get("kv_halves") };
        assert_eq!(place, kv.place, "cycle {cycle}: KV place");
    }
    let stream = |strobe: &str, at: &str, name: &str| {
        (get(strobe) == 1).then(|| (get(at), lanes(response, cycle, name, count)))
    };
    assert_eq!(stream("vreg_write", "vreg_row", "result"), expected.vreg, "cycle {cycle}: register");
    assert_eq!(stream("result_store", "result_row", "result_word"), expected.store, "cycle {cycle}: store");
    let scalar = (get("scalar_write") == 1).then(|| (get("scalar_index"), get("scalar_value")));
    assert_eq!(scalar, expected.scalar, "cycle {cycle}: scalar");
    let strobes = [
        ("result_saturated", expected.result_saturated),
        ("sent_saturated", expected.sent_saturated),
        ("vmem_conflict", expected.conflict),
        ("vmem_address", expected.vmem_address),
        ("matrix_address", expected.matrix_address),
        ("scalar_conflict", expected.scalar_conflict),
        ("noise_underrun", false),
    ];
    for (name, wanted) in strobes {
        assert_eq!(get(name) == 1, wanted, "cycle {cycle}: {name}");
    }
}

/// Runs tokens of random programs on one chip.
fn run(chip: &Geometry, tokens: usize) {
    let bench = Bench::new(&emit(&mut VectorSide::new(chip), "vector_side").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let seed = random.unsigned(32) as u32;
    let mut model = Model::new(chip, seed);
    stimulus.cycle().set("run_start", 1).set("seed", seed.into()).set("sampling", 1);
    load(&mut stimulus, &mut model, &mut random);
    let begin = stimulus.cycles();
    for _ in 0..tokens {
        model.position = random.unsigned(10) as usize;
        model.token = random.unsigned(12) as usize;
        model.temperature = Scalar { mantissa: random.signed(18) as i32, exponent: random.below(64) as i32 };
        for issue in program(&mut random, chip) {
            // Position and token count with an issue only.
            let counts = issue.is_some_and(|issue| issue.strobe);
            let other = (random.unsigned(16), random.unsigned(16));
            let (position, token) = if counts { (model.position as u64, model.token as u64) } else { other };
            stimulus.cycle().set("position", position).set("token", token);
            stimulus.set("inverse_temperature", packed(model.temperature));
            if let Some(issue) = &issue {
                drive(&mut stimulus, issue, model.vmem_start(issue));
            }
            model.matrix_side(&mut stimulus, &mut random);
            model.cycle(issue.filter(|issue| issue.strobe));
        }
    }
    let end = stimulus.cycles();
    // The matrix side's last row is written while the host's reads begin.
    model.cycle(None);
    let reads = unload(&mut stimulus, chip.vmem_rows, chip.vxm_lanes / 4);
    let response = bench.run(&stimulus).unwrap();
    let mut chosen = 0;
    for cycle in begin..end {
        let expected = model.expected.remove(&(cycle - begin)).unwrap_or_default();
        compare(&response, cycle, &expected, chip);
        chosen = expected.chosen.unwrap_or(chosen);
        if let Some(chosen) = model.known_choice(chosen) {
            assert_eq!(response.get(cycle, "chosen"), chosen, "cycle {cycle}: choice");
        }
    }
    assert!(model.counts.iter().all(|count| *count > 0), "rare events: {:?}", model.counts);
    check_memory(&response, reads, &model);
}

fn check_memory(response: &Response, first: usize, model: &Model) {
    let latency = VectorSide::HOST_READ_LATENCY;
    let words = model.vmem.iter().flat_map(|row| row.chunks(4));
    for (index, wanted) in words.enumerate() {
        let found = response.signed_lanes(first + (index + 1) * latency, "host_read_data", 18);
        let wanted: Vec<i64> = wanted.iter().map(|word| i64::from(*word)).collect();
        assert_eq!(found, wanted, "host word {index}");
    }
}

#[test]
fn random_programs_on_the_small_chip() {
    run(&Geometry::NANO, 40);
}

#[test]
fn random_programs_on_the_large_chip() {
    run(&Geometry::ULX3S_85F, 20);
}
