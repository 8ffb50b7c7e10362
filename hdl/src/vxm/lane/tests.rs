//! A lane against its model, on a new input every cycle.

use super::*;
use crate::bench::{Bench, Random, Response};
use crate::emit::emit;
use lpu_isa::arith;
use lpu_isa::instruction::B;

/// One issue of the lane: all inputs, each to be applied in its own cycle.
#[derive(Clone, Copy, Debug)]
struct Issue {
    vmem: i64,
    vreg_a: i64,
    vreg_b: i64,
    noise: i64,
    factor: i64,
    x_vmem: bool,
    x_shift: u64,
    b: B,
    c: C,
    swap: bool,
    neighbour: i64,
    neighbour_round: bool,
    subtrahend: i64,
    function: Function,
    shift: i64,
    relu: bool,
}

/// A number of up to `bits` bits, small ones and the extremes as often as large ones.
fn number(random: &mut Random, bits: u32) -> i64 {
    match random.below(8) {
        0 => -(1 << (bits - 1)),
        1 => (1 << (bits - 1)) - 1,
        _ => {
            let width = 1 + random.below(u64::from(bits)) as u32;
            random.signed(width)
        }
    }
}

fn issue(random: &mut Random) -> Issue {
    let b = B::TABLE[random.below(6) as usize].0;
    let neighbour = number(random, 18);
    Issue {
        vmem: number(random, 18),
        vreg_a: number(random, 24),
        vreg_b: number(random, 24),
        noise: number(random, 18),
        factor: number(random, 18),
        x_vmem: random.below(2) == 1,
        x_shift: random.below(8),
        b,
        c: C::TABLE[random.below(4) as usize].0,
        swap: random.below(2) == 1,
        neighbour,
        // The rounding bit is off where the sum would not fit.
        neighbour_round: random.below(2) == 1 && neighbour < i64::from(arith::WORD_MAX),
        subtrahend: if random.below(2) == 1 { number(random, 18) } else { 0 },
        function: Function::TABLE[random.below(3) as usize].0,
        shift: random.below(60) as i64 - 8,
        relu: random.below(2) == 1,
    }
}

fn mode(issue: &Issue) -> u64 {
    let is_square = issue.function == Function::Multiply && issue.b == B::X;
    if is_square { Mode::SQUARE } else { issue.function as u64 }
}

/// Streams issues, a new one each cycle.
fn stream(issues: &[Issue]) -> Response {
    let bench = Bench::new(&emit(&mut Lane::default(), "lane").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    for t in 0..issues.len() + Lane::LATENCY + 1 {
        stimulus.cycle();
        if let Some(issue) = issues.get(t) {
            stimulus.set_signed("vmem", issue.vmem).set_signed("noise", issue.noise);
            stimulus.set_signed("vreg_a", issue.vreg_a).set_signed("vreg_b", issue.vreg_b);
            stimulus.set_signed("factor", issue.factor).set("x_vmem", issue.x_vmem.into());
            stimulus.set("x_shift", issue.x_shift).set("c_select", issue.c as u64);
            stimulus.set("b_vreg_b", (issue.b == B::VregB).into()).set("b_vmem", (issue.b == B::Vmem).into());
            stimulus.set("b_factor", matches!(issue.b, B::Scalar | B::ScalarPair).into());
        }
        let earlier = |cycles: usize| t.checked_sub(cycles).and_then(|t| issues.get(t));
        if let Some(issue) = earlier(1) {
            stimulus.set("swap", issue.swap.into()).set_signed("neighbour", issue.neighbour);
            stimulus.set_signed("subtrahend", issue.subtrahend).set_signed("minus", -issue.subtrahend);
            stimulus.set("neighbour_round", issue.neighbour_round.into());
        }
        if let Some(issue) = earlier(2) {
            stimulus.set("mode", mode(issue));
        }
        if let Some(issue) = earlier(3) {
            stimulus.set("mode_late", mode(issue));
            // The function's shift is part of the contract of its table.
            let shift = if issue.function == Function::Sigmoid { 12 } else { issue.shift };
            stimulus.set_signed("shift", shift);
        }
        if let Some(issue) = earlier(8) {
            stimulus.set("relu", issue.relu.into());
        }
    }
    bench.run(&stimulus).unwrap()
}

/// What `lpu_isa::arith` says: result, and whether shift or addition saturated.
fn model(issue: &Issue) -> (i64, bool) {
    let Issue { vmem, vreg_a, vreg_b, .. } = *issue;
    let own = if issue.x_vmem { vmem as i32 } else { arith::operand(vreg_a as i32, issue.x_shift as u32) };
    let neighbour = issue.neighbour as i32 + i32::from(issue.neighbour_round);
    let x = arith::subtract(if issue.swap { neighbour } else { own }, issue.subtrahend as i32);
    let b = match issue.b {
        B::Vmem => vmem as i32,
        B::VregA => arith::operand(vreg_a as i32, 0),
        B::VregB => arith::operand(vreg_b as i32, 0),
        B::Scalar | B::ScalarPair => issue.factor as i32,
        B::X => x,
    };
    let c = [0, vreg_b, vmem, issue.noise][issue.c as usize] as i32;
    let (first, second, shift) = match issue.function {
        Function::Multiply => (x, b, issue.shift as i32),
        Function::Exp2 => {
            let (first, second, extra) = arith::exp2_factors(x);
            (first, second, issue.shift as i32 + extra)
        }
        Function::Sigmoid => {
            let y = i64::from(arith::sigmoid(x));
            return (if issue.relu { y.max(0) } else { y }, false);
        }
    };
    let product = i64::from(first) * i64::from(second);
    let exact = arith::round_shift(product, shift.clamp(0, arith::SHIFT_MAX) as u32);
    let shifted = arith::shift_product(product, shift);
    let y = arith::add(shifted, c);
    let saturated = exact != i64::from(shifted) || y != shifted + c;
    (i64::from(if issue.relu { y.max(0) } else { y }), saturated)
}

#[test]
fn results_are_the_contract() {
    let mut random = Random::from_seed_variable();
    let issues: Vec<Issue> = (0..100_000).map(|_| issue(&mut random)).collect();
    let response = stream(&issues);
    for (t, issue) in issues.iter().enumerate() {
        let t = t + Lane::LATENCY;
        let found = (response.signed(t, "result"), response.get(t, "saturated") == 1);
        assert_eq!(found, model(issue), "{issue:?}");
    }
}

/// Needs no model: a factor of one leaves a small operand as it is, and the addend comes on top.
#[test]
fn one_times_x_plus_c_is_x_plus_c() {
    let mut random = Random::from_seed_variable();
    let issues: Vec<Issue> = (0..1000)
        .map(|_| Issue {
            x_vmem: true,
            b: B::Scalar,
            factor: 1 << 16,
            shift: 16,
            c: C::VregB,
            swap: false,
            subtrahend: 0,
            function: Function::Multiply,
            relu: false,
            vmem: random.signed(18),
            vreg_b: random.signed(23),
            ..issue(&mut random)
        })
        .collect();
    let response = stream(&issues);
    for (t, issue) in issues.iter().enumerate() {
        assert_eq!(response.signed(t + Lane::LATENCY, "result"), issue.vmem + issue.vreg_b, "{issue:?}");
    }
}
