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

    /// The byte that the memory shifts out while it takes the next one.
    pub fn shown(&self) -> u8 {
        let reads = self.command.len() == COMMAND_BYTES && self.command[0] == FLASH_READ;
        let place = self.address.checked_sub(FLASH_PROGRAM as usize);
        let held = place.and_then(|place| self.program.get(place)).filter(|_| reads);
        held.copied().unwrap_or(ERASED)
    }

    /// Takes a byte.
    pub fn take(&mut self, byte: u8) {
        if self.command.len() == COMMAND_BYTES {
            self.address += 1;
            return;
        }
        self.command.push(byte);
        if let [_, address @ ..] = &self.command[..] {
            self.address = address.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        }
    }

    /// Takes a byte and gives the one that the memory shifts out meanwhile.
    pub fn exchange(&mut self, byte: u8) -> u8 {
        let shown = self.shown();
        self.take(byte);
        shown
    }
}

/// The memory's pins: SPI mode 0, highest bit first.
#[cfg(any(test, feature = "rtl"))]
#[derive(Clone, Debug, Default)]
pub struct FlashPins {
    flash: Flash,
    selected: bool,
    clock: bool,
    /// Bits of the byte that comes, and how many of them have come.
    taken: u8,
    count: u32,
    /// The byte that leaves.
    shown: u8,
}

#[cfg(any(test, feature = "rtl"))]
impl FlashPins {
    /// The pins of a memory.
    pub fn new(flash: Flash) -> Self {
        Self { flash, ..Self::default() }
    }

    /// Sees its inputs' levels; gives its output's, which rests high.
    pub fn see(&mut self, select_n: bool, clock: bool, data: bool) -> bool {
        let (was_selected, was_high) = (self.selected, self.clock);
        (self.selected, self.clock) = (!select_n, clock);
        if select_n {
            return true;
        }
        if !was_selected {
            self.flash.select();
            (self.count, self.shown) = (0, self.flash.shown());
        } else if clock && !was_high {
            self.taken = self.taken << 1 | u8::from(data);
            self.count += 1;
        } else if was_high && !clock && self.count == u8::BITS {
            self.flash.take(self.taken);
            (self.count, self.shown) = (0, self.flash.shown());
        }
        // A bit changes at the falling edge, by which its number has been counted.
        let number = self.count - u32::from(clock);
        self.shown >> (u8::BITS - 1 - number) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges bytes through the pins, as a master of mode 0 does.
    fn through_pins(pins: &mut FlashPins, bytes: &[u8]) -> Vec<u8> {
        pins.see(false, false, false);
        let mut exchange = |byte: &u8| {
            (0..8).rev().fold(0, |back, bit| {
                let data = byte >> bit & 1 == 1;
                pins.see(false, false, data);
                let read = pins.see(false, true, data);
                pins.see(false, false, data);
                back << 1 | u8::from(read)
            })
        };
        let back = bytes.iter().map(&mut exchange).collect();
        pins.see(true, false, false);
        back
    }

    #[test]
    fn pins_give_what_whole_bytes_give() {
        let content: Vec<u8> = (0..40u8).map(|at| at.wrapping_mul(37) ^ 0x55).collect();
        let [_, high, middle, low] = FLASH_PROGRAM.to_be_bytes();
        let (mut flash, mut pins) = (Flash::new(&content), FlashPins::new(Flash::new(&content)));
        for offset in [0, 3, 39, 60] {
            let command = [&[FLASH_READ, high, middle, low + offset][..], &[0; 8]].concat();
            flash.select();
            let expected: Vec<u8> = command.iter().map(|&byte| flash.exchange(byte)).collect();
            assert_eq!(through_pins(&mut pins, &command), expected);
        }
        assert_eq!(through_pins(&mut pins, &[0x9f, 0, 0, 0, 0]), [ERASED; 5], "another command");
    }

    #[test]
    fn a_read_goes_on_from_its_address() {
        let [_, high, middle, low] = FLASH_PROGRAM.to_be_bytes();
        let read = [FLASH_READ, high, middle, low + 1, 0, 0, 0];
        let mut pins = FlashPins::new(Flash::new(&[1, 2, 3]));
        assert_eq!(through_pins(&mut pins, &read)[4..], [2, 3, ERASED]);
    }
}
