//! Whole runs through the token loop.

use super::run::Run;
use crate::bench::{Bench, Random, Response, Stimulus};
use crate::emit::emit;
use lpu_isa::Geometry;
use lpu_isa::host::Step;
use lpu_isa::host::TOKEN_QUEUE_WORDS;

const GEOMETRY: Geometry = Geometry::NANO;

/// A run, and what its tokens choose after how many cycles.
struct Plan {
    start_position: u64,
    limit: u64,
    prompt: Vec<u64>,
    stop_token: u64,
    tokens: Vec<(u64, u64)>,
}

impl Plan {
    fn random(random: &mut Random) -> Self {
        let positions = GEOMETRY.positions as u64;
        let near_the_end = random.below(4) == 0;
        Self {
            start_position: if near_the_end { positions - 1 - random.below(5) } else { random.below(900) },
            limit: 1 + random.below(12),
            prompt: (0..random.below(8)).map(|_| random.unsigned(16)).collect(),
            stop_token: if random.below(2) == 0 { 0xffff } else { random.below(4) },
            tokens: (0..20).map(|_| (random.below(8), 1 + random.below(30))).collect(),
        }
    }

    /// Tokens that are executed.
    fn length(&self) -> usize {
        let stops = |step: usize| {
            let past_prompt = step + 1 >= self.prompt.len();
            let (step, chosen) = (step as u64, self.tokens[step].0);
            let context = self.start_position + step + 1 >= GEOMETRY.positions as u64;
            step + 1 >= self.limit || context || (past_prompt && chosen == self.stop_token)
        };
        (0..).find(|&step| stops(step)).unwrap_or_default() + 1
    }
}

/// Drives a run, and says in which cycles its tokens start.
fn drive(stimulus: &mut Stimulus, plan: &Plan) -> Vec<usize> {
    for &token in &plan.prompt {
        stimulus.cycle().set("push", 1).set("prompt_token", token);
    }
    stimulus.cycle().set("start", 1).set("start_position", plan.start_position).set("limit", plan.limit);
    stimulus.set("prompt_length", plan.prompt.len() as u64).set("stop_token", plan.stop_token);
    stimulus.set("stop_token_too", 0xffff);
    stimulus.idle(1);
    let mut starts = vec![];
    for &(chosen, cycles) in &plan.tokens[..plan.length()] {
        starts.push(stimulus.cycles());
        stimulus.idle(cycles as usize);
        stimulus.cycle().set("over", 1).set("chosen", chosen);
        stimulus.idle(Run::LATENCY - 1);
    }
    starts
}

fn check(response: &Response, plan: &Plan, starts: &[usize], last_chosen: u64) {
    let mut chosen = last_chosen;
    for (step, &start) in starts.iter().enumerate() {
        let expected = plan.prompt.get(step).copied().unwrap_or(chosen);
        let position = plan.start_position + step as u64;
        assert_eq!(response.get(start - 1, "token_start"), 0, "one strobe a token");
        assert_eq!(response.get(start, "token_start"), 1, "token {step} starts");
        let end = start + plan.tokens[step].1 as usize;
        for t in [start, end] {
            assert_eq!(response.get(t, "token"), expected, "input of token {step}");
            assert_eq!(response.get(t, "position"), position);
            assert_eq!(response.get(t, "blocks"), GEOMETRY.blocks(position as usize) as u64);
            assert_eq!(response.get(t, "status") & 3, 3, "busy and active");
        }
        chosen = plan.tokens[step].0;
    }
}

#[test]
fn runs_execute_their_tokens_and_record_them() {
    let bench = Bench::new(&emit(&mut Run::new(&GEOMETRY), "dut").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let mut runs = vec![];
    for _ in 0..300 {
        let plan = Plan::random(&mut random);
        let starts = drive(&mut stimulus, &plan);
        let records = stimulus.cycles();
        for _ in 0..=starts.len() {
            stimulus.cycle().set("pop", 1);
        }
        stimulus.cycle().set("discard", 1);
        runs.push((plan, starts, records));
    }
    let response = bench.run(&stimulus).unwrap();
    let mut last_chosen = 0;
    for (plan, starts, records) in &runs {
        check(&response, plan, starts, last_chosen);
        assert_eq!(response.get(*records, "status"), 0, "the run is over");
        for (step, (chosen, cycles)) in plan.tokens[..starts.len()].iter().enumerate() {
            let found = Step::decode(response.get(records + step + 1, "record"));
            let position = (plan.start_position + step as u64) as u16;
            let cycles = (cycles + Run::LATENCY as u64) as u32;
            assert_eq!(found, Some(Step { token: *chosen as u16, position, cycles }), "token {step}");
            last_chosen = *chosen;
        }
        assert_eq!(response.get(records + starts.len() + 1, "record"), 0, "no more records");
    }
}

fn start(stimulus: &mut Stimulus, prompt_length: u64, pause: u64) {
    stimulus
        .cycle()
        .set("start", 1)
        .set("limit", 1000)
        .set("prompt_length", prompt_length)
        .set("pause", pause);
    stimulus.set("stop_token", 0xffff).set("stop_token_too", 0xffff).idle(1);
}

fn finish(stimulus: &mut Stimulus) {
    stimulus.cycle().set("over", 1);
    stimulus.idle(Run::LATENCY - 1);
}

#[test]
fn a_run_waits_for_its_prompt_and_for_the_host_to_go_on() {
    let bench = Bench::new(&emit(&mut Run::new(&GEOMETRY), "dut").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    start(&mut stimulus, 1, 1);
    let waits = stimulus.cycles();
    stimulus.idle(20).cycle().set("push", 1).set("prompt_token", 77);
    stimulus.idle(1);
    let first = stimulus.cycles();
    finish(&mut stimulus);
    let paused = stimulus.cycles();
    stimulus.idle(20).cycle().set("go_on", 1);
    stimulus.idle(1);
    let second = stimulus.cycles();
    stimulus.cycle().set("stop", 1);
    finish(&mut stimulus);
    stimulus.idle(5);
    let response = bench.run(&stimulus).unwrap();
    let status = |t| response.get(t, "status");
    let starts: Vec<usize> = (0..second + 10).filter(|&t| response.get(t, "token_start") == 1).collect();
    assert_eq!(starts, [first, second]);
    assert_eq!((status(waits + 9), status(paused + 9)), (0b00110, 0b10010));
    assert_eq!(response.get(first, "token"), 77);
    assert_eq!(status(second + 9), 0, "stopped after the token");
}

#[test]
fn a_run_waits_for_room_for_its_record() {
    let bench = Bench::new(&emit(&mut Run::new(&GEOMETRY), "dut").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    start(&mut stimulus, 0, 0);
    for _ in 0..TOKEN_QUEUE_WORDS {
        finish(&mut stimulus);
    }
    let full = stimulus.cycles();
    stimulus.idle(20).cycle().set("pop", 1);
    stimulus.idle(10);
    let response = bench.run(&stimulus).unwrap();
    assert_eq!(response.get(full + 9, "status"), 0b01010);
    let starts = (0..stimulus.cycles()).filter(|&t| response.get(t, "token_start") == 1);
    assert_eq!(starts.count(), TOKEN_QUEUE_WORDS + 1);
}
