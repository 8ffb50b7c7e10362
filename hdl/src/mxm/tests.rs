//! The matrix side in Verilator against its model: random instructions in every cycle that can take one, random writes
//! beside them, and arbitrary payload between the instructions.

use super::MatrixSide;
use super::group::LaneGroup;
use super::model::{Model, Row, emits, lane_of};
use crate::bench::{Bench, Random, Response, Stimulus};
use crate::emit::emit;
use lpu_isa::Geometry;
use lpu_isa::instruction::{Clear, Dot, Emit, Gather, Index, Memory};
use lpu_isa::timing;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of each matrix memory that the tests fill.
const ROWS: u64 = 24;
/// Cycles of idling after the last instruction: more than any latency.
const DRAIN_CYCLES: usize = 48;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Dot(Dot),
    Gather(Gather),
}

#[derive(Clone, Copy, Debug)]
struct Issue {
    operation: Operation,
    k: i64,
    last: bool,
}

#[derive(Clone, Debug)]
struct ActWrite {
    halves: u64,
    entry: usize,
    row: Vec<i64>,
}

#[derive(Clone, Debug)]
struct KvWrite {
    is_value: bool,
    row: usize,
    halves: u64,
    lane: usize,
    codes: Vec<i64>,
}

/// What happens in one cycle.
#[derive(Clone, Debug, Default)]
struct Cycle {
    issue: Option<Issue>,
    act: Option<ActWrite>,
    kv: Option<KvWrite>,
}

/// A token's worth of cycles on one chip.
struct Script {
    geometry: Geometry,
    position: usize,
    token: usize,
    offsets: [i64; 2],
    cycles: Vec<Cycle>,
}

/// Numbers of `bits` bits with the extremes among them.
fn number(random: &mut Random, bits: u32) -> i64 {
    match random.below(8) {
        0 => -(1 << (bits - 1)),
        1 => (1 << (bits - 1)) - 1,
        _ => random.signed(bits),
    }
}

fn chance(random: &mut Random, one_in: u64) -> bool {
    random.below(one_in) == 0
}

fn random_dot(random: &mut Random, chip: &Geometry) -> Dot {
    let first_tap = chip.groups().ilog2();
    let tap = first_tap + random.below(u64::from(chip.vxm_lanes.ilog2()) + 1) as u32;
    let results = chip.mxm_lanes >> tap;
    let outside = chance(random, 16);
    Dot {
        memory: if chance(random, 2) { Memory::Kv } else { Memory::Weights },
        offset: chance(random, 2),
        row: if outside { (chip.weight_rows - 2) as u32 } else { random.below(ROWS) as u32 },
        row_step: random.below(5) as i32 - 2,
        entry: random.below(64) as u32,
        entry_continue: chance(random, 3),
        entry_advance: chance(random, 2),
        tap,
        lane: (random.below((chip.vxm_lanes / results) as u64) as usize * results) as u32,
        lane_advance: chance(random, 2),
        clear: Clear::TABLE[random.below(3) as usize].0,
        emit: Emit::TABLE[random.below(4) as usize].0,
        shift: if chance(random, 4) { random.below(32) as u32 } else { 8 + random.below(8) as u32 },
        mask: chance(random, 2),
        maximum: false,
        scalar: random.below(chip.scalars as u64) as u32,
        store: random.below(chip.vmem_rows as u64 + 2) as u32,
        pieces: 0,
    }
}

fn random_gather(random: &mut Random, chip: &Geometry) -> Gather {
    Gather {
        index: if chance(random, 2) { Index::Token } else { Index::Position },
        row: random.below(ROWS) as u32,
        chunks: random.below(3) as u32,
        store: random.below(chip.vmem_rows as u64) as u32,
    }
}

/// Cycles after issue in which an issue of `operation` uses the store port, if it does.
fn port(chip: &Geometry, operation: &Operation, k: i64, last: bool) -> Option<usize> {
    match operation {
        Operation::Gather(_) => Some(timing::GATHER_STORE_PORT as usize),
        Operation::Dot(dot) => {
            let results = chip.mxm_lanes >> dot.tap;
            let lane = lane_of(dot, k, results, chip.vxm_lanes);
            emits(dot, lane, results, chip.vxm_lanes, last).then_some(timing::dot_store_port(chip) as usize)
        }
    }
}

impl Script {
    /// Instructions one after another, each later by the cycle or two that keep the store port free of conflicts.
    fn random(random: &mut Random, chip: &Geometry, instructions: usize) -> Self {
        let mut script = Self {
            geometry: *chip,
            position: random.below(2 * chip.vxm_lanes as u64) as usize,
            token: random.below(8) as usize,
            offsets: [random.below(8) as i64, random.below(8) as i64 - 4],
            cycles: vec![],
        };
        let mut taken = BTreeSet::new();
        for _ in 0..instructions {
            script.append(random, &mut taken);
        }
        script.cycles.resize(script.cycles.len() + DRAIN_CYCLES, Cycle::default());
        for cycle in &mut script.cycles {
            // The vector side sends one row a cycle.
            match random.below(3) {
                0 => cycle.act = Some(random_act_write(random, chip)),
                1 => cycle.kv = Some(random_kv_write(random, chip)),
                _ => {}
            }
        }
        script
    }

    fn append(&mut self, random: &mut Random, taken: &mut BTreeSet<usize>) {
        let chip = self.geometry;
        let count = 1 + random.below(6) as i64;
        let mut interval = if chance(random, 2) { 1 } else { 1 + random.below(3) as usize };
        let operation = if chance(random, 4) {
            interval += timing::GATHER_INTERVAL as usize - 1;
            Operation::Gather(random_gather(random, &chip))
        } else {
            let mut dot = random_dot(random, &chip);
            dot.maximum = matches!(dot.emit, Emit::Last | Emit::WrapOrLast) && chance(random, 2);
            Operation::Dot(dot)
        };
        let mut start = self.cycles.len() + if chance(random, 2) { 0 } else { random.below(6) as usize };
        let ports = |start: usize| {
            (0..count).filter_map(move |k| {
                Some(start + k as usize * interval + port(&chip, &operation, k, k == count - 1)?)
            })
        };
        while ports(start).any(|cycle| taken.contains(&cycle)) {
            start += 1;
        }
        taken.extend(ports(start));
        for k in 0..count {
            self.cycles.resize(start + k as usize * interval, Cycle::default());
            let issue = Some(Issue { operation, k, last: k == count - 1 });
            self.cycles.push(Cycle { issue, ..Cycle::default() });
        }
        if matches!(operation, Operation::Gather(_)) {
            self.cycles.resize(start + count as usize * interval, Cycle::default());
        }
    }
}

fn random_act_write(random: &mut Random, chip: &Geometry) -> ActWrite {
    ActWrite {
        halves: random.next_u64() & ((1 << chip.halves()) - 1),
        entry: random.below(chip.act_entries as u64) as usize,
        row: (0..chip.vxm_lanes).map(|_| number(random, 16)).collect(),
    }
}

fn random_kv_write(random: &mut Random, chip: &Geometry) -> KvWrite {
    KvWrite {
        is_value: chance(random, 2),
        row: random.below(ROWS) as usize,
        halves: random.next_u64() & ((1 << chip.halves()) - 1),
        lane: random.below(chip.vxm_lanes as u64) as usize,
        codes: (0..chip.vxm_lanes).map(|_| number(random, 9)).collect(),
    }
}

/// What the outputs should show, by cycle.
#[derive(Default)]
struct Expected {
    rows: BTreeMap<usize, Row>,
    maxima: BTreeMap<usize, (u64, i64)>,
    strobes: BTreeSet<(usize, &'static str)>,
}

impl Expected {
    /// Runs the model over the script: reads when the machine samples, writes after the reads of their cycle.
    fn of(script: &Script, model: &mut Model) -> Self {
        let mut expected = Self::default();
        let mut matrix_rows = BTreeMap::new();
        let (row_sample, act_sample) = (timing::MATRIX_ROW_SAMPLE as usize, timing::ACT_SAMPLE as usize);
        for now in 0..script.cycles.len() {
            // What came from the vector side is written when it has arrived.
            let idle = Cycle::default();
            let cycle = now.checked_sub(LaneGroup::ARRIVAL).map_or(&idle, |at| &script.cycles[at]);
            let issued = |before: usize| now.checked_sub(before).and_then(|at| script.cycles[at].issue);
            if let Some(Issue { operation: Operation::Dot(dot), k, .. }) = issued(row_sample) {
                let (row, numbers, inside) = model.matrix_row(&dot, k, script.offsets);
                expected.note(!inside, now + 1, "matrix_address");
                let meets =
                    dot.memory == Memory::Kv && cycle.kv.as_ref().is_some_and(|write| write.row == row);
                expected.note(meets, now + 1, "kv_conflict");
                matrix_rows.insert(now - row_sample, numbers);
            }
            if let Some(issue) = issued(act_sample) {
                let matrix = matrix_rows.remove(&(now - act_sample));
                expected.execute(script, model, now - act_sample, &issue, matrix, cycle.act.as_ref());
            }
            write(model, cycle);
        }
        // What has not arrived when the script ends does so before memories are read back.
        let last = script.cycles.len().saturating_sub(LaneGroup::ARRIVAL);
        script.cycles[last..].iter().for_each(|cycle| write(model, cycle));
        expected
    }

    fn note(&mut self, happens: bool, cycle: usize, strobe: &'static str) {
        if happens {
            self.strobes.insert((cycle, strobe));
        }
    }

    fn execute(
        &mut self,
        script: &Script,
        model: &mut Model,
        at: usize,
        issue: &Issue,
        matrix: Option<Vec<i16>>,
        act_write: Option<&ActWrite>,
    ) {
        let chip = &script.geometry;
        match issue.operation {
            Operation::Gather(gather) => {
                let (row, inside) = model.gather(&gather, issue.k, script.token, script.position);
                self.note(!inside, at + 2, "matrix_address");
                self.row(chip, at, timing::GATHER_STORE_PORT as usize, row);
            }
            Operation::Dot(dot) => {
                let entry = model.entry(&dot, issue.k);
                let meets = act_write.is_some_and(|write| write.entry == entry && write.halves != 0);
                self.note(meets, at + timing::ACT_SAMPLE as usize + 1, "act_conflict");
                let act = model.act[entry].clone();
                let matrix = matrix.expect("a beat samples its row before its activations");
                if let Some(row) = model.beat(&dot, issue.k, issue.last, script.position, &matrix, &act) {
                    self.row(chip, at, timing::dot_store_port(chip) as usize, row);
                }
                if dot.maximum && issue.last {
                    let cycle = at + timing::maximum_effect(chip) as usize - 1;
                    self.maxima.insert(cycle, (u64::from(dot.scalar), model.maximum()));
                }
            }
        }
    }

    fn row(&mut self, chip: &Geometry, at: usize, port: usize, row: Row) {
        let rows = chip.vmem_rows as u64;
        self.note(row.address >= rows, at + 3, "vmem_address");
        self.note(row.saturated, at + port + 1, "saturated");
        self.rows.insert(at + port, Row { address: row.address % rows, ..row });
    }

    fn check(&self, script: &Script, response: &Response, from: usize) {
        let strobes =
            ["matrix_address", "kv_conflict", "act_conflict", "vmem_address", "vmem_conflict", "saturated"];
        let lanes = script.geometry.vxm_lanes;
        for t in 0..script.cycles.len() {
            let at = from + t;
            for strobe in strobes {
                let wanted = self.strobes.contains(&(t, strobe));
                assert_eq!(response.get(at, strobe) == 1, wanted, "{strobe} in cycle {t}");
            }
            assert_eq!(
                response.get(at, "store_valid") == 1,
                self.rows.contains_key(&t),
                "store in cycle {t}"
            );
            if let Some(row) = self.rows.get(&t) {
                assert_eq!(response.get(at, "store_address"), row.address, "address in cycle {t}");
                let found: Vec<i64> =
                    (0..lanes).map(|l| response.signed(at, &format!("store_row${l}"))).collect();
                assert_eq!(found, row.lanes, "row in cycle {t}");
            }
            assert_eq!(
                response.get(at, "maximum_write") == 1,
                self.maxima.contains_key(&t),
                "maximum in cycle {t}"
            );
            if let Some((index, value)) = self.maxima.get(&t) {
                assert_eq!(response.get(at, "maximum_index"), *index, "scalar in cycle {t}");
                assert_eq!(response.signed(at, "maximum_value"), *value, "maximum in cycle {t}");
            }
        }
    }
}

fn write(model: &mut Model, cycle: &Cycle) {
    let lanes = model.act[0].len();
    if let Some(act) = &cycle.act {
        let half = act.row.len() / 2;
        for l in (0..lanes).filter(|l| act.halves >> (l / half) & 1 == 1) {
            model.act[act.entry][l] = act.row[l % act.row.len()] as i16;
        }
    }
    if let Some(kv) = &cycle.kv {
        let width = kv.codes.len();
        for l in 0..lanes {
            if kv.is_value && l % width == kv.lane {
                model.kv[kv.row][l] = kv.codes[l / width] as i16;
            } else if !kv.is_value && kv.halves >> (l / (width / 2)) & 1 == 1 {
                model.kv[kv.row][l] = kv.codes[l % width] as i16;
            }
        }
    }
}

/// Fields of a payload, with their widths, that hold arbitrary bits while nothing is issued.
const PAYLOAD: [(&str, u32); 19] = [
    ("gather", 1),
    ("first", 1),
    ("last", 1),
    ("memory", 1),
    ("row", 24),
    ("chunk", 1),
    ("entry", 6),
    ("entry_continue", 1),
    ("entry_advance", 1),
    ("tap", 4),
    ("lane", 8),
    ("lane_advance", 1),
    ("clear", 2),
    ("emit", 2),
    ("shift", 5),
    ("mask", 1),
    ("maximum", 1),
    ("scalar", 6),
    ("store", 24),
];

/// Drives the script's cycles; the payload of an instruction stands from its first issue to its last.
fn drive(script: &Script, random: &mut Random, stimulus: &mut Stimulus) {
    let mut showing: Option<Operation> = None;
    for cycle in &script.cycles {
        stimulus.cycle().set("position", script.position as u64);
        for (name, bits) in PAYLOAD {
            stimulus.set(name, random.unsigned(bits));
        }
        if let Some(issue) = cycle.issue {
            showing = Some(issue.operation);
            stimulus.set("issue", 1).set("first", u64::from(issue.k == 0)).set("last", u64::from(issue.last));
        }
        match showing {
            Some(Operation::Dot(dot)) => drive_dot(&dot, stimulus),
            Some(Operation::Gather(gather)) => drive_gather(&gather, stimulus),
            None => {}
        }
        if let Some(issue) = cycle.issue {
            drive_row(&issue, script, stimulus);
        }
        if cycle.issue.is_some_and(|issue| issue.last) {
            showing = None;
        }
        drive_writes(cycle, script.geometry.groups(), random, stimulus);
    }
}

fn drive_dot(dot: &Dot, stimulus: &mut Stimulus) {
    stimulus
        .set("gather", 0)
        .set("memory", dot.memory as u64)
        .set("entry", dot.entry.into())
        .set("entry_continue", dot.entry_continue.into())
        .set("entry_advance", dot.entry_advance.into())
        .set("tap", dot.tap.into())
        .set("lane", dot.lane.into())
        .set("lane_advance", dot.lane_advance.into())
        .set("clear", dot.clear as u64)
        .set("emit", dot.emit as u64)
        .set("shift", dot.shift.into())
        .set("mask", dot.mask.into())
        .set("maximum", dot.maximum.into())
        .set("scalar", dot.scalar.into())
        .set("store", dot.store.into());
}

fn drive_gather(gather: &Gather, stimulus: &mut Stimulus) {
    stimulus.set("gather", 1).set("store", gather.store.into());
}

/// The row of an issue, as the dispatch gives it.
fn drive_row(issue: &Issue, script: &Script, stimulus: &mut Stimulus) {
    match issue.operation {
        Operation::Dot(dot) => {
            let offset = if dot.offset { script.offsets[dot.memory as usize] } else { 0 };
            let row = i64::from(dot.row) + offset + issue.k * i64::from(dot.row_step);
            stimulus.set("row", row as u64 & 0xff_ffff);
        }
        Operation::Gather(gather) => {
            let item = if gather.index == Index::Token { script.token } else { script.position };
            let chunk = ((item << gather.chunks) as i64 + issue.k) as u64;
            let groups = script.geometry.groups() as u64;
            stimulus.set("row", u64::from(gather.row) + chunk / groups).set("chunk", chunk % groups);
        }
    }
}

/// A KV write, as the vector side tells it to every group.
fn drive_kv(kv: &KvWrite, groups: usize, stimulus: &mut Stimulus) {
    let lanes = kv.codes.len();
    for (j, code) in kv.codes.iter().enumerate() {
        stimulus.set(&format!("sent${j}"), *code as u64 & 0x1ff);
    }
    let half = (1 << (lanes / 2)) - 1;
    for g in 0..groups {
        let written = |h: usize| if kv.halves >> (2 * g + h) & 1 == 1 { half << (h * lanes / 2) } else { 0 };
        let write = if kv.is_value { 1 << kv.lane } else { written(0) | written(1) };
        stimulus.set(&format!("group_kv_write${g}"), write);
        stimulus.set(&format!("group_row${g}"), kv.row as u64);
        stimulus.set(&format!("group_kv_transposed${g}"), kv.is_value.into());
    }
}

fn drive_writes(cycle: &Cycle, groups: usize, random: &mut Random, stimulus: &mut Stimulus) {
    if let Some(act) = &cycle.act {
        stimulus.set("act_write", act.halves).set("act_entry", act.entry as u64);
        for g in 0..groups {
            stimulus.set(&format!("group_act_write${g}"), act.halves >> (2 * g) & 3);
            stimulus.set(&format!("group_act_entry${g}"), act.entry as u64);
        }
        for (j, lane) in act.row.iter().enumerate() {
            stimulus.set_signed(&format!("sent${j}"), *lane);
        }
    }
    match &cycle.kv {
        Some(kv) => {
            stimulus.set("kv_write", 1).set("kv_row", kv.row as u64);
            drive_kv(kv, groups, stimulus);
        }
        None => {
            let (group, idle) = (random.below(groups as u64), cycle.act.is_none());
            stimulus.set(&format!("group_kv_transposed${group}"), u64::from(idle) * random.below(2));
            stimulus.set(&format!("group_row${group}"), random.below(ROWS));
        }
    }
}

/// Fills the first rows of both memories, as the vector side tells it to every group.
fn load(chip: &Geometry, random: &mut Random, model: &mut Model, stimulus: &mut Stimulus) {
    for (row, lanes) in model.weights.iter_mut().enumerate().take(ROWS as usize) {
        lanes.fill_with(|| number(random, 9) as i16);
        for (g, weights) in lanes.chunks(chip.vxm_lanes).enumerate() {
            stimulus.cycle().set(&format!("group_weight_write${g}"), 3);
            stimulus.set(&format!("group_row${g}"), row as u64);
            for (j, weight) in weights.iter().enumerate() {
                stimulus.set(&format!("sent${j}"), *weight as u64 & 0x1ff);
            }
        }
    }
    for row in 0..ROWS as usize {
        for group in 0..chip.groups() {
            let codes: Vec<i64> = (0..chip.vxm_lanes).map(|_| number(random, 9)).collect();
            let kv = KvWrite { is_value: false, row, halves: 3 << (2 * group), lane: 0, codes };
            stimulus.cycle();
            drive_kv(&kv, chip.groups(), stimulus);
            write(model, &Cycle { kv: Some(kv), ..Cycle::default() });
        }
    }
    stimulus.idle(4);
}

/// The host's write comes out as the vector side is to take it.
#[test]
fn writes_of_the_host_go_to_the_vector_side() {
    let chip = Geometry::ULX3S_85F;
    let bench = Bench::new(&emit(&mut MatrixSide::new(&chip), "matrix_side").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let mut writes = vec![];
    for _ in 0..200 {
        let (row, octet) = (random.below(chip.kv_rows as u64), random.below(chip.mxm_lanes as u64 / 8));
        let (lanes, kv): (Vec<i64>, _) = ((0..8).map(|_| random.signed(9)).collect(), random.below(2));
        stimulus.cycle().set("host_write", 1).set("host_kv", kv).set("host_row", row);
        stimulus.set("host_octet", octet).set_lanes("host_data", 9, &lanes);
        writes.push((kv, row, 1 << octet, lanes));
    }
    let response = bench.run(stimulus.idle(1)).unwrap();
    for (t, (kv, row, halves, lanes)) in writes.into_iter().enumerate() {
        let get = |name: &str| response.get(t + 1, name);
        let found = ["host_kv_write", "host_weight_write", "host_row_1", "host_halves"].map(get);
        assert_eq!(found, [kv, 1 - kv, row, halves], "{t}");
        let found: Vec<i64> = (0..8).map(|i| response.signed(t + 1, &format!("host_lane${i}"))).collect();
        assert_eq!(found, lanes, "{t}");
    }
}

/// Reads the first rows of both memories as the host does, from cycle `stimulus.cycles()` on: the row comes back from the dispatch.
fn read_back(model: &Model, stimulus: &mut Stimulus) -> Vec<(usize, Vec<i64>)> {
    let mut expected = vec![];
    for (kv, memory) in [(0, &model.weights), (1, &model.kv)] {
        for (row, lanes) in memory.iter().enumerate().take(ROWS as usize) {
            for (octet, lanes) in lanes.chunks(8).enumerate() {
                let at = stimulus.cycles() + MatrixSide::HOST_READ_LATENCY;
                expected.push((at, lanes.iter().map(|lane| i64::from(*lane)).collect()));
                stimulus.cycle().set("host_read", 1).set("host_kv", kv).set("host_row", row as u64);
                stimulus.set("host_octet", octet as u64);
                let chunk = 8 * octet / model.geometry.vxm_lanes;
                stimulus.idle(1).cycle().set("row", row as u64).set("chunk", chunk as u64);
                stimulus.idle(MatrixSide::HOST_READ_LATENCY);
            }
        }
    }
    expected
}

fn run(chip: &Geometry, runs: usize, instructions: usize) {
    let design = emit(&mut MatrixSide::new(chip), "matrix_side").unwrap();
    let bench = Bench::new(&design).unwrap();
    let mut random = Random::from_seed_variable();
    for _ in 0..runs {
        let mut model = Model::new(chip);
        let mut stimulus = bench.stimulus();
        load(chip, &mut random, &mut model, &mut stimulus);
        let from = stimulus.cycles();
        let script = Script::random(&mut random, chip, instructions);
        drive(&script, &mut random, &mut stimulus);
        let expected = Expected::of(&script, &mut model);
        let back = read_back(&model, &mut stimulus);
        let response = bench.run(&stimulus).unwrap();
        expected.check(&script, &response, from);
        for (t, lanes) in back {
            assert_eq!(response.signed_lanes(t, "host_read_data", 9), lanes, "host read shown in cycle {t}");
        }
    }
}

#[test]
fn the_small_chip_is_its_model() {
    run(&Geometry::NANO, 20, 400);
}

#[test]
fn the_large_chip_is_its_model() {
    run(&Geometry::ULX3S_85F, 2, 300);
}
