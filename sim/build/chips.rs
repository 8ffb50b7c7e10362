//! The models that a build holds, and the library made of them.

use crate::taps::{Output, taps};
use crate::verilator::{Verilator, sources};
use lpu_hdl::board::{Plan, PllSettings};
use lpu_hdl::dispatch::DISPATCH_CYCLES;
use lpu_hdl::soc::{SocPlan, firmware};
use lpu_isa::Geometry;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Names the chips that are built, separated by commas; [`USUAL`] unless it is set. For work on one of them.
const CHIPS_VARIABLE: &str = "LPU_RTL_GEOMETRY";
/// The chips that are built unless others are asked for: the large one with external memory takes a compiler minutes and no test needs it.
const USUAL: [Geometry; 3] = [Geometry::ULX3S_85F, Geometry::NANO, Geometry::NANO_SDRAM];
/// Names the chips that can show their waves, in the same way; all of them unless it is set. A chip with signals to
/// show takes longer to compile and runs more slowly.
const WAVES_VARIABLE: &str = "LPU_WAVES_GEOMETRY";

/// Names the chips whose boards are built, in the same way; those of [`CHIPS_VARIABLE`] unless it is set.
const BOARDS_VARIABLE: &str = "LPU_BOARD_GEOMETRY";

/// Cycles of the chip's clock in one of the soft core's, on simulated boards: those of the ULX3S.
const CONTROL_RATIO: u32 = 2;

/// A chip as Verilog.
struct Emitted {
    text: String,
    top: String,
    outputs: Vec<Output>,
}

/// What one of the two packages that emit chips gives.
macro_rules! emitted {
    ($package:ident, $geometry:expr, $top:expr) => {{
        let design =
            $package::chip::emit($geometry, $top).map_err(|error| format!("{}: {error}", $geometry.name))?;
        let outputs = design.outputs.iter();
        let outputs = outputs.map(|port| Output { name: port.name.clone(), width_bits: port.width_bits });
        Ok(Emitted { text: design.verilog(), top: design.top.clone(), outputs: outputs.collect() })
    }};
}

fn emit(geometry: &Geometry, top: &str) -> Result<Emitted, String> {
    if geometry.has_external_memory() {
        emitted!(lpu_hdl_external, geometry, top)
    } else {
        emitted!(lpu_hdl, geometry, top)
    }
}

/// The C++ of all models.
#[derive(Default)]
struct Models {
    folders: Vec<PathBuf>,
    headers: String,
}

impl Models {
    /// A folder for the files of a model, which the library then holds.
    fn add(&mut self, out: &Path, prefix: &str) -> Result<PathBuf, String> {
        let folder = empty_folder(out, prefix)?;
        self.folders.push(folder.clone());
        self.include(prefix);
        Ok(folder)
    }

    fn include(&mut self, name: &str) {
        writeln!(self.headers, "#include \"{name}.h\"").expect("text grows");
    }
}

pub fn build() -> Result<(), String> {
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|error| error.to_string())?);
    let verilator = Verilator::find()?;
    let waves = if cfg!(feature = "waves") { geometries(WAVES_VARIABLE, &USUAL)? } else { Vec::new() };
    let mut models = Models::default();
    let chips = chips(&mut models, &verilator, &out, &waves)?;
    let boards = boards(&mut models, &verilator, &out)?;
    let list = format!("#define LPU_CHIPS(X) {chips}\n#define LPU_BOARDS(X) {boards}\n");
    write(&out.join("lpu_chips.h"), &format!("#pragma once\n{}{}{list}", constants(), models.headers))?;
    compile(&models, &verilator, &out, !waves.is_empty())?;
    println!("cargo:rerun-if-changed=src/rtl");
    Ok(())
}

/// What the C++ side must know of the hardware.
fn constants() -> String {
    let lanes_max = described().map(|geometry| geometry.mxm_lanes).max().unwrap_or_default();
    format!(
        "constexpr unsigned kLanesMax = {lanes_max};\nconstexpr int kDispatchCycles = {DISPATCH_CYCLES};\n\
         constexpr unsigned kControlRatio = {CONTROL_RATIO};\n"
    )
}

/// Adds the chips' own Verilog; those of `waves` with signals to show. Gives the list of models for the C++ side.
fn chips(
    models: &mut Models,
    verilator: &Verilator,
    out: &Path,
    waves: &[Geometry],
) -> Result<String, String> {
    let mut list = String::new();
    let built = geometries(CHIPS_VARIABLE, &USUAL)?;
    for (number, geometry) in numbered(&built) {
        let prefix = format!("Vlpu{number}");
        let design = emit(&geometry, &format!("lpu{number}"))?;
        let folder = models.add(out, &prefix)?;
        let text = folder.join(format!("{prefix}.sv"));
        write(&text, &design.text)?;
        let (observer, option) = match waves.contains(&geometry) {
            true => ("Waves", Some("--trace-fst".as_ref())),
            false => ("Recorder", None),
        };
        verilator.translate(&[text], &design.top, &prefix, &folder, option)?;
        write(&folder.join(format!("{prefix}_taps.h")), &taps(&design.outputs, &prefix))?;
        models.include(&format!("{prefix}_taps"));
        let outside = if geometry.has_external_memory() { "Sdram" } else { "NoMemory" };
        write!(list, "X({number}, {prefix}, {observer}, {outside}) ").expect("text grows");
    }
    Ok(list)
}

/// Adds the tops of bitstreams, firmware included. Gives the list of models for the C++ side.
fn boards(models: &mut Models, verilator: &Verilator, out: &Path) -> Result<String, String> {
    let mut list = String::new();
    let built = geometries(BOARDS_VARIABLE, &geometries(CHIPS_VARIABLE, &USUAL)?)?;
    // Boards with external memory are not written yet.
    for (number, geometry) in numbered(&built).filter(|(_, geometry)| !geometry.has_external_memory()) {
        let prefix = format!("Vboard{number}");
        let plan = Plan {
            geometry,
            // Of the divisors, simulation knows the ratio of the two clocks alone.
            pll: PllSettings::Ecp5 { input: 1, feedback: 4, output: 6, output_control: 6 * CONTROL_RATIO },
            // The simulation tells the firmware its clock when it begins.
            soc: SocPlan { clock_hz: 0, image: firmware() },
            leds_active_low: false,
        };
        let design = lpu_hdl::board::emit(&plan)?;
        let folder = models.add(out, &prefix)?;
        let text = folder.join(format!("{prefix}.sv"));
        write(&text, &format!("`define LPU_CLOCK_ARGUMENT\n{}", design.verilog()))?;
        verilator.translate(&[text], &design.top, &prefix, &folder, None)?;
        write!(list, "X({number}, {prefix}) ").expect("text grows");
    }
    Ok(list)
}

fn compile(models: &Models, verilator: &Verilator, out: &Path, waves: bool) -> Result<(), String> {
    let common = |library: &mut cc::Build| {
        // Nobody steps through generated code, and describing it costs a compiler half of its time.
        library.std("c++17").warnings(false).debug(false).force_frame_pointer(false);
        library.includes([out, Path::new("src/rtl"), &verilator.include, &verilator.include.join("vltstd")]);
        library.includes(&models.folders);
    };
    let mut library = cxx_build::bridge("src/rtl/bridge.rs");
    let mut once = cc::Build::new();
    common(&mut library);
    common(once.cpp(true));
    for folder in &models.folders {
        // What Verilator calls slow runs once for each chip.
        let (slow, fast): (Vec<_>, Vec<_>) =
            sources(folder)?.into_iter().partition(|path| path.to_string_lossy().ends_with("__Slow.cpp"));
        library.files(fast);
        once.files(slow);
    }
    if waves {
        library.define("LPU_WAVES", None).file(verilator.include.join("verilated_fst_c.cpp"));
        // The waves are compressed with zlib.
        println!("cargo:rustc-link-lib=z");
    }
    library.files(["verilated.cpp", "verilated_threads.cpp"].map(|file| verilator.include.join(file)));
    library.file("src/rtl/chip.cpp").objects(once.opt_level(0).compile_intermediates());
    library.opt_level(2).compile("lpu_rtl");
    Ok(())
}

/// Chips with the numbers that the bridge knows them by.
fn numbered(chips: &[Geometry]) -> impl Iterator<Item = (usize, Geometry)> {
    Geometry::known().enumerate().filter(move |(_, geometry)| chips.contains(geometry))
}

/// The chips whose RTL is written: without external memory, or with SDR SDRAM of 16 bits.
fn described() -> impl Iterator<Item = Geometry> {
    Geometry::known().filter(|geometry| geometry.dram_bits <= 16)
}

fn empty_folder(out: &Path, name: &str) -> Result<PathBuf, String> {
    let folder = out.join(name);
    let failed = |error| format!("{}: {error}", folder.display());
    // Files of an older build would be compiled with the others.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(failed)?;
    }
    std::fs::create_dir_all(&folder).map_err(failed)?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The chips that a variable of the environment names.
fn geometries(variable: &str, unless_set: &[Geometry]) -> Result<Vec<Geometry>, String> {
    println!("cargo:rerun-if-env-changed={variable}");
    let Ok(names) = std::env::var(variable) else { return Ok(unless_set.to_vec()) };
    let names = names.split(',').filter(|name| !name.is_empty());
    let known = |name: &str| {
        let all: Vec<&str> = described().map(|geometry| geometry.name).collect();
        described().find(|geometry| geometry.name == name).ok_or_else(|| {
            let all = all.join(", ");
            format!("expected {variable} to name chips of {all}, found `{name}`: correct it or unset it")
        })
    };
    names.map(known).collect()
}
