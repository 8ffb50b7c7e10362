//! What becomes of the chip on an FPGA, by the real tools: its cells, its netlist, its place on a board.

mod cells;
#[cfg(feature = "rtl")]
mod netlist;
mod place_and_route;
mod real_tools;
