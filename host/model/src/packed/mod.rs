//! The number formats in which files pack weights, one row each: ggml's number and name, values and bytes of a block, and the
//! function that decodes them. Layouts and arithmetic are those of ggml (`ggml-quants.c`, `dequantize_row_*`; licence MIT). No
//! crate reads them all without a tensor library behind it: candle's reader stops short of the `IQ` formats.
//!
//! A format is added by its row here and its decoder in `plain.rs`, `blocks.rs`, `super_blocks.rs` or `grids.rs`;
//! `host/model/tests/goldens/recipe.py` (`gguf_types`) then wants its blocks, and the test below holds every row to them.

mod blocks;
mod grids;
mod plain;
mod super_blocks;

pub use blocks::PackedBlock;
use bytes::Bytes;
use half::f16;

/// Appends the values of whole blocks.
type Decode = fn(&[u8], &mut Vec<f32>);
/// One block, if the bytes are as many as it has.
type ReadBlock = fn(&[u8]) -> Option<PackedBlock>;

/// Numbers as a file packs them; the bytes may be part of a mapped file.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Whole blocks.
    pub bytes: Bytes,
    pub format: &'static Format,
}

/// How the numbers of a tensor are stored.
#[derive(Debug)]
pub struct Format {
    number: u32,
    /// As ggml and people write it.
    pub name: &'static str,
    /// Values of a block.
    pub values: usize,
    /// Bytes of a block.
    pub bytes: usize,
    decode: Decode,
    /// For blocks of 32 integers: what these are like, and one block.
    integers: Option<(Integers, ReadBlock)>,
}

/// The codes of a [`PackedBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integers {
    /// Codes are below `2^bits`; where there is no offset, they are from `-2^(bits - 1)` to below `2^(bits - 1)`.
    pub bits: u32,
    pub has_offset: bool,
}

/// A format with a decoder of many blocks.
const fn many(number: u32, name: &'static str, values: usize, bytes: usize, decode: Decode) -> Format {
    Format { number, name, values, bytes, decode, integers: None }
}

/// A format with a decoder of one block.
macro_rules! each {
    ($number:literal, $name:literal, $values:literal, $bytes:literal, $decode:path) => {
        many($number, $name, $values, $bytes, |bytes, all| {
            bytes.chunks_exact($bytes).for_each(|block| $decode(block, all))
        })
    };
}

/// A format of [`PackedBlock`]s: its name, bits of a code, whether there is an offset, decoders of many blocks and of one.
macro_rules! integers {
    ($number:literal, $name:literal, $bits:literal, $has_offset:literal, $bytes:literal, $decode:path, $block:path) => {
        Format {
            integers: Some((Integers { bits: $bits, has_offset: $has_offset }, |block| {
                block.as_array().map($block)
            })),
            ..many($number, $name, 32, $bytes, $decode)
        }
    };
}

static FORMATS: [Format; 33] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::F64,
    many(24, "I8", 1, 1, plain::decode_i8),
    many(25, "I16", 1, 2, plain::decode_i16),
    many(26, "I32", 1, 4, plain::decode_i32),
    many(27, "I64", 1, 8, plain::decode_i64),
    integers!(2, "Q4_0", 4, false, 18, blocks::q4_0, blocks::q4_0_block),
    integers!(3, "Q4_1", 4, true, 20, blocks::q4_1, blocks::q4_1_block),
    integers!(6, "Q5_0", 5, false, 22, blocks::q5_0, blocks::q5_0_block),
    integers!(7, "Q5_1", 5, true, 24, blocks::q5_1, blocks::q5_1_block),
    integers!(8, "Q8_0", 8, false, 34, blocks::q8_0, blocks::q8_0_block),
    each!(9, "Q8_1", 32, 36, blocks::q8_1),
    each!(20, "IQ4_NL", 32, 18, blocks::iq4_nl),
    each!(39, "MXFP4", 32, 17, blocks::mxfp4),
    each!(40, "NVFP4", 64, 36, blocks::nvfp4),
    each!(10, "Q2_K", 256, 84, super_blocks::q2_k),
    each!(11, "Q3_K", 256, 110, super_blocks::q3_k),
    each!(12, "Q4_K", 256, 144, super_blocks::q4_k),
    each!(13, "Q5_K", 256, 176, super_blocks::q5_k),
    each!(14, "Q6_K", 256, 210, super_blocks::q6_k),
    each!(15, "Q8_K", 256, 292, super_blocks::q8_k),
    each!(23, "IQ4_XS", 256, 136, super_blocks::iq4_xs),
    each!(34, "TQ1_0", 256, 54, super_blocks::tq1_0),
    each!(35, "TQ2_0", 256, 66, super_blocks::tq2_0),
    each!(16, "IQ2_XXS", 256, 66, grids::iq2_xxs),
    each!(17, "IQ2_XS", 256, 74, grids::iq2_xs),
    each!(22, "IQ2_S", 256, 82, grids::iq2_s),
    each!(18, "IQ3_XXS", 256, 98, grids::iq3_xxs),
    each!(21, "IQ3_S", 256, 110, grids::iq3_s),
    each!(19, "IQ1_S", 256, 50, grids::iq1_s),
    each!(29, "IQ1_M", 256, 56, grids::iq1_m),
];

/// Numbers that ggml gave to formats that are not read, for messages.
const UNREAD: [(u32, &str); 9] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
    (41, "Q1_0"),
];

impl Format {
    pub const F32: Self = many(0, "F32", 1, 4, plain::decode_f32);
    pub const F16: Self = many(1, "F16", 1, 2, plain::decode_f16);
    pub const BF16: Self = many(30, "BF16", 1, 2, plain::decode_bf16);
    pub const F64: Self = many(28, "F64", 1, 8, plain::decode_f64);

    /// The format of ggml's number for it.
    ///
    /// # Errors
    /// The name of a format that is not read; of a number that nobody gave, the number.
    pub fn of(number: u32) -> Result<&'static Self, String> {
        let known =
            || UNREAD.iter().find(|(unread, _)| *unread == number).map(|(_, name)| (*name).to_owned());
        let named = || known().unwrap_or_else(|| format!("the unknown ggml type {number}"));
        FORMATS.iter().find(|format| format.number == number).ok_or_else(named)
    }

    /// The names of all formats, for messages.
    pub fn names() -> String {
        FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
    }

    /// Appends the values of whole blocks.
    pub fn decode(&self, bytes: &[u8], all: &mut Vec<f32>) {
        all.reserve(bytes.len() / self.bytes * self.values);
        (self.decode)(bytes, all);
    }

    pub fn integers(&self) -> Option<Integers> {
        self.integers.map(|(integers, _)| integers)
    }

    /// The blocks of integers in `bytes`; `None` for formats that have none.
    pub fn blocks<'b>(&self, bytes: &'b [u8]) -> Option<impl Iterator<Item = PackedBlock> + 'b> {
        let (_, block) = self.integers?;
        Some(bytes.chunks_exact(self.bytes).filter_map(block))
    }
}

impl Packed {
    pub fn values(&self) -> Vec<f32> {
        let mut all = Vec::new();
        self.format.decode(&self.bytes, &mut all);
        all
    }

    /// Those of some of the bytes, which must be whole blocks.
    pub fn slice(&self, bytes: std::ops::Range<usize>) -> Self {
        Self { bytes: self.bytes.slice(bytes), format: self.format }
    }
}

/// The half-precision number at `at`. One number is converted faster than it takes to ask what the machine can do.
#[inline(always)]
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32_const()
}

fn signed(byte: u8) -> f32 {
    f32::from(byte as i8)
}

/// Bit `index` of a little-endian field.
fn bit(field: &[u8], index: usize) -> u8 {
    field[index / 8] >> (index % 8) & 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Container;
    use std::collections::BTreeSet;

    fn golden(name: &str) -> Bytes {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/gguf_types/");
        std::fs::read(format!("{folder}{name}")).expect("recipe.py has made it").into()
    }

    /// Two files with the same tensors: blocks of every format, and what the `gguf` package says they hold.
    #[test]
    fn every_format_is_decoded_to_the_last_bit() {
        let (blocks, values) = (golden("blocks.gguf"), golden("values.gguf"));
        let (blocks, values) = (Container::parse(&blocks).unwrap(), Container::parse(&values).unwrap());
        for (name, place) in &blocks.tensors {
            assert_eq!(*name, place.packed.format.name);
            let (found, expected) = (place.packed.values(), values.tensors[name].packed.values());
            assert_eq!(found.len(), expected.len(), "{name}");
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(
                    found.to_bits(),
                    expected.to_bits(),
                    "{name}[{index}]: {found}, expected {expected}"
                );
            }
        }
        let tested: BTreeSet<&str> = blocks.tensors.keys().copied().collect();
        assert_eq!(tested, FORMATS.iter().map(|format| format.name).collect());
    }

    #[test]
    fn formats_that_are_not_read_have_their_names() {
        assert_eq!(Format::of(6).unwrap().name, "Q5_0");
        assert_eq!(Format::of(36).unwrap_err(), "IQ4_NL_4_4");
        assert_eq!(Format::of(1000).unwrap_err(), "the unknown ggml type 1000");
    }
}
