//! `lpu run`: text from a model on a device.

use super::choice::{ChoiceArguments, cost_text, failure};
use super::device::{self, DeviceChoice};
use super::output::{BAD, FAINT, GOOD, STRONG, grouped, json, megahertz, note, paint};
use super::session::{self, Executed, Session};
use super::{Failure, ModelArguments, source, waves};
use lpu_host::model::Tokenizer;
use lpu_host::model::tokenizer::StreamDecoder;
use lpu_host::sampling::{self, Engine, Event, Finish, LogProb, Options, Reason};
use lpu_host::saturation;
use lpu_isa::image::Image;
use serde::Serialize;
use source::Source;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Run a model and stream its text.
///
/// The summary holds the measured cycles against the predicted ones; a difference is an error (exit code 1).
/// Text goes to standard output, the summary to standard error. With no --temperature the most likely token is taken.
///
/// The chip chooses tokens by itself, greedily or with a temperature. Other options let the host choose: then the logits cross
/// the host port for each token.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu run stories260K.bin
  lpu run stories260K.bin --prompt \"Lily had a cat\" --tokens 100 --temperature 0.8 --seed 7
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
    /// Machine that executes the program: emu, rtl (the Verilated chip), netlist (the synthesised chip), auto (the
    /// board that is plugged in), or serial:PORT[?baud=N].
    #[arg(long, value_parser = device::parse, default_value = "emu")]
    device: DeviceChoice,
    /// Write the traffic of the serial line to a file, for reports of faults.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    waves: waves::WavesArguments,
    /// Text that the model continues.
    #[arg(long, value_name = "TEXT", default_value = "")]
    prompt: String,
    #[command(flatten)]
    choice: ChoiceArguments,
    /// With --json: log-probabilities of every token and of the N likeliest ones.
    #[arg(long, value_name = "N", requires = "json")]
    logprobs: Option<usize>,
    /// Report as JSON, with the logits' hash at every position.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    device: &'static str,
    geometry: &'static str,
    isa_hash: String,
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
    let Source { image, tokenizer, context_limit } = source::open(&arguments.model)?;
    let options =
        Options { logprobs: arguments.logprobs, keep_logits: arguments.json, ..arguments.choice.options() };
    let (device, waves) = match arguments.waves.open(&arguments.device, &image)? {
        Some((device, waves)) => (device, Some(waves)),
        None => (device::make(&arguments.device, &image, arguments.record.as_deref())?, None),
    };
    let mut engine = Engine::new(device, &image, tokenizer).map_err(Failure::machine)?;
    let prompt = prompt_tokens(&engine, &arguments.prompt)?;
    if let Some(waves) = &waves {
        let last = (prompt.len() - 1).saturating_add(options.tokens_max);
        waves.check(last.min(image.model.context as usize))?;
    }
    let begin = Instant::now();
    let mut made = Made { text: spoken(engine.tokenizer(), &prompt), ..Made::default() };
    let mut generation = engine.generate(&prompt, &options).map_err(failure)?;
    show(arguments, &made.text)?;
    while let Some(event) = generation.next_event().map_err(failure)? {
        show(arguments, made.take(event))?;
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
            show(arguments, "\n")?;
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
    session.check()
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

/// The ids that a run begins with: at least one.
fn prompt_tokens(engine: &Engine, text: &str) -> Result<Vec<u32>, Failure> {
    if engine.tokenizer().is_none() && !text.is_empty() {
        return Err(Failure::input(format!(
            "no tokenizer of {} pieces lies beside the model; expected one to encode the prompt: \
             name it with --tokenizer, or leave out --prompt",
            engine.model().vocab
        )));
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

/// Streams text; with `--json` it is kept for the report.
fn show(arguments: &Arguments, text: &str) -> Result<(), Failure> {
    if arguments.json {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
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
        "\n{} at {} on {}",
        paint(
            STRONG,
            format!("{} tokens/s", grouped((clock_hz as f64 / mean(finish.cycles_measured)).round() as u64))
        ),
        megahertz(clock_hz),
        image.geometry.name,
    ));
    note(format!(
        "{:.1} cycles/token predicted, {:.1} measured: {verdict}",
        mean(finish.cycles_predicted),
        mean(finish.cycles_measured)
    ));
    let end = match &finish.reason {
        Reason::End => "the model ended its text".into(),
        Reason::Stop(text) => format!("{text:?} would have followed"),
        Reason::Length => "as many as asked for".into(),
        Reason::Context => "the context is full".into(),
        Reason::Cancelled => "cancelled".into(),
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
