//! The instruction table itself: every operation, its opcode, its queue and its fields.

use super::{
    B, C, Clear, Destination, Emit, Format, Function, Index, Reduce, Scaling, StepBy, VmemIndex, Way, X,
};
use super::{Field, FieldValue, Memory, On, Operation, Row, Unit, Word};

/// The unit of a field: a plain number unless the table says otherwise.
macro_rules! unit {
    () => {
        Unit::Number
    };
    ($unit:ident) => {
        Unit::$unit
    };
}

/// Whether a field is for chips with external memory alone.
macro_rules! external {
    () => {
        false
    };
    (external) => {
        true
    };
}

/// Declares the operations: a struct each, the enumeration of all, encoder, decoder and table.
macro_rules! instructions {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal on $on:ident {
        $($(#[doc = $fdoc:literal])+ $field:ident: $type:ty = $part:literal[$low:literal, $width:literal] $(of $unit:ident)? $(if $external:ident)?;)*
    })+) => {
        $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[doc = $fdoc])+ pub $field: $type,)*
        }

        /// The operation's row, and its fields under their own names.
        #[allow(non_upper_case_globals, reason = "the name of a field is written once")]
        impl $name {
            /// Opcode.
            pub const CODE: u64 = $code;
            $($(#[doc = $fdoc])+ pub const $field: Field = Field {
                name: stringify!($field),
                part: $part,
                low: $low,
                width: $width,
                signed: <$type as FieldValue>::SIGNED,
                unit: unit!($($unit)?),
                external: external!($($external)?),
                doc: concat!($($fdoc),+),
            };)*
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

            pub(super) fn put(&self, word: &mut Word) -> Result<(), &'static str> {
                match self {
                    $(Op::$name(fields) => { word[0] |= $code; fields.put(word) })+
                }
            }

            pub(super) fn take(word: &Word) -> Option<Self> {
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
                fields: &[$($name::$field,)*],
            },)+
        ];
    };
}

instructions! {
    /// Waits for `delay` cycles.
    Nop = 1 on All {}
    /// Begins a loop of `count` trips; loops do not nest. The next instruction is activated after `delay` cycles.
    Loop = 2 on All {}
    /// Ends a loop's body. Meets the other queues' `EndLoop` as `Sync` does; all loops make the same trips. Before each further trip the
    /// address offsets grow by the steps; after the last they are zero.
    EndLoop = 3 on All {
        /// Added to the offset of weight rows (matrix queue), of vector memory rows (vector queue) or of granules (transfer queue).
        first_step: i32 = 1[0, 24];
        /// Added to the offset of KV rows (matrix and vector queue have their own) or of the rows that transfers write (transfer queue).
        second_step: i32 = 1[24, 24];
    }
    /// Waits until all queues have activated their `Sync`; each goes on `SYNC_CYCLES` after the latest.
    Sync = 4 on All {}
    /// Ends the queue's program for this token.
    End = 5 on All {}
    /// Beats of the matrix unit. A beat multiplies a matrix row by an activation entry, lane by lane, and sums each `2^tap` neighbouring
    /// lanes; the results, `mxm_lanes / 2^tap` of them, go to the lanes from `lane` upward of a row of sums. When the row is emitted it is
    /// shifted, rounded, saturated to words and stored in vector memory.
    Dot = 8 on Matrix {
        /// Memory of the matrix.
        memory: Memory = 1[0, 1];
        /// Add this memory's loop offset to the row.
        offset: bool = 1[1, 1];
        /// Matrix row of the first beat.
        row: u32 = 1[8, 24] of Row;
        /// Added to the row from beat to beat.
        row_step: i32 = 1[32, 16];
        /// Activation entry of the first beat.
        entry: u32 = 2[0, 6] of Entry;
        /// Take the entry after the last one used by a beat instead of `entry` (modulo their number).
        entry_continue: bool = 2[6, 1];
        /// Go to the next entry (modulo their number) from beat to beat.
        entry_advance: bool = 2[7, 1];
        /// Base-2 logarithm of the lanes that one result sums, from `log2(groups)` to `log2(mxm_lanes)`.
        tap: u32 = 2[8, 4];
        /// Lane of the row of sums that the first result goes to, a multiple of the number of results.
        lane: u32 = 2[12, 8] of Lane;
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
        store: u32 = 3[0, 24] of Row;
        /// Beats of each result; 0 counts as 1. Beat `k` then is piece `k mod pieces` of result `k div pieces`: the entry goes back to the
        /// first with each result, the lane advances by results, `First` clears with every first piece, `Wrap` emits with last pieces.
        pieces: u32 = 3[24, 8] if external;
    }
    /// Reads lanes of weight memory as vector rows: chunk `k` of `vxm_lanes` weights goes to vector memory row `store + k`. The first chunk is
    /// chunk `index * 2^chunks` counted from the first lane of row `row`. Chunks of one instruction are `GATHER_INTERVAL` cycles
    /// apart or more.
    Gather = 9 on Matrix {
        /// The number that selects.
        index: Index = 1[0, 1];
        /// Row of item 0.
        row: u32 = 1[8, 24] of Row;
        /// Base-2 logarithm of the chunks of one item.
        chunks: u32 = 2[0, 4];
        /// Vector memory row of the first chunk.
        store: u32 = 3[0, 24] of Row;
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
        vmem: u32 = 1[35, 24] of Row;
        /// First vector register.
        a: u32 = 2[0, 14] of Register;
        /// It advances from issue to issue.
        a_advance: bool = 2[14, 1];
        /// Second vector register.
        bc: u32 = 2[15, 14] of Register;
        /// It advances from issue to issue.
        bc_advance: bool = 2[29, 1];
        /// Write the result to a vector register.
        write: bool = 2[30, 1];
        /// Vector register written.
        target: u32 = 2[31, 14] of Register;
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
        entry: u32 = 3[9, 6] of Entry;
        /// Take the entry after the last one written instead of `entry` (modulo their number).
        entry_continue: bool = 3[15, 1];
        /// Go to the next entry (modulo their number) from issue to issue.
        entry_advance: bool = 3[16, 1];
        /// First half row of lanes that `Act` or `Key` writes.
        start: u32 = 3[17, 10] of HalfRow;
        /// Base-2 logarithm of the half rows written from there: 0 or 1.
        length: u32 = 3[27, 1];
        /// Base-2 logarithm of the half rows after which the pattern repeats.
        period: u32 = 3[28, 4];
        /// Added to `start` from issue to issue.
        start_step: u32 = 3[32, 10] of HalfRow;
        /// Row of `Vmem` (vector memory), `Key`, `Value` (KV memory), or number of the first row compared (`Argmax`).
        row: u32 = 4[0, 24] of Row;
        /// Added to the row from issue to issue.
        row_step: i32 = 4[24, 24];
        /// Add the loop offset of KV rows to the row (`Key`, `Value`; on chips with external memory also `Vmem`, `Argmax`).
        row_offset: bool = 4[48, 1];
        /// Base-2 logarithm of the positions that share a KV row: position / 2^positions is added to the row, and for `Key` the position
        /// within the row chooses the half rows.
        positions: u32 = 4[49, 4];
        /// `Argmax` begins anew.
        restart: bool = 4[53, 1];
        /// `Argmax`: lanes that count in the instruction's last row; 0 for all.
        tail: u32 = 4[54, 8] of Lane;
        /// Reduction over the rows of this instruction.
        reduce: Reduce = 5[0, 2];
        /// What becomes of the sum.
        scaling: Scaling = 5[2, 2];
        /// Scalar that receives it, counted from the first reduction scalar.
        reduction: u32 = 5[4, 6] of Scalar;
        /// Right shift of a plain sum.
        sum_shift: u32 = 5[10, 5];
        /// Added to the sum before its scaling.
        bias: u32 = 5[16, 24];
    }
    /// Moves rows between external memory and a memory of the chip, run by run. A run is `run` rows; it begins with a granule and takes as
    /// many as its bits fill. `count` granules, a multiple of that; `interval` is 1. The first one takes the first slot that begins
    /// `TRANSFER_LEAD` cycles after the activation and the delay, or later; each further one the next slot.
    Transfer = 13 on Transfer {
        /// Which memory, and which way.
        way: Way = 1[0, 3];
        /// Format of the rows in external memory.
        format: Format = 1[3, 3];
        /// Blocks have an offset.
        offset_codes: bool = 1[6, 1];
        /// The number that multiplies `address_step` and `row_number_step`.
        step_by: StepBy = 1[7, 2];
        /// Add the first loop offset to the address.
        address_offset: bool = 1[9, 1];
        /// Add the second loop offset to the row.
        row_offset: bool = 1[10, 1];
        /// Right shift of decoded codes, rounded.
        shift: u32 = 1[11, 5];
        /// Rows of a run, at least 1.
        run: u32 = 1[16, 16];
        /// Blocks of one result; its last row is filled up with zeros.
        blocks: u32 = 1[32, 10];
        /// Address of the first granule.
        address: u32 = 2[0, 28];
        /// Granules added for each unit of that number.
        address_step: u32 = 2[28, 16];
        /// First row. Rows of weight memory go on at its start after its end.
        row: u32 = 3[0, 24] of Row;
        /// Added to the row from row to row of a run.
        row_step: i32 = 3[24, 12];
        /// Added to the first row from run to run.
        run_step: i32 = 3[36, 12];
        /// Rows added for each unit of that number.
        row_number_step: u32 = 3[48, 12];
    }
}
