//! The way of a result row out of the vector unit: to activation file, KV memory, vector memory, to a scalar, to the
//! next token.

pub mod argmax;
pub mod distribute;
pub mod reduce;
pub mod reductions;
pub mod sfu;
pub mod steps;

pub use argmax::Argmax;
pub use distribute::Distribute;
pub use reductions::Reductions;
pub use steps::Steps;
