//! Matrix memory: weight and KV banks, their addresses, and the path by which weights are read as vector rows.

pub mod address;
pub mod bank;
pub mod gather;
pub mod host;

pub use address::RowAddress;
pub use bank::PairBank;
pub use gather::Gather;
pub use host::HostAccess;
