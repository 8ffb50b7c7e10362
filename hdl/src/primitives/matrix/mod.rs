//! Primitives of the matrix side: the arithmetic of a lane and of the sums behind it.

pub mod adder;
pub mod delay;
pub mod larger;
pub mod operand_select;

pub use adder::TreeAdder;
pub use delay::Delay;
pub use larger::Larger;
pub use operand_select::OperandSelect;
