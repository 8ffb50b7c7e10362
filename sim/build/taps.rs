//! C++ functions that copy arrays of trace ports, whose names carry the index.

use std::fmt::Write;

/// A port of a model.
pub struct Output {
    pub name: String,
    pub width_bits: usize,
}

const ARRAYS: [&str; 5] = ["sums_word", "result_word", "vreg_word", "act_word", "kv_code"];

/// A header with one function for each array of the model `prefix`, and one for rows of transfers.
pub fn taps(outputs: &[Output], prefix: &str) -> String {
    let mut text = String::from("#pragma once\n#include <cstdint>\n");
    for array in ARRAYS {
        let ports = array_of(outputs, array);
        writeln!(text, "static inline unsigned tap_{array}(const {prefix}& m, int32_t* out) {{")
            .expect("text grows");
        for (lane, port) in ports.iter().enumerate() {
            // Verilator spells a dollar sign by its code.
            let name = port.name.replace('$', "__024");
            let shift = 32 - port.width_bits;
            writeln!(text, "  out[{lane}] = static_cast<int32_t>(m.{name} << {shift}) >> {shift};")
                .expect("text grows");
        }
        writeln!(text, "  return {};\n}}", ports.len()).expect("text grows");
    }
    text + &transfers(outputs, prefix)
}

/// The elements of an array, in their order.
fn array_of<'a>(outputs: &'a [Output], array: &str) -> Vec<&'a Output> {
    let start = format!("trace_{array}$");
    let mut ports: Vec<&Output> = outputs.iter().filter(|port| port.name.starts_with(&start)).collect();
    ports.sort_by_key(|port| port.name[start.len()..].parse::<usize>().unwrap_or(usize::MAX));
    ports
}

/// A function that gives the memory to which a transfer's row goes (weights 1, KV 2, vector memory 3, none 0), its row there and its cells.
fn transfers(outputs: &[Output], prefix: &str) -> String {
    let cells = array_of(outputs, "transfer_cell");
    let mut text = format!(
        "static inline unsigned tap_transfer(const {prefix}& m, uint32_t& row, uint64_t* cells, unsigned& count) {{\n"
    );
    let one = |name: &str| format!("m.trace_transfer_{name}__0240");
    if cells.is_empty() {
        return text + "  return 0;\n}\n";
    }
    let [weights, kv, vmem, row] = ["weights", "kv", "vmem", "row"].map(one);
    writeln!(text, "  const unsigned to = {weights} ? 1 : {kv} ? 2 : {vmem} ? 3 : 0;").expect("text grows");
    writeln!(text, "  if (!to) return 0;\n  row = {row};\n  count = {};", cells.len()).expect("text grows");
    for (c, port) in cells.iter().enumerate() {
        writeln!(text, "  cells[{c}] = m.{};", port.name.replace('$', "__024")).expect("text grows");
    }
    text + "  return to;\n}\n"
}
