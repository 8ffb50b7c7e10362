//! Import, quantise, compile, verify, devices and serving.

pub mod assembly;
#[cfg(feature = "fpga")]
pub mod board;
pub mod chat;
pub mod compile;
pub mod fit;
pub mod model;
pub mod plot;
pub mod random_program;
pub mod sampling;
pub mod schedule;
pub mod serial;
pub mod serve;
pub mod text;
pub mod trace;
pub mod verify;
