//! The latencies of all chips.

use super::source::{self, cell, prose};
use lpu_isa::Geometry;
use lpu_isa::timing::*;
use std::fmt::Write;

type Cycles = fn(&Geometry) -> i64;

/// Every number of `isa::timing`.
const NUMBERS: [(&str, Cycles); 31] = [
    ("START_CYCLES", |_| START_CYCLES),
    ("MIN_PERIOD_CYCLES", |_| MIN_PERIOD_CYCLES),
    ("SYNC_CYCLES", |_| SYNC_CYCLES),
    ("TURNAROUND_CYCLES", |_| TURNAROUND_CYCLES),
    ("MATRIX_ROW_SAMPLE", |_| MATRIX_ROW_SAMPLE),
    ("ACT_SAMPLE", |_| ACT_SAMPLE),
    ("VMEM_SAMPLE", |_| VMEM_SAMPLE),
    ("VREG_SAMPLE", |_| VREG_SAMPLE),
    ("SCALAR_SAMPLE", |_| SCALAR_SAMPLE),
    ("RESULT", |_| RESULT),
    ("STREAM", |_| STREAM),
    ("VREG_EFFECT", |_| VREG_EFFECT),
    ("ACT_EFFECT", |_| ACT_EFFECT),
    ("KV_EFFECT", |_| KV_EFFECT),
    ("RESULT_STORE_PORT", |_| RESULT_STORE_PORT),
    ("GATHER_STORE_PORT", |_| GATHER_STORE_PORT),
    ("GATHER_INTERVAL", |_| GATHER_INTERVAL),
    ("dot_store_port", dot_store_port),
    ("store_effect", |_| store_effect(0)),
    ("maximum_effect", maximum_effect),
    ("reduction_effect", reduction_effect),
    ("argmax_effect", argmax_effect),
    ("NOISE_START_CYCLES", |_| NOISE_START_CYCLES),
    ("noise_row_cycles", noise_row_cycles),
    ("start_cycles", start_cycles),
    ("TRANSFER_LEAD", |_| TRANSFER_LEAD),
    ("TRANSFER_SAMPLE", |_| TRANSFER_SAMPLE),
    ("TRANSFER_DECODE", |_| TRANSFER_DECODE),
    ("transfer_store_port", transfer_store_port),
    ("-> a vector row from a Dot's last beat", |geometry| store_effect(dot_store_port(geometry))),
    ("-> a vector row from a vector result", |_| store_effect(RESULT_STORE_PORT)),
];

fn is_derived(name: &str) -> bool {
    name.starts_with("->")
}

pub fn render() -> String {
    let names: Vec<&str> = Geometry::known().map(|geometry| geometry.name).collect();
    let mut text = format!("\n## Time\n\n{}\n\n", prose(&source::header(source::TIMING)));
    text += "An instruction that issues takes `delay + count * interval` cycles of its queue, any other `delay`; a \
             `Sync` or `EndLoop` takes until the last queue reaches it, and `SYNC_CYCLES`. A token takes until the last \
             `End`, and `TURNAROUND_CYCLES`. `store_effect` is counted from the cycle of the write port.\n\n";
    let rules = "---:|".repeat(names.len());
    writeln!(text, "| number | {} | meaning |\n|---|{rules}---|", names.join(" | ")).expect("text");
    for (name, cycles) in NUMBERS {
        let values: Vec<String> = Geometry::known().map(|geometry| cycles(&geometry).to_string()).collect();
        let (shown, doc) = if is_derived(name) {
            (name.trim_start_matches("-> ").to_string(), "Visible to a reader that samples then.".into())
        } else {
            (format!("`{name}`"), doc(name))
        };
        writeln!(text, "| {shown} | {} | {} |", values.join(" | "), cell(&doc)).expect("text");
    }
    text
}

fn doc(name: &str) -> String {
    let kind = if name.chars().all(|letter| letter.is_uppercase() || letter == '_') { "" } else { "fn " };
    source::doc_of(source::TIMING, &format!("pub const {kind}{name}"))
}

#[test]
fn every_number_of_the_timing_is_listed() {
    for line in source::TIMING.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let line = line.trim_start_matches("fn ");
        let name: String =
            line.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect();
        assert!(NUMBERS.iter().any(|number| number.0 == name), "{name} is missing in this test's list");
    }
}
