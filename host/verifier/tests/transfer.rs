//! The verifier accepts programs whose weights and keys come from external memory, and names each planted fault by its rule.

mod transfer_plants;
mod transfer_program;

use lpu_verifier::{Location, Rule, Violation, verify};
use std::time::Instant;
use transfer_plants::hazards::{hurried, results, turnaround};
use transfer_plants::{Plant, plants};
use transfer_program::{Shape, legal};

#[test]
fn legal_programs_pass() {
    for shape in [Shape::small(), Shape::wide()] {
        let report = verify(&legal(&shape)).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(report.cycles.len(), shape.context as usize);
    }
}

#[test]
fn each_planted_fault_of_a_transfer_is_named() {
    let image = legal(&Shape::small());
    let plants = plants(&image);
    assert!(plants.len() >= 12);
    let unnamed: Vec<String> = plants.into_iter().filter_map(unnamed).collect();
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

/// A plant that the verifier does not name, with the first verdicts on its images.
fn unnamed(Plant { name, images, expects }: Plant) -> Option<String> {
    let verdicts: Vec<_> = images.iter().map(verify).collect();
    let named = verdicts.iter().any(|verdict| verdict.as_ref().is_err_and(|found| expects(&found.rule)));
    let shown = |verdict: &Result<_, Violation>| match verdict {
        Ok(_) => "legal".into(),
        Err(violation) => violation.to_string(),
    };
    let first = verdicts.iter().take(4).map(shown).collect::<Vec<String>>();
    (!named).then(|| format!("{name}: {first:?}"))
}

#[test]
fn what_is_only_near_a_fault_is_legal() {
    let image = legal(&Shape::small());
    let legal = |name, image| {
        verify(&image).unwrap_or_else(|violation| panic!("{name}: {violation}"));
    };
    legal("the port of the other half", results(&image, 60));
    let granule = image.geometry.dram_granule_cycles as i32;
    legal("an empty slot before the bus turns around", turnaround(&image, granule));
}

/// `first_beat` of the program computes the first cycle from the layout of the last row.
#[test]
fn rows_may_be_read_from_the_cycle_in_which_they_show() {
    for shape in [Shape::small(), Shape::wide()] {
        let image = legal(&Shape { interval: 1, ..shape });
        verify(&image).unwrap_or_else(|violation| panic!("{violation}"));
        let rule = verify(&hurried(&image, 1)).expect_err("a cycle too early").rule;
        assert!(matches!(rule, Rule::Collision { location: Location::WeightRow(_), .. }), "{rule}");
    }
}

/// Two million beats and as many rows at each position; a chip's 512 positions take four times as long.
#[test]
fn a_model_of_134_million_weights_is_verified_at_every_position_in_seconds() {
    let image = legal(&Shape { context: 128, ..Shape::smollm2() });
    let begin = Instant::now();
    let report = verify(&image).unwrap_or_else(|violation| panic!("{violation}"));
    let seconds = begin.elapsed().as_secs_f64();
    println!("{} issues, {} accesses, {seconds:.1} s", report.issues, report.reads + report.writes);
    assert!(report.issues / 128 > 4_000_000, "{} issues", report.issues);
    // Tests are built to be debugged, on machines that do other things too.
    assert!(seconds < 60.0, "{seconds} s");
}
