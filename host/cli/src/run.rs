//! `lpu run`: text from a model on a device.

use super::choice::{ChoiceArguments, cost_text, failure};
use super::device::{self, DeviceChoice};
use super::interrupt::Interrupt;
use super::number::whole;
use super::output::{BAD, FAINT, GOOD, STRONG, grouped, json, megahertz, note, paint, rate};
use super::outputs::Outputs;
use super::prompt::PromptArguments;
use super::session::{self, Executed, Session};
use super::write::{Draft, Target};
use super::{Failure, ModelArguments, source, waves};
use lpu_isa::image::Image;
use lpu_model::Tokenizer;
use lpu_model::tokenizer::StreamDecoder;
use lpu_runtime::sampling::{self, Engine, Event, Finish, LogProb, Options, Reason};
use lpu_runtime::saturation;
use serde::Serialize;
use source::Source;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Run a model and stream its text.
///
/// The text goes to standard output, a summary to standard error. The summary compares the executed cycles with the predicted
/// ones; a difference is an error (exit code 1). Ctrl-C stops the text and still prints the summary.
///
/// Without --temperature the most likely token is taken. Greedy choice and temperature are done by the chip itself; the other
/// sampling options read the logits of each token back to the host, which is slower.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu run stories260K.bin
  lpu run stories260K.bin --prompt \"Lily had a cat\" --tokens 100 --temperature 0.8 --seed 7
  echo \"Once upon a time\" | lpu run stories260K.bin
  lpu run stories260K.bin --prompt-file story.txt
  lpu run stories260K.bin --temperature 1 --top-p 0.9 --stop \"The end\"
  lpu run SmolLM2-135M-Instruct/ --geometry virtual --prompt Hello
  lpu run stories260K.bin --device rtl --tokens 32
  lpu run tiny.bin --geometry nano --device netlist --tokens 8
  lpu run stories260K.bin --device rtl --tokens 8 --waves token.fst --waves-positions 3..5
  lpu run stories260K.bin --device serial:/dev/ttyUSB0
  lpu run stories.lpu --ignore-eos --json > run.json")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Device that executes the program: emu, rtl (the Verilated chip), netlist (the synthesised chip), auto (the board that
    /// is plugged in), or serial:PORT[?baud=N].
    #[arg(long, value_parser = device::parse, default_value = "emu")]
    device: DeviceChoice,
    /// Write the traffic of the serial line to a file, for bug reports.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    waves: waves::WavesArguments,
    #[command(flatten)]
    prompt: PromptArguments,
    #[command(flatten)]
    choice: ChoiceArguments,
    /// With --json: add the log probability of each token and of the N most likely ones.
    #[arg(long, value_name = "N", requires = "json", value_parser = whole::<usize>(0))]
    logprobs: Option<usize>,
    /// Report as JSON, with a hash of the logits at every position.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    device: &'static str,
    geometry: &'static str,
    isa_hash: String,
    /// Clock that the speed is stated at.
    clock_hz: u64,
    /// By the mean of all positions.
    tokens_per_second: f64,
    /// Whether no board gave these figures.
    simulated: bool,
    prompt_tokens: Vec<u32>,
    tokens: Vec<u32>,
    text: String,
    finish: &'static str,
    /// Positions of the program.
    context: u32,
    /// Why the model has more.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_limit: Option<String>,
    /// Rows in which a value was cut off at the limit of its format.
    saturations: u64,
    warnings: Vec<String>,
    steps: Vec<Executed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<LogProbs>,
}

#[derive(Serialize)]
struct LogProbs {
    token: u32,
    /// Natural logarithm.
    logprob: f64,
    top: Vec<(u32, f64)>,
}

/// What a run made.
#[derive(Default)]
struct Made {
    text: String,
    tokens: Vec<u32>,
    steps: Vec<Executed>,
    logprobs: Vec<LogProbs>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut outputs = Outputs::beside(&arguments.model);
    let waves = outputs.open("--waves", arguments.waves.path())?;
    let record = outputs.open("--record", arguments.record.as_deref())?.map(Target::draft).transpose()?;
    let out: Box<dyn Write> = match outputs.take_standard_output(arguments.json.then_some("--json"))? {
        true => Box::new(std::io::stderr()),
        false => Box::new(std::io::stdout()),
    };
    let result = answer(arguments, waves, record.as_ref(), Text { out, is_kept: arguments.json });
    // What the line carried before it failed is what a recording is for.
    let kept = record.filter(|record| !record.is_empty()).map_or(Ok(()), Draft::finish);
    result.and(kept)
}

fn answer(
    arguments: &Arguments,
    waves: Option<Target>,
    record: Option<&Draft>,
    mut out: Text,
) -> Result<(), Failure> {
    let prompt = arguments.prompt.read()?;
    let Source { image, tokenizer, context_limit } = source::open(&arguments.model)?;
    let options =
        Options { logprobs: arguments.logprobs, keep_logits: arguments.json, ..arguments.choice.options() };
    let (device, waves) = match waves {
        Some(target) => {
            let (device, waves) = arguments.waves.open(target, &arguments.device, &image)?;
            (device, Some(waves))
        }
        None => {
            let record = record.map(Draft::reopen).transpose()?;
            (device::make(&arguments.device, &image, record)?, None)
        }
    };
    let mut engine = Engine::new(device, &image, tokenizer).map_err(Failure::machine)?;
    let prompt = prompt_tokens(arguments, &engine, &prompt)?;
    if let Some(waves) = &waves {
        let last = (prompt.len() - 1).saturating_add(options.tokens_max);
        waves.check(last.min(image.model.context as usize))?;
    }
    let interrupt = Interrupt::listen()?;
    let begin = Instant::now();
    let mut made = Made { text: spoken(engine.tokenizer(), &prompt), ..Made::default() };
    let mut generation = engine.generate(&prompt, &options).map_err(failure)?;
    let cancel = generation.canceller();
    out.show(&made.text)?;
    while let Some(event) = generation.next_event().map_err(failure)? {
        out.show(made.take(event))?;
        if interrupt.take() {
            cancel.cancel();
        }
    }
    let finish = generation.finish().map_err(failure)?;
    drop(engine);
    let session = Session {
        steps: std::mem::take(&mut made.steps),
        faults: finish.faults,
        saturations: finish.saturations,
        wall: begin.elapsed(),
    };
    if arguments.json {
        json(&Report { context_limit, ..report(arguments, &image, &prompt, made, &finish, &session) })?;
    } else {
        if !made.text.ends_with('\n') {
            out.show("\n")?;
        }
        if let Some(cost) = cost_text(&options, &image.model) {
            note(paint(FAINT, cost));
        }
        if let Some(limit) = context_limit {
            note(paint(FAINT, limit));
        }
        summarise(arguments, &image, &finish, &session);
    }
    waves.map_or(Ok(()), |waves| waves.finish(&session))?;
    session.check()?;
    if finish.reason == Reason::Cancelled { Err(Failure::Interrupted) } else { Ok(()) }
}

/// Where the text streams to; with `--json` it is kept for the report.
struct Text {
    out: Box<dyn Write>,
    is_kept: bool,
}

impl Text {
    fn show(&mut self, text: &str) -> Result<(), Failure> {
        if !self.is_kept {
            self.out.write_all(text.as_bytes())?;
            self.out.flush()?;
        }
        Ok(())
    }
}

impl Made {
    /// Keeps an event, and gives the text that it brought.
    fn take(&mut self, event: Event) -> &str {
        let begin = self.text.len();
        match event {
            Event::Prompt(executed) => {
                let chosen = executed.chosen.into();
                self.steps.push(step(executed, chosen));
            }
            Event::Token(token) => {
                self.text.push_str(&token.text);
                self.tokens.push(token.id);
                self.logprobs.extend(token.logprob.map(|found| logprobs(token.id, found)));
                self.steps.push(step(token.executed, token.id));
            }
        }
        &self.text[begin..]
    }
}

fn logprobs(token: u32, found: LogProb) -> LogProbs {
    LogProbs { token, logprob: found.chosen, top: found.top }
}

fn step(executed: sampling::Executed, token: u32) -> Executed {
    let sampling::Executed { position, input, cycles_predicted, cycles_measured, logits, .. } = executed;
    Executed {
        position,
        input,
        // Ids of a program fit 16 bits.
        token: token as u16,
        predicted: cycles_predicted,
        measured: cycles_measured,
        logits_sha256: (!logits.is_empty()).then(|| session::sha256(&logits)),
    }
}

/// The ids that a run begins with: at least one. Without a tokenizer there is no text, and the user is told why.
fn prompt_tokens(arguments: &Arguments, engine: &Engine, text: &str) -> Result<Vec<u32>, Failure> {
    if engine.tokenizer().is_none() {
        let missing = source::missing_tokenizer(&arguments.model.model, engine.model().vocab);
        if !text.is_empty() {
            return Err(Failure::input(format!(
                "{missing}; expected one to encode the prompt: name it with --tokenizer, or leave out --prompt"
            )));
        }
        note(format!("{missing}: tokens are shown as numbers. Name a tokenizer with --tokenizer"));
    }
    engine.encode(text).map_err(failure)
}

/// The prompt's own text; without a tokenizer, its numbers.
fn spoken(tokenizer: Option<&Tokenizer>, prompt: &[u32]) -> String {
    let mut decoder = StreamDecoder::default();
    let piece = |&id: &u32| match tokenizer {
        Some(tokenizer) => decoder.push(tokenizer, id),
        None => format!("{id} "),
    };
    prompt.iter().map(piece).collect()
}

/// The name of a reason in reports.
fn reason_name(reason: &Reason) -> &'static str {
    match reason {
        Reason::End => "end",
        Reason::Stop(_) => "stop",
        Reason::Length => "length",
        Reason::Context => "context",
        Reason::Cancelled => "cancelled",
    }
}

fn report(
    arguments: &Arguments,
    image: &Image,
    prompt: &[u32],
    made: Made,
    finish: &Finish,
    session: &Session,
) -> Report {
    Report {
        device: arguments.device.name(),
        geometry: image.geometry.name,
        isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH),
        clock_hz: image.geometry.clock_hz,
        tokens_per_second: session.tokens_per_second(image.geometry.clock_hz),
        simulated: arguments.device.is_simulated(),
        prompt_tokens: prompt.to_vec(),
        tokens: made.tokens,
        text: made.text,
        finish: reason_name(&finish.reason),
        context: image.model.context,
        context_limit: None,
        saturations: session.saturations,
        warnings: saturation::warning(session.saturations).into_iter().collect(),
        steps: session.steps.clone(),
        logprobs: made.logprobs,
    }
}

fn summarise(arguments: &Arguments, image: &Image, finish: &Finish, session: &Session) {
    let count = session.steps.len();
    let clock_hz = image.geometry.clock_hz;
    let mean = |cycles: u64| cycles as f64 / count.max(1) as f64;
    let verdict = match finish.differing {
        0 => paint(GOOD, format!("equal at all {count} positions")),
        differing => paint(BAD, format!("different at {differing} of {count} positions")),
    };
    note(format!(
        "\n{} at {} on {}, {}",
        paint(STRONG, format!("{} tokens/s", rate(session.tokens_per_second(clock_hz)))),
        megahertz(clock_hz),
        image.geometry.name,
        if arguments.device.is_simulated() { "simulated" } else { "measured on the board" },
    ));
    note(format!(
        "{:.1} cycles/token predicted, {:.1} measured: {verdict}",
        mean(finish.cycles_predicted),
        mean(finish.cycles_measured)
    ));
    let end = match &finish.reason {
        Reason::End => "the model ended its text".into(),
        Reason::Stop(text) => format!("stopped before {text:?}"),
        Reason::Length => "stopped at the limit of --tokens".into(),
        Reason::Context => "the context is full".into(),
        Reason::Cancelled => "interrupted".into(),
    };
    note(paint(
        FAINT,
        format!(
            "{} tokens after {} of prompt, {end}; {} ran {} positions/s",
            finish.completion_tokens,
            finish.prompt_tokens,
            arguments.device.title(),
            grouped(session.positions_per_second().round() as u64),
        ),
    ));
    if let Some(warning) = saturation::warning(session.saturations) {
        note(paint(BAD, warning));
    }
}
