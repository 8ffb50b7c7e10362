//! The verifier: decides from the rules of the instruction set alone whether a program image is legal.
//!
//! It shares no code with the compiler or the emulator. It walks the queues at every position of the context, computes the
//! cycle of every issue and of every access, and accepts when the timed machine cannot be told from one that executes
//! each issue completely, in order of issue. A row of a transfer is an issue of its own.
//!
//! ```text
//!  Image ─► program: decodes, checks fields ─► walk: what each queue issues between two meetings ─┐
//!                                                                          stream: merged by cycle │
//!  Report ◄─ cycles of each position ◄─ check: each access against the location's last write ◄─────┘
//!                                       operations, transfer          repeat: trips that are equal
//! ```
//!
//! # Invariants
//! 1. Nothing here reads data: a verdict holds for every prompt, seed and temperature.
//! 2. A write issued after a read cannot disturb it: samples precede effects (asserted in `state`).
//! 3. Same-cycle issues of two queues never touch the same location, unless both only read it.
//! 4. A trip of a loop is passed over only where `repeat` shows that it gets the verdict of the trip before it.

mod check;
mod dram;
mod fields;
mod memory;
mod noise;
mod operations;
mod ports;
mod program;
mod repeat;
mod rules;
mod state;
mod stream;
mod sums;
mod transfer;
mod verified;
mod walk;

pub use rules::{By, Location, Port, Rule, Site, Violation};
pub use verified::{Verdict, VerifiedProgram};

use check::Checker;
use lpu_isa::image::Image;
use lpu_isa::instruction::{Op, Queue};
use program::Program;
use repeat::Repeats;
use stream::{Merged, Next};
use walk::{Issue, Run, Walk};

/// What was checked of a legal program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Cycles of the token at each position of the context; before the first position of runs, what one would take.
    pub cycles: Vec<u64>,
    /// Instructions of all queues.
    pub instructions: usize,
    /// Issues over all positions.
    pub issues: u64,
    /// Reads over all positions.
    pub reads: u64,
    /// Writes over all positions.
    pub writes: u64,
}

/// Checks an image at every position of its context.
///
/// # Errors
/// The first broken rule, in order of position, then of cycle between meetings of the queues.
pub fn verify(image: &Image) -> Result<Report, Violation> {
    verify_with(image, repeat::TRIPS_LEAST)
}

/// Checks an image, passing over equal trips of loops of `trips_least` trips or more.
fn verify_with(image: &Image, trips_least: i64) -> Result<Report, Violation> {
    let program = program::load(image)?;
    let mut checker = Checker::new(image);
    let mut report = Report { instructions: program.instructions(), ..Report::default() };
    for position in 0..image.model.context as usize {
        let cycles = match position < image.model.first_position as usize {
            true => count_cycles(&program, &checker, position)?,
            false => check_position(&program, &mut checker, position, trips_least)?,
        };
        report.cycles.push(cycles as u64);
    }
    (report.issues, report.reads, report.writes) =
        (checker.counts.issues, checker.counts.reads, checker.counts.writes);
    Ok(report)
}

/// The cycles of a token at a position where none is executed.
fn count_cycles(program: &Program, checker: &Checker, position: usize) -> Result<i64, Violation> {
    let mut walk = Walk::new(program, &checker.geometry, position);
    let mut runs = [const { Vec::new() }; 3];
    while walk.segment(&mut runs)? {}
    Ok(walk.end() + lpu_isa::timing::TURNAROUND_CYCLES)
}

fn check_position(
    program: &Program,
    checker: &mut Checker,
    position: usize,
    trips_least: i64,
) -> Result<i64, Violation> {
    checker.begin(position);
    let mut walk = Walk::new(program, &checker.geometry, position);
    let mut repeats = Repeats::new(program, trips_least);
    let mut runs = [const { Vec::new() }; 3];
    while walk.segment(&mut runs)? {
        check_segment(program, checker, &runs).map_err(|(issue, rule)| at(&issue, position, rule))?;
        repeats.after_segment(&mut walk, checker);
    }
    checker.end(walk.end(), walk.vector_end()).map_err(|(issue, rule)| match issue {
        Some(issue) => at(&issue, position, rule),
        None => {
            let by = By { queue: Queue::Vector, index: program.of(Queue::Vector).len() - 1 };
            Violation { site: Site::Activation { by, position }, rule }
        }
    })
}

fn at(issue: &Issue, position: usize, rule: Rule) -> Violation {
    Violation { site: Site::Issue { by: issue.by, position, cycle: issue.cycle }, rule }
}

fn check_segment(
    program: &Program,
    checker: &mut Checker,
    runs: &[Vec<Run>; 3],
) -> Result<(), (Issue, Rule)> {
    let geometry = checker.geometry;
    for next in Merged::new(program, &geometry, runs) {
        let issue = match &next {
            Next::Issue(issue) => issue,
            Next::Row(row) => &row.issue,
        };
        checker.counts.issues += 1;
        check_issue(program, checker, issue, &next).map_err(|rule| (*issue, rule))?;
    }
    Ok(())
}

fn check_issue(program: &Program, checker: &mut Checker, issue: &Issue, next: &Next<'_>) -> Result<(), Rule> {
    match (&program.of(issue.by.queue)[issue.by.index].op, next) {
        (Op::Dot(dot), _) => operations::dot(checker, dot, issue),
        (Op::Gather(gather), _) => operations::gather(checker, gather, issue),
        (Op::Vector(vector), _) => operations::vector(checker, vector, issue),
        (Op::Transfer(transfer), Next::Row(row)) => transfer::row(checker, transfer, row),
        _ => Ok(()),
    }
}

#[cfg(test)]
extern crate self as lpu_verifier;

#[cfg(test)]
mod tests;
