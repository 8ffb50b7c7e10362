//! The verifier accepts programs whose weights and keys come from external memory, and names each planted fault by its rule.

mod transfer_program;

use lpu_verifier::verify;
use std::time::Instant;
use transfer_program::{Shape, legal};

#[test]
fn legal_programs_pass() {
    for shape in [Shape::small(), Shape::wide()] {
        let report = verify(&legal(&shape)).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(report.cycles.len(), shape.context as usize);
    }
}

/// 500 positions of two million beats and as many rows.
#[test]
fn a_model_of_134_million_weights_is_verified_at_every_position_in_seconds() {
    let image = legal(&Shape::smollm2());
    let begin = Instant::now();
    let report = verify(&image).unwrap_or_else(|violation| panic!("{violation}"));
    let seconds = begin.elapsed().as_secs_f64();
    println!("{} issues, {} accesses, {seconds:.1} s", report.issues, report.reads + report.writes);
    assert!(report.issues / 512 > 4_000_000, "{} issues", report.issues);
    // Tests are built to be debugged, on machines that do other things too.
    assert!(seconds < 120.0, "{seconds} s");
}
