//! The verifier accepts a legal program, and names each planted fault by its rule.

mod verify_plants;
mod verify_program;

use lpu_isa::image::Image;
use lpu_isa::instruction::Queue;
use lpu_verifier::{By, Location, Rule, Site, VerifiedProgram, Violation, verify};
use std::time::Instant;
use verify_plants::{plants, unnamed};

#[test]
fn a_legal_program_passes_and_its_cycles_are_known() {
    let image = verify_program::legal();
    let report = verify(&image).expect("the program is legal");
    // Counted by hand from the program's cycles: only the three operations that depend on the blocks begun differ,
    // each block begun adds four beats of scores and, in each of two trips, one softmax row and four beats of mixing.
    let step = report.cycles[8] - report.cycles[0];
    assert_eq!(step, 2 * (4 + 1 + 4));
    for (position, &cycles) in report.cycles.iter().enumerate() {
        assert_eq!(cycles, report.cycles[0] + step * (position as u64 / 8), "position {position}");
    }
    assert_eq!(report.instructions, image.matrix.len() + image.vector.len());
}

#[test]
fn a_program_that_breaks_a_rule_is_none() {
    let image = verify_program::legal();
    let program = VerifiedProgram::new(image.clone()).expect("the program is legal");
    assert_eq!(*program, image);
    let cut = Image { matrix: Vec::new(), ..program.into_image() };
    assert_eq!(VerifiedProgram::new(cut.clone()), Err(verify(&cut).expect_err("it has no end")));
}

#[test]
fn each_planted_fault_is_named() {
    let image = verify_program::legal();
    assert!(plants(&image).len() >= 20);
    let unnamed = unnamed(&image);
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn violations_say_where_what_and_what_to_do() {
    let by = |queue, index| By { queue, index };
    let early = Violation {
        site: Site::Issue { by: by(Queue::Vector, 12), position: 3, cycle: 417 },
        rule: Rule::TooEarly {
            location: Location::VmemRow(24),
            writer: by(Queue::Matrix, 7),
            ready: 420,
            sampled: 418,
        },
    };
    assert_eq!(
        early.to_string(),
        "instruction 12 of the vector queue, position 3, cycle 417: expected row 24 of vector memory to be read from \
         cycle 420 on, when it shows what instruction 7 of the matrix queue wrote, found a read in cycle 418: issue it \
         later"
    );
    let period = Violation {
        site: Site::Activation { by: by(Queue::Matrix, 2), position: 0 },
        rule: Rule::Period { least: 4, found: 3 },
    };
    assert_eq!(
        period.to_string(),
        "instruction 2 of the matrix queue, position 0: expected at least 4 cycles until the next instruction, found \
         3: lengthen the delay"
    );
}

/// A compiled model has thousands of issues at hundreds of positions; waiting for the verdict must not be felt.
#[test]
fn the_verdict_takes_microseconds_an_issue() {
    let image = verify_program::legal();
    let begin = Instant::now();
    let runs = 20;
    let issues: u64 = (0..runs).map(|_| verify(&image).expect("the program is legal").issues).sum();
    let nanoseconds = begin.elapsed().as_nanos() as u64 / issues;
    println!("{nanoseconds} ns an issue");
    assert!(nanoseconds < 20_000, "{nanoseconds} ns an issue");
}
