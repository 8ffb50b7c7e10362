//! The matrix unit: lanes of products, the adder tree with its taps, the row of sums, and the store port.

pub mod emission;
pub mod entry;
pub mod faults;
pub mod group;
pub mod ladder;
pub mod lane;
pub mod maximum;
pub mod side;
pub mod store;
pub mod sums;
pub mod tree;
pub mod window;

pub use side::MatrixSide;

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod schedule;
#[cfg(test)]
mod tests;
