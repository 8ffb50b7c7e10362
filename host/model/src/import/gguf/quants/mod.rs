//! The number formats of GGUF tensors, one row each: ggml's number and name, values and bytes of a block, and the function
//! that decodes one. Layouts and arithmetic are those of ggml (`ggml-quants.c`, `dequantize_row_*`; licence MIT). No crate reads
//! them all without a tensor library behind it: candle's reader stops short of the `IQ` formats.
//!
//! A format is added by its row here and its decoder in `plain.rs`, `blocks.rs`, `super_blocks.rs` or `grids.rs`;
//! `host/model/tests/goldens/recipe.py` (`gguf_types`) then wants its blocks, and the test below holds every row to them.

mod blocks;
mod grids;
mod plain;
mod super_blocks;

use half::f16;

/// Appends the values of one block.
type Decode = fn(&[u8], &mut Vec<f32>);

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
}

const fn row(number: u32, name: &'static str, values: usize, bytes: usize, decode: Decode) -> Format {
    Format { number, name, values, bytes, decode }
}

static FORMATS: [Format; 33] = [
    row(0, "F32", 1, 4, plain::f32),
    row(1, "F16", 1, 2, plain::f16),
    row(30, "BF16", 1, 2, plain::bf16),
    row(28, "F64", 1, 8, plain::f64),
    row(24, "I8", 1, 1, plain::i8),
    row(25, "I16", 1, 2, plain::i16),
    row(26, "I32", 1, 4, plain::i32),
    row(27, "I64", 1, 8, plain::i64),
    row(2, "Q4_0", 32, 18, blocks::q4_0),
    row(3, "Q4_1", 32, 20, blocks::q4_1),
    row(6, "Q5_0", 32, 22, blocks::q5_0),
    row(7, "Q5_1", 32, 24, blocks::q5_1),
    row(8, "Q8_0", 32, 34, blocks::q8_0),
    row(9, "Q8_1", 32, 36, blocks::q8_1),
    row(20, "IQ4_NL", 32, 18, blocks::iq4_nl),
    row(39, "MXFP4", 32, 17, blocks::mxfp4),
    row(40, "NVFP4", 64, 36, blocks::nvfp4),
    row(10, "Q2_K", 256, 84, super_blocks::q2_k),
    row(11, "Q3_K", 256, 110, super_blocks::q3_k),
    row(12, "Q4_K", 256, 144, super_blocks::q4_k),
    row(13, "Q5_K", 256, 176, super_blocks::q5_k),
    row(14, "Q6_K", 256, 210, super_blocks::q6_k),
    row(15, "Q8_K", 256, 292, super_blocks::q8_k),
    row(23, "IQ4_XS", 256, 136, super_blocks::iq4_xs),
    row(34, "TQ1_0", 256, 54, super_blocks::tq1_0),
    row(35, "TQ2_0", 256, 66, super_blocks::tq2_0),
    row(16, "IQ2_XXS", 256, 66, grids::iq2_xxs),
    row(17, "IQ2_XS", 256, 74, grids::iq2_xs),
    row(22, "IQ2_S", 256, 82, grids::iq2_s),
    row(18, "IQ3_XXS", 256, 98, grids::iq3_xxs),
    row(21, "IQ3_S", 256, 110, grids::iq3_s),
    row(19, "IQ1_S", 256, 50, grids::iq1_s),
    row(29, "IQ1_M", 256, 56, grids::iq1_m),
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

    /// The values of whole blocks.
    pub fn decode(&self, bytes: &[u8]) -> Vec<f32> {
        let mut all = Vec::with_capacity(bytes.len() / self.bytes * self.values);
        bytes.chunks_exact(self.bytes).for_each(|block| (self.decode)(block, &mut all));
        all
    }
}

/// The half-precision number at `at`.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
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
    use super::super::reader::Container;
    use super::*;
    use std::collections::BTreeSet;

    fn golden(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/gguf_types/");
        std::fs::read(format!("{folder}{name}")).expect("recipe.py has made it")
    }

    /// Two files with the same tensors: blocks of every format, and what the `gguf` package says they hold.
    #[test]
    fn every_format_is_decoded_to_the_last_bit() {
        let (blocks, values) = (golden("blocks.gguf"), golden("values.gguf"));
        let (blocks, values) = (Container::parse(&blocks).unwrap(), Container::parse(&values).unwrap());
        for (name, place) in &blocks.tensors {
            assert_eq!(*name, place.format.name);
            let (found, expected) = (place.values(), values.tensors[name].values());
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
