//! The emulator: executes both queues of a program in order of issue, bit-exact, and counts cycles as the chip does.
//!
//! ```text
//!  sequencer.rs   registers, runs, prompt, records     what the host sees
//!  queue.rs       when does each instruction issue     ┐ time
//!  dues.rs        when does each row of a transfer     │
//!  order.rs       which issue comes first              ┘
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
mod order;
pub mod queue;
mod sequencer;
mod state;
mod stream;
mod sxm;
mod transfer;
mod vector;

pub use state::State;

use crate::trace::{Silent, Sink, Tap, Trace};
use dram::Dram;
use lpu_isa::Geometry;
use lpu_isa::host::Fault;
use lpu_isa::image::Image;
use lpu_isa::instruction::{Queue, Word};
use order::issue_all;
use queue::{Program, QUEUES, Walk};
use sequencer::Sequencer;
use std::sync::Arc;

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
        Self::loaded(image, image.dram.clone())
    }

    fn loaded(image: &Image, dram: Vec<u8>) -> Self {
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
        emulator.state.dram = Dram::new(Arc::new(dram));
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

impl From<Image> for Emulator {
    /// As [`Emulator::with_image`]; what goes to external memory is not copied.
    fn from(mut image: Image) -> Self {
        let dram = std::mem::take(&mut image.dram);
        Self::loaded(&image, dram)
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

#[cfg(test)]
mod tests;
