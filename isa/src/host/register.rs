//! The registers behind [`Space::Registers`](super::Space::Registers): numbers, access, widths and bits, written once.

/// What [`Register::Identity`] holds: `LPU1`, first letter in the low byte.
pub const IDENTITY: u64 = u32::from_le_bytes(*b"LPU1") as u64;

/// What the host may do with a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read; a write changes nothing.
    Read,
    /// Written; it reads as zero.
    Write,
    /// Read; writing a one clears that bit.
    Clear,
}

impl Access {
    /// The word that ISA.md uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Clear => "clear",
        }
    }
}

/// Some bits of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitField {
    pub name: &'static str,
    /// Lowest bit.
    pub low: u32,
    /// Bits.
    pub width: u32,
    pub doc: &'static str,
}

impl BitField {
    /// The field with all its bits set, the others clear.
    pub const fn mask(self) -> u64 {
        (u64::MAX >> (64 - self.width)) << self.low
    }

    /// The field's number in a register's value.
    pub const fn get(self, value: u64) -> u64 {
        (value & self.mask()) >> self.low
    }

    /// Whether any bit of the field is set in a register's value.
    pub const fn is_set(self, value: u64) -> bool {
        value & self.mask() != 0
    }

    /// A register's value with this number in the field, which loses the bits that do not fit, and zero elsewhere.
    pub const fn put(self, number: u64) -> u64 {
        (number << self.low) & self.mask()
    }
}

/// A register of the table.
#[derive(Clone, Copy, Debug)]
pub struct RegisterRow {
    pub register: Register,
    pub name: &'static str,
    pub access: Access,
    /// Bits that the chip keeps; those above read as zero and are lost when written.
    pub width: u32,
    pub doc: &'static str,
    /// Its parts, or none when it is one number.
    pub fields: &'static [BitField],
}

/// Lists registers: doc, name, number, access, width, and the parts of those that have any, in a module of their own.
macro_rules! registers {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal $access:ident $width:literal
        $(, $module:ident { $($(#[doc = $fdoc:literal])+ $field:ident = [$low:literal, $bits:literal];)+ })?;)+) => {
        /// The registers behind [`Space::Registers`](super::Space::Registers).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Register {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Register {
            /// Every register, in the order of their numbers.
            pub const TABLE: &'static [RegisterRow] = &[$(RegisterRow {
                register: Register::$name,
                name: stringify!($name),
                access: Access::$access,
                width: $width,
                doc: concat!($($doc),+),
                fields: registers!(@fields $($module)?),
            },)+];
        }

        $($(
        #[doc = concat!("Parts of [`Register::", stringify!($name), "`].")]
        pub mod $module {
            use super::BitField;
            $($(#[doc = $fdoc])+ pub const $field: BitField =
                BitField { name: stringify!($field), low: $low, width: $bits, doc: concat!($($fdoc),+) };)+
            /// All of them.
            pub const FIELDS: &[BitField] = &[$($field,)+];
        }
        )?)+
    };
    (@fields) => { &[] };
    (@fields $module:ident) => { $module::FIELDS };
}

registers! {
    /// `LPU1` in ASCII, first letter in the low byte.
    Identity = 0 Read 32;
    /// [`crate::instruction::ISA_HASH`].
    IsaHash = 1 Read 64;
    /// [`crate::Geometry::hash`].
    GeometryHash = 2 Read 64;
    /// What the chip is doing.
    Status = 3 Read 32, status {
        /// A token is running.
        RUNNING = [0, 1];
        /// A run is active.
        ACTIVE = [1, 1];
        /// The run waits for a prompt token.
        NEEDS_PROMPT = [2, 1];
        /// The run waits for room in the queue of records.
        NEEDS_ROOM = [3, 1];
        /// The run is paused.
        PAUSED = [4, 1];
        /// The position.
        POSITION = [16, 16];
    };
    /// Commands to the sequencer; several bits may be written at once.
    Control = 4 Write 4, control {
        /// Starts a run.
        START = [0, 1];
        /// Ends the run after the current token.
        STOP = [1, 1];
        /// Continues a paused run.
        CONTINUE = [2, 1];
        /// Discards prompt tokens and records.
        DISCARD = [3, 1];
    };
    /// Sticky fault flags ([`crate::host::Fault`]).
    Faults = 5 Clear 32;
    /// Position of the first token of the next run.
    StartPosition = 6 Write 16;
    /// Positions that the next run executes at most.
    Limit = 7 Write 32;
    /// Tokens of the next run that come from [`crate::host::Space::TokensIn`]; afterwards each position's input is the token chosen before.
    PromptLength = 8 Write 32;
    /// A run ends when a token chosen at or after the last prompt position is this one. 0xffff: never.
    StopToken = 9 Write 16;
    /// As [`Register::StopToken`].
    StopTokenToo = 10 Write 16;
    /// Seed of the random generator, taken at the start of a run.
    Seed = 11 Write 32;
    /// How a run chooses tokens and goes on.
    Mode = 12 Write 2, mode {
        /// Add random numbers to the scaled logits (sampling).
        SAMPLE = [0, 1];
        /// Pause after every token.
        PAUSE = [1, 1];
    };
    /// The scalar that scales logits before the choice.
    InverseTemperature = 13 Write 24, scale {
        /// Mantissa, signed.
        MANTISSA = [0, 18];
        /// Exponent.
        EXPONENT = [18, 6];
    };
    /// Cycles since reset.
    Cycles = 14 Read 64;
    /// Rows in which a lane saturated, since the start of the run: results to vector registers, activations, KV codes, sums.
    Saturations = 15 Read 40;
    /// The bitstream's own number, set by the board.
    Bitstream = 16 Read 64;
}

impl Register {
    /// The register's row of the table.
    pub const fn row(self) -> &'static RegisterRow {
        &Self::TABLE[self as usize]
    }

    /// Bits that the chip keeps.
    pub const fn width(self) -> usize {
        self.row().width as usize
    }

    /// The register of a number, or none.
    pub const fn of(number: u32) -> Option<Register> {
        if (number as usize) < Self::TABLE.len() { Some(Self::TABLE[number as usize].register) } else { None }
    }
}

/// Rows stand at their register's number, and parts lie in their register, in order and apart.
const _: () = {
    let mut at = 0;
    while at < Register::TABLE.len() {
        let row = &Register::TABLE[at];
        assert!(row.register as usize == at, "registers are numbered from 0, one after another");
        let (mut field, mut end) = (0, 0);
        while field < row.fields.len() {
            assert!(row.fields[field].low >= end, "parts of a register overlap");
            end = row.fields[field].low + row.fields[field].width;
            field += 1;
        }
        assert!(end <= row.width, "a part lies outside its register");
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_leave_the_others_alone() {
        let value = scale::EXPONENT.put(0x3f) | scale::MANTISSA.put(0x2_0001);
        assert_eq!((scale::EXPONENT.get(value), scale::MANTISSA.get(value)), (0x3f, 0x2_0001));
        assert_eq!(scale::EXPONENT.put(0x40), 0, "bits that do not fit are lost");
        assert!(status::PAUSED.is_set(0x1f) && !status::PAUSED.is_set(0xffff_000f));
        assert_eq!(Register::of(Register::Bitstream as u32), Some(Register::Bitstream));
        assert_eq!(Register::of(Register::TABLE.len() as u32), None);
    }
}
