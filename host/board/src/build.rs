//! From a board's description to its bitstream, one stage after the other.

use super::floorplan::Placed;
use super::flow::{self, BITSTREAM, Flow, NETLIST, TIMING, UNROUTED, defines, text_of};
use super::netlist::{Cells, Resources};
use super::pll::{Clocks, clocks};
use super::router::Unrouted;
use super::store::{Key, Store};
use super::timing::{ClockResult, CriticalPath, Timing};
use super::{Board, Error, Found, Tools};
use lpu_hdl::board::Plan;
use lpu_hdl::soc::{SocPlan, firmware};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    pub board: Board,
    /// Seeds of the placement, at least one; the best result is kept.
    pub seeds: Vec<u64>,
    /// Another datapath clock than the board's own.
    pub clock_mhz: Option<f64>,
    /// The work folder.
    pub folder: PathBuf,
}

/// A finished stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    pub name: String,
    pub seconds: f64,
    /// It was there already.
    pub cached: bool,
}

/// What one seed gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedResult {
    pub seed: u64,
    pub fmax_mhz: f64,
    pub clocks: Vec<ClockResult>,
    pub critical_path: CriticalPath,
    /// Cells of the device that are used.
    pub cells: Cells,
}

impl SeedResult {
    /// Whether every clock is as fast as wanted.
    pub fn meets(&self) -> bool {
        self.clocks.iter().all(|clock| clock.fmax_mhz >= clock.wanted_mhz)
    }
}

/// A seed whose placement has too few wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnroutedSeed {
    pub seed: u64,
    #[serde(flatten)]
    pub router: Unrouted,
}

/// What a build gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub board: Board,
    pub clocks: Clocks,
    /// SHA-256 of the Verilog.
    pub verilog_hash: String,
    /// What the chip's register `Bitstream` reads.
    pub number: u64,
    pub resources: Resources,
    /// The seeds that were routed, at least one.
    pub seeds: Vec<SeedResult>,
    /// The seeds that were not.
    pub unrouted: Vec<UnroutedSeed>,
    /// The best seed's place in `seeds`.
    pub best: usize,
    /// The bitstream of the best seed; none when its clocks are missed.
    pub bitstream: Option<PathBuf>,
    pub tools: Vec<Found>,
    pub stages: Vec<Stage>,
}

impl Outcome {
    /// The result that is kept.
    pub fn best(&self) -> &SeedResult {
        &self.seeds[self.best]
    }
}

/// What a build tells while it goes on.
#[derive(Debug)]
pub enum Build<'a> {
    /// A stage begins.
    Begins(&'a str),
    /// A stage is finished.
    Ends(&'a Stage),
    /// A seed's clock is known.
    Seed(&'a SeedResult),
    /// A seed is given up.
    Unrouted(&'a UnroutedSeed),
}

/// The plan of a board's top.
pub fn plan(board: &Board, clocks: &Clocks) -> Plan {
    Plan {
        geometry: board.geometry(),
        pll: clocks.settings,
        soc: SocPlan { clock_hz: clocks.control_hz as u32, image: firmware() },
        leds_active_low: board.leds.active_low,
    }
}

/// The Verilog of a board, for its own clock or another.
pub fn verilog(board: &Board, clocks: &Clocks) -> Result<String, Error> {
    lpu_hdl::board::emit(&plan(board, clocks)).map(|design| design.verilog()).map_err(Error::Input)
}

/// The cells that the board's floorplan gives a site.
fn placed(board: &Board) -> Result<Vec<Placed>, Error> {
    let Some(floorplan) = &board.device.floorplan else { return Ok(Vec::new()) };
    let chip = lpu_hdl::chip::emit(&board.geometry(), "chip");
    let chip = chip.map_err(|error| Error::Failed(format!("the Verilog cannot be emitted: {error}")))?;
    Ok(floorplan.place(&chip))
}

/// Times stages and tells of them.
pub(super) struct Stages<'a> {
    tell: &'a mut dyn FnMut(Build),
    done: Vec<Stage>,
}

impl<'a> Stages<'a> {
    pub fn new(tell: &'a mut dyn FnMut(Build)) -> Self {
        Self { tell, done: vec![] }
    }

    pub fn run<T>(
        &mut self,
        name: String,
        work: impl FnOnce() -> Result<(T, bool), Error>,
    ) -> Result<T, Error> {
        (self.tell)(Build::Begins(&name));
        let begin = Instant::now();
        let (result, cached) = work()?;
        let stage = Stage { name, seconds: begin.elapsed().as_secs_f64(), cached };
        (self.tell)(Build::Ends(&stage));
        self.done.push(stage);
        Ok(result)
    }
}

/// A board's netlists.
pub(super) struct Synthesised {
    /// The stage's folder.
    pub folder: PathBuf,
    pub key: Key,
    clocks: Clocks,
    verilog_hash: String,
    number: u64,
}

/// Verilog and its synthesis.
pub(super) fn synthesise(
    board: &Board,
    clock_mhz: Option<f64>,
    yosys: &Found,
    store: &Store,
    stages: &mut Stages,
) -> Result<Synthesised, Error> {
    let clocks = clocks(board, clock_mhz)?;
    let text = stages.run("emit".into(), || Ok((verilog(board, &clocks)?, false)))?;
    let verilog_hash = super::report::hash(&text);
    let number = Key::of(&[&text, &board.pins, &yosys.name()]).number();
    let text = defines(board.device.family, number) + &text;
    let script = flow::synthesis_script(&board.geometry(), &placed(board)?);
    let key = Key::of(&["synthesis", &text, &script, &yosys.name()]);
    let folder = stages.run("synthesise".into(), || {
        store.stage("synthesis", &key, |folder| flow::synthesise(yosys, folder, &text, &script))
    })?;
    Ok(Synthesised { folder, key, clocks, verilog_hash, number })
}

/// Builds a bitstream. A missed clock is an [`Outcome`] without one.
pub fn build(request: &BuildRequest, tools: &Tools, tell: &mut dyn FnMut(Build)) -> Result<Outcome, Error> {
    let board = &request.board;
    let flow = Flow::find(board, tools)?;
    let store = Store::open(&request.folder)?;
    let mut stages = Stages::new(tell);
    let synthesised = synthesise(board, request.clock_mhz, &flow.synthesis, &store, &mut stages)?;
    let resources = Resources::count(&text_of(&synthesised.folder, NETLIST)?)?;
    refuse_too_large(board, &resources.total)?;

    let netlist = synthesised.folder.join(NETLIST);
    let Clocks { datapath_hz, control_hz, .. } = synthesised.clocks;
    let wanted_mhz = [datapath_hz, control_hz].map(|hertz| hertz as f64 / 1e6);
    let (mut placed, mut unrouted) = (vec![], vec![]);
    for &seed in &request.seeds {
        let options = format!("{:?} {}", board.device.place, board.device.place_passes);
        let parts =
            ["place", synthesised.key.text(), &board.pins, &options, &seed.to_string(), &flow.place.name()];
        let key = Key::of(&parts);
        let folder = stages.run(format!("place, seed {seed}"), || {
            store.stage("place", &key, |folder| flow.place(folder, board, &netlist, seed))
        })?;
        let router = format!("{:?} {}", board.device.route, board.device.route_goal);
        let key = Key::of(&["route", key.text(), &router]);
        let folder = stages.run(format!("route, seed {seed}"), || {
            store.stage("route", &key, |draft| flow.route(draft, board, &folder))
        })?;
        if folder.join(UNROUTED).exists() {
            let router = serde_json::from_str(&text_of(&folder, UNROUTED)?);
            let router = router.map_err(|error| Error::Failed(format!("{UNROUTED} is damaged: {error}")))?;
            let seed = UnroutedSeed { seed, router };
            (stages.tell)(Build::Unrouted(&seed));
            unrouted.push(seed);
            continue;
        }
        let timing = Timing::read(&text_of(&folder, TIMING)?, &wanted_mhz)?;
        let result = SeedResult {
            seed,
            fmax_mhz: timing.datapath.fmax_mhz,
            clocks: timing.clocks,
            critical_path: timing.critical_path,
            cells: timing.cells,
        };
        (stages.tell)(Build::Seed(&result));
        placed.push((result, key, folder));
    }
    let order = |at: &usize| (placed[*at].0.meets(), placed[*at].0.fmax_mhz);
    let best = (0..placed.len())
        .max_by(|a, b| order(a).0.cmp(&order(b).0).then(order(a).1.total_cmp(&order(b).1)).then(b.cmp(a)))
        .ok_or_else(|| no_seed(&unrouted))?;

    let (result, key, folder) = &placed[best];
    let mut bitstream = None;
    if result.meets() {
        let options = board.device.pack.join("\n");
        let key = Key::of(&["pack", key.text(), &options, &flow.pack.name()]);
        let packed = stages
            .run("pack".into(), || store.stage("pack", &key, |draft| flow.pack(draft, board, folder)))?;
        let file = packed.join(BITSTREAM);
        let bytes = std::fs::read(&file).map_err(|error| Error::file(&file, &error))?;
        bitstream = Some(store.publish(&board.name, BITSTREAM, &bytes)?);
    }
    Ok(Outcome {
        board: board.clone(),
        clocks: synthesised.clocks,
        verilog_hash: synthesised.verilog_hash,
        number: synthesised.number,
        resources,
        seeds: placed.into_iter().map(|(result, ..)| result).collect(),
        unrouted,
        best,
        bitstream,
        tools: vec![flow.synthesis, flow.place, flow.pack],
        stages: stages.done,
    })
}

/// Why a build has no result at all.
fn no_seed(unrouted: &[UnroutedSeed]) -> Error {
    let nearest = unrouted.iter().min_by_key(|seed| seed.router.overused_wires);
    nearest.map_or_else(
        || Error::Input("expected at least one seed, found none".into()),
        |UnroutedSeed { seed, router: Unrouted { passes, overused_wires, .. } }| {
            Error::Failed(format!(
                "no placement can be routed: with seed {seed}, {overused_wires} wires were still used twice when the router was given \
                 up after {passes} passes. Try more seeds (--seeds 1..8), or a smaller geometry"
            ))
        },
    )
}

/// A design that is too large is refused before hours of placement.
fn refuse_too_large(board: &Board, used: &Cells) -> Result<(), Error> {
    match used.beyond(&Cells::of_device(&board.device)) {
        None => Ok(()),
        Some((what, used, there)) => Err(Error::Failed(format!(
            "the chip `{}` does not fit on {}: it needs {used} {what}, the device has {there}. Give the board a smaller geometry",
            board.geometry_name, board.device.part
        ))),
    }
}
