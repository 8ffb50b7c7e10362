//! The vector unit: memory, registers, scalars, noise, lanes and their control.

pub mod control;
pub mod group;
pub mod halved;
pub mod lane;
pub mod noise;
pub mod scalars;
pub mod side;
pub mod vmem;
pub mod vreg;

pub use control::VectorControl;
pub use group::LaneGroup;
// Vector memory is another where transfers reach it.
#[cfg(feature = "external")]
pub use halved::HalvedVmem as Vmem;
pub use lane::Lane;
pub use noise::Noise;
pub use scalars::Scalars;
pub use side::VectorSide;
#[cfg(not(feature = "external"))]
pub use vmem::Vmem;
pub use vreg::VregLane;
