//! The small chip through the real tools: placed, routed, fast enough, packed.

use crate::real_tools;

use lpu_board::{Board, Build, BuildRequest, Tool, build};
use lpu_isa::Geometry;

/// Builds a board with one seed, and holds its clocks and its bitstream against what was asked for.
fn is_placed_routed_and_packed(board: Board) {
    let wanted = [Tool::Yosys, Tool::NextpnrEcp5, Tool::Ecppack];
    let Some(tools) = real_tools::tools(&wanted) else { return };
    let clock = board.clocks.datapath_mhz;
    let request = BuildRequest { board, seeds: vec![1], clock_mhz: None, folder: real_tools::work() };
    let mut tell = |event: Build| {
        if let Build::Ends(stage) = event {
            println!("{}: {:.1} s", stage.name, stage.seconds);
        }
    };
    let outcome = build(&request, &tools, &mut tell).unwrap_or_else(|error| panic!("{error}"));
    let best = outcome.best();
    assert!(best.meets() && best.fmax_mhz >= clock, "{:?}, through {:?}", best.clocks, best.critical_path);
    let bitstream = outcome.bitstream.expect("its clocks are met");
    let bytes = std::fs::read(&bitstream).expect("it was written");
    // The preamble that the FPGA looks for, behind a comment of the packer.
    assert!(bytes.windows(4).any(|word| word == [0xff, 0xff, 0xbd, 0xb3]), "{}", bitstream.display());
}

/// On the FPGA of the ULX3S, half of which it fills: the whole flow in minutes.
#[test]
fn the_small_chip_on_the_ulx3s() {
    let mut board = Board::find("ulx3s-85f").expect("the board is known");
    board.geometry_name = Geometry::NANO.name.to_owned();
    board.device.floorplan = None;
    board.device.place_passes = 0;
    // The soft core at half the clock, as beside the large chip.
    board.clocks.datapath_mhz = 50.0;
    board.clocks.control_mhz_max = 25.0;
    is_placed_routed_and_packed(board);
}

/// On its own board, which it fills to the last tenth.
#[test]
#[ignore = "a quarter of an hour of one core: cargo test -p lpu-board --test fpga place -- --ignored --nocapture"]
fn the_small_chip_on_the_ecpix5() {
    is_placed_routed_and_packed(Board::find("ecpix5-45f").expect("the board is known"));
}
