//! Where the soft core's Verilog is: the setup script fetches it, pinned, and no copy lies in the repository.

use etcetera::{BaseStrategy, base_strategy::Xdg};
use std::path::PathBuf;

/// Environment variable that names another copy of `picorv32.v`.
pub const VARIABLE: &str = "LPU_PICORV32";
/// The package's place in a Python environment, below its version folder.
const INSIDE: &str = "site-packages/pythondata_cpu_picorv32/verilog/picorv32.v";

/// Where the Verilog of the soft core is.
///
/// # Errors
/// It is missing; says how to get it.
pub fn core_path() -> Result<PathBuf, String> {
    find().ok_or_else(|| {
        format!("expected the soft core's picorv32.v, found none: run ./setup, or set {VARIABLE} to its path")
    })
}

/// The Verilog of the soft core, under its own file name so that lint tells it from ours.
///
/// # Errors
/// Says what is missing and how to get it.
pub fn core_source() -> Result<String, String> {
    let path = core_path()?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}: run ./setup again", path.display()))?;
    Ok(format!("`line 1 \"picorv32.v\" 0\n{text}\n`line 1 \"design.sv\" 0\n"))
}

fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Some(path.into());
    }
    let versions = std::fs::read_dir(Xdg::new().ok()?.cache_dir().join("lpu/soft-core/lib")).ok()?;
    let candidates = versions.filter_map(|entry| Some(entry.ok()?.path().join(INSIDE)));
    candidates.filter(|path| path.is_file()).min()
}
