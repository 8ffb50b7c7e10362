//! C++ functions that copy arrays of trace ports, whose names carry the index.

use lpu_hdl::emit::{Design, Port};
use std::fmt::Write;

const ARRAYS: [&str; 5] = ["sums_word", "result_word", "vreg_word", "act_word", "kv_code"];

/// A header with one function for each array of the model `prefix`.
pub fn taps(design: &Design, prefix: &str) -> String {
    let mut text = String::from("#pragma once\n#include <cstdint>\n");
    for array in ARRAYS {
        let start = format!("trace_{array}$");
        let mut ports: Vec<&Port> =
            design.outputs.iter().filter(|port| port.name.starts_with(&start)).collect();
        ports.sort_by_key(|port| port.name[start.len()..].parse::<usize>().unwrap_or(usize::MAX));
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
    text
}
