//! The chip as its host sees it: a byte-wide port, commands on spaces of 72-bit words, registers, faults.
//!
//! Every memory is read and written in host words of nine bytes (72 bits, little endian): eight weights or KV codes of
//! nine bits, four words of vector memory, or one part of an instruction in the low 64 bits.
//!
//! A command is a header of seven bytes, then data:
//! `[command, space, address bits 7..0, 15..8, 23..16, count bits 7..0, 15..8]`; a write is followed by `count` host words,
//! a read is answered with `count` host words. The port never answers otherwise. While a token runs, only registers and token
//! queues may be accessed; memories are refused with [`Fault::HOST_ACCESS`] and read as zero.

/// Bytes of a host word.
pub const HOST_WORD_BYTES: usize = 9;
/// Bytes of a command header.
pub const HEADER_BYTES: usize = 7;
/// Command byte: write `count` words from `address` upward.
pub const COMMAND_WRITE: u8 = 0x57;
/// Command byte: read `count` words from `address` upward.
pub const COMMAND_READ: u8 = 0x52;
/// Address bits of a queue word that choose the part of an instruction.
pub const QUEUE_PART_BITS: u32 = 3;

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
}

impl Space {
    /// All spaces.
    pub const ALL: [Space; 8] = [
        Space::Registers,
        Space::Weights,
        Space::Kv,
        Space::Vmem,
        Space::MatrixQueue,
        Space::VectorQueue,
        Space::TokensIn,
        Space::TokensOut,
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

/// Lists registers, one line each: doc, name, address, access.
macro_rules! registers {
    ($($(#[doc = $doc:literal])+ $name:ident = $address:literal $access:ident;)+) => {
        /// The registers behind [`Space::Registers`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Register {
            $($(#[doc = $doc])+ $name = $address,)+
        }

        impl Register {
            /// Every register with its access and its documentation.
            pub const TABLE: &'static [(Register, &'static str, &'static str)] =
                &[$((Register::$name, stringify!($access), concat!($($doc),+)),)+];
        }
    };
}

registers! {
    /// `LPU1` in ASCII, first letter in the low byte.
    Identity = 0 read;
    /// [`crate::instruction::ISA_HASH`].
    IsaHash = 1 read;
    /// [`crate::Geometry::hash`].
    GeometryHash = 2 read;
    /// Bit 0: a token is running. Bit 1: a run is active. Bit 2: the run waits for a prompt token. Bit 3: it waits for
    /// room in the queue of records. Bit 4: it is paused. Bits 31..16: the position.
    Status = 3 read;
    /// Writing bit 0 starts a run; bit 1 ends the run after the current token; bit 2 continues a paused run; bit 3
    /// discards prompt tokens and records. Reads as zero.
    Control = 4 write;
    /// Sticky fault flags ([`Fault`]). Writing a one clears that flag.
    Faults = 5 clear;
    /// Position of the first token of the next run.
    StartPosition = 6 write;
    /// Positions that the next run executes at most.
    Limit = 7 write;
    /// Tokens of the next run that come from [`Space::TokensIn`]; afterwards each position's input is the token chosen before.
    PromptLength = 8 write;
    /// A run ends when a token chosen at or after the last prompt position is this one. 0xffff: never.
    StopToken = 9 write;
    /// As [`Register::StopToken`].
    StopTokenToo = 10 write;
    /// Seed of the random generator, taken at the start of a run.
    Seed = 11 write;
    /// Bit 0: add random numbers to the scaled logits (sampling). Bit 1: pause after every token.
    Mode = 12 write;
    /// The scalar that scales logits before the choice: mantissa in bits 17..0, exponent in bits 23..18.
    InverseTemperature = 13 write;
    /// Cycles since reset.
    Cycles = 14 read;
    /// Rows in which a lane saturated, since the start of the run: results to vector registers, activations, KV codes, sums.
    Saturations = 15 read;
    /// The bitstream's own number, set by the board.
    Bitstream = 16 read;
}

/// Lists fault flags, one line each: doc, name, bit.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal;)+) => {
        /// Sticky flags that the chip raises for what a wrong schedule, image or host would do.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Fault(pub u32);

        impl Fault {
            $($(#[doc = $doc])+ pub const $name: Fault = Fault(1 << $bit);)+
            /// Every flag with its name and documentation.
            pub const TABLE: &'static [(Fault, &'static str, &'static str)] =
                &[$((Fault::$name, stringify!($name), concat!($($doc),+)),)+];
        }
    };
}

faults! {
    /// The matrix queue's next instruction was not ready: activations less than the least period apart.
    MATRIX_UNDERRUN = 0;
    /// The vector queue's next instruction was not ready: activations less than the least period apart.
    VECTOR_UNDERRUN = 1;
    /// A queue met an opcode that it does not have.
    ILLEGAL_INSTRUCTION = 2;
    /// Two rows reached the write port of vector memory in one cycle.
    VMEM_CONFLICT = 3;
    /// A row of random numbers was taken before it was made.
    NOISE_UNDERRUN = 4;
    /// KV memory was read in the row and cycle in which it was written.
    KV_CONFLICT = 5;
    /// An activation entry was read in the cycle in which it was written.
    ACT_CONFLICT = 6;
    /// A matrix row address was outside its memory.
    MATRIX_ADDRESS = 7;
    /// A vector memory address was outside it.
    VMEM_ADDRESS = 8;
    /// The host accessed a memory while a token ran, or an unknown space or command.
    HOST_ACCESS = 9;
    /// One queue ended while the other waited for it at a `Sync` or `EndLoop`.
    SYNC_LOST = 10;
    /// A reduction wrote a scalar in the cycle in which a vector operation read it.
    SCALAR_CONFLICT = 11;
}

impl Fault {
    /// Whether any of `other`'s flags is set.
    pub const fn contains(self, other: Fault) -> bool {
        self.0 & other.0 != 0
    }
}
