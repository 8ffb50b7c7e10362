//! Primitives of the vector side: the functions of `lpu_isa::arith` as circuits, and the small helpers around them.
//!
//! Each is combinational (`LATENCY == 0`) unless its header says otherwise; the registers stand in the kernels that
//! use it. The [`combinational`] macro writes the block, its model and the test that the two agree.

#[macro_use]
mod combinational;

pub mod add_subtract;
pub mod difference;
pub mod exp2_table;
pub mod gumbel;
pub mod half_mask;
pub mod interpolate;
pub mod kv_encode;
pub mod normalise;
pub mod operand_shift;
pub mod product_shift;
pub mod reciprocal_table;
pub mod row_step;
pub mod saturate;
pub mod shift_amount;
pub mod sigmoid_table;
pub mod taus88;

/// A read-only memory in logic: the arms of a `case` over `index`, each assigning `target`.
fn rom(index: &str, index_bits: usize, target: &str, bits: usize, values: impl IntoIterator<Item = u64>) -> String {
    let arms: String = values
        .into_iter()
        .enumerate()
        .map(|(at, value)| format!("        {index_bits}'d{at}: {target} = {bits}'d{value};\n"))
        .collect();
    format!("always_comb begin\n    case ({index})\n{arms}        default: {target} = {bits}'d0;\n    endcase\nend\n")
}

/// Verilog of `name` limited from `from` to `to` signed bits.
fn saturated(name: &str, from: usize, to: usize) -> String {
    let (top, sign) = (from - 1, format!("{name}[{}]", from - 1));
    let (high, spare) = (to - 1, from - to + 1);
    format!("(({name}[{top}:{high}] == {{{spare}{{{sign}}}}}) ? {name}[{high}:0] : {{{sign}, {{{high}{{!{sign}}}}}}})")
}
