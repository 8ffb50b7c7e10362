//! Fields that choose among named alternatives.

use super::FieldValue;

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
    /// The memory at the chip's end of a transfer, and the direction.
    Way {
        /// From external memory to weight memory.
        Weights,
        /// From external memory to KV memory.
        Kv,
        /// From external memory to vector memory.
        Vmem,
        /// From KV memory to external memory.
        FromKv,
        /// From vector memory to external memory.
        FromVmem,
    }
    /// How external memory holds rows.
    Format {
        /// Lanes of 9 (weights, KV) or 18 bits (vector memory), without gaps.
        Rows,
        /// Blocks of 32 codes of 4 bits ([`crate::transfer::decode`]).
        Codes4,
        /// Blocks of 32 codes of 5 bits.
        Codes5,
        /// Blocks of 32 codes of 6 bits.
        Codes6,
        /// Blocks of 32 codes of 8 bits.
        Codes8,
    }
    /// The number that moves the address and the row of a transfer.
    StepBy {
        /// Nothing.
        None,
        /// The input token.
        Token,
        /// The position.
        Position,
        /// Blocks begun, less one.
        Block,
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
