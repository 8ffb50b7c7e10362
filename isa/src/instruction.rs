//! The instruction table: every operation of both queues with its fields, written once.
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

use crate::hash::Fnv;

/// Parts of an encoded instruction.
pub const PARTS: usize = 6;
/// Parts that the matrix queue stores.
pub const MATRIX_PARTS: usize = 4;
/// An encoded instruction.
pub type Word = [u64; PARTS];

/// The instruction queues. Each executes in order and drives a fixed group of slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Weight and KV memory reads (MEM), matrix unit (MXM).
    Matrix,
    /// Vector memory and registers, vector unit (VXM), distribution and reduction (SXM).
    Vector,
}

/// Which queues have an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Both.
    Both,
    /// The matrix queue.
    Matrix,
    /// The vector queue.
    Vector,
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
    /// One issue after `delay` cycles.
    pub const fn after(delay: i32) -> Self {
        Self { delay: Affine::fixed(delay), count: Affine::fixed(1), interval: 1 }
    }
}

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

/// Declares enumerations that are bit fields; the first choice is the default.
macro_rules! choice_types {
    ($($(#[doc = $doc:literal])+ $name:ident { $(#[doc = $fdoc:literal])+ $first:ident, $($(#[doc = $vdoc:literal])+ $variant:ident,)* })+) => {
        $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $fdoc])+
            #[default]
            $first,
            $($(#[doc = $vdoc])+ $variant,)*
        }

        impl $name {
            /// Every choice in the order of its code, with name and documentation.
            pub const TABLE: &'static [($name, &'static str, &'static str)] = &[
                ($name::$first, stringify!($first), concat!($($fdoc),+)),
                $(($name::$variant, stringify!($variant), concat!($($vdoc),+)),)*
            ];
        }

        impl FieldValue for $name {
            fn to_bits(self, width: u32) -> Option<u64> {
                (self as u64).to_bits(width)
            }
            fn from_bits(bits: u64, _width: u32) -> Option<Self> {
                Self::TABLE.get(bits as usize).map(|row| row.0)
            }
        }
        )+
    };
}

choice_types! {
    /// The memory that feeds the matrix unit.
    Memory {
        /// Weight memory: nine-bit integers.
        Weights,
        /// KV memory: nine-bit codes, decoded by [`crate::arith::kv_decode`].
        Kv,
    }
    /// When a beat replaces the sums of its lanes instead of adding to them.
    Clear {
        /// Never: all beats accumulate.
        Never,
        /// Every beat.
        Always,
        /// The first beat of the instruction.
        First,
    }
    /// When the row of sums leaves the matrix unit.
    Emit {
        /// Never.
        Never,
        /// When a beat fills the last lane.
        Wrap,
        /// At the last beat.
        Last,
        /// When a beat fills the last lane, and at the last beat.
        WrapOrLast,
    }
    /// The number that addresses an indexed access.
    Index {
        /// The input token.
        Token,
        /// The position.
        Position,
    }
    /// First operand of the vector unit.
    X {
        /// The row of vector memory.
        Vmem,
        /// The first vector register, shifted right by `x_shift`, rounded and saturated to a word.
        VregA,
    }
    /// What is added to a vector memory row address.
    VmemIndex {
        /// Nothing.
        None,
        /// Input token / lanes.
        TokenRow,
        /// Position / lanes.
        PositionRow,
        /// Position mod lanes.
        PositionLane,
    }
    /// What the vector unit computes of its operands.
    Function {
        /// `x * b`.
        Multiply,
        /// `2^x` of a score that is not positive ([`crate::arith::exp2_factors`]); `b` is not used.
        Exp2,
        /// The sigmoid ([`crate::arith::sigmoid`]); `b`, `c` and `shift` are not used.
        Sigmoid,
    }
    /// Second operand of the vector unit.
    B {
        /// The row of vector memory.
        Vmem,
        /// The first vector register, saturated to a word.
        VregA,
        /// The second vector register, saturated to a word.
        VregB,
        /// The scalar in all lanes.
        Scalar,
        /// The scalar in the lower half of the lanes, the next scalar in the upper half.
        ScalarPair,
        /// The first operand itself: its square.
        X,
    }
    /// What the vector unit adds to the shifted product.
    C {
        /// Nothing.
        Zero,
        /// The second vector register.
        VregB,
        /// The row of vector memory.
        Vmem,
        /// The next row of random numbers, which is thereby taken.
        Noise,
    }
    /// Where the result stream goes besides the vector registers.
    Destination {
        /// Nowhere.
        None,
        /// The activation file, saturated to 16 bits.
        Act,
        /// A key into KV memory, [`crate::arith::kv_encode`]d: lane `l` of each half written gets lane `l` of the result's.
        Key,
        /// A value into KV memory, transposed: group `j` of lanes gets element `sub * groups + j` of the result, in the lane that
        /// is the position modulo the lanes of the vector unit; other lanes keep what they hold.
        Value,
        /// Vector memory, saturated to a word.
        Vmem,
        /// The comparison for the next token.
        Argmax,
    }
    /// Which lanes a reduction sums.
    Reduce {
        /// No reduction.
        None,
        /// All lanes.
        All,
        /// The lane that is the input token modulo the lanes.
        TokenLane,
        /// The lane that is the position modulo the lanes.
        PositionLane,
    }
    /// What becomes of a reduction's sum.
    Scaling {
        /// Shifted right by `sum_shift`, rounded, saturated to a word; exponent zero.
        Plain,
        /// [`crate::arith::reciprocal`].
        Reciprocal,
        /// [`crate::arith::reciprocal_sqrt`].
        ReciprocalSqrt,
    }
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
    /// Meaning.
    pub doc: &'static str,
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

macro_rules! instructions {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal on $on:ident {
        $($(#[doc = $fdoc:literal])+ $field:ident: $type:ty = $part:literal[$low:literal, $width:literal];)*
    })+) => {
        $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[doc = $fdoc])+ pub $field: $type,)*
        }

        impl From<$name> for Op {
            fn from(fields: $name) -> Op {
                Op::$name(fields)
            }
        }

        impl Operation for $name {
            #[allow(unused_variables)]
            fn put(&self, word: &mut Word) -> Result<(), &'static str> {
                $(word[$part] |= self.$field.to_bits($width).ok_or(stringify!($field))? << $low;)*
                Ok(())
            }
            #[allow(unused_variables)]
            fn take(word: &Word) -> Option<Self> {
                Some(Self {
                    $($field: <$type>::from_bits((word[$part] >> $low) & ((1 << $width) - 1), $width)?,)*
                })
            }
        }
        )+

        /// An operation with its fields.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            $($(#[doc = $doc])+ $name($name),)+
        }

        impl Op {
            /// The table row of this operation.
            pub fn row(&self) -> &'static Row {
                match self {
                    $(Op::$name(_) => TABLE.iter().find(|row| row.code == $code).expect("a row for each operation"),)+
                }
            }

            fn put(&self, word: &mut Word) -> Result<(), &'static str> {
                match self {
                    $(Op::$name(fields) => { word[0] |= $code; fields.put(word) })+
                }
            }

            fn take(word: &Word) -> Option<Self> {
                match word[0] & 0xf {
                    $($code => $name::take(word).map(Op::$name),)+
                    _ => None,
                }
            }
        }

        /// The instruction table. Opcode 0 is illegal, so that empty queue memory is.
        pub const TABLE: &[Row] = &[
            $(Row {
                name: stringify!($name),
                code: $code,
                on: On::$on,
                doc: concat!($($doc),+),
                fields: &[
                    $(Field {
                        name: stringify!($field),
                        part: $part,
                        low: $low,
                        width: $width,
                        signed: <$type as FieldValue>::SIGNED,
                        doc: concat!($($fdoc),+),
                    },)*
                ],
            },)+
        ];
    };
}

instructions! {
    /// Waits for `delay` cycles.
    Nop = 1 on Both {}
    /// Begins a loop of `count` trips; loops do not nest. The next instruction is activated after `delay` cycles.
    Loop = 2 on Both {}
    /// Ends a loop's body. Meets the other queue's `EndLoop` as `Sync` does; both loops make the same trips. Before each further trip the
    /// address offsets grow by the steps; after the last they are zero.
    EndLoop = 3 on Both {
        /// Added to the offset of weight rows (matrix queue) or vector memory rows (vector queue).
        first_step: i32 = 1[0, 24];
        /// Added to the offset of KV rows (both queues have their own).
        second_step: i32 = 1[24, 24];
    }
    /// Waits until both queues have activated their `Sync`; each goes on `SYNC_CYCLES` after the later of the two.
    Sync = 4 on Both {}
    /// Ends the queue's program for this token.
    End = 5 on Both {}
    /// Beats of the matrix unit. A beat multiplies a matrix row by an activation entry, lane by lane, and sums each `2^tap` neighbouring
    /// lanes; the results, `mxm_lanes / 2^tap` of them, go to the lanes from `lane` upward of a row of sums. When the row is emitted it is
    /// shifted, rounded, saturated to words and stored in vector memory.
    Dot = 8 on Matrix {
        /// Memory of the matrix.
        memory: Memory = 1[0, 1];
        /// Add this memory's loop offset to the row.
        offset: bool = 1[1, 1];
        /// Matrix row of the first beat.
        row: u32 = 1[8, 24];
        /// Added to the row from beat to beat.
        row_step: i32 = 1[32, 16];
        /// Activation entry of the first beat.
        entry: u32 = 2[0, 6];
        /// Take the entry after the last one used by a beat instead of `entry` (modulo their number).
        entry_continue: bool = 2[6, 1];
        /// Go to the next entry (modulo their number) from beat to beat.
        entry_advance: bool = 2[7, 1];
        /// Base-2 logarithm of the lanes that one result sums, from `log2(groups)` to `log2(mxm_lanes)`.
        tap: u32 = 2[8, 4];
        /// Lane of the row of sums that the first result goes to, a multiple of the number of results.
        lane: u32 = 2[12, 8];
        /// The lane advances by the number of results from beat to beat (modulo the lanes of a vector row).
        lane_advance: bool = 2[20, 1];
        /// When sums are replaced.
        clear: Clear = 2[21, 2];
        /// When the row is emitted.
        emit: Emit = 2[23, 2];
        /// Right shift of the sums, rounded.
        shift: u32 = 2[25, 5];
        /// In a row emitted at the last beat, lanes above the position modulo the lanes become [`crate::arith::WORD_MIN`].
        mask: bool = 2[30, 1];
        /// Store the maximum over all lanes of all rows that this instruction emits as scalar `scalar`; the last beat must emit.
        maximum: bool = 2[31, 1];
        /// Scalar, from 0.
        scalar: u32 = 2[32, 6];
        /// Vector memory row of the first emitted row; each further one goes to the next row.
        store: u32 = 3[0, 24];
    }
    /// Reads lanes of weight memory as vector rows: chunk `k` of `vxm_lanes` weights goes to vector memory row `store + k`. The first chunk is
    /// chunk `index * 2^chunks` counted from the first lane of row `row`.
    Gather = 9 on Matrix {
        /// The number that selects.
        index: Index = 1[0, 1];
        /// Row of item 0.
        row: u32 = 1[8, 24];
        /// Base-2 logarithm of the chunks of one item.
        chunks: u32 = 2[0, 4];
        /// Vector memory row of the first chunk.
        store: u32 = 3[0, 24];
    }
    /// Rows of the vector unit: `result = saturate(shift(function(x - s, b)) + c)`, and where the result goes.
    Vector = 12 on Vector {
        /// First operand.
        x: X = 1[0, 1];
        /// Right shift of a vector register as first operand.
        x_shift: u32 = 1[1, 3];
        /// Exchange neighbouring lanes of the first operand (2i and 2i + 1).
        swap: bool = 1[4, 1];
        /// Subtract the scalar's mantissa from the first operand, saturating.
        subtract: bool = 1[5, 1];
        /// Function.
        function: Function = 1[6, 2];
        /// Second operand.
        b: B = 1[8, 3];
        /// Addend.
        c: C = 1[11, 2];
        /// Right shift of the product; scalar exponent and exponential's shift are added, the sum is held in 0..=47.
        shift: i32 = 1[13, 8];
        /// Negative results become zero, after the addition.
        relu: bool = 1[21, 1];
        /// Scalar: 0.. maxima, `scalars`.. reductions, 2 * `scalars` one, 2 * `scalars` + 1 inverse temperature.
        scalar: u32 = 1[22, 7];
        /// From issue to issue the scalar advances by this.
        scalar_step: u32 = 1[29, 2];
        /// Vector memory address: what is added to it.
        vmem_index: VmemIndex = 1[31, 2];
        /// Vector memory address: add the loop offset.
        vmem_offset: bool = 1[33, 1];
        /// Vector memory row advances from issue to issue.
        vmem_advance: bool = 1[34, 1];
        /// Vector memory row.
        vmem: u32 = 1[35, 24];
        /// First vector register.
        a: u32 = 2[0, 14];
        /// It advances from issue to issue.
        a_advance: bool = 2[14, 1];
        /// Second vector register.
        bc: u32 = 2[15, 14];
        /// It advances from issue to issue.
        bc_advance: bool = 2[29, 1];
        /// Write the result to a vector register.
        write: bool = 2[30, 1];
        /// Vector register written.
        target: u32 = 2[31, 14];
        /// It advances from issue to issue.
        target_advance: bool = 2[45, 1];
        /// Where else the result goes.
        destination: Destination = 3[0, 3];
        /// Take half `sub` of the result in both halves of the row (`Act` and `Key`).
        half: bool = 3[3, 1];
        /// Half of the result, or part of it that `Value` takes.
        sub: u32 = 3[4, 4];
        /// It advances from issue to issue.
        sub_advance: bool = 3[8, 1];
        /// Activation entry.
        entry: u32 = 3[9, 6];
        /// Take the entry after the last one written instead of `entry` (modulo their number).
        entry_continue: bool = 3[15, 1];
        /// Go to the next entry (modulo their number) from issue to issue.
        entry_advance: bool = 3[16, 1];
        /// First half row of lanes that `Act` or `Key` writes.
        start: u32 = 3[17, 10];
        /// Base-2 logarithm of the half rows written from there: 0 or 1.
        length: u32 = 3[27, 1];
        /// Base-2 logarithm of the half rows after which the pattern repeats.
        period: u32 = 3[28, 4];
        /// Added to `start` from issue to issue.
        start_step: u32 = 3[32, 10];
        /// Row of `Vmem` (vector memory), `Key`, `Value` (KV memory), or number of the first row compared (`Argmax`).
        row: u32 = 4[0, 24];
        /// Added to the row from issue to issue.
        row_step: i32 = 4[24, 24];
        /// Add the loop offset of KV rows to the row (`Key`, `Value`).
        row_offset: bool = 4[48, 1];
        /// Base-2 logarithm of the positions that share a KV row: position / 2^positions is added to the row, and for `Key` the position
        /// within the row chooses the half rows.
        positions: u32 = 4[49, 4];
        /// `Argmax` begins anew.
        restart: bool = 4[53, 1];
        /// `Argmax`: lanes that count in the instruction's last row; 0 for all.
        tail: u32 = 4[54, 8];
        /// Reduction over the rows of this instruction.
        reduce: Reduce = 5[0, 2];
        /// What becomes of the sum.
        scaling: Scaling = 5[2, 2];
        /// Scalar that receives it, counted from the first reduction scalar.
        reduction: u32 = 5[4, 6];
        /// Right shift of a plain sum.
        sum_shift: u32 = 5[10, 5];
        /// Added to the sum before its scaling.
        bias: u32 = 5[16, 24];
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
    Field { name, part: 0, low, width, signed, doc }
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

const fn table_hash() -> u64 {
    let mut hash = Fnv::new();
    let mut index = 0;
    while index < TABLE.len() {
        let row = &TABLE[index];
        hash = text(hash, row.name).u64(row.code).u64(row.on as u64);
        let mut field = 0;
        while field < row.fields.len() {
            let Field { name, part, low, width, signed, .. } = row.fields[field];
            hash = text(hash, name).u64(part as u64).u64(low as u64).u64(width as u64).u64(signed as u64);
            field += 1;
        }
        index += 1;
    }
    hash = hash.u64(crate::timing::RESULT as u64).u64(crate::timing::MIN_PERIOD_CYCLES as u64);
    hash = hash.u64(crate::timing::SYNC_CYCLES as u64).u64(crate::timing::TURNAROUND_CYCLES as u64);
    hash.u64(crate::timing::dot_store_port(&crate::Geometry::ULX3S_85F) as u64).finish()
}

/// Names this instruction set: encodings and latencies. A chip that reads differently is refused.
pub const ISA_HASH: u64 = table_hash();
