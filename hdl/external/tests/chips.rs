//! The chips with SDR SDRAM as Verilog: lint, what they cost, what they show to a board.

use lpu_hdl_external::census::{Count, census};
use lpu_hdl_external::chip::emit;
use lpu_hdl_external::emit::Design;
use lpu_isa::Geometry;
use std::path::Path;
use std::process::Command;

const CHIPS: [Geometry; 2] = [Geometry::NANO_SDRAM, Geometry::ULX3S_85F_SDRAM];

fn design(chip: &Geometry) -> Design {
    emit(chip, "lpu").unwrap_or_else(|error| panic!("{}: {error}", chip.name))
}

/// Every warning is an error, but for the waivers that all modules have.
#[test]
fn verilator_has_nothing_to_say() {
    let waivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../waivers.vlt");
    for chip in &CHIPS {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.sv", chip.name));
        std::fs::write(&path, design(chip).verilog()).expect("the folder is there");
        let mut verilator = Command::new("verilator");
        verilator.args(["--lint-only", "-Wall", "--top-module", "lpu"]).arg(&waivers).arg(&path);
        let output = verilator.output().expect("Verilator runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", chip.name);
    }
}

/// The larger chip takes the block RAMs that its bits need: one for 2048 weights of a lane, for 1024 codes of two, for 1024 words of one.
#[test]
fn memories_take_the_block_rams_that_their_bits_need() {
    let chip = Geometry::ULX3S_85F_SDRAM;
    let counts = census(&design(&chip));
    let Geometry { mxm_lanes, vxm_lanes, weight_rows, kv_rows, vmem_rows, .. } = chip;
    let bits = 9 * mxm_lanes * (weight_rows + kv_rows) + 18 * vxm_lanes * vmem_rows;
    assert_eq!(counts[""].block_rams, bits / (9 * 2048));
    assert_eq!(counts["matrix"].block_rams + counts["vector"].block_rams, counts[""].block_rams);
    // Lanes and their tree as on other chips; four for the codes of a word, two for addresses; delay and count of each queue.
    assert_eq!(counts["dram$0"], Count { block_rams: 0, multipliers: 6 });
    assert_eq!(counts["icu"], Count { block_rams: 0, multipliers: 6 });
    // The ECP5-85F has 208 and 156.
    assert!(counts[""].block_rams <= 208 && counts[""].multipliers <= 156);
}

#[test]
fn the_memory_has_its_pins() {
    for chip in &CHIPS {
        let design = design(chip);
        let wide = |name: &str| {
            let ports = design.inputs.iter().chain(&design.outputs);
            ports
                .filter(|port| port.name == format!("sdram_{name}$0"))
                .map(|port| port.width_bits)
                .sum::<usize>()
        };
        let found = ["bank", "line", "mask", "data_out", "data_in"].map(wide);
        assert_eq!(found, [2, 13, 2, 16, 16]);
        for name in ["clock", "clock_enable", "cs_n", "ras_n", "cas_n", "we_n", "drive"] {
            assert_eq!(wide(name), 1, "{name}");
        }
    }
}
