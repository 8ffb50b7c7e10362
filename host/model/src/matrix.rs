//! The weights of a product, as their file packs them where that takes less than fp32.

use crate::ModelError;
use crate::packed::{Format, Integers, Packed, PackedBlock};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A row-major matrix whose length always matches its shape. Copies share their weights until one of them is changed.
#[derive(Clone, Debug)]
pub struct Matrix {
    outputs: usize,
    inputs: usize,
    weights: Weights,
}

#[derive(Clone, Debug)]
enum Weights {
    Dense(Arc<Vec<f32>>),
    /// Rows of whole blocks.
    Packed(Packed),
}

impl Matrix {
    /// # Errors
    /// When `data` does not hold exactly `outputs * inputs` values.
    pub fn new(outputs: usize, inputs: usize, data: Vec<f32>) -> Result<Self, ModelError> {
        check_length(outputs, inputs, data.len())?;
        Ok(Self { outputs, inputs, weights: Weights::Dense(Arc::new(data)) })
    }

    /// A matrix that stays packed unless fp32 takes no more.
    ///
    /// # Errors
    /// When `packed` does not hold exactly `outputs * inputs` values.
    pub(crate) fn of_packed(outputs: usize, inputs: usize, packed: Packed) -> Result<Self, ModelError> {
        let Format { values, bytes, .. } = *packed.format;
        if bytes >= values * size_of::<f32>() || !inputs.is_multiple_of(values) {
            return Self::new(outputs, inputs, packed.values());
        }
        check_length(outputs, inputs, packed.bytes.len() / bytes * values)?;
        Ok(Self { outputs, inputs, weights: Weights::Packed(packed) })
    }

    /// Length of the result of a product: the number of rows.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Length of the vector that a product takes: the number of columns.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The weights of one output. `output` must be less than `outputs()`.
    pub fn row(&self, output: usize) -> Cow<'_, [f32]> {
        match &self.weights {
            Weights::Dense(data) => data[output * self.inputs..][..self.inputs].into(),
            Weights::Packed(packed) => {
                packed.slice(self.bytes_of(packed, output..output + 1)).values().into()
            }
        }
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = Cow<'_, [f32]>> + DoubleEndedIterator {
        (0..self.outputs).map(|output| self.row(output))
    }

    /// Some rows one after the other; `buffer` is where they are decoded if need be.
    pub(crate) fn decoded<'a>(&'a self, outputs: Range<usize>, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        match &self.weights {
            Weights::Dense(data) => &data[outputs.start * self.inputs..outputs.end * self.inputs],
            Weights::Packed(packed) => {
                buffer.clear();
                packed.format.decode(&packed.bytes[self.bytes_of(packed, outputs)], buffer);
                buffer
            }
        }
    }

    /// What the integers of [`Matrix::blocks`] are like; `None` for a matrix that has none.
    pub fn integers(&self) -> Option<Integers> {
        match &self.weights {
            Weights::Dense(_) => None,
            Weights::Packed(packed) => packed.format.integers(),
        }
    }

    /// The weights of one output as the blocks of 32 integers that the file has; `None` where it has no such blocks.
    /// `output` must be less than `outputs()`.
    pub fn blocks(&self, output: usize) -> Option<impl Iterator<Item = PackedBlock> + '_> {
        match &self.weights {
            Weights::Dense(_) => None,
            Weights::Packed(packed) => {
                packed.format.blocks(&packed.bytes[self.bytes_of(packed, output..output + 1)])
            }
        }
    }

    /// A matrix of some of the outputs, which must be less than `outputs()`. It is packed as this one is.
    pub fn selected(&self, outputs: impl Iterator<Item = usize>) -> Self {
        let outputs: Vec<usize> = outputs.collect();
        let weights = match &self.weights {
            Weights::Dense(data) => {
                let rows = outputs.iter().flat_map(|output| &data[output * self.inputs..][..self.inputs]);
                Weights::Dense(Arc::new(rows.copied().collect()))
            }
            Weights::Packed(packed) => {
                let row = |&output: &usize| &packed.bytes[self.bytes_of(packed, output..output + 1)];
                let rows: Vec<u8> = outputs.iter().flat_map(row).copied().collect();
                Weights::Packed(Packed { bytes: Bytes::from(rows), format: packed.format })
            }
        };
        Self { outputs: outputs.len(), inputs: self.inputs, weights }
    }

    /// All weights, row after row, to be changed: what was packed is fp32 from now on.
    pub fn dense_mut(&mut self) -> &mut [f32] {
        if let Weights::Packed(packed) = &self.weights {
            self.weights = Weights::Dense(Arc::new(packed.values()));
        }
        match &mut self.weights {
            Weights::Dense(data) => Arc::make_mut(data).as_mut_slice(),
            Weights::Packed(_) => unreachable!("it has just become dense"),
        }
    }

    fn bytes_of(&self, packed: &Packed, outputs: Range<usize>) -> Range<usize> {
        let row = self.inputs / packed.format.values * packed.format.bytes;
        outputs.start * row..outputs.end * row
    }
}

/// Matrices are equal when their weights are, however they are packed.
impl PartialEq for Matrix {
    fn eq(&self, other: &Self) -> bool {
        let shapes = [self, other].map(|matrix| (matrix.outputs, matrix.inputs));
        shapes[0] == shapes[1] && self.rows().eq(other.rows())
    }
}

fn check_length(outputs: usize, inputs: usize, found: usize) -> Result<(), ModelError> {
    match outputs.checked_mul(inputs) == Some(found) {
        true => Ok(()),
        false => Err(ModelError::MatrixLength { outputs, inputs, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Container;

    fn golden(name: &str) -> Bytes {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/gguf_types/");
        std::fs::read(format!("{folder}{name}")).expect("recipe.py has made it").into()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    /// Each format's blocks as a matrix, beside the values that the `gguf` package says they hold.
    fn matrices() -> Vec<(String, Matrix, Vec<f32>)> {
        let (blocks, values) = (golden("blocks.gguf"), golden("values.gguf"));
        let (blocks, values) = (Container::parse(&blocks).unwrap(), Container::parse(&values).unwrap());
        let matrix = |(name, place): (&&str, &crate::import::Place)| {
            let expected = values.tensors[name].packed.values();
            let outputs = expected.len() / place.packed.format.values;
            let matrix = Matrix::of_packed(outputs, expected.len() / outputs, place.packed.clone()).unwrap();
            (name.to_string(), matrix, expected)
        };
        blocks.tensors.iter().map(matrix).collect()
    }

    #[test]
    fn rows_are_decoded_to_the_last_bit_however_they_are_packed() {
        for (name, mut matrix, expected) in matrices() {
            let is_packed = matches!(matrix.weights, Weights::Packed(_));
            assert_eq!(is_packed, !["F32", "F64", "I32", "I64"].contains(&name.as_str()), "{name}");
            for (row, expected) in matrix.rows().zip(expected.chunks(matrix.inputs())) {
                assert_eq!(bits(&row), bits(expected), "{name}");
            }
            let mut buffer = Vec::new();
            let after_first = matrix.decoded(1..matrix.outputs(), &mut buffer);
            assert_eq!(bits(after_first), bits(&expected[matrix.inputs()..]), "{name}");
            let reversed = matrix.selected((0..matrix.outputs()).rev());
            assert!(reversed.rows().eq(matrix.rows().rev()), "{name}");
            assert_eq!(reversed.integers(), matrix.integers());
            assert_eq!(bits(matrix.dense_mut()), bits(&expected), "{name}");
        }
    }

    #[test]
    fn blocks_of_integers_are_the_rows() {
        let mut found = Vec::new();
        for (name, matrix, _) in matrices() {
            let Some(Integers { bits: width, has_offset }) = matrix.integers() else {
                assert!(matrix.blocks(0).is_none(), "{name}");
                continue;
            };
            let range = if has_offset { 0..1i16 << width } else { -(1 << (width - 1))..1 << (width - 1) };
            for output in 0..matrix.outputs() {
                let blocks: Vec<PackedBlock> = matrix.blocks(output).unwrap().collect();
                let value = |block: &PackedBlock, code: i8| {
                    let product = block.scale * f32::from(code);
                    block.offset.map_or(product, |offset| product + offset)
                };
                let values = |block: &PackedBlock| block.codes.map(|code| value(block, code));
                let all: Vec<f32> = blocks.iter().flat_map(values).collect();
                assert_eq!(bits(&all), bits(&matrix.row(output)), "{name}");
                assert!(blocks.iter().all(|block| block.offset.is_some() == has_offset));
                assert!(blocks.iter().flat_map(|block| block.codes).all(|code| range.contains(&code.into())));
            }
            found.push((name, width));
        }
        found.sort();
        let expected = [("Q4_0", 4), ("Q4_1", 4), ("Q5_0", 5), ("Q5_1", 5), ("Q8_0", 8)];
        assert_eq!(found, expected.map(|(name, width)| (name.to_owned(), width)));
    }

    #[test]
    fn a_length_that_is_not_the_shape_is_refused() {
        let wrong = ModelError::MatrixLength { outputs: 2, inputs: 32, found: 32 };
        assert_eq!(Matrix::new(2, 32, vec![0.0; 32]).unwrap_err(), wrong);
        let packed =
            Packed { bytes: Bytes::from(vec![0; 18]), format: crate::packed::Format::of(2).unwrap() };
        assert_eq!(Matrix::of_packed(2, 32, packed).unwrap_err(), wrong);
    }
}
