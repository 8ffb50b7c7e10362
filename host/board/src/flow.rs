//! The stages of a build: what each tool is asked, in a folder of its own.

use super::description::Family;
use super::floorplan::Placed;
use super::router::Unrouted;
use super::settings::{self, Settings};
use super::store::{bring, read, write};
use super::{Board, Error, Found, Tool, Tools};
use lpu_isa::Geometry;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Name of the netlist between synthesis and placement.
pub const NETLIST: &str = "netlist.json";
/// Name of the chip's own netlist, for simulation.
pub const CHIP_NETLIST: &str = "chip.json";
/// Name of the netlist between placement and routing.
pub const PLACED: &str = "placed.json";
/// Name of place and route's own report.
pub const TIMING: &str = "timing.json";
/// Name of what is left of a routing that does not come to an end.
pub const UNROUTED: &str = "unrouted.json";
/// Names of the pin file and of the logs.
const PINS: &str = "pins.lpf";
const PLACE_LOG: &str = "place.log";
const ROUTE_LOG: &str = "route.log";
/// nextpnr's setting by which nets that come too late are routed again.
const RIPS_UP_LATE_NETS: &str = "router/tmg_ripup";
/// Routings of a placement at most.
const ROUTINGS: usize = 6;
/// The next goal after one out of reach, and the last.
const NEARER_GOAL: f64 = 0.95;
const NEAREST_GOAL: f64 = 0.88;
/// The next goal after one within reach that left hardly a wire used twice.
const OTHER_GOAL: f64 = 0.995;
const FEW_WIRES: u64 = 10;
/// Name of the finished bitstream.
pub const BITSTREAM: &str = "board.bit";

/// Placements that a seed is given at most, and how far apart the numbers are that nextpnr starts them from.
const STARTS: usize = 4;
const SEED_STEP: usize = 1000;

/// How often a running tool is looked after: soon at first, since many end at once.
const POLL_FIRST: Duration = Duration::from_millis(2);
const POLL_LAST: Duration = Duration::from_secs(1);
/// Last lines of a tool's words that an error shows.
const WORDS_LINES: usize = 12;

/// The programs of a build.
#[derive(Clone, Debug)]
pub struct Flow {
    pub synthesis: Found,
    pub place: Found,
    pub pack: Found,
}

impl Flow {
    /// Finds the programs of a board's family.
    pub fn find(board: &Board, tools: &Tools) -> Result<Self, Error> {
        let [synthesis, place, pack] = match board.device.family {
            Family::Ecp5 => [Tool::Yosys, Tool::NextpnrEcp5, Tool::Ecppack],
        };
        Ok(Self { synthesis: tools.find(synthesis)?, place: tools.find(place)?, pack: tools.find(pack)? })
    }

    /// Netlist to a placed netlist. nextpnr refines a placement until a pass does not shorten the wires. Where that is soon, the
    /// placement is poor and routes slowly and late: the seed is then given another start.
    pub fn place(&self, folder: &Path, board: &Board, netlist: &Path, seed: u64) -> Result<(), Error> {
        let here = folder.join(NETLIST);
        bring(netlist, &here)?;
        write(&folder.join(PINS), &board.pins)?;
        for start in (seed..).step_by(SEED_STEP).take(STARTS) {
            let mut command = self.place.command(folder);
            command.args(&board.device.place).args(["--json", NETLIST, "--lpf", PINS]);
            command.args(["--no-route", "--write", PLACED, "--seed", &start.to_string()]);
            run(command.args(["--timing-allow-fail", "-l", PLACE_LOG, "-q"]))?;
            expect(&self.place, &folder.join(PLACED))?;
            if passes(&read(&folder.join(PLACE_LOG))?) >= board.device.place_passes {
                break;
            }
        }
        std::fs::remove_file(&here).map_err(|error| Error::file(&here, &error))
    }

    /// A placed netlist to a configuration and a report of its clocks, or to the figures of a router that no longer gets on.
    /// A clock out of reach has nextpnr route late nets again for ever: it is given nearer goals, and at last asked not to. Its report
    /// says what can be had. Where nothing is late and two nets quarrel over the last wire, a goal that hardly differs has them meet elsewhere.
    pub fn route(&self, folder: &Path, board: &Board, placed: &Path) -> Result<(), Error> {
        let mut settings = board.device.route.clone();
        let mut goal = board.device.route_goal;
        let mut end = self.route_with(folder, board, placed, &settings, goal)?;
        for _ in 1..ROUTINGS {
            let Some(left) = end else { break };
            goal *= match (left.late_arcs, left.overused_wires) {
                (1.., _) => NEARER_GOAL,
                (0, ..=FEW_WIRES) => OTHER_GOAL,
                _ => break,
            };
            if goal < NEAREST_GOAL {
                settings.remove(RIPS_UP_LATE_NETS);
            }
            end = self.route_with(folder, board, placed, &settings, goal)?;
        }
        end.map_or(Ok(()), |unrouted| write(&folder.join(UNROUTED), &unrouted.json()))
    }

    /// Routes until that is done or the router no longer gets on. nextpnr keeps its settings in the netlist, but not the clocks that
    /// it derived from the PLL.
    fn route_with(
        &self,
        folder: &Path,
        board: &Board,
        placed: &Path,
        settings: &Settings,
        goal: f64,
    ) -> Result<Option<Unrouted>, Error> {
        let here = folder.join(PLACED);
        write(&here, &settings::changed(&read(&placed.join(PLACED))?, settings)?)?;
        let clocks = settings::clocks(&read(&placed.join(PLACE_LOG))?, goal);
        write(&folder.join(PINS), &(board.pins.clone() + &clocks))?;
        let mut command = self.place.command(folder);
        command.args(&board.device.place).args(["--json", PLACED, "--lpf", PINS, "--no-pack", "--no-place"]);
        command.args(["--textcfg", "board.config", "--report", TIMING]);
        // Whether the clock is met is decided here, from the report: a missed one is shown with its path.
        command.args(["--timing-allow-fail", "-l", ROUTE_LOG, "-q"]);
        // A log of the goal before would be taken for this one's.
        let log = folder.join(ROUTE_LOG);
        write(&log, "")?;
        let stuck = || Unrouted::stuck(&std::fs::read_to_string(&log).unwrap_or_default());
        let unrouted = run_until(&mut command, stuck)?;
        if unrouted.is_none() {
            expect(&self.place, &folder.join(TIMING))?;
            expect(&self.place, &folder.join("board.config"))?;
        }
        std::fs::remove_file(&here).map_err(|error| Error::file(&here, &error))?;
        Ok(unrouted)
    }

    /// Configuration to bitstream.
    pub fn pack(&self, folder: &Path, board: &Board, placed: &Path) -> Result<(), Error> {
        let config = folder.join("board.config");
        bring(&placed.join("board.config"), &config)?;
        run(self.pack.command(folder).args(&board.device.pack).args(["board.config", BITSTREAM]))?;
        expect(&self.pack, &folder.join(BITSTREAM))?;
        std::fs::remove_file(&config).map_err(|error| Error::file(&config, &error))
    }
}

/// Passes that refined the placement of this log: `Info:   at iteration #22: temp = 0.000000, timing cost = 2005, wirelen = 551158`.
fn passes(log: &str) -> usize {
    let pass = |line: &str| line.split_once("at iteration #")?.1.split_once(": temp")?.0.parse().ok();
    log.lines().filter_map(pass).next_back().unwrap_or(0)
}

/// What Yosys is asked. The chip is synthesised as a module of its own, so that its netlist can be simulated; it then joins
/// the rest of the board, and what only its trace ports needed goes. The simulated netlist loses those ports in the same way.
/// The flash memory's clock is no port of the ECP5, whose configuration logic has its pin.
pub fn synthesis_script(geometry: &Geometry, placed: &[Placed]) -> String {
    let (top, chip) = (lpu_hdl::board::TOP, lpu_hdl::chip::module_name(geometry));
    let sites: String = placed
        .iter()
        .map(|Placed { path, kind, bel }| format!("setattr -set BEL \"{bel}\" c:chip.{path}.* t:{kind} %i\n"))
        .collect();
    format!(
        "read_verilog -sv board.sv
delete -port {top}/w:flash_clock
setattr -mod -set keep_hierarchy 1 {chip}
synth_ecp5 -nowidelut -top {top}
setattr -mod -unset keep_hierarchy {chip}
design -save mapped
delete -port {chip}/w:trace_*
select {chip}
opt_clean -purge
json -o {CHIP_NETLIST}
select -clear
design -load mapped
flatten
opt_clean -purge
{sites}write_json {NETLIST}
"
    )
}

/// Verilog to netlists of the family's cells.
pub fn synthesise(yosys: &Found, folder: &Path, verilog: &str, script: &str) -> Result<(), Error> {
    write(&folder.join("board.sv"), verilog)?;
    write(&folder.join("synthesis.ys"), script)?;
    run(yosys.command(folder).args(["-q", "-l", "synthesis.log", "synthesis.ys"]))?;
    expect(yosys, &folder.join(CHIP_NETLIST))?;
    expect(yosys, &folder.join(NETLIST))
}

/// The defines that choose the family's cells and give the bitstream its number, as the first lines of the Verilog.
pub fn defines(family: Family, number: u64) -> String {
    let family = match family {
        Family::Ecp5 => "LPU_ECP5",
    };
    format!("`define {family}\n`define LPU_BITSTREAM 64'h{number:016x}\n")
}

/// Runs a tool to its end, in silence; its last words are the error when it fails.
pub fn run(command: &mut Command) -> Result<(), Error> {
    run_until(command, || None::<()>).map(|_| ())
}

/// Runs a tool to its end, or until `stop` has a reason to end it, which is returned.
fn run_until<T>(command: &mut Command, mut stop: impl FnMut() -> Option<T>) -> Result<Option<T>, Error> {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let not_run = |error: std::io::Error| Error::Input(format!("{program} does not start: {error}"));
    let (mut words, end) = std::io::pipe().map_err(not_run)?;
    let errors = end.try_clone().map_err(not_run)?;
    let mut child = command.stdin(Stdio::null()).stdout(end).stderr(errors).spawn().map_err(not_run)?;
    // The command keeps the pipe's writing ends open until it gets others.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let said = std::thread::spawn(move || {
        let mut said = vec![];
        words.read_to_end(&mut said).map(|_| said)
    });
    let mut pause = POLL_FIRST;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(not_run)? {
            break status;
        }
        if let Some(reason) = stop() {
            child.kill().and_then(|()| child.wait()).map_err(not_run)?;
            return Ok(Some(reason));
        }
        std::thread::sleep(pause);
        pause = POLL_LAST.min(pause * 2);
    };
    if status.success() {
        return Ok(None);
    }
    let said = said.join().ok().and_then(Result::ok).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let words = lines[lines.len().saturating_sub(WORDS_LINES)..].join("\n  ");
    if said.contains("No space left on device") {
        return Err(Error::Input(format!(
            "the disk is full; {program} said:\n  {words}\nfree some space, or name a folder on another disk with --out or \
             XDG_CACHE_HOME, and run the command again: what is finished is kept"
        )));
    }
    Err(Error::Failed(format!("{program} failed ({status}); it said:\n  {words}")))
}

/// A tool that ends well and leaves nothing has failed as well.
fn expect(tool: &Found, file: &Path) -> Result<(), Error> {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.len() > 0 => Ok(()),
        _ => {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            Err(Error::Failed(format!(
                "expected {} to write {name}, found nothing: run the command again",
                tool.name()
            )))
        }
    }
}

/// The text of a stage's file.
pub fn text_of(folder: &Path, name: &str) -> Result<String, Error> {
    read(&folder.join(name))
}
