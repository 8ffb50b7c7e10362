//! The verifier: decides from the rules of the instruction set alone whether a program image is legal.
//!
//! It shares no code with the compiler or the emulator. It walks both queues at every position of the context, computes the
//! cycle of every issue and of every access, and accepts when the timed machine cannot be told from one that executes
//! each issue completely, in order of issue.
//!
//! ```text
//!  Image ─► program: decodes, checks fields ─► walk: issues between two meetings of the queues ─┐
//!                                                                                               ├─► merged by cycle
//!  Report ◄─ cycles of each position ◄─ check: each access against the location's last write ◄──┘   operations
//! ```
//!
//! # Invariants
//! 1. Nothing here reads data: a verdict holds for every prompt, seed and temperature.
//! 2. A write issued after a read cannot disturb it: samples precede effects (asserted in `state`).
//! 3. Same-cycle issues of the two queues never touch the same location, unless both only read it.

mod check;
mod operations;
mod program;
mod rules;
mod state;
mod verified;
mod walk;

pub use rules::{By, Location, Rule, Site, Violation};
pub use verified::VerifiedProgram;

use check::Checker;
use lpu_isa::image::Image;
use lpu_isa::instruction::{Op, Queue};
use program::Program;
use walk::{Issue, Walk};

/// What was checked of a legal program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Cycles of the token at each position of the context.
    pub cycles: Vec<u64>,
    /// Instructions of both queues.
    pub instructions: usize,
    /// Issues over all positions.
    pub issues: u64,
    /// Reads checked over all positions.
    pub reads: u64,
    /// Writes checked over all positions.
    pub writes: u64,
}

/// Checks an image at every position of its context.
///
/// # Errors
/// The first broken rule, in order of position, then of cycle between meetings of the queues.
pub fn verify(image: &Image) -> Result<Report, Violation> {
    let program = program::load(image)?;
    let mut checker = Checker::new(image);
    let mut report =
        Report { instructions: program.matrix.len() + program.vector.len(), ..Report::default() };
    for position in 0..image.model.context as usize {
        let cycles = check_position(&program, &mut checker, position, &mut report.issues)?;
        report.cycles.push(cycles as u64);
    }
    report.reads = checker.reads;
    report.writes = checker.writes;
    Ok(report)
}

fn check_position(
    program: &Program,
    checker: &mut Checker,
    position: usize,
    count: &mut u64,
) -> Result<i64, Violation> {
    checker.begin(position);
    let mut walk = Walk::new(program, position, checker.geometry.blocks(position));
    let mut issues = [Vec::new(), Vec::new()];
    while walk.segment(&mut issues)? {
        for issue in merge(&issues) {
            *count += 1;
            check_issue(program, checker, issue).map_err(|rule| at(issue, position, rule))?;
        }
    }
    checker.end(walk.ends()).map_err(|(issue, rule)| match issue {
        Some(issue) => at(&issue, position, rule),
        None => {
            let by = By { queue: Queue::Vector, index: program.vector.len() - 1 };
            Violation { site: Site::Activation { by, position }, rule }
        }
    })
}

fn at(issue: &Issue, position: usize, rule: Rule) -> Violation {
    Violation { site: Site::Issue { by: issue.by, position, cycle: issue.cycle }, rule }
}

/// Both queues' issues in order of their cycles; in the same cycle the matrix queue's first.
fn merge([matrix, vector]: &[Vec<Issue>; 2]) -> impl Iterator<Item = &Issue> {
    let (mut matrix, mut vector) = (matrix.iter().peekable(), vector.iter().peekable());
    std::iter::from_fn(move || match (matrix.peek(), vector.peek()) {
        (Some(left), Some(right)) if left.cycle <= right.cycle => matrix.next(),
        (Some(_), None) => matrix.next(),
        _ => vector.next(),
    })
}

fn check_issue(program: &Program, checker: &mut Checker, issue: &Issue) -> Result<(), Rule> {
    match &program.of(issue.by.queue)[issue.by.index].op {
        Op::Dot(dot) => operations::dot(checker, dot, issue),
        Op::Gather(gather) => operations::gather(checker, gather, issue),
        Op::Vector(vector) => operations::vector(checker, vector, issue),
        Op::Nop(_) | Op::Loop(_) | Op::EndLoop(_) | Op::Sync(_) | Op::End(_) | Op::Transfer(_) => Ok(()),
    }
}
