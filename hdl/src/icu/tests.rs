//! Random programs through both queues, cycle by cycle.

use super::control::Icu;
use super::model::{Issue, Token, token};
use crate::bench::{Bench, Family, Random, Response, Stimulus, cells};
use crate::emit::{Design, emit};
use lpu_isa::Geometry;
use lpu_isa::instruction::*;
use std::sync::OnceLock;

const GEOMETRY: Geometry = Geometry::NANO;
const QUEUES: [&str; 2] = ["matrix", "vector"];

fn design() -> Design {
    emit(&mut Icu::new(&GEOMETRY), "dut").unwrap()
}

/// The unit, built once for all tests.
fn bench() -> &'static Bench {
    static BUILT: OnceLock<Bench> = OnceLock::new();
    BUILT.get_or_init(|| Bench::new(&design()).unwrap())
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

/// Programs for both queues that meet at the same places.
fn programs(random: &mut Random) -> [Vec<Instruction>; 2] {
    let mut programs = [vec![], vec![]];
    let mut both = |random: &mut Random, op: fn(&mut Random) -> Op, control: Control| {
        for (queue, program) in programs.iter_mut().enumerate() {
            bodies(random, queue, program);
            program.push(Instruction { control, op: op(random) });
        }
    };
    for _ in 0..2 {
        both(random, |_| Sync {}.into(), Control::default());
        let trips = Control {
            delay: Affine::fixed(number(random, 0, 6)),
            count: Affine { constant: number(random, 0, 2), per_block: number(random, 0, 1) },
            interval: 1,
        };
        both(random, |_| Loop {}.into(), trips);
        let end_loop = |random: &mut Random| {
            EndLoop { first_step: number(random, -9, 9), second_step: number(random, -9, 9) }.into()
        };
        both(random, end_loop, Control::default());
    }
    both(random, |_| End {}.into(), Control::default());
    programs
}

fn load(stimulus: &mut Stimulus, programs: &[Vec<Instruction>; 2]) {
    for (queue, program) in programs.iter().enumerate() {
        for (index, instruction) in program.iter().enumerate() {
            let word = instruction.encode().unwrap();
            for (part, &data) in word.iter().enumerate() {
                stimulus.cycle().set(&format!("{}_write", QUEUES[queue]), 1).set("write_part", part as u64);
                stimulus.set("write_index", index as u64).set("write_data", data);
            }
        }
    }
    stimulus.idle(4);
}

/// Starts a token and gives its first cycle and the number of blocks.
fn run(stimulus: &mut Stimulus, blocks: usize, cycles: i64) -> usize {
    let start = stimulus.cycles();
    stimulus.cycle().set("start", 1).set("blocks", blocks as u64);
    for _ in 0..cycles {
        stimulus.cycle().set("blocks", blocks as u64);
    }
    start
}

fn found(response: &Response, start: usize, cycles: i64, programs: &[Vec<Instruction>; 2]) -> Token {
    let mut token = Token::default();
    for t in 0..cycles {
        let get = |name: &str| response.get(start + t as usize, name);
        let flag = |name: &str| get(name) == 1;
        for (queue, name) in QUEUES.iter().enumerate() {
            let named = |port: &str| format!("{name}_{port}");
            token.underruns[queue] |= flag(&named("underrun"));
            if !flag(&named("issue")) {
                continue;
            }
            // The payload stands a cycle later than the issue.
            let part = |part| response.get(start + t as usize + 1, &named(&format!("part${part}")));
            let parts: Vec<u64> = (0..[3, 5][queue]).map(part).collect();
            let same = |instruction: &Instruction| instruction.encode().unwrap()[1..=parts.len()] == parts;
            assert!(programs[queue].iter().any(same), "cycle {t}: an instruction of the {name} queue");
            let offset = |port| (get(&named(port)) as i64) << 40 >> 40;
            let offsets = [offset("offset_first"), offset("offset_second")];
            let issue: Issue = (t, flag(&named("first")), flag(&named("last")), 0, offsets);
            token.issues[queue].push(issue);
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
fn expected(programs: &[Vec<Instruction>; 2], blocks: usize) -> Token {
    let mut token = token([&programs[0], &programs[1]], blocks);
    token.issues.iter_mut().flatten().for_each(|issue| issue.3 = 0);
    token
}

#[test]
fn random_programs_issue_as_the_model_says() {
    let bench = bench();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let mut tokens = vec![];
    for _ in 0..200 {
        let programs = programs(&mut random);
        load(&mut stimulus, &programs);
        for blocks in [1, 1 + random.below(9) as usize] {
            let token = expected(&programs, blocks);
            let cycles = token.over + 4;
            tokens.push((run(&mut stimulus, blocks, cycles), cycles, programs.clone(), token));
        }
    }
    let response = bench.run(&stimulus).unwrap();
    let mut issues = 0;
    for (number, (start, cycles, programs, expected)) in tokens.iter().enumerate() {
        let found = found(&response, *start, *cycles, programs);
        assert_eq!(&found, expected, "token {number}: {programs:?}");
        issues += found.issues.iter().flatten().count();
    }
    assert!(issues > 10_000, "{issues}");
}

/// Needs no model: the documented cycles, worked out by hand.
#[test]
fn the_first_issue_follows_start_and_the_token_ends_with_the_later_queue() {
    let bench = bench();
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
    let start = run(&mut stimulus, 1, 60);
    let response = bench.run(&stimulus).unwrap();
    let cycles =
        |name: &str| -> Vec<usize> { (0..60).filter(|t| response.get(start + t, name) == 1).collect() };
    assert_eq!(cycles("matrix_issue"), [4, 7]);
    assert_eq!(cycles("over"), [54]);
}

#[test]
fn faults_are_raised() {
    let bench = bench();
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
        let start = run(&mut stimulus, 1, 1400);
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
    let counts = cells(&design(), Family::Ecp5).unwrap();
    assert!(counts.contains_key("TRELLIS_DPR16X4"), "{counts:?}");
    assert!(!counts.contains_key("DP16KD"), "{counts:?}");
    assert_eq!(counts.get("MULT18X18D"), Some(&4), "{counts:?}");
}
