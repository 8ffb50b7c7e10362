//! The instruction control unit: when each instruction of the queues issues. It knows timing and nothing of data.
//!
//! ```text
//!  activation a ── delay ──► issue 0 ── interval ──► issue 1 ... ── interval ──► activation of the next instruction
//! ```
//!
//! Emulator and prediction walk programs with the same [`Walk`].
//!
//! # Invariants
//! 1. The issues of one queue come out in order of their cycle.
//! 2. A walk ends: every trip of a loop is counted, and without loops instructions only go forward.

use lpu_isa::host::Fault;
use lpu_isa::instruction::{Dot, Instruction, Op, Queue, Word};
use lpu_isa::transfer::Frames;
use lpu_isa::{Geometry, timing};

/// Queues that a chip has at most.
pub const QUEUES: usize = Queue::ALL.len();
/// Index of the matrix queue in lists of queues.
pub const MATRIX: usize = Queue::Matrix as usize;
/// Index of the vector queue in lists of queues.
pub const VECTOR: usize = Queue::Vector as usize;
/// Index of the transfer queue in lists of queues.
pub const TRANSFER: usize = Queue::Transfer as usize;

/// Flags of queues whose next instruction was not ready.
const UNDERRUNS: [Fault; QUEUES] = [Fault::MATRIX_UNDERRUN, Fault::VECTOR_UNDERRUN, Fault::TRANSFER_UNDERRUN];

/// The decoded instructions of a queue; `None` is one that the queue does not have.
pub type Program = Vec<Option<Instruction>>;

/// Decodes a queue's instructions.
pub fn decode(words: &[Word], queue: Queue, geometry: &Geometry) -> Program {
    words
        .iter()
        .map(|word| Instruction::decode(word).filter(|found| executable(found, queue, geometry)))
        .collect()
}

fn executable(instruction: &Instruction, queue: Queue, geometry: &Geometry) -> bool {
    instruction.op.row().on.includes(queue)
        && match instruction.op {
            Op::Dot(dot) => has_tap(&dot, geometry),
            _ => true,
        }
}

/// Whether a beat's results fit a row of sums and start at a multiple of their number.
fn has_tap(dot: &Dot, geometry: &Geometry) -> bool {
    let tap = dot.tap as usize;
    let narrowest = geometry.narrowest_tap().ilog2() as usize;
    let results = geometry.mxm_lanes >> tap;
    (narrowest..=geometry.tree_levels()).contains(&tap)
        && (dot.lane as usize) < geometry.vxm_lanes
        && (dot.lane as usize).is_multiple_of(results)
}

/// The issues of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of the instruction in its queue.
    pub index: usize,
    /// Cycle of the first issue, counted from the start of the token.
    pub first: i64,
    /// Cycles from issue to issue.
    pub interval: i64,
    /// Issues.
    pub count: i64,
    /// Address offsets of the loop around the instruction: first and second.
    pub offsets: [i64; 2],
    /// Start of its segment.
    pub segment: i64,
    /// First slot of a transfer, counted from there.
    pub slot: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Running,
    Waiting,
    Ended,
}

#[derive(Clone, Debug)]
struct Cursor {
    progress: Progress,
    index: usize,
    activation: i64,
    segment: i64,
    body: usize,
    trips: i64,
    offsets: [i64; 2],
}

impl Cursor {
    fn new(start: i64) -> Self {
        Self {
            progress: Progress::Running,
            index: 0,
            activation: start,
            segment: start,
            body: 0,
            trips: 0,
            offsets: [0; 2],
        }
    }

    fn block(&self, first: i64, interval: i64, count: i64) -> Block {
        let Self { index, offsets, segment, .. } = *self;
        Block { index, first, interval, count, offsets, segment, slot: 0 }
    }

    /// Goes on to the next instruction; false if it would be activated before it is ready, which delays it.
    fn go(&mut self, activation: i64) -> bool {
        let ready = self.activation + timing::MIN_PERIOD_CYCLES;
        self.index += 1;
        self.activation = activation.max(ready);
        activation >= ready
    }

    /// Goes on after the queues have met in `cycle`.
    fn meet(&mut self, op: &Op, cycle: i64) {
        self.progress = Progress::Running;
        self.activation = cycle + timing::SYNC_CYCLES;
        self.segment = self.activation;
        self.index += 1;
        if let Op::EndLoop(end) = op {
            self.trips -= 1;
            if self.trips > 0 {
                self.index = self.body;
                self.offsets[0] += i64::from(end.first_step);
                self.offsets[1] += i64::from(end.second_step);
            } else {
                self.offsets = [0; 2];
            }
        }
    }
}

/// A walk of the queues through one token.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    programs: &'a [Program; QUEUES],
    /// Queues that the chip has.
    queues: usize,
    frames: Option<Frames>,
    blocks_begun: usize,
    cursors: [Cursor; QUEUES],
    faults: Fault,
}

impl<'a> Walk<'a> {
    /// Begins the token at a position.
    pub fn new(programs: &'a [Program; QUEUES], geometry: &Geometry, position: usize) -> Self {
        let start = timing::start_cycles(geometry);
        Self {
            programs,
            queues: geometry.queues(),
            frames: geometry.has_external_memory().then(|| Frames::of(geometry)),
            blocks_begun: geometry.blocks(position),
            cursors: std::array::from_fn(|_| Cursor::new(start)),
            faults: Fault::default(),
        }
    }

    /// The next instruction of a queue that issues something, or `None` when the queue ended or waits for the others.
    pub fn next(&mut self, queue: usize) -> Option<Block> {
        if queue >= self.queues {
            return None;
        }
        let cursor = &mut self.cursors[queue];
        while cursor.progress == Progress::Running {
            let Some(Some(Instruction { control, op })) = self.programs[queue].get(cursor.index) else {
                self.faults.0 |= Fault::ILLEGAL_INSTRUCTION.0;
                cursor.progress = Progress::Ended;
                break;
            };
            let first = cursor.activation + control.delay.at(self.blocks_begun);
            let count = control.count.at(self.blocks_begun).max(1);
            let mut block = None;
            let mut next = first;
            match op {
                Op::End(_) => {
                    cursor.progress = Progress::Ended;
                    break;
                }
                Op::Sync(_) | Op::EndLoop(_) => {
                    cursor.progress = Progress::Waiting;
                    break;
                }
                Op::Nop(_) => {}
                Op::Loop(_) => {
                    cursor.body = cursor.index + 1;
                    cursor.trips = count;
                }
                Op::Dot(_) | Op::Gather(_) | Op::Vector(_) => {
                    let interval = i64::from(control.interval).max(1);
                    next += count * interval;
                    block = Some(cursor.block(first, interval, count));
                }
                Op::Transfer(_) => {
                    let frames = self.frames.as_ref()?;
                    let slot = frames.slot_from(first + timing::TRANSFER_LEAD - cursor.segment);
                    let begin = cursor.segment + frames.begin(slot);
                    next = cursor.segment + frames.end(slot + count - 1) - timing::TRANSFER_LEAD;
                    let granule = frames.end(slot) - frames.begin(slot);
                    block = Some(Block { slot, ..cursor.block(begin, granule, count) });
                }
            }
            if !cursor.go(next) {
                self.faults.0 |= UNDERRUNS[queue].0;
            }
            if block.is_some() {
                return block;
            }
        }
        None
    }

    /// Lets the queues go on when all wait; false when the token is over. To be called when [`Walk::next`] has given `None` for all.
    pub fn meet(&mut self) -> bool {
        let cycle = self.latest();
        let cursors = &mut self.cursors[..self.queues];
        if cursors.iter().all(|cursor| cursor.progress == Progress::Waiting) {
            for (cursor, program) in cursors.iter_mut().zip(self.programs) {
                if let Some(Some(instruction)) = program.get(cursor.index) {
                    cursor.meet(&instruction.op, cycle);
                }
            }
            return true;
        }
        if cursors.iter().any(|cursor| cursor.progress == Progress::Waiting) {
            self.faults.0 |= Fault::SYNC_LOST.0;
        }
        false
    }

    /// Cycles of the token, when [`Walk::meet`] has said that it is over.
    pub fn token_cycles(&self) -> i64 {
        self.latest() + timing::TURNAROUND_CYCLES
    }

    /// The latest activation of the queues.
    fn latest(&self) -> i64 {
        self.cursors[..self.queues].iter().map(|cursor| cursor.activation).max().unwrap_or_default()
    }

    /// What was wrong so far.
    pub fn faults(&self) -> Fault {
        self.faults
    }
}
