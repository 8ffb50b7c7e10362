//! Writes the Verilog of the chips with SDR SDRAM into a folder, as the example `verilog` of `lpu-hdl` does for the others.

use lpu_hdl_external::chip;
use lpu_isa::Geometry;
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let folder = PathBuf::from(env::args().nth(1).expect("expected a folder to write to"));
    fs::create_dir_all(&folder).expect("the folder is created");
    for geometry in [Geometry::NANO_SDRAM, Geometry::ULX3S_85F_SDRAM] {
        let design = chip::emit(&geometry, "lpu").expect("the chip is emitted");
        fs::write(folder.join(format!("chip-{}.sv", geometry.name)), design.verilog()).expect("written");
    }
}
