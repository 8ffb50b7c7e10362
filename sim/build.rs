//! With the feature `rtl`: emits the Verilog of every chip, has Verilator turn it into C++, and compiles that behind the bridge.

#[cfg(not(feature = "rtl"))]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}

#[cfg(feature = "rtl")]
fn main() {
    rtl::build().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
}

#[cfg(feature = "rtl")]
mod rtl {
    use lpu_hdl::chip::Lpu;
    use lpu_hdl::emit::{Design, Port, emit};
    use lpu_isa::Geometry;
    use std::fmt::Write;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Statements in one generated file: small enough that two cores have work.
    const SPLIT_STATEMENTS: &str = "20000";

    pub fn build() -> Result<(), String> {
        let out = PathBuf::from(std::env::var("OUT_DIR").map_err(|error| error.to_string())?);
        let mut bridge = cxx_build::bridge("src/rtl/bridge.rs");
        let mut factories = String::new();
        for (index, geometry) in Geometry::ALL.iter().enumerate() {
            let prefix = format!("Vlpu{index}");
            let design = emit(&mut Lpu::new(geometry), &format!("lpu{index}"))
                .map_err(|error| format!("{}: {error}", geometry.name))?;
            let folder = out.join(&prefix);
            verilate(&design, &prefix, &folder)?;
            std::fs::write(folder.join(format!("{prefix}_taps.h")), taps(&design, &prefix))
                .map_err(|error| error.to_string())?;
            bridge.include(&folder).files(sources(&folder)?);
            writeln!(factories, "#include \"{prefix}.h\"\n#include \"{prefix}_taps.h\"").expect("text grows");
        }
        writeln!(factories, "#define LPU_CHIPS(X) {}", chips()).expect("text grows");
        std::fs::write(out.join("lpu_chips.h"), factories).map_err(|error| error.to_string())?;
        let root = PathBuf::from(verilator_root()?).join("include");
        bridge
            .std("c++17")
            .opt_level(2)
            .warnings(false)
            .include(&out)
            .include("src/rtl")
            .include(&root)
            .include(root.join("vltstd"))
            .file("src/rtl/chip.cpp")
            .file(root.join("verilated.cpp"))
            .file(root.join("verilated_threads.cpp"))
            .compile("lpu_rtl");
        for path in ["build.rs", "src/rtl/bridge.rs", "src/rtl/chip.cpp", "src/rtl/chip.h"] {
            println!("cargo:rerun-if-changed={path}");
        }
        Ok(())
    }

    /// `X(0, Vlpu0) X(1, Vlpu1) ...`
    fn chips() -> String {
        (0..Geometry::ALL.len()).map(|index| format!("X({index}, Vlpu{index}) ")).collect()
    }

    fn verilate(design: &Design, prefix: &str, folder: &Path) -> Result<(), String> {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let text = folder.join(format!("{prefix}.sv"));
        std::fs::write(&text, &design.verilog).map_err(|error| error.to_string())?;
        let output = Command::new("verilator")
            .args([
                "--cc",
                "-O3",
                "--x-assign",
                "fast",
                "--x-initial",
                "fast",
                "--noassert",
                "-Wno-fatal",
                "-Wno-lint",
            ])
            .args([
                "--output-split",
                SPLIT_STATEMENTS,
                "--prefix",
                prefix,
                "--top-module",
                &design.top,
                "--Mdir",
            ])
            .arg(folder)
            .arg(&text)
            .output()
            .map_err(|error| {
                format!("expected Verilator for the feature `rtl`, found none ({error}): run ./setup")
            })?;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn verilator_root() -> Result<String, String> {
        let output = Command::new("verilator").args(["--getenv", "VERILATOR_ROOT"]).output();
        let output = output.map_err(|error| format!("verilator: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
        let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "cpp"));
        files.sort();
        Ok(files)
    }

    /// Functions that copy arrays of trace ports, whose names carry the index.
    fn taps(design: &Design, prefix: &str) -> String {
        let mut text = String::from("#pragma once\n#include <cstdint>\n");
        for array in ["sums_word", "result_word", "vreg_word", "act_word", "kv_code"] {
            let start = format!("trace_{array}$");
            let mut ports: Vec<&Port> =
                design.outputs.iter().filter(|port| port.name.starts_with(&start)).collect();
            ports.sort_by_key(|port| port.name[start.len()..].parse::<usize>().unwrap_or(usize::MAX));
            writeln!(text, "static inline unsigned tap_{array}(const {prefix}& m, int32_t* out) {{")
                .expect("text grows");
            for (lane, port) in ports.iter().enumerate() {
                // Verilator spells a dollar sign by its code.
                let name = port.name.replace('$', "__024");
                let shift = 32 - port.width_bits;
                writeln!(text, "  out[{lane}] = static_cast<int32_t>(m.{name} << {shift}) >> {shift};")
                    .expect("text grows");
            }
            writeln!(text, "  return {};\n}}", ports.len()).expect("text grows");
        }
        text
    }
}
