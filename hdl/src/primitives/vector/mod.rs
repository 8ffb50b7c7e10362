//! Primitives of the vector side: the functions of `lpu_isa::arith` as circuits, and the small helpers around them.
//!
//! Each is combinational (`LATENCY == 0`) unless its header says otherwise; the registers stand in the kernels that
//! use it. The [`combinational`] macro writes the block, its model and the test that the two agree.

#[macro_use]
mod combinational;

pub mod add_subtract;
pub mod destination_limit;
pub mod difference;
pub mod exp2_table;
pub mod gumbel;
pub mod gumbel_table;
pub mod half_mask;
pub mod interpolate;
pub mod kv_encode;
pub mod larger;
pub mod limit;
pub mod normalise;
pub mod operand_shift;
pub mod product_shift;
pub mod reciprocal_table;
pub mod result_limit;
pub mod row_start;
pub mod row_step;
pub mod shift_amount;
pub mod sigmoid_table;
pub mod taus88;

pub use add_subtract::AddSubtract;
pub use destination_limit::DestinationLimit;
pub use difference::Difference;
pub use exp2_table::{EDGE_FACTOR, Exp2Table};
pub use gumbel::Gumbel;
pub use half_mask::{HalfMatch, HalfSpan};
pub use interpolate::Interpolate;
pub use kv_encode::KvEncode;
pub use larger::Larger;
pub use limit::Limit;
pub use normalise::NormaliseBytes;
pub use operand_shift::OperandShift;
pub use product_shift::ProductShift;
pub use reciprocal_table::ReciprocalTable;
pub use result_limit::ResultLimit;
pub use row_start::RowStart;
pub use row_step::{EXACT_ROW, RowStep};
pub use shift_amount::ShiftAmount;
pub use sigmoid_table::{SigmoidPlace, SigmoidTable};
pub use taus88::Taus88Step;

/// A read-only memory as one constant a bit of the entry: Yosys makes no block RAM of it, whatever register follows.
fn rom_by_bits(index: &str, target: &str, bits: usize, values: &[u64]) -> String {
    let name = target.to_uppercase();
    let column = |bit: usize| {
        let word = |nibble: &[u64]| nibble.iter().rev().fold(0, |word, value| word << 1 | (value >> bit & 1));
        let digits: String = values.chunks(4).rev().map(|nibble| format!("{:x}", word(nibble))).collect();
        let (count, top) = (values.len(), values.len() - 1);
        format!(
            "localparam logic [{top}:0] {name}_{bit} = {count}'h{digits};\nassign {target}[{bit}] = {name}_{bit}[{index}];\n"
        )
    };
    (0..bits).map(column).collect()
}
