//! From a verified program and a device to text: sampling, chat, the serial link to boards, and what a token's schedule looks like.

pub mod cache;
pub mod chat;
pub mod plot;
pub mod sampling;
pub mod saturation;
pub mod schedule;
pub mod serial;
pub mod trace;

use lpu_sim::device::{Device, DeviceError};
use lpu_verifier::VerifiedProgram;

/// Loads a program into a device.
///
/// # Errors
/// When the device fails, or is another chip than the program is for.
pub fn load(program: &VerifiedProgram, device: &mut dyn Device) -> Result<(), DeviceError> {
    device.load(program)
}
