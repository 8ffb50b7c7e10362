//! The soft core's address map: its memory, and the registers through which the firmware sees the board.
//!
//! Memory begins at address zero and holds the firmware's image at power-up. Every register is a word of its own. All
//! accesses are answered; an address that is none reads as zero.

/// Bytes of memory: image, stack and buffers.
pub const MEMORY_BYTES: usize = 16 << 10;
/// Words of memory.
pub const MEMORY_WORDS: usize = MEMORY_BYTES / 4;
/// Address of the first register. Everything with this bit set is a register.
pub const REGISTERS: u32 = 1 << 31;
/// Number of registers, a power of two.
pub const REGISTER_COUNT: usize = 16;

/// Lists registers, one line each: doc, name, index.
macro_rules! registers {
    ($($(#[doc = $doc:literal])+ $name:ident = $index:literal;)+) => {
        /// A register of the soft core's side.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum SocRegister {
            $($(#[doc = $doc])+ $name = $index,)+
        }

        impl SocRegister {
            /// Every register with its documentation.
            pub const TABLE: &'static [(SocRegister, &'static str)] =
                &[$((SocRegister::$name, concat!($($doc),+)),)+];

            /// Its address.
            pub const fn address(self) -> u32 {
                REGISTERS + 4 * self as u32
            }
        }
    };
}

registers! {
    /// Reading takes the oldest received byte: bits 7..0, valid if [`VALID`] is set; [`LOST`] is set if a byte was lost or
    /// badly framed since the last read. A write sends each byte that it enables, lowest first; those without room are lost.
    Serial = 0;
    /// Bits 7..0: bytes that there is room for, [`SEND_BYTES_MAX`] at most. [`SEND_IDLE`]: everything was sent.
    SerialStatus = 1;
    /// Bits per second, as `bits per second * 65,536 / clock`. Zero stops the line.
    SerialRate = 2;
    /// The chip's byte port. Reading takes the oldest byte that the chip sent: bits 7..0, valid if [`VALID`] is set. A
    /// write sends each byte that it enables, lowest first, and takes as long as the chip needs to take them.
    Chip = 3;
    /// The lights, bits 7..0 ([`leds`]).
    Leds = 4;
    /// The board's flash memory. Writing exchanges a byte; reading gives the byte that came back, and [`VALID`] while the
    /// exchange lasts.
    Flash = 5;
    /// Bit 0 selects the flash memory.
    FlashSelect = 6;
    /// Cycles of the soft core's clock, modulo 2^32. Read only.
    Timer = 7;
    /// The soft core's clock in hertz. Read only.
    ClockHz = 8;
    /// CRC-32: a write feeds each byte that it enables, lowest first; reading gives the state, without the last inversion.
    Checksum = 9;
    /// Writing sets the state of the checksum.
    ChecksumState = 10;
    /// A word that survives a reset of the core; zero at power-up. Bit 31 is set by the hardware when the core met an
    /// instruction or an address that it does not have.
    Cause = 11;
    /// Any write resets the core.
    Reset = 12;
}

/// A received byte is there; or, in [`SocRegister::Flash`], an exchange lasts.
pub const VALID: u32 = 1 << 8;
/// A received byte was lost, or its stop bit was missing.
pub const LOST: u32 = 1 << 9;
/// [`SocRegister::SerialStatus`]: everything was sent.
pub const SEND_IDLE: u32 = 1 << 8;
/// Bytes that wait for the line at most, a power of two below 256.
pub const SEND_BYTES_MAX: usize = 64;
/// [`SocRegister::Cause`]: the core met an instruction or an address that it does not have.
pub const TRAPPED: u32 = 1 << 31;

/// The lights that the firmware shows.
pub mod leds {
    /// It listens.
    pub const LISTENS: u8 = 1;
    /// A program is loaded.
    pub const LOADED: u8 = 2;
    /// A run is in progress.
    pub const RUNS: u8 = 4;
    /// The lower of two bits that say why the firmware started last ([`crate::link::cause`]).
    pub const CAUSE_BIT: u32 = 4;
    /// The firmware met a fault: its own, or a chip that does not answer.
    pub const FAULT: u8 = 128;
}

/// Where a board's flash memory holds a program for the time after power-on, behind its largest bitstream: the bytes of a
/// load ([`crate::link::Request::Open`], then [`crate::link::Request::Load`]) as they would come on the line.
pub const FLASH_PROGRAM: u32 = 4 << 20;
/// Command of flash memories: read on and on from the address in the next three bytes, its highest byte first.
pub const FLASH_READ: u8 = 0x03;

/// The value of [`SocRegister::SerialRate`] for a rate below the clock, rounded. A quarter of the clock is the most that
/// a receiver can follow. Divides bit by bit, since the soft core cannot.
pub const fn serial_rate(clock_hz: u32, bits_per_second: u32) -> u32 {
    let (mut quotient, mut rest, mut bit) = (0, bits_per_second, 0);
    while bit < 16 {
        rest *= 2;
        quotient *= 2;
        if rest >= clock_hz {
            rest -= clock_hz;
            quotient += 1;
        }
        bit += 1;
    }
    quotient + (2 * rest >= clock_hz) as u32
}

/// CRC-32's polynomial, reflected.
pub const CHECKSUM_POLYNOMIAL: u32 = 0xedb8_8320;
/// CRC-32's first state; the last is inverted.
pub const CHECKSUM_START: u32 = u32::MAX;

/// One byte of CRC-32.
pub const fn checksum_step(state: u32, byte: u8) -> u32 {
    let mut state = state ^ byte as u32;
    let mut bit = 0;
    while bit < 8 {
        state = state >> 1 ^ if state & 1 == 1 { CHECKSUM_POLYNOMIAL } else { 0 };
        bit += 1;
    }
    state
}

/// CRC-32 of bytes, as everyone else computes it.
pub fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(CHECKSUM_START, |state, &byte| checksum_step(state, byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_common_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn registers_stand_apart() {
        for (index, (register, _)) in SocRegister::TABLE.iter().enumerate() {
            assert_eq!(register.address(), REGISTERS + 4 * index as u32);
        }
        assert!(SocRegister::TABLE.len() <= REGISTER_COUNT);
    }

    #[test]
    fn rates_are_within_a_hundredth() {
        for clock_hz in [12_000_000, 25_000_000, 50_000_000, 66_000_000] {
            for rate in [115_200, 921_600, 3_000_000] {
                let back = (u64::from(serial_rate(clock_hz, rate)) * u64::from(clock_hz)) >> 16;
                assert!(back.abs_diff(rate.into()) * 100 <= rate.into(), "{rate} at {clock_hz}: {back}");
            }
        }
    }
}
