//! What a program can do wrong, in words: one variant a rule.

use lpu_isa::instruction::Queue;
use std::fmt;

/// A broken rule and where it is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{site}: {rule}")]
pub struct Violation {
    /// Where.
    pub site: Site,
    /// Which rule, and what was found.
    pub rule: Rule,
}

/// The place of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// The image as a whole.
    Image,
    /// A queue as a whole.
    Program(Queue),
    /// An instruction, whatever the position.
    Instruction(By),
    /// An instruction at a position.
    Activation { by: By, position: usize },
    /// One issue of an instruction, in this cycle of the token.
    Issue { by: By, position: usize, cycle: i64 },
}

/// An instruction of one of the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// Its queue.
    pub queue: Queue,
    /// Its number in the queue, from 0.
    pub index: usize,
}

/// Something that is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    WeightRow(i64),
    KvRow(i64),
    VmemRow(i64),
    Vreg(i64),
    /// A half row of an activation entry.
    Act {
        entry: i64,
        half: i64,
    },
    /// A lane of the matrix unit's sums.
    SumsLane(i64),
    /// A scalar as `Vector` counts them.
    Scalar(i64),
    /// A granule of external memory.
    Granule(i64),
}

/// A port that one row uses at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Weights,
    Kv,
    /// Vector memory as a whole, on chips without external memory.
    Vmem,
    /// The lower half of vector memory's rows, and the upper half.
    VmemHalf {
        upper: bool,
    },
    /// The way from the matrix unit to vector memory, where that has more than one port.
    MatrixRow,
}

/// The rules of the instruction set. Each variant is one way to break them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("expected at most {depth} instructions, found {found}: make the program shorter")]
    QueueOverflow { found: usize, depth: usize },
    #[error("expected whole rows of {lanes} lanes, at most {rows}, in {memory}, found {found} values")]
    MemorySize { memory: &'static str, lanes: usize, rows: usize, found: usize },
    #[error("expected values of {bits} bits in {memory}, found {value} in row {row}")]
    MemoryValue { memory: &'static str, bits: u32, row: usize, value: i64 },
    #[error("expected 1 to {positions} positions, found {context}: compile for a shorter context")]
    Context { context: usize, positions: usize },

    #[error("expected nothing for external memory, which the chip does not have, found {found}: remove it")]
    NoExternalMemory { found: &'static str },
    #[error("expected at most {most} bytes in external memory, found {found}: compile for a larger one")]
    DramSize { most: usize, found: usize },
    #[error("expected runs to begin at one of {context} positions, found position {first}")]
    FirstPosition { first: usize, context: usize },

    #[error("expected an instruction, found a word that encodes none")]
    Undecodable,
    #[error("expected an operation of this queue, found `{name}`")]
    WrongQueue { name: &'static str },
    #[error("expected `{field}` {expected}, found {found}")]
    Field { field: &'static str, found: i64, expected: String },
    #[error("expected an `End`, found none: the queue would never finish its token")]
    NoEnd,
    #[error("expected nothing after `End`, found another instruction")]
    AfterEnd,
    #[error("expected a loop to end before the next begins, found a `Loop` in a loop: loops do not nest")]
    NestedLoop,
    #[error("expected an `EndLoop` before `End`, found none for this `Loop`")]
    OpenLoop,
    #[error("expected a `Loop` before this `EndLoop`, found none")]
    LoopNotBegun,
    #[error("expected no noise operand, found one: `Sigmoid` adds nothing")]
    UnusedNoise,

    #[error("expected at least one issue or trip, found {count}")]
    Count { count: i64 },
    #[error("expected at least {least} cycles until the next instruction, found {found}: lengthen the delay")]
    Period { least: i64, found: i64 },
    #[error(
        "expected all queues to meet here, found the {queue} queue at {other}: pair `Sync`, `EndLoop` and `End`"
    )]
    Meeting { queue: Queue, other: &'static str },
    #[error("expected as many trips as in the {queue} queue, found {found} here and {other} there")]
    Trips { queue: Queue, found: i64, other: i64 },
    #[error("expected a token of at most {most} cycles, found more")]
    TooLong { most: i64 },

    #[error("expected an address below {rows}, found {location}")]
    Address { location: Location, rows: usize },
    #[error("expected {location} to hold something, found it never written")]
    Undriven { location: Location },
    #[error("expected an entry used before in this token to continue from, found none")]
    UndrivenEntry,
    #[error(
        "expected {location} to be read from cycle {ready} on, when it shows what {writer} wrote, found a read in \
         cycle {sampled}: issue it later"
    )]
    TooEarly { location: Location, writer: By, ready: i64, sampled: i64 },
    #[error(
        "expected {location} not to be read in the cycle in which {writer} writes it, found both in {cycle}"
    )]
    Collision { location: Location, writer: By, cycle: i64 },
    #[error("expected {location} to be used by one queue at a time, found {other} issued in the same cycle")]
    SameCycle { location: Location, other: By },
    #[error(
        "expected {location} to be written after {other}, which is issued first and takes effect in cycle {theirs}, \
         found {ours}: issue it later"
    )]
    Overtaken { location: Location, other: By, theirs: i64, ours: i64 },
    #[error(
        "expected one row at {port}, found {other}'s in the same cycle {cycle}: issue it earlier or later"
    )]
    Port { port: Port, other: By, cycle: i64 },
    #[error(
        "expected {location} to stay as the image has it for {reader}, which reads it before this token writes it, \
         found that {writer} writes it: the next token would read something else"
    )]
    ConstantLost { location: Location, reader: By, writer: By },
    #[error("expected the last beat to emit the row whose maximum is taken, found that it does not")]
    MaximumWithoutRow,
    #[error("expected a row of random numbers, found {made} made and {taken} taken before: take it later")]
    Noise { made: i64, taken: i64 },

    #[error(
        "expected whole runs of {granules} granules each, found {count} granules: make `count` a multiple"
    )]
    PartialRun { count: i64, granules: i64 },
    #[error(
        "expected granules below {granules} of external memory for every token, found {first} to {last}: move or shorten it"
    )]
    DramAddress { first: i64, last: i64, granules: usize },
    #[error(
        "expected granule {granule} of external memory to stay as the image has it, for weights or words are read from it, \
         found it written: the next run would read something else"
    )]
    GranuleLost { granule: usize },
    #[error(
        "expected an empty slot or a refresh after {other}, which moves rows the other way, found none: delay this transfer \
         by a granule's cycles"
    )]
    Turnaround { other: By },

    #[error("expected candidates below the vocabulary of {vocab}, found {found}: set `tail`")]
    Candidate { vocab: i64, found: i64 },
    #[error("expected the first comparison of a token to begin anew, found it going on: set `restart`")]
    ComparisonNotBegun,
    #[error("expected an `Argmax` in each token, found none: no token would be chosen")]
    NoComparison,
    #[error("expected `End` from cycle {ready} on, when the chosen token is known, found it in cycle {end}")]
    ChoiceTooLate { ready: i64, end: i64 },
    #[error("expected all effects by the end of the token in cycle {end}, found one in cycle {effect}")]
    AfterToken { effect: i64, end: i64 },
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {} of the {} queue", self.index, self.queue)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => write!(f, "image"),
            Self::Program(queue) => write!(f, "{queue} queue"),
            Self::Instruction(by) => write!(f, "{by}"),
            Self::Activation { by, position } => write!(f, "{by}, position {position}"),
            Self::Issue { by, position, cycle } => {
                write!(f, "{by}, position {position}, cycle {cycle}")
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeightRow(row) => write!(f, "row {row} of weight memory"),
            Self::KvRow(row) => write!(f, "row {row} of KV memory"),
            Self::VmemRow(row) => write!(f, "row {row} of vector memory"),
            Self::Vreg(register) => write!(f, "vector register {register}"),
            Self::Act { entry, half } => write!(f, "half row {half} of activation entry {entry}"),
            Self::SumsLane(lane) => write!(f, "lane {lane} of the sums"),
            Self::Scalar(scalar) => write!(f, "scalar {scalar}"),
            Self::Granule(granule) => write!(f, "granule {granule} of external memory"),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "the write port of weight memory",
            Self::Kv => "the write port of KV memory",
            Self::Vmem => "the write port of vector memory",
            Self::VmemHalf { upper: false } => "the write port of the lower half of vector memory",
            Self::VmemHalf { upper: true } => "the write port of the upper half of vector memory",
            Self::MatrixRow => "the way from the matrix unit to vector memory",
        })
    }
}
