//! Whole boards: firmware and chip behind a serial line.
//!
//! [`NativeBoard`] runs the firmware's library on this machine over the emulator: fast, and with time that the caller moves.

mod flash;
mod native;

pub use flash::Flash;
pub use native::NativeBoard;
