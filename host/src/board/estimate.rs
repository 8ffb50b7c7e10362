//! What a chip would cost, from its geometry alone.
//!
//! Block RAM and multipliers follow from how the memories are cut and are exact. Tables and flip-flops are a constant and a slope a
//! slice, fitted to what Yosys made of the chips of [`Geometry::ALL`]: ARCHITECTURE.md's slices are wide in one direction each, the
//! matrix lanes or the vector lanes. Tests hold the first against the hardware's own census, the second against what was counted.

use super::netlist::{Cells, Resources, Slice};
use lpu_isa::Geometry;
use lpu_isa::soc::MEMORY_WORDS;

/// The lanes that a slice is wide in.
#[derive(Clone, Copy, Debug)]
enum Width {
    Matrix,
    Vector,
}

/// Tables or flip-flops of a slice: a constant, and so many a lane.
type Line = (f64, f64);

/// Slice, the lanes that it is wide in, tables, flip-flops.
const SLICES: [(Slice, Width, Line, Line); 7] = [
    (Slice::Icu, Width::Vector, (8953.0, 3.75), (2127.0, 2.38)),
    (Slice::Mem, Width::Matrix, (816.7, 8.77), (618.7, 3.96)),
    (Slice::Mxm, Width::Matrix, (3081.7, 137.21), (2284.4, 98.16)),
    (Slice::Vxm, Width::Vector, (1112.0, 1648.75), (816.0, 648.5)),
    (Slice::Sxm, Width::Vector, (1551.0, 391.88), (1226.0, 175.62)),
    (Slice::Seq, Width::Vector, (2029.5, 0.0), (1109.0, 0.0)),
    (Slice::Board, Width::Vector, (3384.5, 0.0), (810.0, 0.0)),
];

/// Multipliers of the queues' offsets, and of the reciprocal's interpolation.
const ICU_MULTIPLIERS: u64 = 4;
const SXM_MULTIPLIERS: u64 = 1;
/// Words of a block RAM that are 9, 18 and 36 bits wide.
const EBR_WORDS_9: usize = 2048;
const EBR_WORDS_18: usize = 1024;
const EBR_WORDS_36: usize = 512;

/// The estimate of a chip with a board around it.
pub fn estimate(geometry: &Geometry) -> Resources {
    let mut resources = Resources::default();
    for (slice, width, lut, ff) in SLICES {
        let lanes = match width {
            Width::Matrix => geometry.mxm_lanes,
            Width::Vector => geometry.vxm_lanes,
        };
        let line = |(fixed, per_lane): Line| (fixed + per_lane * lanes as f64).round() as u64;
        let (ebr, dsp) = blocks(slice, geometry);
        let cells = Cells { lut: line(lut), ff: line(ff), ebr, dsp };
        resources.total += cells;
        resources.slices.insert(slice, cells);
    }
    resources
}

/// Block RAM and multipliers of a slice.
fn blocks(slice: Slice, geometry: &Geometry) -> (u64, u64) {
    let (lanes, vector_lanes) = (geometry.mxm_lanes, geometry.vxm_lanes);
    match slice {
        Slice::Icu => (0, ICU_MULTIPLIERS),
        // A lane of weights is nine bits wide; two lanes of keys and values share a block.
        Slice::Mem => {
            let weights = lanes * geometry.weight_rows.div_ceil(EBR_WORDS_9);
            let keys_and_values = lanes.div_ceil(2) * geometry.kv_rows.div_ceil(EBR_WORDS_18);
            ((weights + keys_and_values) as u64, 0)
        }
        Slice::Mxm => (0, lanes as u64),
        Slice::Vxm => {
            let vector_memory = vector_lanes.div_ceil(2) * geometry.vmem_rows.div_ceil(EBR_WORDS_36);
            (vector_memory as u64, vector_lanes as u64)
        }
        Slice::Sxm => (0, SXM_MULTIPLIERS),
        Slice::Seq => (0, 0),
        // The soft core's memory: four bytes a word, each in blocks of its own.
        Slice::Board => (4 * MEMORY_WORDS.div_ceil(EBR_WORDS_9) as u64, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_hardware() {
        for geometry in Geometry::ALL {
            let design = lpu_hdl::chip::emit(&geometry, "lpu").unwrap();
            let counted = lpu_hdl::census::census(&design)[""];
            let Resources { total, slices } = estimate(&geometry);
            let ebr = total.ebr - slices[&Slice::Board].ebr;
            assert_eq!((ebr, total.dsp), (counted.block_rams as u64, counted.multipliers as u64));
        }
    }

    /// What Yosys 0.23 made of the chips.
    #[test]
    fn tables_and_flip_flops_are_near_those_that_were_counted() {
        for (geometry, lut, ff) in [(Geometry::NANO, 39_601, 17_237), (Geometry::ULX3S_85F, 72_341, 35_286)] {
            let total = estimate(&geometry).total;
            for (estimated, counted) in [(total.lut, lut), (total.ff, ff)] {
                let error = estimated as f64 / f64::from(counted) - 1.0;
                assert!(error.abs() < 0.02, "{}: estimated {estimated}, counted {counted}", geometry.name);
            }
        }
    }
}
