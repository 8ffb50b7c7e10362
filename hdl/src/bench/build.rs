//! Verilator and the C++ compiler, with a cache by content.

use super::ports::CLOCK;
use crate::emit::{Design, Port};
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs};

const HARNESS: &str = include_str!("harness.cpp");
const WAIVERS: &str = include_str!("../../waivers.vlt");

/// Statements in one generated function: a C++ compiler's work grows faster than the length of a function.
const FUNCTION_STATEMENTS: &str = "300";

/// Parts of Verilator's run time that every executable links; compiled once.
const RUNTIME: [&str; 2] = ["verilated", "verilated_threads"];

/// Why a bench could not be built or run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BenchError {
    /// A tool could not be started.
    Tool { tool: String, reason: String },
    /// A tool refused the design; its words.
    Refused { tool: String, output: String },
    /// The cache folder could not be written.
    Cache(String),
    /// The executable failed.
    Run(String),
}

impl BenchError {
    pub(super) fn tool(tool: &str, reason: &dyn fmt::Display) -> Self {
        Self::Tool { tool: tool.to_owned(), reason: reason.to_string() }
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool { tool, reason } => write!(
                f,
                "cannot run `{tool}` ({reason}): install it (Debian: apt-get install verilator yosys g++)"
            ),
            Self::Refused { tool, output } => write!(f, "`{tool}` refuses the design:\n{output}"),
            Self::Cache(reason) => write!(f, "cannot write the bench cache: {reason}"),
            Self::Run(reason) => write!(f, "the verilated design failed: {reason}"),
        }
    }
}

impl std::error::Error for BenchError {}

/// How hard the C++ compiler works.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Optimisation {
    Quick,
    Full,
}

impl Optimisation {
    fn flag(self) -> &'static str {
        match self {
            Self::Quick => "-O1",
            Self::Full => "-O3",
        }
    }
}

/// Runs a tool and returns its output, or its complaint.
pub(super) fn run_tool(command: &mut Command) -> Result<String, BenchError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| BenchError::tool(&tool, &e))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(BenchError::Refused { tool, output: text(&output.stdout) + &text(&output.stderr) })
}

/// The cache lies beside the test executable's build folder, else among the temporary files.
fn cache_folder() -> PathBuf {
    let beside = env::current_exe().ok().and_then(|exe| {
        let deps = exe.ancestors().find(|folder| folder.ends_with("deps"))?;
        Some(deps.parent()?.parent()?.join("tmp"))
    });
    beside.unwrap_or_else(env::temp_dir).join("lpu-bench")
}

pub(super) fn hash(parts: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Fills the cache entry `name` by `fill`, unless it is there. The entry appears at once and whole. Of tests that run side by side, in
/// one process or in many, the first makes it and the others wait.
pub(super) fn cached(
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), BenchError>,
) -> Result<PathBuf, BenchError> {
    let failed = |error: std::io::Error| BenchError::Cache(error.to_string());
    let (entry, draft) = (cache_folder().join(name), cache_folder().join(format!("draft-{name}")));
    if entry.exists() {
        return Ok(entry);
    }
    fs::create_dir_all(cache_folder()).map_err(failed)?;
    let lock = fs::File::create(cache_folder().join(format!("{name}.lock"))).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if entry.exists() {
        return Ok(entry);
    }
    // What a process left that was ended in the middle.
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(failed)?;
    }
    fs::create_dir(&draft).map_err(failed)?;
    fill(&draft)?;
    fs::rename(&draft, &entry).map_err(failed)?;
    Ok(entry)
}

pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<(), BenchError> {
    fs::write(folder.join(name), text).map_err(|e| BenchError::Cache(e.to_string()))
}

/// Builds the executable of `design`, or finds it in the cache.
pub(super) fn executable(design: &Design, optimisation: Optimisation) -> Result<PathBuf, BenchError> {
    static VERSION: Mutex<Option<String>> = Mutex::new(None);
    let version = {
        let mut known = VERSION.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match known.as_ref() {
            Some(version) => version.clone(),
            None => known.insert(run_tool(Command::new("verilator").arg("--version"))?).clone(),
        }
    };
    let ports = port_functions(design);
    let key = hash((design.verilog(), &design.top, &ports, HARNESS, WAIVERS, &version, optimisation));
    let name = format!("{}-{key}", design.top);
    let folder = cached(&name, |folder| build(folder, design, &ports, optimisation, &version))?;
    Ok(folder.join("dut"))
}

fn build(
    folder: &Path,
    design: &Design,
    ports: &str,
    optimisation: Optimisation,
    version: &str,
) -> Result<(), BenchError> {
    write(folder, "design.sv", &design.verilog())?;
    write(folder, "waivers.vlt", WAIVERS)?;
    write(folder, "ports.h", ports)?;
    let mut verilator = Command::new("verilator");
    verilator.current_dir(folder).args(["--cc", "-Wall", "-O3", "--x-assign", "0", "--x-initial", "0"]);
    verilator.args(["--output-split-cfuncs", FUNCTION_STATEMENTS]);
    verilator.args(["--prefix", "Vdut", "--top-module", &design.top, "-Mdir", "."]);
    run_tool(verilator.args(["waivers.vlt", "design.sv"]))?;
    let root = run_tool(Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]))?;
    let include = Path::new(root.trim()).join("include");
    let runtime = runtime_objects(&include, version)?;
    write(folder, "all.cc", &one_unit(folder)?)?;
    let mut compiler = cpp(&include);
    compiler.current_dir(folder).args([optimisation.flag(), "-I.", "all.cc", "-o", "dut"]);
    run_tool(compiler.args(RUNTIME.map(|part| runtime.join(format!("{part}.o")))).arg("-pthread"))?;
    Ok(())
}

fn cpp(include: &Path) -> Command {
    let mut command = Command::new("g++");
    command.args(["-std=c++17", "-w", "-I"]).arg(include).arg("-I").arg(include.join("vltstd"));
    command
}

fn runtime_objects(include: &Path, version: &str) -> Result<PathBuf, BenchError> {
    cached(&format!("runtime-{}", hash(version)), |folder| {
        RUNTIME.iter().try_for_each(|part| {
            let mut compiler = cpp(include);
            compiler.current_dir(folder).args(["-O1", "-c"]).arg(include.join(format!("{part}.cpp")));
            run_tool(&mut compiler).map(|_| ())
        })
    })
}

/// A unit that includes the harness and all generated files: the headers are then read once.
fn one_unit(folder: &Path) -> Result<String, BenchError> {
    let listing = fs::read_dir(folder).map_err(|e| BenchError::Cache(e.to_string()))?;
    let mut names: Vec<String> = listing
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".cpp"))
        .collect();
    names.sort();
    let includes: String = names.iter().map(|name| format!("#include \"{name}\"\n")).collect();
    Ok(includes + HARNESS)
}

/// The C++ functions that move words to and from the ports.
fn port_functions(design: &Design) -> String {
    let inputs: Vec<&Port> = design.inputs.iter().filter(|port| port.name != CLOCK).collect();
    let outputs: Vec<&Port> = design.outputs.iter().collect();
    let mut text = String::from("#include <cstdint>\n");
    let words = |ports: &[&Port]| ports.iter().map(|port| port.width_bits.div_ceil(32)).sum::<usize>();
    let _ =
        writeln!(text, "static const size_t IN_WORDS = {}, OUT_WORDS = {};", words(&inputs), words(&outputs));
    text += "static void drive(Vdut& dut, const uint32_t* w) {\n";
    each_port(&inputs, &mut text, |name, bits, at| match bits {
        0..=32 => format!("dut.{name} = w[{at}];"),
        33..=64 => format!("dut.{name} = w[{at}] | uint64_t(w[{}]) << 32;", at + 1),
        _ => format!("for (int i = 0; i < {}; ++i) dut.{name}[i] = w[{at} + i];", bits.div_ceil(32)),
    });
    text += "}\nstatic void sample(const Vdut& dut, uint32_t* w) {\n";
    each_port(&outputs, &mut text, |name, bits, at| match bits {
        0..=32 => format!("w[{at}] = dut.{name};"),
        33..=64 => format!("w[{at}] = uint32_t(dut.{name}); w[{}] = uint32_t(dut.{name} >> 32);", at + 1),
        _ => format!("for (int i = 0; i < {}; ++i) w[{at} + i] = dut.{name}[i];", bits.div_ceil(32)),
    });
    let has_clock = design.inputs.iter().any(|port| port.name == CLOCK);
    let clock = if has_clock { "dut.clock = level;" } else { "" };
    let _ = writeln!(text, "}}\nstatic void clock_level(Vdut& dut, int level) {{ {clock} }}");
    text
}

fn each_port(ports: &[&Port], text: &mut String, line: impl Fn(&str, usize, usize) -> String) {
    let mut at = 0;
    for port in ports {
        // Verilator spells `$` in a name as its character code.
        let name = port.name.replace('$', "__024");
        let _ = writeln!(text, "    {}", line(&name, port.width_bits, at));
        at += port.width_bits.div_ceil(32);
    }
}
