//! Why a model cannot be compiled: what was expected, what was found, what to do.

use lpu_isa::instruction::Queue;
use lpu_verifier::Violation;

/// A model that does not suit a chip.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompileError {
    #[error(
        "the model does not fit: it needs {needed} {memory}, the chip has {available} ({} too many); choose a larger \
         geometry, a smaller model or a shorter context",
        needed - available
    )]
    DoesNotFit { memory: &'static str, needed: usize, available: usize },
    #[error(
        "a head of {head} dimensions is wider than the matrix unit's {lanes} lanes; choose a geometry with at least {} \
         lanes",
        head.next_power_of_two()
    )]
    HeadTooWide { head: usize, lanes: usize },
    #[error(
        "this compiler has no program for {feature}; supported: RMSNorm and LayerNorm, RoPE and learned positions, SiLU, GELU \
         and ReLU, gated or not, biases, grouped heads"
    )]
    Unsupported { feature: &'static str },
    #[error("the range of {what} is {found}: the weights are too large or too small for fixed point")]
    Range { what: &'static str, found: f64 },
    #[error("the schedule of a layer did not settle: please report the model's shape")]
    Unsettled,
    #[error(
        "field `{field}` of instruction {index} is out of range: the instruction set cannot express a model of this shape"
    )]
    Encoding { field: &'static str, index: usize },
    #[error(
        "the {queue} queue holds {available} instructions and the program has {needed}; choose a larger geometry"
    )]
    QueueTooShort { queue: Queue, needed: usize, available: usize },
    #[error(
        "the compiler made an illegal program: {0}. This is a fault of the compiler: please report the model's shape"
    )]
    Illegal(Box<Violation>),
}
