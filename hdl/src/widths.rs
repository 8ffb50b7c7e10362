//! Widths of addresses and indices, in bits: wide enough for every chip of [`CHIPS`].
//!
//! One source describes all chips. Where a chip is smaller its upper bits are constant, and synthesis removes them. The package
//! `lpu-hdl-external` compiles the same source for chips with external memory, whose memories are larger.

use lpu_isa::Geometry;

/// The chips of this package.
#[cfg(not(feature = "external"))]
pub const CHIPS: &[Geometry] = &Geometry::ALL;
/// The chips of this package.
#[cfg(feature = "external")]
pub const CHIPS: &[Geometry] = &Geometry::EXTERNAL;

/// Bits that number `count` things, at least one.
const fn index_bits(count: usize) -> usize {
    if count <= 2 { 1 } else { (count - 1).ilog2() as usize + 1 }
}

/// The largest of `$size` over all chips, as the bits of an index below it.
macro_rules! index_width {
    (|$geometry:ident| $size:expr) => {{
        let (mut most, mut at) = (0, 0);
        while at < CHIPS.len() {
            let $geometry = &CHIPS[at];
            let bits = index_bits($size);
            if bits > most {
                most = bits;
            }
            at += 1;
        }
        most
    }};
}

/// Row of weight memory.
pub const WEIGHT_ROW: usize = index_width!(|chip| chip.weight_rows);
/// Row of KV memory.
pub const KV_ROW: usize = index_width!(|chip| chip.kv_rows);
/// Row of either matrix memory.
pub const MATRIX_ROW: usize = if WEIGHT_ROW > KV_ROW { WEIGHT_ROW } else { KV_ROW };
/// Row of vector memory.
pub const VMEM_ROW: usize = index_width!(|chip| chip.vmem_rows);
/// Vector register.
pub const VREG_ROW: usize = index_width!(|chip| chip.vreg_rows);
/// Entry of the activation file.
pub const ENTRY: usize = index_width!(|chip| chip.act_entries);
/// Lane of a vector row.
pub const LANE: usize = index_width!(|chip| chip.vxm_lanes);
/// Group of `vxm_lanes` lanes in a matrix row.
pub const GROUP: usize = index_width!(|chip| chip.groups());
/// Host word in a matrix row: eight lanes.
pub const OCTET: usize = index_width!(|chip| chip.mxm_lanes / 8);
/// Host word in a vector row: four lanes.
pub const QUAD: usize = LANE - 2;
/// A mask with one bit for each half row of a matrix row.
pub const HALVES: usize = 1 << index_width!(|chip| chip.halves());
/// A mask with one bit for each lane of a vector row.
pub const LANES: usize = 1 << LANE;
/// Scalar of one written bank.
pub const SCALAR: usize = index_width!(|chip| chip.scalars);
/// A scalar's number in an instruction: of all banks.
pub const SCALAR_NUMBER: usize = 7;
/// Row of the buffer of random numbers.
pub const NOISE_ROW: usize = index_width!(|chip| chip.noise_rows);
/// Instruction of either queue.
pub const QUEUE_INDEX: usize = {
    let matrix = index_width!(|chip| chip.matrix_queue_depth);
    let vector = index_width!(|chip| chip.vector_queue_depth);
    if matrix > vector { matrix } else { vector }
};
/// Number of blocks begun, 1 to positions / lanes.
pub const BLOCKS: usize = index_width!(|chip| chip.positions / chip.vxm_lanes + 1);
/// The largest number of blocks begun.
pub const BLOCKS_MOST: usize = {
    let (mut most, mut at) = (0, 0);
    while at < CHIPS.len() {
        let blocks = CHIPS[at].blocks(CHIPS[at].positions - 1);
        most = if blocks > most { blocks } else { most };
        at += 1;
    }
    most
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chip_fits() {
        for chip in CHIPS {
            assert!(chip.weight_rows <= 1 << WEIGHT_ROW && chip.kv_rows <= 1 << KV_ROW);
            assert!(chip.vmem_rows <= 1 << VMEM_ROW && chip.vreg_rows <= 1 << VREG_ROW);
            assert!(chip.act_entries <= 1 << ENTRY && chip.scalars <= 1 << SCALAR);
            assert!(chip.vxm_lanes <= LANES && chip.halves() <= HALVES && chip.groups() <= 1 << GROUP);
            assert!(chip.mxm_lanes / 8 <= 1 << OCTET);
            assert!(chip.matrix_queue_depth.max(chip.vector_queue_depth) <= 1 << QUEUE_INDEX);
        }
    }
}
