//! Single writes to the machine's memories, as events that two devices can be compared by.

use lpu_isa::instruction::Queue;
use std::fmt;

/// Where a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A row of weight memory.
    Weights(usize),
    /// A row of vector memory.
    Vmem(usize),
    /// A vector register.
    Vreg(usize),
    /// Lanes of an activation entry, from `lane` upward.
    Act {
        /// Entry.
        entry: usize,
        /// First lane of those written.
        lane: usize,
    },
    /// Lanes of a row of KV memory, from `lane` upward. The values are codes.
    Kv {
        /// Row.
        row: usize,
        /// First lane of those written.
        lane: usize,
    },
    /// A scalar, numbered as vector instructions number it. The values are mantissa and exponent.
    Scalar(usize),
}

impl Location {
    /// The slice that writes there.
    pub fn slice(&self) -> &'static str {
        match self {
            Self::Weights(_) | Self::Vmem(_) | Self::Kv { .. } => "MEM",
            Self::Vreg(_) => "VXM",
            Self::Act { .. } | Self::Scalar(_) => "SXM",
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights(row) => write!(f, "weight row {row}"),
            Self::Vmem(row) => write!(f, "vector memory row {row}"),
            Self::Vreg(row) => write!(f, "vector register {row}"),
            Self::Act { entry, lane } => write!(f, "activation entry {entry} from lane {lane}"),
            Self::Kv { row, lane } => write!(f, "KV row {row} from lane {lane}"),
            Self::Scalar(scalar) => write!(f, "scalar {scalar}"),
        }
    }
}

/// The instruction that wrote, where a device knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its queue.
    pub queue: Queue,
    /// Number of the instruction in its queue.
    pub instruction: usize,
}

/// A write. `cycle` is the last cycle, counted from the start of the token, in which a reader still sees the old value: the one in which
/// the write port is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Position that is executed.
    pub position: usize,
    /// Cycle.
    pub cycle: i64,
    /// Instruction.
    pub origin: Option<Origin>,
    /// Place.
    pub location: Location,
    /// New values.
    pub lanes: &'a [i32],
}

/// Takes events. A sink with `ON == false` costs nothing.
pub trait Sink {
    /// Whether events are wanted.
    const ON: bool = true;
    /// Takes one.
    fn event(&mut self, event: Event<'_>);
}

/// The sink that wants no event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Sink for Silent {
    const ON: bool = false;
    fn event(&mut self, _event: Event<'_>) {}
}

/// A device whose writes can be recorded.
pub trait Tap {
    /// Begins or ends recording; what was recorded is forgotten.
    fn record(&mut self, on: bool);
    /// The writes recorded since the last call.
    fn take(&mut self) -> Vec<Trace>;
}

/// A kept event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Position that is executed.
    pub position: usize,
    /// Cycle, as in [`Event`].
    pub cycle: i64,
    /// Instruction.
    pub origin: Option<Origin>,
    /// Place.
    pub location: Location,
    /// New values.
    pub lanes: Vec<i32>,
}

impl Sink for Vec<Trace> {
    fn event(&mut self, event: Event<'_>) {
        let Event { position, cycle, origin, location, lanes } = event;
        self.push(Trace { position, cycle, origin, location, lanes: lanes.to_vec() });
    }
}
