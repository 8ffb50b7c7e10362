//! The committed report of a board: what place and route made of the Verilog whose hash it states.

use super::build::{Outcome, UnroutedSeed, verilog};
use super::netlist::{Cells, Resources, Slice};
use super::pll::clocks;
use super::{Board, Error, SeedResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Name of the report for people, in the board's folder.
pub const REPORT_TEXT: &str = "REPORT.md";
/// Name of the same as data.
pub const REPORT_JSON: &str = "REPORT.json";

/// How fast a model runs at the report's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpeed {
    pub model: String,
    pub parameters: u64,
    /// Positions from 0 on that the mean is taken over.
    pub positions: usize,
    pub cycles_mean: f64,
    pub tokens_per_second: f64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub board: String,
    pub part: String,
    pub geometry: String,
    /// The datapath's clock, which the bitstream runs at.
    pub clock_mhz: f64,
    pub control_clock_mhz: f64,
    pub device: Cells,
    /// Cells of the best seed, as placed.
    pub placed: Cells,
    /// Cells as synthesised, in all and by slice.
    pub synthesised: Resources,
    pub seeds: Vec<SeedResult>,
    /// Seeds that the router was given up for.
    pub unrouted: Vec<UnroutedSeed>,
    pub models: Vec<ModelSpeed>,
    pub tools: Vec<String>,
    /// SHA-256 of the emitted Verilog.
    pub verilog_sha256: String,
}

/// SHA-256 of a board's Verilog at a datapath clock.
pub fn verilog_hash(board: &Board, clock_mhz: Option<f64>) -> Result<String, Error> {
    Ok(hash(&verilog(board, &clocks(board, clock_mhz)?)?))
}

/// SHA-256 as people compute it with any tool.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Report {
    /// The report of a build.
    pub fn of(outcome: &Outcome, models: Vec<ModelSpeed>) -> Self {
        let board = &outcome.board;
        Self {
            board: board.name.clone(),
            part: board.device.part.clone(),
            geometry: board.geometry_name.clone(),
            clock_mhz: outcome.clocks.datapath_hz as f64 / 1e6,
            control_clock_mhz: outcome.clocks.control_hz as f64 / 1e6,
            device: Cells::of_device(&board.device),
            placed: outcome.best().cells,
            synthesised: outcome.resources.clone(),
            seeds: outcome.seeds.clone(),
            unrouted: outcome.unrouted.clone(),
            models,
            tools: outcome.tools.iter().map(super::Found::name).collect(),
            verilog_sha256: outcome.verilog_hash.clone(),
        }
    }

    /// Reads `REPORT.json`.
    pub fn parse(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json)
            .map_err(|error| Error::Input(format!("{REPORT_JSON} is no report: {error}")))
    }

    /// Whether the board's Verilog is still the one that this report is of.
    ///
    /// # Errors
    /// It is not; the words name the command that makes the report anew.
    pub fn check(&self, board: &Board) -> Result<(), Error> {
        let (name, clock) = (&self.board, self.clock_mhz);
        let present = verilog_hash(board, Some(clock))?;
        if present == self.verilog_sha256 {
            return Ok(());
        }
        let seeds =
            || self.seeds.iter().map(|seed| seed.seed).chain(self.unrouted.iter().map(|seed| seed.seed));
        let (first, last) = (seeds().min().unwrap_or(1), seeds().max().unwrap_or(1));
        Err(Error::Failed(format!(
            "the report of {name} is of Verilog {}, the present one is {present}: place and route it again with `lpu build --board \
             {name} --clock {clock} --seeds {first}..{last} --report constraints/{name}` and the --model arguments, and commit the report",
            self.verilog_sha256
        )))
    }

    /// `REPORT.json`.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report has no keys that JSON lacks") + "\n"
    }

    /// `REPORT.md`.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# {} on {}\n\nChip `{}`, datapath clock {} MHz, control clock {} MHz. Written by `lpu build --report`; every figure is an \
             estimate of the tools, none is measured on a board.\n\n",
            self.board, self.part, self.geometry, self.clock_mhz, self.control_clock_mhz
        );
        self.write_resources(&mut text);
        self.write_seeds(&mut text);
        self.write_models(&mut text);
        _ = writeln!(
            text,
            "## Made from\n\nVerilog with SHA-256 `{}`, by {}.",
            self.verilog_sha256,
            self.tools.join(", ")
        );
        text
    }

    fn write_resources(&self, text: &mut String) {
        *text += "## Resources\n\n| slice | LUT | FF | EBR | DSP |\n|---|--:|--:|--:|--:|\n";
        let mut row = |name: &str, cells: &Cells| {
            _ = writeln!(text, "| {name} | {} | {} | {} | {} |", cells.lut, cells.ff, cells.ebr, cells.dsp);
        };
        for slice in Slice::ALL {
            row(slice.name(), self.synthesised.slices.get(&slice).unwrap_or(&Cells::default()));
        }
        row("synthesised", &self.synthesised.total);
        row("placed", &self.placed);
        row("device", &self.device);
        let used = |used: u64, of: u64| 100.0 * used as f64 / of.max(1) as f64;
        _ = writeln!(
            text,
            "\n{:.1} % of LUT, {:.1} % of FF, {:.1} % of EBR, {:.1} % of DSP are used as placed. A carry cell counts as two LUT, a \
             distributed RAM of 16 x 4 as six.\n",
            used(self.placed.lut, self.device.lut),
            used(self.placed.ff, self.device.ff),
            used(self.placed.ebr, self.device.ebr),
            used(self.placed.dsp, self.device.dsp),
        );
    }

    fn write_seeds(&self, text: &mut String) {
        *text += "## Clocks\n\n| seed | Fmax MHz | all clocks met | critical path | ns | in wires | levels |\n\
                  |--:|--:|---|---|--:|--:|--:|\n";
        for seed in &self.seeds {
            let path = &seed.critical_path;
            let clocks: Vec<String> =
                seed.clocks.iter().map(|clock| format!("{} {}", clock.name, clock.fmax_mhz)).collect();
            _ = writeln!(
                text,
                "| {} | {} | {} ({}) | `{}` to `{}` | {} | {} | {} |",
                seed.seed,
                seed.fmax_mhz,
                if seed.meets() { "yes" } else { "no" },
                clocks.join(", "),
                path.from,
                path.to,
                path.delay_ns,
                path.routing_ns,
                path.logic_levels
            );
        }
        for UnroutedSeed { seed, router } in &self.unrouted {
            let passes = router.passes;
            _ = writeln!(
                text,
                "| {seed} | not routed | no | {} wires used twice, given up after {passes} passes | | | |",
                router.overused_wires
            );
        }
        *text += "\n";
    }

    fn write_models(&self, text: &mut String) {
        if self.models.is_empty() {
            return;
        }
        *text += "## Speed\n\nCycles by the schedule, which the chip takes exactly.\n\n\
                  | model | parameters | positions | cycles/token | tokens/s |\n|---|--:|--:|--:|--:|\n";
        for model in &self.models {
            _ = writeln!(
                text,
                "| {} | {} | 0..{} | {:.1} | {:.0} |",
                model.model,
                model.parameters,
                model.positions - 1,
                model.cycles_mean,
                model.tokens_per_second
            );
        }
        *text += "\n";
    }
}
