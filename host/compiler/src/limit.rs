//! Why a program has fewer positions than its model was made for.

use lpu_isa::Geometry;
use lpu_isa::instruction::Queue;
use lpu_model::Config;
use std::fmt;

/// What bounds the context of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextLimit {
    /// No more were asked for.
    Asked,
    /// The chip counts no further.
    Positions { available: usize },
    /// A program that hides what lies before the attention window is too long for the queue.
    Window { positions: usize, queue: Queue, needed: usize, available: usize },
    /// A memory is too small for `positions`.
    Memory { memory: &'static str, positions: usize, needed: usize, available: usize },
}

impl ContextLimit {
    /// The limit that is known before anything is laid out.
    pub fn of_request(config: &Config, geometry: &Geometry, asked: Option<usize>) -> Option<Self> {
        let wanted = asked.unwrap_or(config.context).min(config.context);
        if geometry.positions < wanted {
            return Some(Self::Positions { available: geometry.positions });
        }
        (wanted < config.context).then_some(Self::Asked)
    }
}

impl fmt::Display for ContextLimit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Asked => write!(f, "no more were asked for"),
            Self::Positions { available } => write!(f, "the chip counts {available} positions"),
            Self::Window { positions, queue, needed, available } => write!(
                f,
                "more positions than the attention window of {positions} need {needed} instructions in the {queue} queue, \
                 which holds {available}"
            ),
            Self::Memory { memory, positions, needed, available } => {
                write!(f, "{positions} positions need {needed} {memory}, and the chip has {available}")
            }
        }
    }
}
