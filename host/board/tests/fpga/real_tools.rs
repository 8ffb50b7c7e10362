//! The real tools of a build, and the folder in which tests keep what these made.

use lpu_board::{Tool, Tools};
use std::path::{Path, PathBuf};

/// The user's tools, or none with a printed line. In CI, and where `LPU_REQUIRE_TOOLS` is set, they must be there.
pub fn tools(wanted: &[Tool]) -> Option<Tools> {
    let tools = Tools::of_user();
    let missing = wanted.iter().find_map(|tool| tools.find(*tool).err());
    let Some(missing) = missing else { return Some(tools) };
    let required = ["CI", "LPU_REQUIRE_TOOLS"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(!required, "{missing}");
    println!("skipped: {missing}");
    None
}

/// The work folder: a netlist that one test has made serves all others.
pub fn work() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("boards")
}
