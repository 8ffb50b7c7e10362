//! Boards: from a folder of `constraints/` to a bitstream, and onto the board.
//!
//! ```text
//!  board.toml ─► PLL divisors ─► Verilog ─► synthesis ─► place and route, once a seed ─► best seed ─► bitstream ─► programmer
//!                                  │            │                  │                                    │
//!                                  └─ every stage: a folder of the store, named by the hash of all that goes into it ─┘
//! ```
//!
//! # Invariants
//! 1. A stage of the store is whole or absent: it is made beside its place and renamed.
//! 2. Equal inputs have equal names: the text, the options, and the tools' versions. Nothing is made twice.
//! 3. What a tool says decides nothing but what is parsed here: its report of clocks, its exit code.

mod build;
mod description;
mod error;
mod estimate;
mod floorplan;
mod flow;
pub mod machine;
mod netlist;
mod pll;
mod programmer;
mod report;
mod router;
mod settings;
mod simulation;
mod store;
mod timing;
mod tools;

pub use build::{Build, BuildRequest, Outcome, SeedResult, Stage, UnroutedSeed, build};
pub use description::{Board, Device, Family};
pub use error::Error;
pub use estimate::estimate;
pub use flow::BITSTREAM;
/// Where the source of the soft core lies, and the variable that says so.
pub use lpu_hdl::soc::{CORE_VARIABLE, core_path};
pub use machine::{Attached, Computer, SerialPort, UsbDevice};
pub use netlist::{Cells, Resources, Slice};
pub use pll::{Clocks, clocks};
pub use programmer::{FlashRequest, flash};
pub use report::{ModelSpeed, REPORT_JSON, REPORT_TEXT, Report, verilog_hash};
pub use router::Unrouted;
pub use simulation::{chip_netlist, design};
pub use store::Store;
pub use timing::{ClockResult, CriticalPath};
pub use tools::{Found, Tool, Tools};
