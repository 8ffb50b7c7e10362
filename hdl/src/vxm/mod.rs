//! The vector unit: memory, registers, scalars, noise, lanes and their control.

pub mod control;
pub mod group;
pub mod lane;
pub mod noise;
pub mod scalars;
pub mod side;
pub mod vmem;
pub mod vreg;

pub use control::VectorControl;
pub use group::LaneGroup;
pub use lane::Lane;
pub use noise::Noise;
pub use scalars::Scalars;
pub use side::VectorSide;
pub use vmem::Vmem;
pub use vreg::VregLane;
