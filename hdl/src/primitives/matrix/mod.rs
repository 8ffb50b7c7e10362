//! Primitives of the matrix side: the arithmetic of a lane and of the sums behind it.

pub mod adder;
pub mod normalise;
pub mod operand_select;

pub use adder::TreeAdder;
pub use normalise::Normalise;
pub use operand_select::OperandSelect;
