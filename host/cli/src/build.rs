//! `lpu build`: a board's bitstream, with what it costs and how fast it is.

use super::number::whole;
use super::output::{BAD, FAINT, GOOD, STRONG, grouped, json, note, paint, spinner, table};
use super::schedule::Schedule;
use super::write::write_whole;
use super::{Failure, GeometryChoice, ModelArguments, source};
use indicatif::ProgressBar;
use lpu_board::{
    Board, Build, BuildRequest, Cells, ModelSpeed, Outcome, REPORT_JSON, REPORT_TEXT, Report, Resources,
    SeedResult, Slice, Tools, UnroutedSeed,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Positions that a model's speed is the mean of.
const SPEED_POSITIONS: usize = 256;

/// Build the bitstream of a board.
///
/// Emits the Verilog, synthesises, places, routes and packs it. Finished stages are cached by the hash of their inputs, so that an
/// interrupted build continues where it stopped.
///
/// Exit codes: 0 if every clock constraint is met, 1 if one is missed or a tool failed, 2 for wrong input or a missing tool.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu build --board ulx3s-85f
  lpu build --board ulx3s-85f --seeds 1..4 --clock 105
  lpu build --board ulx3s-85f --estimate
  lpu build --board ulx3s-85f --seeds 1..4 --report constraints/ulx3s-85f --model models/stories-lpu/model.bin")]
pub struct Arguments {
    /// Name of the board (see `lpu boards`), or a folder that describes one.
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Seed for the placement.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(0))]
    seed: u64,
    /// Try the seeds from A to B, B included, and keep the fastest result.
    #[arg(long, value_name = "A..B", conflicts_with = "seed", value_parser = parse_seeds)]
    seeds: Option<Seeds>,
    /// Clock frequency of the datapath in MHz [default: the board's].
    #[arg(long, value_name = "MHZ", value_parser = parse_clock)]
    clock: Option<f64>,
    /// Folder for intermediate files and results [default: see `lpu cache`].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Estimate the resources without building.
    #[arg(long)]
    estimate: bool,
    /// Write REPORT.md and REPORT.json into this folder.
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,
    /// Add the predicted speed of this model to the report; can be repeated.
    #[arg(long, value_name = "MODEL", requires = "report")]
    model: Vec<PathBuf>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// First and last seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seeds(u64, u64);

/// More seeds than this are a slip of the finger: each takes minutes.
const SEEDS_MAX: u64 = 64;

fn parse_seeds(text: &str) -> Result<Seeds, String> {
    let ends =
        text.split_once("..").and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match ends {
        Some((first, last)) if first <= last && last - first < SEEDS_MAX => Ok(Seeds(first, last)),
        _ => {
            Err(format!("expected A..B with A not above B and at most {SEEDS_MAX} seeds, for instance 1..4"))
        }
    }
}

fn parse_clock(text: &str) -> Result<f64, String> {
    let clock = text.parse().ok().filter(|clock: &f64| clock.is_finite() && *clock > 0.0);
    clock.ok_or_else(|| "expected a frequency in MHz, for instance 100".into())
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let board = Board::find(&arguments.board)?;
    if arguments.estimate {
        return estimate(arguments, &board);
    }
    let seeds = arguments.seeds.unwrap_or(Seeds(arguments.seed, arguments.seed));
    let folder = match &arguments.out {
        Some(folder) => folder.clone(),
        None => lpu_board::Store::default_root()?,
    };
    let request =
        BuildRequest { board, seeds: (seeds.0..=seeds.1).collect(), clock_mhz: arguments.clock, folder };
    let outcome = build(&request)?;
    if let Some(folder) = &arguments.report {
        write_report(arguments, folder, &outcome)?;
    }
    if arguments.json {
        json(&JsonReport::of(&outcome))?
    } else {
        print(&outcome)?
    };
    match outcome.bitstream {
        Some(_) => Ok(()),
        None => Err(missed(&outcome)),
    }
}

/// Shows each stage as it goes.
#[derive(Default)]
pub struct Stages {
    bar: Option<ProgressBar>,
}

impl Stages {
    pub fn show(&mut self, event: Build) {
        match event {
            Build::Begins(name) => self.bar = Some(spinner(name.to_owned())),
            Build::Ends(stage) => {
                self.clear();
                let time = if stage.cached { "kept".into() } else { format!("{:.1} s", stage.seconds) };
                note(format!("{:<28} {}", stage.name, paint(FAINT, time)));
            }
            Build::Unrouted(seed) => {
                note(format!("{:<28} not routed after {} passes", "", seed.router.passes))
            }
            Build::Seed(result) => note(format!("{:<28} {} MHz", "", result.fmax_mhz)),
        }
    }

    /// Takes away what is shown of a stage that did not end.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn build(request: &BuildRequest) -> Result<Outcome, Failure> {
    let mut stages = Stages::default();
    let outcome = lpu_board::build(request, &Tools::of_user(), &mut |event| stages.show(event));
    stages.clear();
    Ok(outcome?)
}

fn missed(outcome: &Outcome) -> Failure {
    let best = outcome.best();
    let slow: Vec<String> = best
        .clocks
        .iter()
        .filter(|clock| clock.fmax_mhz < clock.wanted_mhz)
        .map(|clock| format!("{} {} MHz of {}", clock.name, clock.fmax_mhz, clock.wanted_mhz))
        .collect();
    Failure::machine(format!(
        "the clock is missed: {} with seed {}; expected every clock to be met, so no bitstream was made. Try more seeds \
         (--seeds 1..8) or a lower clock (--clock {:.0})",
        slow.join(", "),
        best.seed,
        (best.fmax_mhz / 5.0).floor() * 5.0
    ))
}

#[derive(Serialize)]
struct JsonReport<'a> {
    board: &'a str,
    geometry: &'a str,
    clock_mhz: f64,
    /// Cells as placed.
    resources: Cells,
    /// Cells as synthesised.
    slices: &'a BTreeMap<Slice, Cells>,
    device: Cells,
    seeds: &'a [SeedResult],
    unrouted: &'a [UnroutedSeed],
    best_seed: u64,
    bitstream: Option<&'a Path>,
    bitstream_number: String,
    verilog_sha256: &'a str,
    tools: &'a [lpu_board::Found],
    stages: &'a [lpu_board::Stage],
}

impl<'a> JsonReport<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        Self {
            board: &outcome.board.name,
            geometry: &outcome.board.geometry_name,
            clock_mhz: outcome.clocks.datapath_hz as f64 / 1e6,
            resources: outcome.best().cells,
            slices: &outcome.resources.slices,
            device: Cells::of_device(&outcome.board.device),
            seeds: &outcome.seeds,
            unrouted: &outcome.unrouted,
            best_seed: outcome.best().seed,
            bitstream: outcome.bitstream.as_deref(),
            bitstream_number: format!("{:016x}", outcome.number),
            verilog_sha256: &outcome.verilog_hash,
            tools: &outcome.tools,
            stages: &outcome.stages,
        }
    }
}

fn cells_row(name: &str, cells: &Cells) -> Vec<String> {
    let numbers = [cells.lut, cells.ff, cells.ebr, cells.dsp].map(grouped);
    std::iter::once(name.to_owned()).chain(numbers).collect()
}

/// The table of slices, and the rows that follow it.
fn cells_table(resources: &Resources, rows: &[(&str, Cells)]) -> String {
    let mut lines = vec![["slice", "LUT", "FF", "EBR", "DSP"].map(str::to_owned).to_vec()];
    let of = |slice: &Slice| resources.slices.get(slice).copied().unwrap_or_default();
    lines.extend(Slice::ALL.iter().map(|slice| cells_row(slice.name(), &of(slice))));
    lines.extend(rows.iter().map(|(name, cells)| cells_row(name, cells)));
    table(&lines)
}

fn print(outcome: &Outcome) -> Result<(), Failure> {
    let (best, board) = (outcome.best(), &outcome.board);
    let mut out = anstream::stdout();
    writeln!(out, "{}  chip {} on {}", paint(STRONG, &board.name), board.geometry_name, board.device.part)?;
    let rows = [
        ("synthesised", outcome.resources.total),
        ("placed", best.cells),
        ("device", Cells::of_device(&board.device)),
    ];
    write!(out, "{}", cells_table(&outcome.resources, &rows))?;
    for seed in &outcome.seeds {
        let (style, verdict) = if seed.meets() { (GOOD, "met") } else { (BAD, "missed") };
        let clocks: Vec<String> = seed
            .clocks
            .iter()
            .map(|clock| format!("{} {} of {} MHz", clock.name, clock.fmax_mhz, clock.wanted_mhz))
            .collect();
        writeln!(out, "  seed {}  {}: {}", seed.seed, paint(style, verdict), clocks.join(", "))?;
        let path = &seed.critical_path;
        writeln!(
            out,
            "    {} ns, {} in wires, {} levels: {} to {}, through {}",
            path.delay_ns,
            path.routing_ns,
            path.logic_levels,
            path.from,
            path.to,
            path.modules.join(", ")
        )?;
    }
    for UnroutedSeed { seed, router } in &outcome.unrouted {
        let left = router.overused_wires;
        writeln!(out, "  seed {seed}  {}: {left} wires used twice", paint(BAD, "not routed"))?;
    }
    let tools: Vec<String> = outcome.tools.iter().map(lpu_board::Found::name).collect();
    writeln!(out, "  by {}", tools.join(", "))?;
    if let Some(bitstream) = &outcome.bitstream {
        writeln!(out, "  {}  number {:016x}", paint(STRONG, bitstream.display()), outcome.number)?;
        writeln!(out, "  load it with `lpu flash --board {}`", board.name)?;
    }
    Ok(())
}

fn estimate(arguments: &Arguments, board: &Board) -> Result<(), Failure> {
    let estimate = lpu_board::estimate(&board.geometry());
    let device = Cells::of_device(&board.device);
    let beyond = estimate.total.beyond(&device);
    if arguments.json {
        #[derive(Serialize)]
        struct JsonEstimate<'a> {
            board: &'a str,
            geometry: &'a str,
            estimate: bool,
            fits: bool,
            resources: Cells,
            slices: &'a BTreeMap<Slice, Cells>,
            device: Cells,
        }
        json(&JsonEstimate {
            board: &board.name,
            geometry: &board.geometry_name,
            estimate: true,
            fits: beyond.is_none(),
            resources: estimate.total,
            slices: &estimate.slices,
            device,
        })?;
    } else {
        let mut out = anstream::stdout();
        writeln!(
            out,
            "{}  chip {} on {}, estimated",
            paint(STRONG, &board.name),
            board.geometry_name,
            board.device.part
        )?;
        let rows = [("estimate", estimate.total), ("device", device)];
        write!(out, "{}", cells_table(&estimate, &rows))?;
    }
    match beyond {
        None => Ok(()),
        Some((what, used, there)) => Err(Failure::machine(format!(
            "the chip `{}` would not fit on {}: it needs about {used} {what}, the device has {there}. Give the board a smaller \
             geometry",
            board.geometry_name, board.device.part
        ))),
    }
}

fn write_report(arguments: &Arguments, folder: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let models: Result<Vec<ModelSpeed>, Failure> =
        arguments.model.iter().map(|path| speed(path, outcome)).collect();
    let report = Report::of(outcome, models?);
    for (name, text) in [(REPORT_TEXT, report.text()), (REPORT_JSON, report.json())] {
        write_whole(&folder.join(name), text.as_bytes())?;
        note(format!("wrote {}", folder.join(name).display()));
    }
    Ok(())
}

/// A model's speed at the clock of a build, by its schedule.
fn speed(path: &Path, outcome: &Outcome) -> Result<ModelSpeed, Failure> {
    let arguments = ModelArguments {
        model: path.to_owned(),
        tokenizer: None,
        geometry: Some(GeometryChoice::Named(outcome.board.geometry())),
    };
    let image = source::open(&arguments)?.image;
    let positions = SPEED_POSITIONS.min(image.model.context as usize);
    let cycles_mean = Schedule::new(&image).cycles_total(0..positions) as f64 / positions as f64;
    Ok(ModelSpeed {
        model: image.model.name.clone(),
        parameters: image.model.parameters,
        positions,
        cycles_mean,
        tokens_per_second: outcome.clocks.datapath_hz as f64 / cycles_mean,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_ends_with_its_end() {
        assert_eq!(parse_seeds("1..4"), Ok(Seeds(1, 4)));
        assert_eq!(parse_seeds("7..7"), Ok(Seeds(7, 7)));
        for wrong in ["4..1", "1", "a..b", "1..1000", "-1..2"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clocks_are_positive_numbers() {
        assert_eq!(parse_clock("97.5"), Ok(97.5));
        for wrong in ["0", "-5", "fast", "inf", "NaN"] {
            assert!(parse_clock(wrong).is_err(), "{wrong}");
        }
    }
}
