//! A line of bytes, and the time in which they pass.

use lpu_sim::device::DeviceError;
use std::time::Duration;

/// A line to a board.
pub trait Line {
    /// Sends all bytes.
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Receives what comes, and waits for the first byte at most this long; the number of bytes, zero if none came.
    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError>;
    /// Changes the rate, once everything is sent.
    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError>;
    /// Time since some moment.
    fn now(&mut self) -> Duration;
}

impl<L: Line + ?Sized> Line for Box<L> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
        (**self).send(bytes)
    }
    fn receive(&mut self, bytes: &mut [u8], wait: Duration) -> Result<usize, DeviceError> {
        (**self).receive(bytes, wait)
    }
    fn set_rate(&mut self, bits_per_second: u32) -> Result<(), DeviceError> {
        (**self).set_rate(bits_per_second)
    }
    fn now(&mut self) -> Duration {
        (**self).now()
    }
}
