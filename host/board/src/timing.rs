//! What nextpnr reports: clocks and the paths that hold them back, named by module.

use super::Error;
use super::netlist::Cells;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A clock after routing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockResult {
    /// Which of the board's clocks.
    pub name: String,
    pub fmax_mhz: f64,
    pub wanted_mhz: f64,
}

/// The longest path of a clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalPath {
    /// Modules along the path, from where the signal starts to where it ends.
    pub modules: Vec<String>,
    /// The registers or blocks at its ends.
    pub from: String,
    pub to: String,
    pub delay_ns: f64,
    /// Share of the delay spent in wires.
    pub routing_ns: f64,
    /// Tables, carries and blocks that the signal passes.
    pub logic_levels: usize,
}

/// The result of one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// The datapath's clock.
    pub datapath: ClockResult,
    /// Every clock.
    pub clocks: Vec<ClockResult>,
    pub critical_path: CriticalPath,
    pub cells: Cells,
}

#[derive(Deserialize)]
struct Report {
    fmax: BTreeMap<String, Fmax>,
    critical_paths: Vec<Path>,
    utilization: BTreeMap<String, Used>,
}

#[derive(Deserialize)]
struct Fmax {
    achieved: f64,
    constraint: f64,
}

#[derive(Deserialize)]
struct Used {
    used: u64,
}

#[derive(Deserialize)]
struct Path {
    from: String,
    to: String,
    path: Vec<Hop>,
}

#[derive(Deserialize)]
struct Hop {
    delay: f64,
    from: End,
    to: End,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct End {
    cell: String,
}

/// The name of a clock for people: nextpnr names its net, with the global buffer before it.
fn clock_name(net: &str) -> String {
    let net = net.trim_start_matches("$glbnet$");
    net.rsplit(['$', '.']).next().unwrap_or(net).to_owned()
}

/// The frequency of a list that another was meant for.
fn nearest(list: &[f64], frequency: f64) -> f64 {
    let off = |other: &f64| (other / frequency).ln().abs();
    list.iter().copied().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(frequency)
}

impl Timing {
    /// Reads a report. The router aimed near the wanted clocks, not at them. The datapath's clock is the fastest.
    pub fn read(json: &str, wanted_mhz: &[f64]) -> Result<Self, Error> {
        let unexpected = |why: String| Error::Failed(format!("nextpnr's report is not as expected: {why}"));
        let report: Report = serde_json::from_str(json).map_err(|error| unexpected(error.to_string()))?;
        let result = |(net, fmax): (&String, &Fmax)| ClockResult {
            name: clock_name(net),
            fmax_mhz: rounded(fmax.achieved),
            wanted_mhz: rounded(nearest(wanted_mhz, fmax.constraint)),
        };
        let clocks: Vec<ClockResult> = report.fmax.iter().map(result).collect();
        let fastest =
            |list: &[ClockResult]| list.iter().max_by(|a, b| a.wanted_mhz.total_cmp(&b.wanted_mhz)).cloned();
        let datapath = fastest(&clocks).ok_or_else(|| unexpected("it names no clock".into()))?;
        let within = |path: &&Path| {
            let ends = [&path.from, &path.to].map(|end| end.split(' ').next_back().map(clock_name));
            ends.iter().all(|end| end.as_ref() == Some(&datapath.name))
        };
        let critical_path = report
            .critical_paths
            .iter()
            .find(within)
            .map(critical)
            .ok_or_else(|| unexpected(format!("no path of the clock `{}`", datapath.name)))?;
        let used = |kind: &str| report.utilization.get(kind).map_or(0, |used| used.used);
        let cells = Cells {
            lut: used("TRELLIS_COMB"),
            ff: used("TRELLIS_FF"),
            ebr: used("DP16KD"),
            dsp: used("MULT18X18D"),
        };
        Ok(Self { datapath, clocks, critical_path, cells })
    }
}

fn rounded(megahertz: f64) -> f64 {
    (megahertz * 100.0).round() / 100.0
}

fn critical(path: &Path) -> CriticalPath {
    let sum = |routing: bool| {
        let hops = path.path.iter().filter(|hop| (hop.kind == "routing") == routing);
        rounded(hops.map(|hop| hop.delay).sum())
    };
    let cells = path.path.iter().flat_map(|hop| [&hop.from.cell, &hop.to.cell]);
    let mut modules: Vec<String> = vec![];
    for module in cells.map(|cell| module(cell)) {
        if modules.last() != Some(&module) {
            modules.push(module);
        }
    }
    let end = |hop: Option<&Hop>, last: bool| {
        hop.map_or_else(String::new, |hop| register(if last { &hop.to.cell } else { &hop.from.cell }))
    };
    CriticalPath {
        from: end(path.path.first(), false),
        to: end(path.path.last(), true),
        delay_ns: rounded(sum(true) + sum(false)),
        routing_ns: sum(true),
        logic_levels: path.path.iter().filter(|hop| hop.kind == "logic").count(),
        modules,
    }
}

/// The instance that a cell lies in: its name up to the last dot.
fn module(cell: &str) -> String {
    cell.rsplit_once('.').map_or("board", |(path, _)| path).to_owned()
}

/// A cell's name without what synthesis appended to the signal's name.
fn register(cell: &str) -> String {
    let ends = ["_TRELLIS_FF", "_LUT4", "_PFUMX", "_L6MUX21", "_CCU2C"];
    let at = ends.iter().filter_map(|end| cell.find(end)).min().unwrap_or(cell.len());
    cell[..at].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "fmax": {
            "$glbnet$pll$control": {"achieved": 73.219, "constraint": 50.0},
            "$glbnet$pll$datapath": {"achieved": 103.5012, "constraint": 100.0}},
        "critical_paths": [
            {"from": "posedge $glbnet$pll$control", "to": "posedge $glbnet$pll$control", "path": []},
            {"from": "posedge $glbnet$pll$datapath", "to": "posedge $glbnet$pll$datapath", "path": [
                {"delay": 0.525, "type": "clk-to-q",
                 "from": {"cell": "chip.run.position_TRELLIS_FF_Q_3", "loc": [1, 2], "port": "Q"},
                 "to": {"cell": "chip.run.position_TRELLIS_FF_Q_3", "loc": [1, 2], "port": "Q"}},
                {"delay": 6.1, "type": "routing", "net": "chip.run.position",
                 "from": {"cell": "chip.run.position_TRELLIS_FF_Q_3", "loc": [1, 2], "port": "Q"},
                 "to": {"cell": "chip.matrix.address.addend_LUT4_Z_3_D0", "loc": [9, 2], "port": "D"}},
                {"delay": 0.4, "type": "logic",
                 "from": {"cell": "chip.matrix.address.addend_LUT4_Z_3_D0", "loc": [9, 2], "port": "D"},
                 "to": {"cell": "chip.matrix.address.addend_LUT4_Z_3_D0", "loc": [9, 2], "port": "F"}},
                {"delay": 0.0, "type": "setup",
                 "from": {"cell": "chip.matrix.address.row_TRELLIS_FF_Q", "loc": [9, 3], "port": "DI"},
                 "to": {"cell": "chip.matrix.address.row_TRELLIS_FF_Q", "loc": [9, 3], "port": "DI"}}]}],
        "utilization": {
            "TRELLIS_COMB": {"available": 83640, "used": 70000}, "TRELLIS_FF": {"available": 83640, "used": 27000},
            "DP16KD": {"available": 208, "used": 200}, "MULT18X18D": {"available": 156, "used": 149}}}"#;

    #[test]
    fn the_datapath_and_its_path_are_found() {
        let found = Timing::read(REPORT, &[100.0, 50.0]).unwrap();
        assert_eq!((found.datapath.name.as_str(), found.datapath.fmax_mhz), ("datapath", 103.5));
        assert_eq!(found.clocks.len(), 2);
        assert_eq!(Timing::read(REPORT, &[45.0, 90.0]).unwrap().datapath.wanted_mhz, 90.0);
        assert_eq!(found.cells, Cells { lut: 70_000, ff: 27_000, ebr: 200, dsp: 149 });
        let path = found.critical_path;
        assert_eq!(path.modules, ["chip.run", "chip.matrix.address"]);
        assert_eq!((path.from.as_str(), path.to.as_str()), ("chip.run.position", "chip.matrix.address.row"));
        assert_eq!((path.delay_ns, path.routing_ns, path.logic_levels), (7.03, 6.1, 1));
    }

    #[test]
    fn another_text_is_refused() {
        let words = Timing::read("{}", &[]).unwrap_err().to_string();
        assert!(words.starts_with("nextpnr's report is not as expected: missing field"), "{words}");
    }
}
