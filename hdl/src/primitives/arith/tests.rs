use super::*;
use crate::bench::{Bench, Family, Random, Response, cells, simulate_rust};
use crate::emit::{Design, emit};

/// Operands near the ends of the range as often as in the middle.
fn operand(random: &mut Random, bits: u32) -> i64 {
    let max = (1i64 << (bits - 1)) - 1;
    match random.below(4) {
        0 => max - random.below(4) as i64,
        1 => -max - 1 + random.below(4) as i64,
        _ => random.signed(bits),
    }
}

/// Streams pairs into the ports `names` and hands back the pairs and the response.
fn stream(design: &Design, names: &[&str], bits: u32) -> (Vec<Vec<i64>>, Response) {
    let bench = Bench::new(design).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let mut inputs = vec![];
    for _ in 0..100_000 {
        let values: Vec<i64> = names.iter().map(|_| operand(&mut random, bits)).collect();
        stimulus.cycle();
        for (name, value) in names.iter().zip(&values) {
            stimulus.set_signed(name, *value);
        }
        inputs.push(values);
    }
    let response = bench.run(stimulus.idle(1)).unwrap();
    (inputs, response)
}

#[test]
fn extend_keeps_the_value() {
    let (inputs, response) = stream(&emit(&mut Extend::<9, 18>::default(), "extend").unwrap(), &["x"], 9);
    for (t, input) in inputs.iter().enumerate() {
        assert_eq!(response.signed(t, "y"), input[0], "cycle {t}");
    }
}

#[test]
fn saturate_limits() {
    let (inputs, response) =
        stream(&emit(&mut Saturate::<25, 18>::default(), "saturate").unwrap(), &["x"], 25);
    for (t, input) in inputs.iter().enumerate() {
        assert_eq!(response.signed(t, "y"), saturate(input[0], 18), "cycle {t}");
    }
}

#[test]
fn maximum_is_signed() {
    let design = emit(&mut SignedMax::<18>::default(), "maximum").unwrap();
    let (inputs, response) = stream(&design, &["a", "b"], 18);
    for (t, input) in inputs.iter().enumerate() {
        assert_eq!(response.signed(t, "y"), input[0].max(input[1]), "cycle {t}");
    }
}

/// Two cycles per pair: the sum, then the difference.
fn sums() -> (Vec<(i64, i64)>, Response) {
    let bench = Bench::new(&emit(&mut SaturatingAdd::<24>::default(), "saturating_add").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let pairs: Vec<(i64, i64)> =
        (0..100_000).map(|_| (operand(&mut random, 24), operand(&mut random, 24))).collect();
    let mut stimulus = bench.stimulus();
    for (a, b) in &pairs {
        stimulus.cycle().set_signed("a", *a).set_signed("b", *b);
        stimulus.cycle().set_signed("a", *a).set_signed("b", *b).set("subtract", 1);
    }
    let response = bench.run(stimulus.idle(SaturatingAdd::<24>::LATENCY)).unwrap();
    (pairs, response)
}

#[test]
fn sums_and_differences_saturate() {
    let (pairs, response) = sums();
    for (index, (a, b)) in pairs.iter().enumerate() {
        let t = 2 * index + SaturatingAdd::<24>::LATENCY;
        let found = (response.signed(t, "sum"), response.signed(t + 1, "sum"));
        assert_eq!(found, (saturate(a + b, 24), saturate(a - b, 24)), "cycle {t}: {a}, {b}");
    }
}

/// Needs no model: a sum is never on the far side of `a` from where `b` pulls it.
#[test]
fn a_sum_never_wraps() {
    let (pairs, response) = sums();
    for (index, (a, b)) in pairs.iter().enumerate() {
        let sum = response.signed(2 * index + SaturatingAdd::<24>::LATENCY, "sum");
        assert!(if *b >= 0 { sum >= *a } else { sum <= *a }, "{a} + {b} gave {sum}");
    }
}

#[test]
fn rust_adds_as_the_contract_says() {
    let mut random = Random::from_seed_variable();
    let inputs: Vec<(i64, i64, bool)> = (0..1000)
        .map(|_| (operand(&mut random, 18), operand(&mut random, 18), random.below(2) == 1))
        .collect();
    let results = simulate_rust(
        &mut SaturatingAdd::<18>::default(),
        inputs.len(),
        |block, level| block.clock.next = level.into(),
        |block, t| {
            let (a, b, subtract) = inputs[t];
            (block.a.next, block.b.next, block.subtract.next) = (bits_of(a), bits_of(b), subtract);
        },
        |block| signed_of(block.sum.val()),
    );
    for (t, (a, b, subtract)) in inputs[..999].iter().enumerate() {
        let exact = if *subtract { a - b } else { a + b };
        assert_eq!(results[t + 1], saturate(exact, 18), "cycle {t}");
    }
}

#[test]
fn rust_extends_limits_and_compares() {
    let mut random = Random::from_seed_variable();
    for _ in 0..1000 {
        let (a, b) = (operand(&mut random, 25), operand(&mut random, 25));
        let (mut extend, mut limit, mut max) =
            (Extend::<25, 40>::default(), Saturate::<25, 18>::default(), SignedMax::<25>::default());
        (extend.x.next, limit.x.next) = (bits_of(a), bits_of(a));
        (max.a.next, max.b.next) = (bits_of(a), bits_of(b));
        assert!(simulate(&mut extend, 9) && simulate(&mut limit, 9) && simulate(&mut max, 9));
        let found = (signed_of(extend.y.val()), signed_of(limit.y.val()), signed_of(max.y.val()));
        assert_eq!(found, (a, saturate(a, 18), a.max(b)));
    }
}

#[test]
fn a_saturating_add_costs_one_carry_chain() {
    let cells =
        cells(&emit(&mut SaturatingAdd::<24>::default(), "saturating_add").unwrap(), Family::Ecp5).unwrap();
    // Two bits a cell: 25 bits and the carry into them.
    assert!(cells.get("CCU2C").is_some_and(|count| *count <= 14), "{cells:?}");
    assert_eq!(cells.get("TRELLIS_FF"), Some(&24), "{cells:?}");
}
