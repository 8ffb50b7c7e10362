//! Import, quantise, compile, verify, devices and serving.

pub mod assembly;
pub mod compile;
pub mod model;
pub mod random_program;
pub mod verify;
