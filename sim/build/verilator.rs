//! Verilator: Verilog to C++.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Statements in one generated file: small enough that two cores have work, large enough that the model's header, which each file
/// reads, costs little.
const FILE_STATEMENTS: &str = "20000";

/// Statements in one generated function. What a C++ compiler does for a function grows faster than its length: whole, the largest
/// of the full-size chip costs more than all others of its model.
const FUNCTION_STATEMENTS: &str = "300";

/// The Verilator of this machine.
pub struct Verilator {
    /// The folder of its run-time sources.
    pub include: PathBuf,
}

impl Verilator {
    pub fn find() -> Result<Self, String> {
        let output = Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]).output();
        let output = output.map_err(|error| {
            format!("expected Verilator for the feature `rtl`, found none ({error}): run ./setup")
        })?;
        let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self { include: PathBuf::from(root).join("include") })
    }

    /// Turns the module `top` into a C++ class named `prefix`, with its files in `folder`.
    pub fn translate(
        &self,
        texts: &[PathBuf],
        top: &str,
        prefix: &str,
        folder: &Path,
        option: Option<&OsStr>,
    ) -> Result<(), String> {
        let fixed = "--cc -O3 --x-assign fast --x-initial fast --noassert -Wno-fatal -Wno-lint";
        let output = Command::new("verilator")
            .args(fixed.split(' '))
            .args(["--output-split", FILE_STATEMENTS, "--output-split-cfuncs", FUNCTION_STATEMENTS])
            .args(["--prefix", prefix, "--top-module", top, "--Mdir"])
            .arg(folder)
            .args(option)
            .args(texts)
            .output()
            .map_err(|error| format!("verilator: {error}"))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// The C++ files of a folder.
pub fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cpp"));
    files.sort();
    Ok(files)
}
