//! The `lpu` command: from a checkpoint to text on a chip whose every cycle is known before. One file a command, one [`Failure`] for all that can go wrong.
//!
//! ```text
//!  arguments ─► source (checkpoint or image) ─► Image ─► session (device) ─► run, chat, bench
//!                                                  └──► schedule, memory ──► inspect, trace
//! ```
//!
//! # Invariants
//! 1. Text and reports go to standard output; progress, notes, summaries of runs and errors go to standard error.
//! 2. A regular file is complete or as it was: it is written beside its place and renamed. Pipes and devices are written in place.
//! 3. Colours and progress bars appear on terminals only, and never when `NO_COLOR` is set.

mod bench;
#[cfg(feature = "fpga")]
mod boards;
#[cfg(feature = "fpga")]
mod build;
mod cache;
mod chat;
mod check;
mod choice;
mod compile;
mod completions;
mod device;
#[cfg(feature = "fpga")]
mod devices;
#[cfg(feature = "fpga")]
mod doctor;
mod eval;
mod failure;
mod fit;
#[cfg(feature = "fpga")]
mod flash;
mod images;
mod inspect;
mod interrupt;
mod key;
mod ladder;
mod layers;
mod man;
mod memory;
mod number;
mod output;
mod outputs;
mod prompt;
mod run;
mod serve;
mod session;
mod sim;
mod source;
mod template;
mod version;
mod waves;
mod wrap;
mod write;

use clap::builder::{PossibleValuesParser, Styles, TypedValueParser, styling::AnsiColor};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use failure::Failure;
use lpu_isa::Geometry;
use lpu_isa::instruction::ISA_HASH;
use lpu_runtime::{schedule, trace};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

const HELP_STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (isa {ISA_HASH:016x})", env!("CARGO_PKG_VERSION")));

/// Runs transformers on an LPU: a chip whose every cycle is fixed by the compiler.
#[derive(Parser)]
#[command(name = "lpu", version = VERSION.as_str(), styles = HELP_STYLES, max_term_width = 100, after_help = "\
Examples:
  lpu run stories260K.bin --prompt \"Once upon a time\"
  lpu compile stories260K.bin -o stories.lpu
  lpu check stories.lpu
  lpu run stories.lpu --device rtl --tokens 32
  lpu serve stories.lpu

`lpu COMMAND --help` shows examples of each command.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Chat(chat::Arguments),
    Fit(fit::Arguments),
    Compile(compile::Arguments),
    Check(check::Arguments),
    Inspect(inspect::Arguments),
    Eval(eval::Arguments),
    Bench(bench::Arguments),
    Serve(serve::Arguments),
    Key(key::Arguments),
    Sim(sim::Arguments),
    #[cfg(feature = "fpga")]
    Build(build::Arguments),
    #[cfg(feature = "fpga")]
    Flash(flash::Arguments),
    #[cfg(feature = "fpga")]
    Boards(boards::Arguments),
    #[cfg(feature = "fpga")]
    Devices(devices::Arguments),
    #[cfg(feature = "fpga")]
    Doctor(doctor::Arguments),
    Cache(cache::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Version(version::Arguments),
}

/// What every command needs that takes a model.
#[derive(Args)]
struct ModelArguments {
    /// A Hugging Face folder, a GGUF file, a llama2.c checkpoint, or an image made by `lpu compile`.
    model: PathBuf,
    /// Tokenizer file [default: the model's own, or the `tok*.bin` next to a llama2.c checkpoint].
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Chip to compile for; `virtual` is a chip as large as the model needs, for the emulator only [default: the smallest chip of a
    /// board that holds the model, or the one that an image was compiled for].
    #[arg(long, value_name = "NAME", value_parser = geometry_parser())]
    geometry: Option<GeometryChoice>,
}

/// A chip that exists, or one made for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GeometryChoice {
    Named(Geometry),
    Virtual,
}

/// The machines that can execute a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DeviceKind {
    /// The emulator: bit-exact, cycle-exact and the fastest.
    Emu,
    /// The Verilog of the chip, compiled by Verilator.
    Rtl,
    /// The netlist of the chip for its FPGA, which Yosys makes on first use.
    Netlist,
}

impl DeviceKind {
    /// Name in reports.
    fn name(self) -> &'static str {
        match self {
            Self::Emu => "emu",
            Self::Rtl => "rtl",
            Self::Netlist => "netlist",
        }
    }

    /// Name in sentences.
    fn title(self) -> &'static str {
        match self {
            Self::Emu => "the emulator",
            Self::Rtl => "the Verilated chip",
            Self::Netlist => "the netlist",
        }
    }
}

fn geometry_parser() -> impl TypedValueParser<Value = GeometryChoice> {
    let names = Geometry::known().map(|geometry| geometry.name).chain([lpu_compiler::fit::VIRTUAL]);
    PossibleValuesParser::new(names)
        .map(|name| geometry_of_name(&name).expect("the parser accepts names of this list only"))
}

/// The choice of this name.
fn geometry_of_name(name: &str) -> Option<GeometryChoice> {
    match Geometry::by_name(name) {
        Some(geometry) => Some(GeometryChoice::Named(geometry)),
        None => (name == lpu_compiler::fit::VIRTUAL).then_some(GeometryChoice::Virtual),
    }
}

impl GeometryChoice {
    /// What [`geometry_of_name`] takes.
    fn name(self) -> &'static str {
        match self {
            Self::Named(geometry) => geometry.name,
            Self::Virtual => lpu_compiler::fit::VIRTUAL,
        }
    }
}

/// Reads the arguments. Help, and most of what is wrong with arguments, is told and ends the process here.
fn parse() -> Result<Cli, Failure> {
    // A minus before a digit begins a number, which its parser refuses in words.
    let command = Cli::command().mut_subcommands(|command| command.allow_negative_numbers(true));
    let found = command.try_get_matches().and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    found.map_err(|error| match error.kind() {
        ErrorKind::InvalidUtf8 => {
            let argument = std::env::args_os().find(|argument| argument.to_str().is_none());
            let shown = argument.unwrap_or_default().to_string_lossy().into_owned();
            Failure::input(format!("the argument {shown:?} is not UTF-8; expected a text in UTF-8"))
        }
        _ => error.exit(),
    })
}

/// Reads the arguments, runs the command, reports what went wrong.
fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(failure) => return failure.report(),
    };
    let result = match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Chat(arguments) => chat::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        #[cfg(feature = "fpga")]
        Command::Build(arguments) => build::run(&arguments),
        #[cfg(feature = "fpga")]
        Command::Flash(arguments) => flash::run(&arguments),
        #[cfg(feature = "fpga")]
        Command::Boards(arguments) => boards::run(&arguments),
        #[cfg(feature = "fpga")]
        Command::Devices(arguments) => devices::run(&arguments),
        #[cfg(feature = "fpga")]
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent_and_every_command_shows_examples() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            let examples = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n"), "{} has no examples", sub.get_name());
            assert!(examples.contains(&format!("lpu {}", sub.get_name())), "{}", sub.get_name());
        }
    }
}
