//! Writes the Verilog of every chip, and of a board around each, into a folder. A change that should only move code is
//! checked by comparing the files before and after: `cargo run -p lpu-hdl --example verilog FOLDER && sha256sum FOLDER/*`.

use lpu_hdl::board::{Board, Plan, PllSettings, TOP};
use lpu_hdl::emit::emit;
use lpu_hdl::{chip, soc};
use lpu_isa::Geometry;
use std::path::PathBuf;
use std::{env, fs};

/// The board's top without the soft core's own source, which is no part of this repository.
fn board(geometry: Geometry) -> Plan {
    Plan {
        geometry,
        pll: PllSettings::Ecp5 { input: 1, feedback: 4, output: 6, output_control: 12 },
        soc: soc::SocPlan { clock_hz: 50_000_000, image: soc::firmware() },
        leds_active_low: true,
    }
}

fn main() {
    let folder = PathBuf::from(env::args().nth(1).expect("expected a folder to write to"));
    fs::create_dir_all(&folder).expect("the folder is created");
    for geometry in Geometry::ALL {
        let chip = chip::emit(&geometry, "lpu").expect("the chip is emitted");
        let board = emit(&mut Board::new(&board(geometry)), TOP).expect("the board is emitted");
        for (what, design) in [("chip", chip), ("board", board)] {
            fs::write(folder.join(format!("{what}-{}.sv", geometry.name)), design.verilog())
                .expect("written");
        }
    }
}
