//! Arithmetic primitives in Verilator against `isa::arith`.

use super::*;
use crate::bench::{Bench, Random, Response};
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
fn maximum_is_signed() {
    let design = emit(&mut SignedMax::<18>::default(), "maximum").unwrap();
    let (inputs, response) = stream(&design, &["a", "b"], 18);
    for (t, input) in inputs.iter().enumerate() {
        assert_eq!(response.signed(t, "y"), input[0].max(input[1]), "cycle {t}");
    }
}

#[test]
fn rust_extends_and_compares() {
    let mut random = Random::from_seed_variable();
    for _ in 0..1000 {
        let (a, b) = (operand(&mut random, 25), operand(&mut random, 25));
        let (mut extend, mut max) = (Extend::<25, 40>::default(), SignedMax::<25>::default());
        extend.x.next = bits_of(a);
        (max.a.next, max.b.next) = (bits_of(a), bits_of(b));
        assert!(simulate(&mut extend, 9) && simulate(&mut max, 9));
        assert_eq!((signed_of(extend.y.val()), signed_of(max.y.val())), (a, a.max(b)));
    }
}
