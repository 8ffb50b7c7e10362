//! Commands to the chip, as [`lpu_isa::host`] defines them.

use crate::board::Board;
use lpu_isa::host::{
    COMMAND_READ, COMMAND_WRITE, Command, HEADER_BYTES, HOST_WORD_BYTES, IDENTITY, Register, Space,
};
use lpu_isa::link::WORDS_MAX;

/// Looks at the port before a byte of an answer counts as missing; the chip needs a few cycles.
const LOOKS_MAX: u32 = 400;
/// Bytes that end any command that was cut off: a header and the words of the longest one.
const CUT_OFF_BYTES_MAX: usize = HEADER_BYTES + WORDS_MAX * HOST_WORD_BYTES;

/// The chip did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent;

/// The number of whole words in bytes, of which there are no more than a frame holds: 57 / 512 is near enough to a ninth, and
/// the soft core takes longer to divide than to multiply by so few bits.
pub const fn words_in(bytes: &[u8]) -> usize {
    (bytes.len() * 57) >> 9
}
const _: () = assert!(HOST_WORD_BYTES == 9 && WORDS_MAX * HOST_WORD_BYTES < 512);

/// The chip behind a board's byte port.
#[derive(Debug)]
pub struct Chip<B> {
    pub board: B,
    /// A byte of the last answer did not come.
    silent: bool,
}

impl<B: Board> Chip<B> {
    /// The chip of a board.
    pub const fn new(board: B) -> Self {
        Self { board, silent: false }
    }

    fn command(&mut self, kind: u8, space: Space, address: u32, count: usize) {
        let command = Command { kind, space: space as u8, address, count: count as u16 };
        self.board.chip_send(&command.encode());
    }

    /// Writes host words.
    pub fn write(&mut self, space: Space, address: u32, words: &[u8]) {
        self.command(COMMAND_WRITE, space, address, words_in(words));
        self.board.chip_send(words);
    }

    /// Reads host words.
    pub fn read(
        &mut self,
        space: Space,
        address: u32,
        words: &mut [[u8; HOST_WORD_BYTES]],
    ) -> Result<(), Silent> {
        self.ask(space, address, words.len());
        for byte in words.as_flattened_mut() {
            *byte = self.byte();
        }
        self.heard()
    }

    /// Asks for host words, each of which [`Chip::word`] takes then, and [`Chip::heard`] says whether they were any.
    pub fn ask(&mut self, space: Space, address: u32, count: usize) {
        self.silent = false;
        self.command(COMMAND_READ, space, address, count);
    }

    /// The next word of an answer. Much of what a soft core does for a token is this: so it has neither loop nor end.
    #[inline(always)]
    pub fn word(&mut self) -> [u8; HOST_WORD_BYTES] {
        [
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
        ]
    }

    /// Whether all bytes of an answer came.
    pub fn heard(&self) -> Result<(), Silent> {
        if self.silent { Err(Silent) } else { Ok(()) }
    }

    #[inline(always)]
    fn byte(&mut self) -> u8 {
        // Most bytes are there at the first look.
        self.board.chip_receive().unwrap_or_else(|| self.late_byte())
    }

    #[inline(never)]
    fn late_byte(&mut self) -> u8 {
        for _ in 0..LOOKS_MAX {
            if self.silent {
                break;
            }
            if let Some(byte) = self.board.chip_receive() {
                return byte;
            }
        }
        self.silent = true;
        0
    }

    /// The low 64 bits of a word.
    pub fn number(&mut self, space: Space, address: u32) -> Result<u64, Silent> {
        let mut words = [[0; HOST_WORD_BYTES]];
        self.read(space, address, &mut words)?;
        let [[a, b, c, d, e, f, g, h, _]] = words;
        Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Reads a register.
    pub fn register(&mut self, register: Register) -> Result<u64, Silent> {
        self.number(Space::Registers, register as u32)
    }

    /// Writes the low 64 bits of a word.
    pub fn put(&mut self, space: Space, address: u32, number: u64) {
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        self.write(space, address, &[a, b, c, d, e, f, g, h, 0]);
    }

    /// Writes a register.
    pub fn set(&mut self, register: Register, number: u64) {
        self.put(Space::Registers, register as u32, number);
    }

    /// Finds the beginning of a command again, wherever a reset of the core has cut off the last one.
    ///
    /// Zeros end a command that waits for words. They are no command themselves, so that the chip then stands somewhere
    /// among the seven bytes of a refused header: one more zero at a time, a read is answered at the seventh try at last.
    pub fn find_place(&mut self) -> Result<(), Silent> {
        self.drain();
        for _ in 0..CUT_OFF_BYTES_MAX {
            self.board.chip_send(&[0]);
            self.board.chip_receive();
        }
        self.drain();
        for _ in 0..HEADER_BYTES {
            if self.register(Register::Identity) == Ok(IDENTITY) {
                return Ok(());
            }
            self.board.chip_send(&[0]);
        }
        Err(Silent)
    }

    /// Takes what the chip still answers.
    fn drain(&mut self) {
        self.silent = false;
        for _ in 0..CUT_OFF_BYTES_MAX {
            self.byte();
            if self.silent {
                return;
            }
        }
    }
}
