//! The instruction table: every operation of all queues with its fields, written once.
//!
//! An instruction is up to six 64-bit parts. Part 0 is the same for all: opcode and timing ([`Control`]). An operation
//! is issued `count` times, `interval` cycles apart, after a delay; `delay` and `count` may depend on the position through the number of
//! blocks begun. Fields ending in `step` or `advance` say what changes from one issue to the next.
//!
//! # Invariants
//! 1. `decode(encode(x)) == Some(x)` for every `x` whose fields fit; every word decodes to one instruction or to none.
//! 2. Reserved bits are zero; a word with a reserved bit set decodes to none.
//! 3. Nothing but the position, the input token's address and the sampled token varies from token to token: data never
//!    changes time.

mod choices;
mod field;
mod table;

pub use choices::*;
pub use field::{Field, FieldValue, Operation, Row, Unit};
pub use table::*;

use crate::hash::Fnv;
/// Parts of an encoded instruction.
pub const PARTS: usize = 6;
/// Parts that the matrix queue stores.
pub const MATRIX_PARTS: usize = 4;
/// Parts that the transfer queue stores.
pub const TRANSFER_PARTS: usize = 4;
/// An encoded instruction.
pub type Word = [u64; PARTS];

/// The instruction queues. Each executes in order and drives a fixed group of slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Weight and KV memory reads (MEM), matrix unit (MXM).
    Matrix,
    /// Vector memory and registers, vector unit (VXM), distribution and reduction (SXM).
    Vector,
    /// External memory (DRAM), where a chip has one.
    Transfer,
}

impl Queue {
    /// All queues, in the order of their numbers.
    pub const ALL: [Queue; 3] = [Queue::Matrix, Queue::Vector, Queue::Transfer];

    /// Parts of an instruction that the queue stores.
    pub const fn parts(self) -> usize {
        match self {
            Self::Matrix => MATRIX_PARTS,
            Self::Vector => PARTS,
            Self::Transfer => TRANSFER_PARTS,
        }
    }
}

impl core::fmt::Display for Queue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Matrix => "matrix",
            Self::Vector => "vector",
            Self::Transfer => "transfer",
        })
    }
}

/// Which queues have an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// All.
    All,
    /// The matrix queue.
    Matrix,
    /// The vector queue.
    Vector,
    /// The transfer queue.
    Transfer,
}

impl On {
    /// Whether a queue is among them.
    pub const fn includes(self, queue: Queue) -> bool {
        matches!(
            (self, queue),
            (Self::All, _)
                | (Self::Matrix, Queue::Matrix)
                | (Self::Vector, Queue::Vector)
                | (Self::Transfer, Queue::Transfer)
        )
    }
}

/// A number of cycles or issues that may depend on the position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Affine {
    /// Constant part, 16 bits signed.
    pub constant: i32,
    /// Factor of the number of blocks begun, [`crate::Geometry::blocks`].
    pub per_block: i32,
}

impl Affine {
    /// A constant.
    pub const fn fixed(constant: i32) -> Self {
        Self { constant, per_block: 0 }
    }

    /// The value with `blocks` blocks begun, at least zero.
    pub const fn at(self, blocks: usize) -> i64 {
        let value = self.constant as i64 + self.per_block as i64 * blocks as i64;
        if value < 0 { 0 } else { value }
    }
}

/// The timing of an instruction activated in cycle `a`: issue `k` falls in cycle `a + delay + k * interval`; the next instruction is
/// activated in cycle `a + delay + count * interval`. `Nop`, `Loop` and the others that issue nothing count as `count = 0`
/// here (a `Loop`'s count is its trips). Activations of a queue are at least [`crate::timing::MIN_PERIOD_CYCLES`] apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Control {
    /// Cycles before the first issue. 16 bits signed + 12 bits signed per block; below zero counts as zero.
    pub delay: Affine,
    /// Issues, or trips of a `Loop`. 16 bits signed + 8 bits signed per block. At least 1 at every position.
    pub count: Affine,
    /// Cycles between issues, 8 bits, at least 1.
    pub interval: u32,
}

impl Control {
    /// The constant part of the delay, its part per block, and the constant part of the count, as they are encoded.
    pub const DELAY: Field = CONTROL_FIELDS[0];
    pub const DELAY_PER_BLOCK: Field = CONTROL_FIELDS[1];
    pub const COUNT: Field = CONTROL_FIELDS[2];
    pub const INTERVAL: Field = CONTROL_FIELDS[4];

    /// One issue after `delay` cycles.
    pub const fn after(delay: i32) -> Self {
        Self { delay: Affine::fixed(delay), count: Affine::fixed(1), interval: 1 }
    }
}

/// An instruction: operation and timing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Delay, count, interval.
    pub control: Control,
    /// Operation.
    pub op: Op,
}

/// Bit fields of part 0 above the opcode: name, lowest bit, width, signed.
pub const CONTROL_FIELDS: [Field; 5] = [
    control_field("delay", 4, 16, true, "Constant part of the delay in cycles."),
    control_field("delay_per_block", 20, 12, true, "Delay in cycles per block begun."),
    control_field("count", 32, 16, true, "Constant part of the count."),
    control_field("count_per_block", 48, 8, true, "Count per block begun."),
    control_field("interval", 56, 8, false, "Cycles from issue to issue."),
];

const fn control_field(name: &'static str, low: u32, width: u32, signed: bool, doc: &'static str) -> Field {
    Field { name, part: 0, low, width, signed, unit: Unit::Number, external: false, doc }
}

impl Instruction {
    /// The encoding, or the name of the field that does not fit.
    pub fn encode(&self) -> Result<Word, &'static str> {
        let Control { delay, count, interval } = self.control;
        let values = [delay.constant, delay.per_block, count.constant, count.per_block];
        let mut word = [0; PARTS];
        for (field, value) in CONTROL_FIELDS.iter().zip(values) {
            word[0] |= value.to_bits(field.width).ok_or(field.name)? << field.low;
        }
        word[0] |= interval.to_bits(8).ok_or("interval")? << 56;
        self.op.put(&mut word)?;
        Ok(word)
    }

    /// The instruction that a word encodes, or none.
    pub fn decode(word: &Word) -> Option<Self> {
        let control = |index: usize| {
            let Field { low, width, .. } = CONTROL_FIELDS[index];
            i32::from_bits(word[0] >> low & ((1 << width) - 1), width)
        };
        let instruction = Self {
            control: Control {
                delay: Affine { constant: control(0)?, per_block: control(1)? },
                count: Affine { constant: control(2)?, per_block: control(3)? },
                interval: (word[0] >> 56) as u32,
            },
            op: Op::take(word)?,
        };
        (instruction.encode().as_ref() == Ok(word)).then_some(instruction)
    }
}

const fn text(hash: Fnv, text: &str) -> Fnv {
    hash.bytes(text.as_bytes()).u64(text.len() as u64)
}

const fn table_hash(external: bool) -> u64 {
    let mut hash = Fnv::new();
    let mut index = 0;
    while index < TABLE.len() {
        let row = &TABLE[index];
        index += 1;
        if matches!(row.on, On::Transfer) && !external {
            continue;
        }
        hash = text(hash, row.name).u64(row.code).u64(row.on as u64);
        let mut field = 0;
        while field < row.fields.len() {
            let Field { name, part, low, width, signed, external: only, .. } = row.fields[field];
            if external || !only {
                hash = text(hash, name).u64(part as u64).u64(low as u64).u64(width as u64).u64(signed as u64);
            }
            field += 1;
        }
    }
    let mut number = 0;
    while number < crate::timing::FIXED.len() {
        hash = hash.u64(crate::timing::FIXED[number] as u64);
        number += 1;
    }
    let chip = &crate::Geometry::ULX3S_85F;
    hash = hash.u64(crate::timing::dot_store_port(chip) as u64);
    hash = hash.u64(crate::timing::maximum_effect(chip) as u64);
    hash = hash.u64(crate::timing::reduction_effect(chip) as u64);
    hash = hash.u64(crate::timing::argmax_effect(chip) as u64);
    let mut number = 0;
    while external && number < crate::timing::EXTERNAL.len() {
        hash = hash.u64(crate::timing::EXTERNAL[number] as u64);
        number += 1;
    }
    hash.finish()
}

/// Names the instruction set of chips without external memory: encodings and latencies.
pub const ISA_HASH: u64 = table_hash(false);
/// Names the instruction set of chips with external memory.
pub const EXTERNAL_ISA_HASH: u64 = table_hash(true);

/// Names the instruction set of a chip. A chip that reads differently is refused.
pub const fn isa_hash(geometry: &crate::Geometry) -> u64 {
    if geometry.has_external_memory() { EXTERNAL_ISA_HASH } else { ISA_HASH }
}
