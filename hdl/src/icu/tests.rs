//! Random programs through all queues, cycle by cycle, of a chip without external memory and of one with it.

use super::control::Icu;
use super::model::{Issue, Token, token};
use crate::bench::{Bench, Family, Random, Response, Stimulus, cells};
use crate::emit::{Design, emit};
use lpu_isa::Geometry;
use lpu_isa::instruction::*;
use lpu_isa::transfer::Frames;
use std::collections::BTreeSet;

/// External memory with queues as deep as those of the chips in [`Geometry::ALL`], which decide the widths here.
const EXTERNAL: Geometry =
    Geometry { matrix_queue_depth: 128, vector_queue_depth: 128, ..Geometry::NANO_SDRAM };
const CHIPS: [Geometry; 2] = [Geometry::NANO, EXTERNAL];
/// Prefix and suffix of the ports of each queue.
const QUEUES: [(&str, &str); 3] = [("matrix_", ""), ("vector_", ""), ("transfer_", "$0")];
/// Parts of an instruction that each queue shows.
const PARTS_SHOWN: [usize; 3] = [MATRIX_PARTS - 1, PARTS - 1, TRANSFER_PARTS - 1];

fn design(chip: &Geometry) -> Design {
    emit(&mut Icu::new(chip), "dut").unwrap()
}

fn bench(chip: &Geometry) -> Bench {
    Bench::new(&design(chip)).unwrap()
}

fn number(random: &mut Random, least: i64, most: i64) -> i32 {
    (least + random.below((most - least + 1) as u64) as i64) as i32
}

/// An instruction; now and then one that follows too soon on its own count.
fn body(random: &mut Random, queue: usize) -> Instruction {
    let op: Op = match (random.below(4), queue) {
        (0, _) => Nop {}.into(),
        (1, 0) => Gather { row: random.below(64) as u32, ..Gather::default() }.into(),
        (_, 0) => {
            Dot { row: random.below(64) as u32, store: random.below(64) as u32, ..Dot::default() }.into()
        }
        (_, 2) => {
            Transfer { run: random.below(64) as u32, row: random.below(64) as u32, ..Transfer::default() }
                .into()
        }
        _ => Vector { vmem: random.below(64) as u32, bias: random.below(999) as u32, ..Vector::default() }
            .into(),
    };
    let control = Control {
        delay: Affine { constant: number(random, -3, 9), per_block: number(random, -1, 2) },
        count: Affine { constant: number(random, -1, 5), per_block: number(random, 0, 1) },
        interval: random.below(4) as u32,
    };
    Instruction { control, op }
}

fn bodies(random: &mut Random, queue: usize, program: &mut Vec<Instruction>) {
    for _ in 0..random.below(4) {
        program.push(body(random, queue));
    }
}

/// Programs for the queues of a chip that meet at the same places.
fn programs(random: &mut Random, chip: &Geometry) -> Vec<Vec<Instruction>> {
    let mut programs = vec![vec![]; chip.queues()];
    let mut all = |random: &mut Random, op: fn(&mut Random) -> Op, control: Control| {
        for (queue, program) in programs.iter_mut().enumerate() {
            bodies(random, queue, program);
            program.push(Instruction { control, op: op(random) });
        }
    };
    for _ in 0..2 {
        all(random, |_| Sync {}.into(), Control::default());
        let trips = Control {
            delay: Affine::fixed(number(random, 0, 6)),
            count: Affine { constant: number(random, 0, 2), per_block: number(random, 0, 1) },
            interval: 1,
        };
        all(random, |_| Loop {}.into(), trips);
        let end_loop = |random: &mut Random| {
            EndLoop { first_step: number(random, -9, 9), second_step: number(random, -9, 9) }.into()
        };
        all(random, end_loop, Control::default());
    }
    all(random, |_| End {}.into(), Control::default());
    programs
}

fn load(stimulus: &mut Stimulus, programs: &[Vec<Instruction>]) {
    for (queue, program) in programs.iter().enumerate() {
        for (index, instruction) in program.iter().enumerate() {
            let word = instruction.encode().unwrap();
            for (part, &data) in word.iter().enumerate() {
                let (prefix, suffix) = QUEUES[queue];
                stimulus.cycle().set(&format!("{prefix}write{suffix}"), 1).set("write_part", part as u64);
                stimulus.set("write_index", index as u64).set("write_data", data);
            }
        }
    }
    stimulus.idle(4);
}

/// The cycles in which slots begin, until the token is over.
fn slots(chip: &Geometry, token: &Token) -> BTreeSet<i64> {
    let mut slots = BTreeSet::new();
    if chip.has_external_memory() {
        let frames = Frames::of(chip);
        let ends = token.segments[1..].iter().copied().chain([token.over]);
        for (start, end) in token.segments.iter().zip(ends) {
            slots.extend((0..).map(|slot| start + frames.begin(slot)).take_while(|slot| *slot < end));
        }
    }
    slots
}

/// Starts a token, lets slots come in their cycles, and gives the token's first cycle.
fn run(stimulus: &mut Stimulus, blocks: usize, cycles: i64, slots: &BTreeSet<i64>) -> usize {
    let start = stimulus.cycles();
    for t in 0..=cycles {
        stimulus.cycle().set("blocks", blocks as u64).set("start", (t == 0).into());
        if slots.contains(&t) {
            stimulus.set("transfer_slot$0", 1);
        }
    }
    start
}

fn found(response: &Response, start: usize, cycles: i64, programs: &[Vec<Instruction>]) -> Token {
    let count = programs.len();
    let mut token = Token { issues: vec![vec![]; count], underruns: vec![false; count], ..Token::default() };
    for t in 0..cycles {
        let get = |name: &str| response.get(start + t as usize, name);
        let flag = |name: &str| get(name) == 1;
        for (queue, (prefix, suffix)) in QUEUES.iter().enumerate().take(count) {
            let named = |port: &str| format!("{prefix}{port}{suffix}");
            token.underruns[queue] |= flag(&named("underrun"));
            if !flag(&named("issue")) {
                continue;
            }
            // The payload stands a cycle later than the issue.
            let part = |part| response.get(start + t as usize + 1, &format!("{prefix}part${part}"));
            let parts: Vec<u64> = (0..PARTS_SHOWN[queue]).map(part).collect();
            let same = |instruction: &Instruction| instruction.encode().unwrap()[1..=parts.len()] == parts;
            assert!(programs[queue].iter().any(same), "cycle {t}: an instruction of queue {queue}");
            let offset = |port| (get(&named(port)) as i64) << 40 >> 40;
            let offsets = [offset("offset_first"), offset("offset_second")];
            let issue: Issue = (t, flag(&named("first")), flag(&named("last")), 0, offsets);
            token.issues[queue].push(issue);
        }
        if count == 3 && flag("segment$0") {
            token.segments.push(t + 1);
        }
        if flag("over") {
            assert_eq!(token.over, 0, "over once");
            token.over = t;
        }
        token.sync_lost |= flag("sync_lost");
        assert!(!flag("illegal"), "cycle {t}");
    }
    token
}

/// The model's token without the numbers of instructions, which the hardware shows only through their payload.
fn expected(chip: &Geometry, programs: &[Vec<Instruction>], blocks: usize) -> Token {
    let mut token = token(chip, programs, blocks);
    token.issues.iter_mut().flatten().for_each(|issue| issue.3 = 0);
    token
}

#[test]
fn random_programs_issue_as_the_model_says() {
    for chip in CHIPS {
        let bench = bench(&chip);
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let mut tokens = vec![];
        for _ in 0..200 {
            let programs = programs(&mut random, &chip);
            load(&mut stimulus, &programs);
            for blocks in [1, 1 + random.below(9) as usize] {
                let token = expected(&chip, &programs, blocks);
                let cycles = token.over + 4;
                let start = run(&mut stimulus, blocks, cycles, &slots(&chip, &token));
                tokens.push((start, cycles, programs.clone(), token));
            }
        }
        let response = bench.run(&stimulus).unwrap();
        let mut issues = 0;
        for (number, (start, cycles, programs, expected)) in tokens.iter().enumerate() {
            let mut found = found(&response, *start, *cycles, programs);
            if !chip.has_external_memory() {
                // Nobody is told of segments.
                found.segments.clone_from(&expected.segments);
            }
            assert_eq!(&found, expected, "token {number} of {}: {programs:?}", chip.name);
            issues += found.issues.iter().flatten().count();
        }
        assert!(issues > 10_000, "{issues}");
    }
}

/// Needs no model: the documented cycles, worked out by hand.
#[test]
fn the_first_issue_follows_start_and_the_token_ends_with_the_later_queue() {
    let bench = bench(&Geometry::NANO);
    let control = |delay, count, interval| Control {
        delay: Affine::fixed(delay),
        count: Affine::fixed(count),
        interval,
    };
    let end = Instruction { control: Control::default(), op: End {}.into() };
    let dot = Instruction { control: control(0, 2, 3), op: Dot::default().into() };
    let nop = Instruction { control: control(50, 1, 1), op: Nop {}.into() };
    let mut stimulus = bench.stimulus();
    load(&mut stimulus, &[vec![dot, end], vec![nop, end]]);
    let start = run(&mut stimulus, 1, 60, &BTreeSet::new());
    let response = bench.run(&stimulus).unwrap();
    let cycles =
        |name: &str| -> Vec<usize> { (0..60).filter(|t| response.get(start + t, name) == 1).collect() };
    assert_eq!(cycles("matrix_issue"), [4, 7]);
    assert_eq!(cycles("over"), [54]);
}

/// Needs no model: with external memory all queues start later, a transfer takes the first slot after its lead, and the next instruction is
/// activated before the slot ends.
#[test]
fn a_transfer_takes_the_first_slot_after_its_lead() {
    let bench = bench(&EXTERNAL);
    let end = Instruction { control: Control::default(), op: End {}.into() };
    let two = Control { count: Affine::fixed(2), ..Control::default() };
    let transfer = Instruction { control: two, op: Transfer::default().into() };
    let mut stimulus = bench.stimulus();
    load(&mut stimulus, &[vec![end], vec![end], vec![transfer, end]]);
    let start = run(&mut stimulus, 1, 120, &BTreeSet::from([10, 15, 17, 49, 81]));
    let response = bench.run(&stimulus).unwrap();
    let cycles =
        |name: &str| -> Vec<usize> { (0..120).filter(|t| response.get(start + t, name) == 1).collect() };
    assert_eq!(cycles("segment$0"), [11]);
    assert_eq!(cycles("transfer_issue$0"), [17, 49]);
    assert_eq!(cycles("over"), [77]);
    assert_eq!(cycles("hold$0"), (1..=11).collect::<Vec<_>>());
}

#[test]
fn faults_are_raised() {
    let bench = bench(&Geometry::NANO);
    let end = Instruction { control: Control::default(), op: End {}.into() };
    let sync = Instruction { control: Control::default(), op: Sync {}.into() };
    let vector = Instruction { control: Control::after(9), op: Vector::default().into() };
    let cases = [
        ("illegal", [vec![vector, end], vec![end]]),
        ("sync_lost", [vec![sync, end], vec![end]]),
        ("illegal", [vec![Instruction { control: Control::after(9), op: Nop {}.into() }; 128], vec![end]]),
    ];
    for (fault, programs) in cases {
        let mut stimulus = bench.stimulus();
        load(&mut stimulus, &programs);
        let start = run(&mut stimulus, 1, 1400, &BTreeSet::new());
        let response = bench.run(&stimulus).unwrap();
        for name in ["illegal", "sync_lost", "matrix_underrun", "vector_underrun"] {
            let raised = (0..1400).any(|t| response.get(start + t, name) == 1);
            assert_eq!(raised, name == fault, "`{name}` for `{fault}`");
        }
        assert!((0..1400).any(|t| response.get(start + t, "over") == 1), "the token ends");
    }
}

#[test]
fn instruction_memory_is_distributed() {
    let counts = cells(&design(&Geometry::NANO), Family::Ecp5).unwrap();
    assert!(counts.contains_key("TRELLIS_DPR16X4"), "{counts:?}");
    assert!(!counts.contains_key("DP16KD"), "{counts:?}");
    assert_eq!(counts.get("MULT18X18D"), Some(&4), "{counts:?}");
}
