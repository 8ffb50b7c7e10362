//! A program's time without its data: cycles of every position, closed form, and how busy each slice is.

use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_isa::instruction::{Destination, Instruction, Memory, Op, Queue, Reduce};
use lpu_sim::emulator::queue::Block;
use lpu_sim::prediction::Predictor;
use serde::Serialize;
use std::ops::Range;

/// The timing of an image's program.
pub struct Schedule {
    geometry: Geometry,
    predictor: Predictor,
}

/// Issues of one instruction during a token.
pub struct Issued<'a> {
    pub queue: Queue,
    pub instruction: &'a Instruction,
    pub block: Block,
}

/// A stretch of positions over which each block begun adds the same number of cycles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// First and last position, both included.
    pub positions: [usize; 2],
    /// The cycles are `constant + per_block * floor(position / block)`.
    pub constant: i64,
    pub per_block: i64,
}

/// A group of circuits that can be busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slice {
    /// Reads of weight memory.
    MemWeights,
    /// Reads of KV memory.
    MemKv,
    /// Beats of the matrix unit.
    Mxm,
    /// Rows of the vector unit.
    Vxm,
    /// Rows that leave the vector unit for another memory than its registers.
    Sxm,
    /// Rows that are summed.
    Reduce,
}

impl Slice {
    pub const ALL: [Slice; 6] =
        [Self::MemWeights, Self::MemKv, Self::Mxm, Self::Vxm, Self::Sxm, Self::Reduce];

    /// Name and meaning for readers.
    pub fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::MemWeights => ("MEM weights", "rows read"),
            Self::MemKv => ("MEM KV", "rows read"),
            Self::Mxm => ("MXM", "beats"),
            Self::Vxm => ("VXM", "rows"),
            Self::Sxm => ("SXM", "rows distributed"),
            Self::Reduce => ("reduce", "rows summed"),
        }
    }

    /// Whether an operation occupies this slice in every issue.
    pub fn is_used_by(self, op: &Op) -> bool {
        match (self, op) {
            (Self::MemWeights, Op::Dot(dot)) => dot.memory == Memory::Weights,
            (Self::MemWeights, Op::Gather(_)) => true,
            (Self::MemKv, Op::Dot(dot)) => dot.memory == Memory::Kv,
            (Self::Mxm, Op::Dot(_)) => true,
            (Self::Vxm, Op::Vector(_)) => true,
            (Self::Sxm, Op::Vector(vector)) => vector.destination != Destination::None,
            (Self::Reduce, Op::Vector(vector)) => vector.reduce != Reduce::None,
            _ => false,
        }
    }
}

/// What a token moves between the chip and external memory, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Traffic {
    pub bytes: u64,
    /// Share of what the memory moves in the token's time without a pause, and without any but refreshes.
    pub of_peak: f64,
    pub of_refreshed: f64,
}

impl Schedule {
    pub fn new(image: &Image) -> Self {
        Self { geometry: image.geometry, predictor: Predictor::new(image) }
    }

    /// Cycles of a token at a position.
    pub fn cycles(&self, position: usize) -> u64 {
        self.predictor.cycles(position).unsigned_abs()
    }

    /// All cycles of these positions, one after the other.
    pub fn cycles_total(&self, positions: Range<usize>) -> u64 {
        self.predictor.total_cycles(positions).unsigned_abs()
    }

    /// Shows everything that issues at a position, in order within each queue, and gives the token's cycles.
    pub fn walk<'a>(&'a self, position: usize, mut show: impl FnMut(Issued<'a>)) -> u64 {
        let timeline = self.predictor.timeline(position);
        for queue in Queue::ALL {
            for &block in &timeline.blocks[queue as usize] {
                if let Some(instruction) = self.predictor.instruction(queue, block.index) {
                    show(Issued { queue, instruction, block });
                }
            }
        }
        timeline.cycles.unsigned_abs()
    }

    /// Cycles as a closed form: all positions of a block take the same time, so only blocks are walked.
    pub fn closed_form(&self, context: usize) -> Vec<Piece> {
        let block = self.geometry.block();
        let cycles: Vec<i64> =
            (0..context).step_by(block).map(|position| self.cycles(position) as i64).collect();
        pieces(&cycles, block, context)
    }

    /// Share of the cycles in which each slice has an issue, over these positions.
    pub fn utilisation(&self, positions: Range<usize>) -> [f64; Slice::ALL.len()] {
        let (mut busy, mut cycles) = ([0u64; Slice::ALL.len()], 0);
        for (position, weight) in self.weighted(positions) {
            cycles += weight
                * self.walk(position, |issued| {
                    for (busy, slice) in busy.iter_mut().zip(Slice::ALL) {
                        if slice.is_used_by(&issued.instruction.op) {
                            *busy += weight * issued.block.count as u64;
                        }
                    }
                });
        }
        busy.map(|busy| busy as f64 / cycles.max(1) as f64)
    }

    /// The traffic of external memory, mean over these positions; none without such a memory.
    pub fn traffic(&self, positions: Range<usize>) -> Option<Traffic> {
        let Geometry { dram_frame, dram_granule_cycles, .. } = self.geometry;
        if !self.geometry.has_external_memory() {
            return None;
        }
        let count = positions.len().max(1) as u64;
        let (mut granules, mut cycles) = (0, 0);
        for (position, weight) in self.weighted(positions) {
            cycles += weight
                * self.walk(position, |issued| {
                    if let Op::Transfer(_) = issued.instruction.op {
                        granules += weight * issued.block.count as u64;
                    }
                });
        }
        let of_peak = (granules * dram_granule_cycles as u64) as f64 / cycles.max(1) as f64;
        let refreshed = (self.geometry.frame_slots() * dram_granule_cycles) as f64 / dram_frame as f64;
        let bytes = granules * self.geometry.granule_bytes() as u64 / count;
        Some(Traffic { bytes, of_peak, of_refreshed: of_peak / refreshed })
    }

    /// One position of each block with the number of positions that it stands for.
    fn weighted(&self, positions: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let block = self.geometry.block();
        (positions.start / block..positions.end.div_ceil(block)).map(move |index| {
            let first = (index * block).max(positions.start);
            let end = ((index + 1) * block).min(positions.end);
            (first, (end - first) as u64)
        })
    }
}

/// Cycles of a position if every lane multiplied in every cycle and nothing else took time.
pub fn ideal_cycles(image: &Image, position: usize) -> f64 {
    let macs = image.model.macs as f64 + image.model.macs_per_position as f64 * (position + 1) as f64;
    macs / image.geometry.mxm_lanes as f64
}

/// Mean of [`ideal_cycles`] over the first positions.
pub fn ideal_mean(image: &Image, positions: usize) -> f64 {
    // The ideal grows evenly: the mean is that of its ends.
    let last = positions.saturating_sub(1);
    (ideal_cycles(image, 0) + ideal_cycles(image, last)) / 2.0
}

/// Joins blocks whose cycles grow evenly. `cycles[i]` is the time of block `i`.
fn pieces(cycles: &[i64], block: usize, context: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut first = 0;
    while first < cycles.len() {
        let step = cycles.get(first + 1).map_or(0, |next| next - cycles[first]);
        let grows = |pair: &&[i64]| pair[1] - pair[0] == step;
        let last = first + cycles[first..].windows(2).take_while(grows).count();
        pieces.push(Piece {
            positions: [first * block, ((last + 1) * block).min(context) - 1],
            constant: cycles[first] - step * first as i64,
            per_block: step,
        });
        first = last + 1;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_isa::image::ModelInfo;

    #[test]
    fn the_ideal_counts_every_position_seen() {
        let model = ModelInfo { macs: 1600, macs_per_position: 16, ..ModelInfo::default() };
        let (matrix, vector, weights, vmem, tokenizer) = Default::default();
        let image = Image { model, matrix, vector, weights, vmem, tokenizer, ..Image::empty(Geometry::NANO) };
        // 16 lanes: 100 cycles, and 1, 2, 3 for attention.
        assert_eq!((ideal_cycles(&image, 1), ideal_mean(&image, 3)), (102.0, 102.0));
    }

    #[test]
    fn even_growth_is_one_piece() {
        let all = Piece { positions: [0, 40], constant: 100, per_block: 7 };
        assert_eq!(pieces(&[100, 107, 114], 16, 41), [all]);
    }

    #[test]
    fn a_change_of_growth_begins_a_piece() {
        let found = pieces(&[100, 100, 105, 110, 200], 8, 40);
        assert_eq!(
            found,
            [
                Piece { positions: [0, 15], constant: 100, per_block: 0 },
                Piece { positions: [16, 31], constant: 95, per_block: 5 },
                Piece { positions: [32, 39], constant: 200, per_block: 0 },
            ]
        );
        let cycles_at = |position: usize| {
            let piece = found.iter().find(|piece| position <= piece.positions[1]).unwrap();
            piece.constant + piece.per_block * (position / 8) as i64
        };
        assert_eq!([0, 15, 16, 31, 39].map(cycles_at), [100, 100, 105, 110, 200]);
    }
}
