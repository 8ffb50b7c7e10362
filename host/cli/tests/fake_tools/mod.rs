//! Programs that stand for Yosys, nextpnr, ecppack and openFPGALoader: scripts that record how they were called, and do what
//! a test says.

use assert_cmd::Command;
use lpu_board::{CORE_VARIABLE, core_path};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// A computer with fake tools and a small board.
pub struct Bench {
    pub folder: TempDir,
}

/// What a finished command left.
pub struct Finished {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Yosys: a netlist with two cells.
pub const YOSYS: &str = r#"[ "$1" = -V ] && { echo "Yosys 0.23 (git sha1 7ce5011c24b)"; exit 0; }
echo '{"modules": {"board": {"cells": {"chip.icu.a": {"type": "LUT4"}, "chip.matrix.b": {"type": "DP16KD"}}}}}' > netlist.json
echo '{"modules": {"lpu_nano": {}}}' > chip.json"#;

/// nextpnr: a placed netlist, then a report of one clock.
pub const NEXTPNR: &str = r#"[ "$1" = --version ] && { echo "\"nextpnr-ecp5\" -- Next Generation Place and Route (Version nextpnr-0.11.1)"; exit 0; }
clock='$glbnet$pll$datapath'
case "$*" in *--no-route*)
  echo "Info: Max frequency for clock '$clock': 104.5 MHz (PASS at 100.00 MHz)" > place.log
  printf '{"modules": {"top": {\n"settings": {\n"seed": "1"\n}}}}\n' > placed.json
  exit 0;;
esac
hop='{"delay": 4.5, "type": "routing", "from": {"cell": "chip.run.a_TRELLIS_FF_Q"}, "to": {"cell": "chip.icu.b_LUT4_Z"}}'
echo "{\"fmax\": {\"$clock\": {\"achieved\": 104.5, \"constraint\": 100.0}}, \"utilization\": {\"TRELLIS_COMB\": {\"used\": 7}},
  \"critical_paths\": [{\"from\": \"posedge $clock\", \"to\": \"posedge $clock\", \"path\": [$hop]}]}" > timing.json
echo routed > board.config"#;

/// ecppack: a bitstream.
pub const ECPPACK: &str = r#"[ "$1" = --version ] && { echo "Project Trellis ecppack Version 1.4"; exit 0; }
echo bits > board.bit"#;

/// openFPGALoader that succeeds.
pub const LOADER: &str = r#"if [ "$1" = -V ]; then echo "openFPGALoader v0.10.0"; exit 0; fi"#;

impl Bench {
    /// All tools in working order, and the full board's description at the size of the small chip and a round clock.
    pub fn new() -> Self {
        let bench = Self { folder: TempDir::new().expect("a temporary folder") };
        std::fs::create_dir_all(bench.path("small")).expect("writable");
        for (name, script) in
            [("yosys", YOSYS), ("nextpnr-ecp5", NEXTPNR), ("ecppack", ECPPACK), ("openFPGALoader", LOADER)]
        {
            bench.tool(name, script);
        }
        let board = |file: &str| {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../constraints/ulx3s-85f/");
            std::fs::read_to_string(format!("{path}{file}")).expect("a file of the board")
        };
        let description = board("board.toml")
            .replace("geometry = \"ulx3s-85f\"", "geometry = \"nano\"")
            .replace("place_passes = 10\n", "")
            .replace("route_goal = 1.015", "route_goal = 1.0");
        bench.write("small/board.toml", &description);
        bench.write("small/pins.lpf", &board("pins.lpf"));
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("writable");
    }

    /// Puts a program into the tools' folder. Each call of it is a line of the file `calls`.
    pub fn tool(&self, name: &str, script: &str) {
        self.tool_in("bin", name, script);
    }

    /// Puts a program into another folder.
    pub fn tool_in(&self, folder: &str, name: &str, script: &str) {
        std::fs::create_dir_all(self.path(folder)).expect("writable");
        let calls = self.path("calls");
        let text = format!("#!/bin/sh\necho \"{name} $*\" >> {}\n{script}\n", calls.display());
        let file = format!("{folder}/{name}");
        self.write(&file, &text);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(&file), executable).expect("it was written");
    }

    pub fn remove_tool(&self, name: &str) {
        std::fs::remove_file(self.path(&format!("bin/{name}"))).expect("it was there");
    }

    /// How often tools were called for other than their version, and with what.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        let is_work = |line: &&str| !line.ends_with(" -V") && !line.ends_with(" --version");
        text.lines().filter(is_work).map(str::to_owned).collect()
    }

    /// Runs `lpu` where nothing but the fake tools can be found.
    pub fn lpu(&self, arguments: &[&str]) -> Finished {
        let output = Command::cargo_bin("lpu")
            .expect("the command is built with its tests")
            .current_dir(self.folder.path())
            .env("PATH", self.path("bin"))
            .env("HOME", self.folder.path())
            .env_remove("XDG_CACHE_HOME")
            .env(CORE_VARIABLE, core_path().expect("./setup has fetched the soft core"))
            .args(arguments)
            .output()
            .expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Finished { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs `lpu`, which must end with this exit code, and gives its error.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let Finished { code: found, err, .. } = self.lpu(arguments);
        assert_eq!(found, Some(code), "lpu {arguments:?}: {err}");
        err
    }

    /// Runs `lpu`, which must succeed, and gives the JSON that it reports.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let Finished { code, out, err } = self.lpu(arguments);
        assert_eq!(code, Some(0), "lpu {arguments:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Names in the work folder, sorted.
    pub fn work(&self) -> Vec<String> {
        let entries = self.path(".cache/lpu/build").read_dir().expect("the work folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
