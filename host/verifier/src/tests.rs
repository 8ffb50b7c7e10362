//! Passing over equal trips changes no verdict: programs that stream their weights, legal and with faults planted, get the same one trip by trip.

#[path = "../tests/transfer_plants/mod.rs"]
#[allow(dead_code, reason = "the tests of the crate use the rest")]
mod transfer_plants;
#[path = "../tests/transfer_program/mod.rs"]
#[allow(dead_code, reason = "the tests of the crate use the rest")]
mod transfer_program;

use super::{verify, verify_with};
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
