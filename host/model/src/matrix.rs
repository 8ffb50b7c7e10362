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

    pub fn rows(&self) -> impl ExactSizeIterator<Item = Cow<'_, [f32]>> {
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
