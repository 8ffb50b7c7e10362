//! Pass 6 for chips with external memory: fills it. Codes of a file's blocks are kept as they are; a block's scale and offset are counted
//! in units of its row, whose largest weight becomes 255 as in weight memory.

use super::external::{Codes, ExternalPlan, Stored, WEIGHT_SHIFT};
use super::plan::MatrixPlan;
use super::quantise::{Quantised, WEIGHT_MAX};
use lpu_isa::Geometry;
use lpu_isa::arith::WORD_BITS;
use lpu_isa::transfer::{BLOCK_CODES, OFFSET_SHIFT, put_bits};
use lpu_model::{Matrix, PackedBlock};
use rayon::prelude::*;

/// Rows and columns of a matrix in the chip's channels, each column multiplied by a step.
pub struct Placement<'a> {
    pub rows: &'a [Option<usize>],
    pub columns: &'a [Option<usize>],
    pub steps: &'a [f64],
}

/// A block as it is stored: codes of any range, each `scale` units of its row, and an offset in such units.
struct Block {
    scale: f64,
    offset: f64,
    codes: [i32; BLOCK_CODES],
}

/// External memory being filled.
pub struct Store<'a> {
    geometry: &'a Geometry,
    pub bytes: Vec<u8>,
}

impl<'a> Store<'a> {
    /// Zeros, as far as the plan goes.
    pub fn new(geometry: &'a Geometry, external: &ExternalPlan) -> Self {
        Self { geometry, bytes: vec![0; external.granules * geometry.granule_bytes()] }
    }

    /// Writes the results of a matrix from `first` on whose record begins with granule `record`; the scales of its rows.
    pub fn matrix(
        &mut self,
        plan: &MatrixPlan,
        record: usize,
        first: usize,
        matrix: &Matrix,
        placement: &Placement,
    ) -> Quantised {
        let Some(stored) = plan.stored else { return Quantised::default() };
        let result_bytes = stored.blocks * block_bytes(stored.codes);
        let granule = self.geometry.granule_bytes();
        let mut scales = Vec::with_capacity(plan.outputs);
        for part in plan.stored_parts(self.geometry) {
            let bytes = &mut self.bytes[(record + part.address) * granule..][..part.outputs * result_bytes];
            let row = |output: usize| placement.rows.get(first + part.first + output).copied().flatten();
            let results = bytes.par_chunks_exact_mut(result_bytes).enumerate();
            let write = |(output, bytes): (usize, &mut [u8])| match row(output) {
                Some(row) => write_result(&stored, matrix, row, placement, bytes),
                None => 0.0,
            };
            scales.par_extend(results.map(write));
        }
        Quantised { rows: Vec::new(), scales }
    }

    /// Writes words of vector memory from a granule on.
    pub fn words(&mut self, granule: usize, words: &[i32]) {
        self.lanes(granule, 0, WORD_BITS as usize, words.iter().map(|word| *word as u64));
    }

    /// Writes lanes of so many bits, one after another from lane `first` of a granule on.
    pub fn lanes(&mut self, granule: usize, first: usize, width: usize, values: impl Iterator<Item = u64>) {
        let begin = granule * self.geometry.granule_bytes() * 8 + first * width;
        for (lane, value) in values.enumerate() {
            put_bits(&mut self.bytes, begin + lane * width, width, value);
        }
    }

    /// Writes one row of a table as blocks of eight-bit codes that decode to `unit` words per unit, shifted by `shift`.
    pub fn vector(&mut self, granule: usize, values: &[f32], unit: f64) {
        let codes = Codes { bits: 8, has_offset: false };
        let begin = granule * self.geometry.granule_bytes();
        let blocks = values.chunks(BLOCK_CODES);
        for (index, values) in blocks.enumerate() {
            let values: Vec<f64> = values.iter().map(|value| f64::from(*value) * unit).collect();
            let block = rounded(&values, codes);
            let bytes = &mut self.bytes[begin + index * block_bytes(codes)..][..block_bytes(codes)];
            block.write(codes, 0, bytes);
        }
    }
}

fn block_bytes(codes: Codes) -> usize {
    2 + 2 * usize::from(codes.has_offset) + BLOCK_CODES / 8 * codes.bits as usize
}

/// Writes one result and gives what one unit of its row stands for.
fn write_result(
    stored: &Stored,
    matrix: &Matrix,
    row: usize,
    placement: &Placement,
    bytes: &mut [u8],
) -> f64 {
    let codes = stored.codes;
    let values = matrix.row(row);
    let at = |column: usize| {
        let value = placement.columns.get(column).copied().flatten().map_or(0.0, |c| f64::from(values[c]));
        value * placement.steps.get(column).copied().unwrap_or(0.0)
    };
    let width = stored.blocks * BLOCK_CODES;
    let placed: Vec<f64> = (0..width).map(at).collect();
    let scale = placed.iter().fold(0.0f64, |max, weight| max.max(weight.abs())) / WEIGHT_MAX;
    if scale == 0.0 {
        return 0.0;
    }
    let packed: Option<Vec<PackedBlock>> = matrix.blocks(row).map(Iterator::collect);
    for (index, bytes) in bytes.chunks_exact_mut(block_bytes(codes)).enumerate() {
        let kept = packed.as_ref().and_then(|blocks| kept(blocks, index, placement, scale, codes));
        let values = &placed[index * BLOCK_CODES..][..BLOCK_CODES];
        let units = || values.iter().map(|value| value / scale).collect::<Vec<f64>>();
        let block = kept.unwrap_or_else(|| rounded(&units(), codes));
        block.write(codes, WEIGHT_SHIFT, bytes);
    }
    scale
}

/// A file's block, where the chip's columns are the file's and are multiplied alike.
fn kept(
    blocks: &[PackedBlock],
    index: usize,
    placement: &Placement,
    scale: f64,
    codes: Codes,
) -> Option<Block> {
    let first = index * BLOCK_CODES;
    let columns = placement.columns.get(first..first + BLOCK_CODES)?;
    let source = columns[0].filter(|column| column.is_multiple_of(BLOCK_CODES))?;
    let steps = placement.steps.get(first..first + BLOCK_CODES)?;
    let straight = columns.iter().enumerate().all(|(lane, column)| *column == Some(source + lane));
    if !straight || steps.iter().any(|step| *step != steps[0]) {
        return None;
    }
    let block = blocks.get(source / BLOCK_CODES)?;
    let mut unit = f64::from(block.scale) * steps[0] / scale;
    let mut offset = f64::from(block.offset.unwrap_or(0.0)) * steps[0] / scale;
    let mut kept = block.codes.map(i32::from);
    if !codes.has_offset {
        // Signed codes with a signed scale.
        return block.offset.is_none().then_some(Block { scale: unit, offset: 0.0, codes: kept });
    }
    // Codes from zero on, with a scale that is not negative.
    let least = *kept.iter().min().expect("a block has codes");
    let largest = *kept.iter().max().expect("a block has codes");
    if unit < 0.0 {
        kept.iter_mut().for_each(|code| *code = largest - *code);
        offset += unit * f64::from(largest);
        unit = -unit;
    } else {
        kept.iter_mut().for_each(|code| *code -= least);
        offset += unit * f64::from(least);
    }
    Some(Block { scale: unit, offset, codes: kept })
}

/// The nearest block of these codes.
fn rounded(values: &[f64], codes: Codes) -> Block {
    let (low, high) = values.iter().fold((0.0f64, 0.0f64), |(low, high), &v| (low.min(v), high.max(v)));
    let (scale, offset) = match codes.has_offset {
        true => ((high - low) / ((1 << codes.bits) - 1) as f64, low),
        false => (high.max(-low) / ((1 << (codes.bits - 1)) - 1) as f64, 0.0),
    };
    let step = if scale > 0.0 { scale } else { 1.0 };
    let mut block = Block { scale, offset, codes: [0; BLOCK_CODES] };
    for (code, value) in block.codes.iter_mut().zip(values) {
        *code = ((value - offset) / step).round() as i32;
    }
    block
}

impl Block {
    fn write(&self, codes: Codes, shift: u32, bytes: &mut [u8]) {
        let unit = f64::from(shift).exp2();
        let scale = (self.scale * unit).round();
        let (scale, base) = match codes.has_offset {
            true => (scale.clamp(0.0, f64::from(u16::MAX)) as u64, 0),
            false => {
                (scale.clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i64 as u64, 1 << (codes.bits - 1))
            }
        };
        put_bits(bytes, 0, 16, scale & 0xffff);
        let mut at = 16;
        if codes.has_offset {
            let offset = (self.offset * unit / f64::from(OFFSET_SHIFT).exp2()).round();
            let offset = offset.clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i64 as u64;
            put_bits(bytes, at, 16, offset & 0xffff);
            at += 16;
        }
        let largest = (1 << codes.bits) - 1;
        for code in self.codes {
            let code = (code + base).clamp(0, largest) as u64;
            put_bits(bytes, at, codes.bits as usize, code);
            at += codes.bits as usize;
        }
    }
}
