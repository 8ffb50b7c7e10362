//! Which bits of an instruction a queue stores: those of the fields that this chip can tell apart.
//!
//! The instruction set leaves room for far larger chips. A row number that needs 11 bits here has 24 in the encoding; the
//! queue keeps one bit more than the largest memory needs, so that an address just outside is still seen as outside.

use lpu_isa::Geometry;
use lpu_isa::instruction::{CONTROL_FIELDS, Field, Queue, TABLE, Unit};

/// Number of the opcode's bits.
pub const OPCODE_BITS: usize = 4;

/// The lowest bits of a field that mean something on this chip. Signed fields keep all.
fn stored_bits(geometry: &Geometry, field: &Field) -> u32 {
    let log2 = |count: usize| count.next_power_of_two().ilog2();
    let tokens = 1 << 16;
    let rows = [geometry.weight_rows, geometry.kv_rows, geometry.vmem_rows, tokens / geometry.vxm_lanes];
    let meaningful = match field.unit {
        Unit::Number => field.width,
        Unit::Row => log2(rows.into_iter().max().unwrap_or(tokens)) + 1,
        Unit::Register => log2(geometry.vreg_rows),
        Unit::Entry => log2(geometry.act_entries),
        Unit::Lane => log2(geometry.vxm_lanes),
        Unit::HalfRow => log2(geometry.halves()),
        Unit::Scalar => log2(geometry.scalars),
    };
    meaningful.min(field.width)
}

/// For each part that a queue stores, the bits that it keeps.
pub fn stored_masks(geometry: &Geometry, queue: Queue) -> Vec<u64> {
    let mut masks = vec![0; queue.parts()];
    masks[0] = (1 << OPCODE_BITS) - 1;
    for field in &CONTROL_FIELDS {
        masks[0] |= ((1 << field.width) - 1) << field.low;
    }
    let fields = TABLE.iter().filter(|row| row.on.includes(queue)).flat_map(|row| row.fields);
    for field in fields.filter(|field| geometry.has_external_memory() || !field.external) {
        masks[field.part] |= ((1u64 << stored_bits(geometry, field)) - 1) << field.low;
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_isa::instruction::Dot;

    #[test]
    fn every_field_is_stored_in_its_lowest_bits() {
        for geometry in Geometry::ALL {
            for queue in [Queue::Matrix, Queue::Vector] {
                let masks = stored_masks(&geometry, queue);
                for row in TABLE.iter().filter(|row| row.on.includes(queue)) {
                    assert!(
                        row.fields
                            .iter()
                            .all(|field| field.external || masks[field.part] >> field.low & 1 == 1),
                        "{row:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn large_rows_fit_and_far_larger_ones_are_not_paid_for() {
        let bits = |geometry: &Geometry, queue| -> u32 {
            stored_masks(geometry, queue).iter().map(|mask| mask.count_ones()).sum()
        };
        let chip = Geometry::ULX3S_85F;
        assert_eq!(stored_bits(&chip, &Dot::row), 13);
        assert!(bits(&chip, Queue::Matrix) < 4 * 64 && bits(&chip, Queue::Vector) < 5 * 64);
    }
}
