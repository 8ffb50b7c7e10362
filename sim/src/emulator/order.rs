//! In which order issues are executed: that of their cycles, and in one cycle the matrix queue before the vector queue before transfers.
//!
//! Where no sink listens, an instruction may go on past what other queues issue meanwhile, if no program can tell: `independent` says it of a
//! `Dot` and a `Vector`, `weight_reads` of beats and transfers of weights.

use super::matrix::DotRun;
use super::queue::{Block, MATRIX, Program, QUEUES, TRANSFER, VECTOR, Walk};
use super::state::{Issue, State};
use super::stream::Reads;
use super::transfer::TransferRun;
use super::vector::VectorRun;
use crate::trace::{Origin, Sink};
use lpu_isa::instruction::{Destination, Dot, Gather, Memory, Op, Queue, Vector, Way};

/// An instruction that is issuing.
struct Active<R> {
    origin: Origin,
    next: i64,
    interval: i64,
    k: i64,
    count: i64,
    run: R,
}

enum MatrixRun<'a> {
    Dot(&'a Dot, DotRun),
    Gather(&'a Gather),
}

impl<R> Active<R> {
    fn new(queue: Queue, block: &Block, run: R) -> Self {
        let origin = Origin { queue, instruction: block.index };
        Self { origin, next: block.first, interval: block.interval, k: 0, count: block.count, run }
    }

    /// The issue that is due; then the one after it is.
    fn take(&mut self) -> Issue {
        let issue =
            Issue { cycle: self.next, k: self.k, last: self.k + 1 == self.count, origin: self.origin };
        self.next += self.interval;
        self.k += 1;
        issue
    }

    /// As many of the issues that are due as there are, at most so many: the first, and their number.
    fn take_many(&mut self, most: i64) -> (Issue, i64) {
        let count = most.min(self.count - self.k);
        let first = self.take();
        self.next += self.interval * (count - 1);
        self.k += count - 1;
        (first, count)
    }

    /// As [`Active::take_many`] of the issues up to a cycle.
    fn take_until(&mut self, cycle: i64) -> (Issue, i64) {
        self.take_many((cycle - self.next) / self.interval + 1)
    }

    /// The earliest cycle in which the queue's next instruction issues.
    fn end(&self) -> i64 {
        self.next + self.interval * (self.count - self.k)
    }

    fn done(&self) -> bool {
        self.k == self.count
    }
}

type ActiveMatrix<'a> = Active<MatrixRun<'a>>;
type ActiveVector<'a> = Active<(&'a Vector, VectorRun)>;

/// Issues what the queues have until each ended or waits.
pub(super) fn issue_all<S: Sink>(
    state: &mut State,
    programs: &[Program; QUEUES],
    walk: &mut Walk<'_>,
    sink: &mut S,
) {
    let mut matrix = next_matrix(state, &programs[MATRIX], walk);
    let mut vector = next_vector(state, &programs[VECTOR], walk);
    let mut transfer = next_transfer(state, &programs[TRANSFER], walk);
    let mut free = !S::ON && independent(state, matrix.as_ref(), vector.as_ref());
    loop {
        let matrix_due = matrix.as_ref().map_or(i64::MAX, |active| active.next);
        let vector_due = vector.as_ref().map_or(i64::MAX, |active| active.next);
        let transfer_due = transfer.as_ref().map_or(i64::MAX, TransferRun::due);
        match (&mut matrix, &mut vector, &mut transfer) {
            (Some(active), other, _) if matrix_due <= vector_due.min(transfer_due) => {
                let others = other.as_ref().filter(|_| free).map_or(vector_due, Active::end);
                issue_matrix(state, active, others.min(transfer_due), sink);
                if active.done() {
                    matrix = next_matrix(state, &programs[MATRIX], walk);
                    free = !S::ON && independent(state, matrix.as_ref(), vector.as_ref());
                }
            }
            (other, Some(active), _) if vector_due <= transfer_due => {
                let others = other.as_ref().filter(|_| free).map_or(matrix_due, Active::end);
                let (issue, count) = active.take_until((others - 1).min(transfer_due));
                let (operation, run) = &mut active.run;
                state.vector(operation, run, issue, (count, active.interval, active.count), sink);
                if active.done() {
                    vector = next_vector(state, &programs[VECTOR], walk);
                    free = !S::ON && independent(state, matrix.as_ref(), vector.as_ref());
                }
            }
            (matrix, _, Some(run)) => {
                issue_transfer(state, run, matrix.as_ref(), matrix_due.min(vector_due), sink);
                if run.done() {
                    transfer = next_transfer(state, &programs[TRANSFER], walk);
                }
            }
            _ => return,
        }
    }
}

/// Issues of the matrix queue up to a cycle.
fn issue_matrix<S: Sink>(state: &mut State, active: &mut ActiveMatrix<'_>, until: i64, sink: &mut S) {
    let (issue, count) = active.take_until(until);
    let last = active.count - 1;
    let each = (0..count).map(|number| Issue {
        cycle: issue.cycle + number * active.interval,
        k: issue.k + number,
        last: issue.k + number == last,
        ..issue
    });
    match &mut active.run {
        MatrixRun::Dot(dot, run) if !S::ON => state.burst(dot, run, issue, count, last),
        MatrixRun::Dot(dot, run) => each.for_each(|issue| state.beat(dot, run, issue, sink)),
        MatrixRun::Gather(gather) => each.for_each(|issue| state.gather(gather, issue, sink)),
    }
}

/// Rows of the transfer queue before a cycle, and those after it that may come before what other queues issue from then on.
fn issue_transfer<S: Sink>(
    state: &mut State,
    run: &mut TransferRun,
    matrix: Option<&ActiveMatrix<'_>>,
    until: i64,
    sink: &mut S,
) {
    if !S::ON && run.streams() {
        let to_weights = run.transfer.way == Way::Weights;
        state.stream(run, if to_weights { weight_reads(matrix) } else { Reads::From(until) });
    }
    while !run.done() && run.due() < until {
        state.transfer(run, sink);
    }
}

/// What the matrix queue still reads of weight memory, as far as it is known.
fn weight_reads(matrix: Option<&ActiveMatrix<'_>>) -> Reads {
    let Some(active) = matrix else {
        return Reads::From(i64::MAX);
    };
    let Active { next, interval, k, count, .. } = *active;
    match &active.run {
        MatrixRun::Dot(dot, _) if dot.memory == Memory::Kv => Reads::From(active.end()),
        MatrixRun::Dot(dot, run) if dot.row_step == 1 => {
            Reads::Ring { row: run.row + k, next, interval, count: count - k }
        }
        _ => Reads::From(next),
    }
}

/// Whether what is left of two instructions has the same result in any order of their issues: neither writes what the other reads or writes.
fn independent(state: &State, matrix: Option<&ActiveMatrix<'_>>, vector: Option<&ActiveVector<'_>>) -> bool {
    let (Some(matrix), Some(vector)) = (matrix, vector) else { return false };
    let MatrixRun::Dot(dot, run) = &matrix.run else { return false };
    let (operation, vector_run) = &vector.run;
    // Scalars, which a maximum writes; activations, which beats read; keys and values, which they may read.
    if dot.maximum
        || operation.destination == Destination::Act
        || dot.memory == Memory::Kv && matches!(operation.destination, Destination::Key | Destination::Value)
    {
        return false;
    }
    let Some(stored) = state.stored_rows(dot, run, matrix.count - matrix.k) else { return false };
    let ks = vector.k..vector.count;
    state.vmem_rows_used(operation, vector_run, ks).iter().flatten().all(|used| {
        let inside = used.start >= 0 && used.end <= state.geometry.vmem_rows as i64;
        inside && (used.end <= stored.start || used.start >= stored.end)
    })
}

fn next_transfer(state: &State, program: &Program, walk: &mut Walk<'_>) -> Option<TransferRun> {
    let block = walk.next(TRANSFER)?;
    let Op::Transfer(transfer) = &program.get(block.index)?.as_ref()?.op else { return None };
    Some(state.begin_transfer(transfer, &block))
}

fn next_matrix<'a>(
    state: &State,
    program: &'a Program,
    walk: &mut Walk<'_>,
) -> Option<Active<MatrixRun<'a>>> {
    let block = walk.next(MATRIX)?;
    let run = match &program.get(block.index)?.as_ref()?.op {
        Op::Dot(dot) => MatrixRun::Dot(dot, state.begin_dot(dot, &block)),
        Op::Gather(gather) => MatrixRun::Gather(gather),
        _ => return None,
    };
    Some(Active::new(Queue::Matrix, &block, run))
}

fn next_vector<'a>(
    state: &State,
    program: &'a Program,
    walk: &mut Walk<'_>,
) -> Option<Active<(&'a Vector, VectorRun)>> {
    let block = walk.next(VECTOR)?;
    let Op::Vector(vector) = &program.get(block.index)?.as_ref()?.op else { return None };
    Some(Active::new(Queue::Vector, &block, (vector, state.begin_vector(vector, &block))))
}
