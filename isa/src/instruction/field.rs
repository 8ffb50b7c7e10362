//! What a bit field is: its place in an instruction, and the values that it holds.

use super::{On, Word};

/// A type that fits a bit field.
pub trait FieldValue: Sized + Copy {
    /// Whether the field is two's complement.
    const SIGNED: bool = false;
    /// The field's bits, without those above `width`; `None` if the value does not fit.
    fn to_bits(self, width: u32) -> Option<u64>;
    /// The value of `width` bits, or `None` if no value has them.
    fn from_bits(bits: u64, width: u32) -> Option<Self>;
}

impl FieldValue for u32 {
    fn to_bits(self, width: u32) -> Option<u64> {
        (u64::from(self) >> width == 0).then_some(u64::from(self))
    }
    fn from_bits(bits: u64, _width: u32) -> Option<Self> {
        u32::try_from(bits).ok()
    }
}

impl FieldValue for i32 {
    const SIGNED: bool = true;
    fn to_bits(self, width: u32) -> Option<u64> {
        let half = 1i64 << (width - 1);
        (-half..half).contains(&i64::from(self)).then_some(self as u64 & ((1 << width) - 1))
    }
    fn from_bits(bits: u64, width: u32) -> Option<Self> {
        Some((((bits << (64 - width)) as i64) >> (64 - width)) as i32)
    }
}

impl FieldValue for bool {
    fn to_bits(self, _width: u32) -> Option<u64> {
        Some(u64::from(self))
    }
    fn from_bits(bits: u64, _width: u32) -> Option<Self> {
        Some(bits != 0)
    }
}

impl FieldValue for u64 {
    fn to_bits(self, width: u32) -> Option<u64> {
        (self >> width == 0).then_some(self)
    }
    fn from_bits(bits: u64, _width: u32) -> Option<Self> {
        Some(bits)
    }
}

/// What a field counts or names. A chip needs no more bits of it than it has of such things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of its own.
    Number,
    /// Rows of a memory.
    Row,
    /// Vector registers.
    Register,
    /// Entries of the activation file.
    Entry,
    /// Lanes of a vector row.
    Lane,
    /// Half rows of the activation file.
    HalfRow,
    /// Scalars of a bank.
    Scalar,
}

/// Where a field lies, for documents, disassembler and hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name in assembly.
    pub name: &'static str,
    /// Part of the instruction.
    pub part: usize,
    /// Lowest bit.
    pub low: u32,
    /// Bits.
    pub width: u32,
    /// Two's complement.
    pub signed: bool,
    /// What it counts.
    pub unit: Unit,
    /// Whether only chips with external memory have it; elsewhere it is zero.
    pub external: bool,
    /// Meaning.
    pub doc: &'static str,
}

impl Field {
    /// The numbers that the field holds, first and last.
    pub const fn range(&self) -> (i64, i64) {
        if self.signed {
            (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1)
        } else {
            (0, (1 << self.width) - 1)
        }
    }
}

/// A row of the instruction table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name in assembly.
    pub name: &'static str,
    /// Opcode, 4 bits.
    pub code: u64,
    /// Queues that have it.
    pub on: On,
    /// Meaning.
    pub doc: &'static str,
    /// Fields beyond [`Control`].
    pub fields: &'static [Field],
}

/// A field as text names it and a number holds it.
pub trait Operation: Default {
    /// The raw bits of all fields in the order of the table.
    fn put(&self, word: &mut Word) -> Result<(), &'static str>;
    /// Reads all fields.
    fn take(word: &Word) -> Option<Self>;
}
