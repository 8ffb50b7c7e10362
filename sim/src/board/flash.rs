//! A flash memory that can be read, byte by byte.

use lpu_isa::soc::{FLASH_PROGRAM, FLASH_READ};

/// Bytes of a read command: itself and an address.
const COMMAND_BYTES: usize = 4;
/// What memory holds where nothing was written.
const ERASED: u8 = 0xff;

/// A board's flash memory with a program.
#[derive(Clone, Debug, Default)]
pub struct Flash {
    /// From [`FLASH_PROGRAM`] on; all else is erased.
    program: Vec<u8>,
    command: Vec<u8>,
    address: usize,
}

impl Flash {
    /// A memory that holds these bytes where a board looks for its program.
    pub fn new(program: &[u8]) -> Self {
        Self { program: program.to_vec(), ..Self::default() }
    }

    /// Begins a command, or ends it.
    pub fn select(&mut self) {
        self.command.clear();
    }

    /// Takes a byte and gives the one that the memory shifts out meanwhile.
    pub fn exchange(&mut self, byte: u8) -> u8 {
        if self.command.len() < COMMAND_BYTES {
            self.command.push(byte);
            if let [_, address @ ..] = &self.command[..] {
                self.address = address.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
            }
            return ERASED;
        }
        let place = self.address.checked_sub(FLASH_PROGRAM as usize);
        self.address += 1;
        let held = place.and_then(|place| self.program.get(place)).filter(|_| self.command[0] == FLASH_READ);
        held.copied().unwrap_or(ERASED)
    }
}
