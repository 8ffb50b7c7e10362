//! The host port: words on spaces, and their framing as bytes.

use super::DeviceError;
use lpu_isa::host::{COMMAND_READ, COMMAND_WRITE, HEADER_BYTES, HOST_WORD_BYTES, Space};

/// A word of the host port, little endian.
pub type HostWord = [u8; HOST_WORD_BYTES];

/// A number in the low 64 bits of a word.
pub fn from_number(number: u64) -> HostWord {
    let mut word = HostWord::default();
    word[..8].copy_from_slice(&number.to_le_bytes());
    word
}

/// The number in the low 64 bits of a word.
pub fn number_of(word: &HostWord) -> u64 {
    word.iter().take(8).rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Words on spaces, as [`lpu_isa::host`] defines them.
pub trait HostPort {
    /// Writes words from an address upward; at most 65,535.
    fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError>;
    /// Reads words from an address upward; at most 65,535.
    fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError>;
}

/// A line of bytes in both directions.
pub trait BytePort {
    /// Sends all bytes.
    fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError>;
    /// Fills the buffer with the bytes that come next.
    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), DeviceError>;
}

/// The host port over a line of bytes.
#[derive(Clone, Debug)]
pub struct Framed<B> {
    /// The line.
    pub line: B,
}

/// The header of a command.
pub fn header(command: u8, space: Space, address: u32, count: usize) -> [u8; HEADER_BYTES] {
    let [a, b, c, _] = address.to_le_bytes();
    let [low, high] = (count as u16).to_le_bytes();
    [command, space as u8, a, b, c, low, high]
}

impl<B: BytePort> HostPort for Framed<B> {
    fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError> {
        let mut bytes = header(COMMAND_WRITE, space, address, words.len()).to_vec();
        bytes.extend_from_slice(words.as_flattened());
        self.line.send(&bytes)
    }

    fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError> {
        self.line.send(&header(COMMAND_READ, space, address, count))?;
        let mut words = vec![HostWord::default(); count];
        self.line.receive(words.as_flattened_mut())?;
        Ok(words)
    }
}
