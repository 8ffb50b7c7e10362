//! Matrix memory: weight and KV banks, their addresses, and the path by which weights are read as vector rows.

pub mod address;
pub mod bank;
pub mod gather;

pub use address::RowAddress;
pub use bank::PairBank;
pub use gather::Gather;
