//! The memory map: which rows of each memory a program touches, found by walking it.

use super::schedule::{Issued, Schedule};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use serde::Serialize;

/// Use of one memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Use {
    pub memory: &'static str,
    /// Rows, entries or instructions up to the highest one touched.
    pub used: usize,
    /// How many there are.
    pub of: usize,
    /// What one of them is.
    pub row: String,
}

/// Number of rows up to the highest one touched, in each memory.
#[derive(Default)]
struct Extent {
    kv: i64,
    vmem: i64,
    vreg: i64,
}

/// The map of an image's memories. The last position touches the most: addresses only grow with the position.
pub fn map(image: &Image, schedule: &Schedule) -> Vec<Use> {
    let geometry = &image.geometry;
    let Geometry { mxm_lanes, vxm_lanes, .. } = *geometry;
    let position = image.model.context.saturating_sub(1) as usize;
    let constants = image.vmem.len() / vxm_lanes;
    let mut extent = Extent { vmem: constants as i64, ..Extent::default() };
    schedule.walk(position, |issued| extent.add(image, position, &issued));
    let used = |memory, used: usize, of, row: String| Use { memory, used, of, row };
    let lanes = |lanes, bits| format!("{lanes} x {bits} bits");
    let instruction = || format!("{PARTS} x 64 bits");
    let mut uses = vec![
        used("weights", image.weights.len() / mxm_lanes, geometry.weight_rows, lanes(mxm_lanes, 9)),
        used("KV", extent.kv as usize, geometry.kv_rows, lanes(mxm_lanes, 9)),
        used("vector memory", extent.vmem as usize, geometry.vmem_rows, lanes(vxm_lanes, 18)),
        used("  of it constants", constants, geometry.vmem_rows, lanes(vxm_lanes, 18)),
        used("vector registers", extent.vreg as usize, geometry.vreg_rows, lanes(vxm_lanes, 24)),
        used("matrix queue", image.matrix.len(), geometry.matrix_queue_depth, instruction()),
        used("vector queue", image.vector.len(), geometry.vector_queue_depth, instruction()),
    ];
    if geometry.has_external_memory() {
        let (used_granules, bytes) = (image.dram.len() / geometry.granule_bytes(), geometry.granule_bytes());
        uses.push(used("transfer queue", image.transfer.len(), geometry.transfer_queue_depth, instruction()));
        uses.push(used("external memory", used_granules, geometry.dram_granules, format!("{bytes} bytes")));
    }
    uses
}

impl Extent {
    fn add(&mut self, image: &Image, position: usize, issued: &Issued) {
        let last = issued.block.count - 1;
        match &issued.instruction.op {
            Op::Dot(dot) => {
                if dot.memory == Memory::Kv {
                    let offset = if dot.offset { issued.block.offsets[1] } else { 0 };
                    let row = i64::from(dot.row) + offset;
                    self.kv = self.kv.max(1 + row.max(row + last * i64::from(dot.row_step)));
                }
                let rows = emitted(dot, issued.block.count, &image.geometry);
                self.vmem = self.vmem.max(i64::from(dot.store) + rows);
            }
            Op::Gather(gather) => self.vmem = self.vmem.max(i64::from(gather.store) + last + 1),
            Op::Vector(vector) => self.add_vector(vector, image, position, issued.block.offsets, last),
            Op::Transfer(_) | Op::Nop(_) | Op::Loop(_) | Op::EndLoop(_) | Op::Sync(_) | Op::End(_) => {}
        }
    }

    fn add_vector(&mut self, op: &Vector, image: &Image, position: usize, offsets: [i64; 2], last: i64) {
        let lanes = image.geometry.vxm_lanes;
        let furthest = |from: u32, advance: bool| i64::from(from) + if advance { last } else { 0 };
        if op.x == X::Vmem || op.b == B::Vmem || op.c == C::Vmem {
            let index = match op.vmem_index {
                VmemIndex::None => 0,
                VmemIndex::TokenRow => image.model.vocab.saturating_sub(1) as usize / lanes,
                VmemIndex::PositionRow => position / lanes,
                VmemIndex::PositionLane => lanes - 1,
            };
            let offset = if op.vmem_offset { offsets[0] } else { 0 };
            self.vmem = self.vmem.max(1 + furthest(op.vmem, op.vmem_advance) + index as i64 + offset);
        }
        let reads_a = op.x == X::VregA || op.b == B::VregA;
        let reads_b = op.b == B::VregB || op.c == C::VregB;
        for (touched, register, advance) in [
            (reads_a, op.a, op.a_advance),
            (reads_b, op.bc, op.bc_advance),
            (op.write, op.target, op.target_advance),
        ] {
            if touched {
                self.vreg = self.vreg.max(1 + furthest(register, advance));
            }
        }
        let row = i64::from(op.row).max(i64::from(op.row) + last * i64::from(op.row_step));
        let offset = if op.row_offset { offsets[1] } else { 0 };
        match op.destination {
            Destination::Vmem => self.vmem = self.vmem.max(1 + row),
            Destination::Key | Destination::Value => {
                self.kv = self.kv.max(1 + row + offset + (position >> op.positions) as i64);
            }
            Destination::None | Destination::Act | Destination::Argmax => {}
        }
    }
}

/// Rows of sums that a `Dot` stores.
fn emitted(dot: &Dot, count: i64, geometry: &Geometry) -> i64 {
    let results = (geometry.mxm_lanes >> dot.tap).max(1) as i64;
    let lanes = geometry.vxm_lanes as i64;
    let lane = |k: i64| (i64::from(dot.lane) + if dot.lane_advance { k * results } else { 0 }) % lanes;
    let emits = |k: &i64| {
        let (wraps, last) = (lane(*k) + results == lanes, k + 1 == count);
        match dot.emit {
            Emit::Never => false,
            Emit::Wrap => wraps,
            Emit::Last => last,
            Emit::WrapOrLast => wraps || last,
        }
    };
    (0..count).filter(emits).count() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emitted_rows_follow_the_lane() {
        let geometry = Geometry::NANO;
        let dot = Dot { tap: 2, lane_advance: true, emit: Emit::Wrap, ..Dot::default() };
        // 16 lanes in sums of 4 give 4 results, and 8 lanes make a row: every second beat fills one.
        assert_eq!(emitted(&dot, 7, &geometry), 3);
        assert_eq!(emitted(&Dot { emit: Emit::WrapOrLast, ..dot }, 7, &geometry), 4);
        assert_eq!(emitted(&Dot { emit: Emit::Last, ..dot }, 7, &geometry), 1);
        assert_eq!(emitted(&Dot { emit: Emit::Never, ..dot }, 7, &geometry), 0);
    }
}
