//! The header that begins a command.

use super::Space;

/// Bytes of a command header.
pub const HEADER_BYTES: usize = 7;
/// Command byte: write `count` words from `address` upward.
pub const COMMAND_WRITE: u8 = 0x57;
/// Command byte: read `count` words from `address` upward.
pub const COMMAND_READ: u8 = 0x52;

/// A command header: `[kind, space, address bits 7..0, 15..8, 23..16, count bits 7..0, 15..8]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// [`COMMAND_WRITE`] or [`COMMAND_READ`]; the chip refuses any other.
    pub kind: u8,
    /// Number of the [`Space`].
    pub space: u8,
    /// First host word, 24 bits.
    pub address: u32,
    /// Host words.
    pub count: u16,
}

impl Command {
    /// Writes `count` words to a space from an address upward.
    pub const fn write(space: Space, address: u32, count: u16) -> Self {
        Self { kind: COMMAND_WRITE, space: space as u8, address, count }
    }

    /// Reads `count` words of a space from an address upward.
    pub const fn read(space: Space, address: u32, count: u16) -> Self {
        Self { kind: COMMAND_READ, space: space as u8, address, count }
    }

    /// The header as the port takes it.
    #[inline(always)]
    pub const fn encode(self) -> [u8; HEADER_BYTES] {
        let [a, b, c, _] = self.address.to_le_bytes();
        let [low, high] = self.count.to_le_bytes();
        [self.kind, self.space, a, b, c, low, high]
    }

    /// The command of a header.
    pub const fn decode(header: [u8; HEADER_BYTES]) -> Self {
        let [kind, space, a, b, c, low, high] = header;
        let address = u32::from_le_bytes([a, b, c, 0]);
        Self { kind, space, address, count: u16::from_le_bytes([low, high]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_little_endian_and_come_back() {
        let command = Command::read(Space::Vmem, 0x12_3456, 0x789a);
        assert_eq!(command.encode(), [0x52, 3, 0x56, 0x34, 0x12, 0x9a, 0x78]);
        assert_eq!(Command::decode(command.encode()), command);
    }
}
