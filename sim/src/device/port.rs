//! The host port: words on spaces, and their framing as bytes.

use super::DeviceError;
use lpu_isa::host::{Command, HOST_WORD_BYTES, Space};

/// Cycles without a byte after which a simulated chip counts as hung: longer than any token.
pub const PATIENCE_CYCLES: u64 = 10_000_000;

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

impl<B: BytePort> HostPort for Framed<B> {
    fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError> {
        let mut bytes = Command::write(space, address, words.len() as u16).encode().to_vec();
        bytes.extend_from_slice(words.as_flattened());
        self.line.send(&bytes)
    }

    fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError> {
        self.line.send(&Command::read(space, address, count as u16).encode())?;
        let mut words = vec![HostWord::default(); count];
        self.line.receive(words.as_flattened_mut())?;
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::conformance::conformance;
    use crate::{Emulator, PortDevice};
    use lpu_isa::Geometry;
    use std::collections::VecDeque;

    /// The byte side of a chip: takes commands apart one byte at a time.
    struct Chip {
        emulator: Emulator,
        pending: Vec<u8>,
        answers: VecDeque<u8>,
    }

    impl BytePort for Chip {
        fn send(&mut self, bytes: &[u8]) -> Result<(), DeviceError> {
            for &byte in bytes {
                self.pending.push(byte);
                self.execute()?;
            }
            Ok(())
        }

        fn receive(&mut self, bytes: &mut [u8]) -> Result<(), DeviceError> {
            for byte in bytes {
                *byte = self.answers.pop_front().ok_or(DeviceError::Line("no answer".into()))?;
            }
            Ok(())
        }
    }

    impl Chip {
        fn execute(&mut self) -> Result<(), DeviceError> {
            let Some((&header, data)) = self.pending.split_first_chunk() else {
                return Ok(());
            };
            let Command { kind, space, address, count } = Command::decode(header);
            let (space, count) = (Space::ALL[usize::from(space)], usize::from(count));
            if kind == b'R' {
                self.answers.extend(self.emulator.read(space, address, count)?.as_flattened());
            } else if data.len() == count * 9 {
                self.emulator.write(space, address, data.as_chunks().0)?;
            } else {
                return Ok(());
            }
            self.pending.clear();
            Ok(())
        }
    }

    #[test]
    fn commands_survive_the_line() {
        let geometry = Geometry::NANO;
        let emulator = Emulator::new(geometry);
        let line = Chip { emulator, pending: Vec::new(), answers: VecDeque::new() };
        let mut device = PortDevice::new(Framed { line });
        let passed = conformance(&mut device, &geometry).map_err(|failure| failure.to_string());
        assert!(passed.is_ok(), "{passed:?}");
    }

    #[test]
    fn numbers_come_back() {
        assert_eq!(number_of(&from_number(0x0123_4567_89ab_cdef)), 0x0123_4567_89ab_cdef);
    }
}
