//! What Yosys makes of a design: proof that the text is synthesisable, and the cells it costs.

use super::build::{BenchError, cached, hash, run_tool, write};
use crate::emit::Design;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// What a design is synthesised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Lattice ECP5: primitives stand as vendor cells.
    Ecp5,
    /// Any: primitives keep their behavioural text, and memories and products stay abstract cells.
    Generic,
}

/// Synthesises `design` and counts its cells by type, hierarchy flattened.
///
/// # Errors
/// Yosys is missing or refuses the design: a latch, a loop, a width fault in an instance.
pub fn cells(design: &Design, family: Family) -> Result<BTreeMap<String, usize>, BenchError> {
    let key = hash((design.verilog(), &design.top, family));
    let folder = cached(&format!("yosys-{}-{key}", design.top), |folder| {
        write(folder, "design.sv", &design.verilog())?;
        let top = &design.top;
        let script = match family {
            Family::Ecp5 => format!(
                "read_verilog -sv -D LPU_ECP5 design.sv; synth_ecp5 -top {top}; check -assert; tee -q -o cells stat"
            ),
            Family::Generic => format!(
                "read_verilog -sv design.sv; hierarchy -check -top {top}; proc; flatten; opt; memory_collect; \
                 check -assert; tee -q -o cells stat"
            ),
        };
        run_tool(Command::new("yosys").current_dir(folder).args(["-q", "-p", &script])).map(|_| ())
    })?;
    let text = fs::read_to_string(folder.join("cells")).map_err(|e| BenchError::Cache(e.to_string()))?;
    Ok(parse(&text))
}

/// Cell counts of the last module in Yosys's `stat` text: the indented `$type count` lines under "Number of cells".
fn parse(text: &str) -> BTreeMap<String, usize> {
    let last = text.rfind("Number of cells:").map_or("", |at| &text[at..]);
    let cell = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    last.lines().skip(1).take_while(|line| !line.trim().is_empty()).filter_map(cell).collect()
}
