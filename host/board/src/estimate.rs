//! What a chip would cost, from its geometry alone.
//!
//! Block RAM and multipliers follow from how the memories are cut and are exact. Tables and flip-flops are a constant and a slope a
//! slice, fitted to what Yosys made of the chips of [`Geometry::ALL`]: ARCHITECTURE.md's slices are wide in one direction each, the
//! matrix lanes, the vector lanes or the instructions that the queues hold. Tests hold
//! the first against the hardware's own census, the second against what was counted.

use super::netlist::{Cells, Resources, Slice};
use lpu_isa::Geometry;
use lpu_isa::soc::MEMORY_WORDS;

/// What a slice is wide in.
#[derive(Clone, Copy, Debug)]
enum Width {
    Matrix,
    Vector,
    Instructions,
}

/// Tables or flip-flops of a slice: a constant, and so many a lane or instruction.
type Line = (f64, f64);

/// Slice, what it is wide in, tables, flip-flops.
const SLICES: [(Slice, Width, Line, Line); 7] = [
    (Slice::Icu, Width::Instructions, (2790.0, 21.78), (2150.0, 0.0)),
    (Slice::Mem, Width::Matrix, (460.0, 10.75), (367.7, 14.71)),
    (Slice::Mxm, Width::Matrix, (2938.6, 132.15), (2280.0, 97.62)),
    (Slice::Vxm, Width::Vector, (1640.0, 1616.12), (816.0, 648.5)),
    (Slice::Sxm, Width::Vector, (1535.0, 296.25), (1203.0, 179.62)),
    (Slice::Seq, Width::Vector, (1909.5, 0.0), (1141.0, 0.0)),
    (Slice::Board, Width::Vector, (3035.5, 0.0), (809.0, 0.0)),
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
        let width = match width {
            Width::Matrix => geometry.mxm_lanes,
            Width::Vector => geometry.vxm_lanes,
            Width::Instructions => geometry.matrix_queue_depth + geometry.vector_queue_depth,
        };
        let line = |(fixed, each): Line| (fixed + each * width as f64).round() as u64;
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
        for (geometry, lut, ff) in [(Geometry::NANO, 37_642, 17_435), (Geometry::ULX3S_85F, 67_533, 36_734)] {
            let total = estimate(&geometry).total;
            for (estimated, counted) in [(total.lut, lut), (total.ff, ff)] {
                let error = estimated as f64 / f64::from(counted) - 1.0;
                assert!(error.abs() < 0.02, "{}: estimated {estimated}, counted {counted}", geometry.name);
            }
        }
    }
}
