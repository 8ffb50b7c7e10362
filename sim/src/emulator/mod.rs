//! The emulator: executes both queues of a program in order of issue, bit-exact, and counts cycles as the chip does.
//!
//! ```text
//!  sequencer.rs   registers, runs, prompt, records     what the host sees
//!  queue.rs       when does each instruction issue     ┐ time
//!  dues.rs        when does each row of a transfer     ┘
//!  matrix.rs      Dot, Gather                          ┐
//!  vector.rs      Vector: operands, function           ├ values
//!  transfer.rs    Transfer                             │
//!  sxm.rs         Vector: where the result goes        ┘
//!  burst.rs       many beats at once                   ┐
//!  stream.rs      many rows of weights at once         ├ the same, where nobody watches
//!  kernel.rs      their inner loops                    ┘
//!  state.rs       memories        dram.rs  external memory        noise.rs  random numbers
//! ```
//!
//! # Invariants
//! 1. Each issue completes before the next one in order of cycles; that true latencies cannot be told from this is what
//!    makes a program legal. Where no sink listens, issues may trade places if no program can tell.
//! 2. Nothing here panics on a program, an image or a host command: what the chip flags is flagged.

mod burst;
mod dram;
mod dues;
mod kernel;
mod matrix;
mod noise;
pub mod queue;
mod sequencer;
mod state;
mod stream;
mod sxm;
mod transfer;
mod vector;

pub use state::State;

use crate::trace::{Origin, Silent, Sink, Tap, Trace};
use dram::Dram;
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_isa::instruction::{Dot, Gather, Memory, Op, Queue, Vector, Way, Word};
use matrix::DotRun;
use queue::{Block, MATRIX, Program, QUEUES, TRANSFER, VECTOR, Walk};
use sequencer::Sequencer;
use state::Issue;
use std::sync::Arc;
use stream::Reads;
use transfer::TransferRun;
use vector::VectorRun;

/// A chip.
#[derive(Clone, Debug)]
pub struct Emulator {
    state: State,
    words: [Vec<Word>; QUEUES],
    programs: [Program; QUEUES],
    sequencer: Sequencer,
    /// Writes since the host took them, when it wants them.
    recorded: Option<Vec<Trace>>,
}

/// What the execution of one position gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Token chosen.
    pub token: u16,
    /// Cycles from the start of this token to the start of the next.
    pub cycles: i64,
}

impl Emulator {
    /// A chip after reset.
    pub fn new(geometry: Geometry) -> Self {
        let words = |queue| vec![Word::default(); geometry.queue_depth(queue)];
        Self {
            state: State::new(&geometry),
            words: Queue::ALL.map(words),
            programs: [const { Program::new() }; QUEUES],
            sequencer: Sequencer::default(),
            recorded: None,
        }
    }

    /// A chip with an image's program and memories, to be used with [`Emulator::execute`].
    pub fn with_image(image: &Image) -> Self {
        let mut emulator = Self::new(image.geometry);
        for (words, source) in emulator.words.iter_mut().zip(Queue::ALL.map(|queue| image.queue(queue))) {
            let count = words.len().min(source.len());
            words[..count].copy_from_slice(&source[..count]);
        }
        let State { weights, vmem, .. } = &mut emulator.state;
        for (weight, &value) in weights.iter_mut().zip(&image.weights) {
            *weight = value;
        }
        for (word, &value) in vmem.iter_mut().zip(&image.vmem) {
            *word = value;
        }
        emulator.state.dram = Dram::new(Arc::new(image.dram.clone()));
        emulator.decode();
        emulator
    }

    /// Memories.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Sticky faults.
    pub fn faults(&self) -> Fault {
        self.state.faults
    }

    /// Rows in which a lane saturated since the start of the run.
    pub fn saturations(&self) -> u64 {
        self.state.saturations
    }

    fn decode(&mut self) {
        for (program, (words, queue)) in self.programs.iter_mut().zip(self.words.iter().zip(Queue::ALL)) {
            *program = queue::decode(words, queue, &self.state.geometry);
        }
    }

    /// Executes one position with an input token, beside any run of the host port.
    pub fn execute(&mut self, token: u16, position: usize) -> Executed {
        self.execute_traced(token, position, &mut Silent)
    }

    /// As [`Emulator::execute`], telling a sink of every write.
    pub fn execute_traced<S: Sink>(&mut self, token: u16, position: usize, sink: &mut S) -> Executed {
        let Self { state, programs, .. } = self;
        state.token = usize::from(token);
        state.position = position;
        let mut walk = Walk::new(programs, &state.geometry, position);
        loop {
            issue_all(state, programs, &mut walk, sink);
            if !walk.meet() {
                break;
            }
        }
        state.raise(walk.faults());
        let cycles = walk.token_cycles();
        state.noise.end_token(cycles);
        let token = state.best.map_or(0, |(_, number)| number as u16);
        Executed { token, cycles }
    }
}

impl Tap for Emulator {
    fn record(&mut self, on: bool) {
        self.recorded = on.then(Vec::new);
    }

    fn take(&mut self) -> Vec<Trace> {
        self.recorded.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

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

    fn done(&self) -> bool {
        self.k == self.count
    }
}

/// Issues what the queues have, in order of cycles, until each ended or waits. In one cycle the matrix queue comes first, transfers last.
fn issue_all<S: Sink>(state: &mut State, programs: &[Program; QUEUES], walk: &mut Walk<'_>, sink: &mut S) {
    let mut matrix = next_matrix(state, &programs[MATRIX], walk);
    let mut vector = next_vector(state, &programs[VECTOR], walk);
    let mut transfer = next_transfer(state, &programs[TRANSFER], walk);
    loop {
        let matrix_due = matrix.as_ref().map_or(i64::MAX, |active| active.next);
        let vector_due = vector.as_ref().map_or(i64::MAX, |active| active.next);
        let transfer_due = transfer.as_ref().map_or(i64::MAX, TransferRun::due);
        match (&mut matrix, &mut vector, &mut transfer) {
            (Some(active), _, _) if matrix_due <= vector_due.min(transfer_due) => {
                issue_matrix(state, active, vector_due.min(transfer_due), sink);
                if active.done() {
                    matrix = next_matrix(state, &programs[MATRIX], walk);
                }
            }
            (_, Some(active), _) if vector_due <= transfer_due => {
                while !active.done() && active.next < matrix_due && active.next <= transfer_due {
                    let issue = active.take();
                    let (vector, run) = &mut active.run;
                    state.vector(vector, run, issue, sink);
                }
                if active.done() {
                    vector = next_vector(state, &programs[VECTOR], walk);
                }
            }
            (_, _, Some(run)) => {
                if !S::ON && run.streams() {
                    let others = Reads::From(matrix_due.min(vector_due));
                    let reads =
                        if run.transfer.way == Way::Weights { weight_reads(matrix.as_ref()) } else { others };
                    state.stream(run, reads);
                }
                while !run.done() && run.due() < matrix_due.min(vector_due) {
                    state.transfer(run, sink);
                }
                if run.done() {
                    transfer = next_transfer(state, &programs[TRANSFER], walk);
                }
            }
            _ => return,
        }
    }
}

/// Issues of the matrix queue up to a cycle.
fn issue_matrix<S: Sink>(state: &mut State, active: &mut Active<MatrixRun<'_>>, until: i64, sink: &mut S) {
    while !active.done() && active.next <= until {
        match &mut active.run {
            MatrixRun::Dot(..) if !S::ON => {
                let due = (until - active.next) / active.interval + 1;
                let (issue, count) = active.take_many(due);
                let MatrixRun::Dot(dot, run) = &mut active.run else { return };
                state.burst(dot, run, issue, count, active.count - 1);
            }
            MatrixRun::Dot(..) => {
                let issue = active.take();
                let MatrixRun::Dot(dot, run) = &mut active.run else { return };
                state.beat(dot, run, issue, sink);
            }
            MatrixRun::Gather(gather) => {
                let gather = *gather;
                state.gather(gather, active.take(), sink);
            }
        }
    }
}

/// What the matrix queue still reads of weight memory, as far as it is known.
fn weight_reads(matrix: Option<&Active<MatrixRun<'_>>>) -> Reads {
    let Some(Active { next, interval, k, count, run, .. }) = matrix else {
        return Reads::From(i64::MAX);
    };
    let left = count - k;
    match run {
        MatrixRun::Dot(dot, _) if dot.memory == Memory::Kv => Reads::From(next + interval * left),
        MatrixRun::Dot(dot, run) if dot.row_step == 1 => {
            Reads::Ring { row: run.row + k, next: *next, interval: *interval, count: left }
        }
        _ => Reads::From(*next),
    }
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

#[cfg(test)]
mod tests;
