//! `lpu run`: text from a model on a device.

use super::output::{BAD, FAINT, GOOD, STRONG, grouped, json, megahertz, note, paint};
use super::session::{Executed, Session};
use super::{DeviceKind, Failure, ModelArguments, session, source};
use lpu_host::model::Tokenizer;
use lpu_host::model::tokenizer::StreamDecoder;
use lpu_isa::arith::Scalar;
use lpu_isa::image::{Image, ModelInfo};
use lpu_sim::device::{RunRequest, inverse_temperature};
use serde::Serialize;
use source::Source;
use std::io::Write;

/// Token number that stands for none in an image.
const NO_TOKEN: u32 = 0xffff;
/// Tokens that are made unless the user says how many.
const TOKENS_DEFAULT: u32 = 256;

/// Run a model and stream its text.
///
/// The summary holds the measured cycles against the predicted ones; a difference is an error (exit code 1).
/// Text goes to standard output, the summary to standard error. With no --temperature the most likely token is taken.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lpu run stories260K.bin
  lpu run stories260K.bin --prompt \"Lily had a cat\" --tokens 100 --temperature 0.8 --seed 7
  lpu run stories260K.bin --device rtl --tokens 32
  lpu run stories.lpu --ignore-eos --json > run.json")]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Machine that executes the program.
    #[arg(long, value_enum, default_value_t = DeviceKind::Emu)]
    device: DeviceKind,
    /// Text that the model continues.
    #[arg(long, value_name = "TEXT", default_value = "")]
    prompt: String,
    /// Tokens to make after the prompt, at most; the context may end before.
    #[arg(long, value_name = "N", default_value_t = TOKENS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// Sample with this temperature; 0 takes the most likely token.
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature, allow_negative_numbers = true)]
    temperature: f64,
    /// Seed of the chip's random generator: equal seeds give equal texts.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
    /// Go on after the model has ended its text.
    #[arg(long)]
    ignore_eos: bool,
    /// Report as JSON, with the logits' hash at every position.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    device: &'static str,
    geometry: &'static str,
    isa_hash: String,
    prompt_tokens: Vec<u16>,
    tokens: Vec<u16>,
    text: String,
    steps: Vec<Executed>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Source { image, tokenizer } = source::open(&arguments.model)?;
    let prompt = prompt_tokens(&arguments.prompt, tokenizer.as_ref(), &image)?;
    let request = request(arguments, &image.model, prompt)?;
    let mut device = session::open(arguments.device, &image)?;
    let mut words = Words::new(tokenizer.as_ref(), &request.prompt);
    let mut text = words.begin();
    show(arguments, &text)?;
    let session = session::drive(device.as_mut(), &image, &request, |step| {
        if step.position + 1 < request.prompt.len() {
            return Ok(());
        }
        let piece = words.next(step.token);
        show(arguments, &piece)?;
        text.push_str(&piece);
        Ok(())
    })?;
    let rest = words.finish();
    text.push_str(&rest);
    if arguments.json {
        json(&report(arguments, &image, &request, text, &session))?;
    } else {
        show(arguments, &rest)?;
        if !text.ends_with('\n') {
            show(arguments, "\n")?;
        }
        summarise(arguments, &image, &request, &session);
    }
    session.check()
}

fn temperature(text: &str) -> Result<f64, String> {
    let refused = || {
        format!(
            "expected a number from 0 upward, found {text:?}: 0 takes the most likely token, 1 samples as trained"
        )
    };
    text.parse().ok().filter(|found: &f64| found.is_finite() && *found >= 0.0).ok_or_else(refused)
}

/// The ids that a run begins with: at least one.
fn prompt_tokens(text: &str, tokenizer: Option<&Tokenizer>, image: &Image) -> Result<Vec<u16>, Failure> {
    let Image { geometry, model, .. } = image;
    let ids = match tokenizer {
        Some(tokenizer) => tokenizer.encode(text).map_err(Failure::input)?,
        None if text.is_empty() => vec![if model.bos == NO_TOKEN { 0 } else { model.bos }],
        None => {
            return Err(Failure::input(format!(
                "no tokenizer of {} pieces lies beside the model; expected one to encode the prompt: \
                 name it with --tokenizer, or leave out --prompt",
                model.vocab
            )));
        }
    };
    let (found, context) = (ids.len(), model.context as usize);
    if found > context {
        return Err(Failure::input(format!(
            "the prompt has {found} tokens; expected at most {context}, the context on {}: shorten the prompt",
            geometry.name
        )));
    }
    let narrow = |id: u32| {
        let refused =
            || format!("the prompt holds token {id}; expected ids of 16 bits: use a smaller vocabulary");
        u16::try_from(id).map_err(|_| Failure::Input(refused()))
    };
    ids.into_iter().map(narrow).collect()
}

fn request(arguments: &Arguments, model: &ModelInfo, prompt: Vec<u16>) -> Result<RunRequest, Failure> {
    let limit = (prompt.len() - 1).saturating_add(arguments.tokens as usize).min(model.context as usize);
    let stop = |token: u32| u16::try_from(token).ok().filter(|_| token != NO_TOKEN && !arguments.ignore_eos);
    Ok(RunRequest {
        limit,
        stop_tokens: [stop(model.eos), stop(model.bos)],
        seed: arguments.seed,
        sampling: sampling(arguments.temperature, model)?,
        pause: arguments.json,
        ..RunRequest::greedy(&prompt, limit)
    })
}

fn sampling(temperature: f64, model: &ModelInfo) -> Result<Option<Scalar>, Failure> {
    if temperature == 0.0 {
        return Ok(None);
    }
    inverse_temperature(model, temperature).map(Some).ok_or_else(|| {
        Failure::input(format!(
            "the chip cannot express the temperature {temperature}; expected 0.05 to 100, or 0 for the most likely token"
        ))
    })
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

/// Turns tokens into text as they come; without a tokenizer, into numbers.
struct Words<'t> {
    tokenizer: Option<&'t Tokenizer>,
    prompt: &'t [u16],
    decoder: StreamDecoder,
}

impl<'t> Words<'t> {
    fn new(tokenizer: Option<&'t Tokenizer>, prompt: &'t [u16]) -> Self {
        Self { tokenizer, prompt, decoder: StreamDecoder::default() }
    }

    /// The prompt's own text.
    fn begin(&mut self) -> String {
        let prompt = self.prompt;
        prompt.iter().map(|&id| self.next(id)).collect()
    }

    fn next(&mut self, id: u16) -> String {
        match self.tokenizer {
            Some(tokenizer) => self.decoder.push(tokenizer, id.into()),
            None => format!("{id} "),
        }
    }

    fn finish(self) -> String {
        self.decoder.finish()
    }
}

/// The tokens chosen at and after the last position of the prompt.
fn generated<'s>(request: &RunRequest, session: &'s Session) -> &'s [Executed] {
    session.steps.get(request.prompt.len() - 1..).unwrap_or_default()
}

fn report(
    arguments: &Arguments,
    image: &Image,
    request: &RunRequest,
    text: String,
    session: &Session,
) -> Report {
    Report {
        device: arguments.device.name(),
        geometry: image.geometry.name,
        isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH),
        prompt_tokens: request.prompt.clone(),
        tokens: generated(request, session).iter().map(|step| step.token).collect(),
        text,
        steps: session.steps.clone(),
    }
}

fn summarise(arguments: &Arguments, image: &Image, request: &RunRequest, session: &Session) {
    let count = session.steps.len();
    let made = generated(request, session);
    let clock_hz = image.geometry.clock_hz;
    let mean = |cycles: u64| cycles as f64 / count.max(1) as f64;
    let (predicted, measured) = (session.cycles_predicted(), session.cycles_measured());
    let differing = session.steps.iter().filter(|step| step.predicted != step.measured).count();
    let verdict = match differing {
        0 => paint(GOOD, format!("equal at all {count} positions")),
        _ => paint(BAD, format!("different at {differing} of {count} positions")),
    };
    note(format!(
        "\n{} at {} on {}",
        paint(STRONG, format!("{} tokens/s", grouped((clock_hz as f64 / mean(measured)).round() as u64))),
        megahertz(clock_hz),
        image.geometry.name,
    ));
    note(format!("{:.1} cycles/token predicted, {:.1} measured: {verdict}", mean(predicted), mean(measured)));
    let end = match made.last() {
        Some(last) if request.stop_tokens.contains(&Some(last.token)) => "the model ended its text",
        _ if made.len() < arguments.tokens as usize => "the context is full",
        _ => "as many as asked for",
    };
    note(paint(
        FAINT,
        format!(
            "{} tokens after {} of prompt, {end}; {} ran {} positions/s",
            made.len(),
            request.prompt.len(),
            arguments.device.title(),
            grouped(session.positions_per_second().round() as u64),
        ),
    ));
    if session.saturations > 0 {
        note(paint(
            BAD,
            format!("a value was too large for its format in {} rows", grouped(session.saturations)),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_isa::Geometry;

    #[test]
    fn a_prompt_without_a_tokenizer_is_refused_and_none_begins_with_bos() {
        let image = |bos| {
            let model = ModelInfo { vocab: 512, context: 8, bos, ..ModelInfo::default() };
            let (matrix, vector, weights, vmem, tokenizer) = Default::default();
            Image { geometry: Geometry::NANO, model, matrix, vector, weights, vmem, tokenizer }
        };
        assert_eq!(prompt_tokens("", None, &image(1)).unwrap(), [1]);
        assert_eq!(prompt_tokens("", None, &image(NO_TOKEN)).unwrap(), [0]);
        let Err(Failure::Input(text)) = prompt_tokens("Hi", None, &image(1)) else { panic!("accepted") };
        assert_eq!(
            text,
            "no tokenizer of 512 pieces lies beside the model; expected one to encode the prompt: \
             name it with --tokenizer, or leave out --prompt"
        );
    }

    #[test]
    fn temperatures_are_numbers_from_zero_upward() {
        assert_eq!(temperature("0.8"), Ok(0.8));
        for bad in ["-1", "NaN", "inf", "warm"] {
            let expected = format!(
                "expected a number from 0 upward, found {bad:?}: 0 takes the most likely token, 1 samples as trained"
            );
            assert_eq!(temperature(bad), Err(expected));
        }
    }
}
