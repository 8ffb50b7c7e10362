//! Passing over equal trips changes no verdict: programs that stream their weights, legal and with faults planted, get the same one trip by trip.

#[path = "../tests/transfer_plants/mod.rs"]
#[allow(dead_code, reason = "the tests of the crate use the rest")]
mod transfer_plants;
#[path = "../tests/transfer_program/mod.rs"]
#[allow(dead_code, reason = "the tests of the crate use the rest")]
mod transfer_program;

use super::{verify, verify_with};
use lpu_isa::instruction::{Instruction, Op};
use transfer_plants::plants;
use transfer_program::{Shape, legal};

#[test]
fn equal_trips_are_passed_over_and_counted() {
    for shape in [Shape::small(), Shape::wide()] {
        let image = legal(&shape);
        assert_eq!(verify(&image), verify_with(&image, i64::MAX));
    }
}

#[test]
fn faults_of_late_trips_are_found() {
    for plant in plants(&legal(&Shape::small())) {
        for image in plant.images {
            assert_eq!(verify(&image), verify_with(&image, i64::MAX), "{}", plant.name);
        }
    }
}

/// Any word may come from a file: a program with a bit changed seldom passes, and never through the trips passed over.
#[test]
fn a_changed_bit_gets_one_verdict() {
    let image = legal(&Shape { context: 9, ..Shape::small() });
    let mut refused = 0;
    for number in 0..150usize {
        let mut changed = image.clone();
        let queues = [&mut changed.matrix, &mut changed.vector, &mut changed.transfer];
        let Some(queue) = queues.into_iter().nth(number % 3) else { continue };
        let at = number * 7919 % (queue.len() * 4 * 64);
        let word = &mut queue[at / 256];
        // Thirty thousand trips, one by one, would take their time.
        if Instruction::decode(word).is_some_and(|instruction| matches!(instruction.op, Op::Loop(_))) {
            continue;
        }
        word[at / 64 % 4] ^= 1 << (at % 64);
        let verdict = verify(&changed);
        refused += usize::from(verdict.is_err());
        assert_eq!(verdict, verify_with(&changed, i64::MAX), "bit {at} of queue {}", number % 3);
    }
    assert!((75..150).contains(&refused), "{refused} refused");
}
