//! The chip as its host sees it: a byte-wide port, commands on spaces of 72-bit words, registers, faults.
//!
//! Every memory is read and written in host words of nine bytes (72 bits, little endian): eight weights or KV codes of
//! nine bits, four words of vector memory, or one part of an instruction in the low 64 bits.
//!
//! A command is a header of seven bytes ([`Command`]), then data: a write is followed by `count` host words, a read is answered with
//! `count` host words. The port never answers otherwise. While a token runs, only registers and token
//! queues may be accessed; memories are refused with [`Fault::HOST_ACCESS`] and read as zero.

mod command;
mod fault;
mod register;

pub use command::{COMMAND_READ, COMMAND_WRITE, Command, HEADER_BYTES};
pub use fault::Fault;
pub use register::{Access, BitField, IDENTITY, Register, RegisterRow, control, mode, scale, status};

/// Bytes of a host word.
pub const HOST_WORD_BYTES: usize = 9;
/// Bytes of external memory in a host word.
pub const DRAM_WORD_BYTES: usize = 8;
/// Address bits of a queue word that choose the part of an instruction.
pub const QUEUE_PART_BITS: u32 = 3;
/// Token number that stands for none.
pub const NO_TOKEN: u16 = 0xffff;
/// Base-2 logarithm of the words that each of the chip's two queues of tokens holds.
pub const TOKEN_QUEUE_BITS: usize = 6;
/// Prompt tokens that [`Space::TokensIn`] holds, and records that [`Space::TokensOut`] holds before a run waits.
pub const TOKEN_QUEUE_WORDS: usize = 1 << TOKEN_QUEUE_BITS;

/// The address spaces behind the host port. The address counts host words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Space {
    /// Registers ([`Register`]), 64 bits each.
    Registers = 0,
    /// Weight memory: `row * mxm_lanes/8 + group of eight lanes`.
    Weights = 1,
    /// KV memory, addressed like weight memory.
    Kv = 2,
    /// Vector memory: `row * vxm_lanes/4 + group of four lanes`.
    Vmem = 3,
    /// Instructions of the matrix queue: `index * 8 + part`. Write only.
    MatrixQueue = 4,
    /// Instructions of the vector queue: `index * 8 + part`. Write only.
    VectorQueue = 5,
    /// Prompt tokens, pushed one a word (low 16 bits). Write only; the address is ignored.
    TokensIn = 6,
    /// Records of executed positions ([`Step`]), popped one a word; zero when there is none. Read only.
    TokensOut = 7,
    /// External memory: eight bytes in the low bits of each word.
    #[cfg(feature = "external")]
    Dram = 8,
    /// Instructions of the transfer queue: `index * 8 + part`. Write only.
    #[cfg(feature = "external")]
    TransferQueue = 9,
}

impl Space {
    /// All spaces.
    pub const ALL: [Space; if cfg!(feature = "external") { 10 } else { 8 }] = [
        Space::Registers,
        Space::Weights,
        Space::Kv,
        Space::Vmem,
        Space::MatrixQueue,
        Space::VectorQueue,
        Space::TokensIn,
        Space::TokensOut,
        #[cfg(feature = "external")]
        Space::Dram,
        #[cfg(feature = "external")]
        Space::TransferQueue,
    ];
}

/// One executed position, as [`Space::TokensOut`] gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The token chosen at this position, bits 15..0.
    pub token: u16,
    /// The position, bits 31..16.
    pub position: u16,
    /// Cycles that the token took, bits 62..32. Bit 63 is set in every record.
    pub cycles: u32,
}

impl Step {
    /// The record as a host word.
    pub const fn encode(self) -> u64 {
        1 << 63
            | ((self.cycles as u64 & 0x7fff_ffff) << 32)
            | ((self.position as u64) << 16)
            | self.token as u64
    }

    /// The record in a host word, or none.
    pub const fn decode(word: u64) -> Option<Step> {
        if word >> 63 == 0 {
            return None;
        }
        Some(Step {
            token: word as u16,
            position: (word >> 16) as u16,
            cycles: (word >> 32) as u32 & 0x7fff_ffff,
        })
    }
}
