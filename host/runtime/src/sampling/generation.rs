//! One answer: runs of the device, and the events that they become.
//!
//! ```text
//!  chip chooses:  prompt without its last token ─► one run ─► the last token and all that follow ─► one run
//!  host chooses:  prompt ─► one run ─► logits ─► choice ─► one run of one position ─► logits ─► ...
//! ```
//!
//! A run begins with the last token of the prompt, because random numbers begin with a run: so they do not depend on how much
//! of the prompt the device still holds.

use super::choose::{LogProb, Sampler};
use super::engine::{Cancel, Engine, GenerateError};
use super::options::{Chooser, Options};
use super::stop::StopScanner;
use lpu_isa::arith::Scalar;
use lpu_isa::host::{Fault, Step};
use lpu_isa::image::ModelInfo;
use lpu_model::tokenizer::StreamDecoder;
use lpu_sim::device::RunRequest;

/// One executed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    pub position: usize,
    /// Token read.
    pub input: u16,
    /// Token that the chip chose; only the answer's own choices count.
    pub chosen: u16,
    /// Cycles by the schedule alone.
    pub cycles_predicted: u64,
    /// Cycles by the device's counter.
    pub cycles_measured: u64,
    /// The chip's logits, when they were asked for with [`Options::keep_logits`].
    pub logits: Vec<i32>,
}

impl Executed {
    /// The logits in natural units.
    pub fn natural_logits(&self, model: &ModelInfo) -> Vec<f64> {
        natural(&self.logits, model)
    }
}

fn natural(logits: &[i32], model: &ModelInfo) -> Vec<f64> {
    let unit = (-f64::from(model.logit_fraction_bits)).exp2();
    logits.iter().map(|&logit| f64::from(logit) * unit).collect()
}

/// A token of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub id: u32,
    /// Text that became sure with this token; the next one may complete a character or a stop string that began here.
    pub text: String,
    /// Bytes of this token alone.
    pub bytes: Vec<u8>,
    pub logprob: Option<LogProb>,
    /// The position that chose it.
    pub executed: Executed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A position of the prompt before its last was read.
    Prompt(Executed),
    Token(Token),
}

/// Why a generation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The model ended its text; the last token is the one that says so.
    End,
    /// This stop string appeared.
    Stop(String),
    /// As many tokens as asked for.
    Length,
    /// The last position of the context was used.
    Context,
    Cancelled,
}

/// What a finished generation was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    pub reason: Reason,
    pub prompt_tokens: usize,
    /// Positions of the prompt that the device held from before.
    pub reused_tokens: usize,
    pub completion_tokens: usize,
    pub cycles_predicted: u64,
    pub cycles_measured: u64,
    /// Positions that took other than the predicted cycles.
    pub differing: usize,
    pub faults: Fault,
    /// Rows in which a lane saturated.
    pub saturations: u64,
}

enum Stage {
    /// Nothing runs; the prompt from this position on is still to be read.
    Begin,
    /// A run of the prompt is active.
    Reading,
    /// The run in which the chip chooses is active.
    Choosing,
    /// Nothing runs; the host chose this token.
    Feed(u16),
    Done,
}

/// An answer in progress. Dropping it ends the device's run.
pub struct Generation<'e> {
    engine: &'e mut Engine,
    options: Options,
    scale: Option<Scalar>,
    prompt: Vec<u16>,
    context: usize,
    ends: Vec<u32>,
    stage: Stage,
    sampler: Sampler,
    decoder: StreamDecoder,
    stops: StopScanner,
    cancel: Cancel,
    reused: usize,
    made: usize,
    finish: Finish,
}

impl<'e> Generation<'e> {
    pub(super) fn new(
        engine: &'e mut Engine,
        prompt: Vec<u16>,
        options: &Options,
        scale: Option<Scalar>,
        context: usize,
    ) -> Self {
        let common = engine.held.iter().zip(&prompt).take_while(|(held, wanted)| held == wanted).count();
        // Logits follow from the last position, so that it is always run.
        let first = engine.model.first_position as usize;
        let reused = if options.keep_logits { first } else { common.min(prompt.len() - 1) };
        let mut decoder = StreamDecoder::default();
        if let Some(tokenizer) = &engine.tokenizer {
            prompt.iter().for_each(|&id| _ = decoder.push(tokenizer, id.into()));
        }
        let finish = Finish {
            reason: Reason::Cancelled,
            prompt_tokens: prompt.len(),
            reused_tokens: reused,
            completion_tokens: 0,
            cycles_predicted: 0,
            cycles_measured: 0,
            differing: 0,
            faults: Fault::default(),
            saturations: 0,
        };
        Self {
            ends: if options.ignore_ends { Vec::new() } else { engine.ends() },
            sampler: Sampler::new(options, &prompt),
            stops: StopScanner::new(&options.stop),
            options: options.clone(),
            scale,
            context,
            stage: Stage::Begin,
            decoder,
            cancel: Cancel::default(),
            reused,
            made: 0,
            finish,
            prompt,
            engine,
        }
    }

    /// Ends this generation from elsewhere.
    pub fn canceller(&self) -> Cancel {
        self.cancel.clone()
    }

    /// The next event; `None` when the answer is complete.
    ///
    /// # Errors
    /// When the device fails.
    pub fn next_event(&mut self) -> Result<Option<Event>, GenerateError> {
        loop {
            if self.cancel.is_cancelled() && !matches!(self.stage, Stage::Done) {
                self.end(Reason::Cancelled)?;
            }
            match self.stage {
                Stage::Done => return Ok(None),
                Stage::Begin => self.begin()?,
                Stage::Feed(token) => self.feed(token)?,
                Stage::Reading | Stage::Choosing => {
                    if let Some(event) = self.advance()? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// The device's sticky faults: whoever must not show a wrong token asks before each.
    ///
    /// # Errors
    /// When the device fails.
    pub fn faults(&mut self) -> Result<Fault, GenerateError> {
        Ok(self.engine.device.faults()?)
    }

    /// What the generation was, once [`Generation::next_event`] has given `None`; before, it is ended here.
    ///
    /// # Errors
    /// When the device fails.
    pub fn finish(mut self) -> Result<Finish, GenerateError> {
        if !matches!(self.stage, Stage::Done) {
            self.end(Reason::Cancelled)?;
        }
        Ok(self.finish.clone())
    }

    fn begin(&mut self) -> Result<(), GenerateError> {
        let last = self.prompt.len() - 1;
        let read_to = match self.options.chooser() {
            Chooser::Host => last + 1,
            Chooser::Chip => last,
        };
        self.engine.held.truncate(self.reused);
        if self.reused < read_to {
            let prompt = self.prompt[self.reused..read_to].to_vec();
            let pause = self.options.keep_logits;
            let request = RunRequest {
                start_position: self.reused,
                pause,
                ..RunRequest::greedy(&prompt, prompt.len())
            };
            self.start(&request, Stage::Reading)?;
            return Ok(());
        }
        self.choose_on_chip()
    }

    fn choose_on_chip(&mut self) -> Result<(), GenerateError> {
        let last = self.prompt.len() - 1;
        let stop = |index: usize| self.ends.get(index).and_then(|&id| u16::try_from(id).ok());
        let request = RunRequest {
            start_position: last,
            stop_tokens: [stop(0), stop(1)],
            // The halves of a seed are joined, so that every bit of it counts.
            seed: (self.options.seed ^ self.options.seed >> 32) as u32,
            sampling: self.scale,
            pause: self.options.reads_logits(),
            ..RunRequest::greedy(&self.prompt[last..], self.options.tokens_max)
        };
        self.start(&request, Stage::Choosing)
    }

    fn feed(&mut self, token: u16) -> Result<(), GenerateError> {
        let start_position = self.engine.held.len();
        let request = RunRequest { start_position, ..RunRequest::greedy(&[token], 1) };
        self.prompt.push(token);
        self.start(&request, Stage::Reading)
    }

    fn start(&mut self, request: &RunRequest, stage: Stage) -> Result<(), GenerateError> {
        if !matches!(self.stage, Stage::Begin) {
            // The counter begins again with every run.
            self.finish.saturations += self.engine.device.saturations()?;
        }
        self.engine.device.start(request)?;
        self.stage = stage;
        Ok(())
    }

    /// Takes the next step of the active run; no event if the run is over.
    fn advance(&mut self) -> Result<Option<Event>, GenerateError> {
        let Some(step) = self.engine.device.next_step()? else {
            match self.stage {
                Stage::Reading => self.choose_on_chip()?,
                _ => self.end(Reason::Context)?,
            }
            return Ok(None);
        };
        let executed = self.executed(step)?;
        let is_prompt = executed.position + 1 < self.prompt.len();
        if is_prompt {
            return Ok(Some(Event::Prompt(executed)));
        }
        let choosing = matches!(self.stage, Stage::Choosing);
        if !choosing {
            // The record comes before the run's end, and only then may memories be read.
            while self.engine.device.next_step()?.is_some() {}
        }
        let logits = match self.options.reads_logits() {
            true => self.logits()?,
            false => Vec::new(),
        };
        let id = if choosing { step.token.into() } else { self.sampler.choose(&mut logits.clone()) };
        let logprob = self.options.logprobs.map(|count| LogProb::of(&logits, id, count));
        self.token(id, logprob, executed).map(Some)
    }

    fn executed(&mut self, step: Step) -> Result<Executed, GenerateError> {
        let position = usize::from(step.position);
        let engine = &mut *self.engine;
        let input = self.prompt.get(position).copied().unwrap_or_default();
        engine.held.truncate(position);
        engine.held.push(input);
        let logits = if self.options.keep_logits { engine.device.logits()? } else { Vec::new() };
        let cycles_predicted = engine.predictor.cycles(position) as u64;
        let cycles_measured = u64::from(step.cycles);
        self.finish.cycles_predicted += cycles_predicted;
        self.finish.cycles_measured += cycles_measured;
        self.finish.differing += usize::from(cycles_predicted != cycles_measured);
        Ok(Executed { position, input, chosen: step.token, cycles_predicted, cycles_measured, logits })
    }

    /// The logits in natural units.
    fn logits(&mut self) -> Result<Vec<f64>, GenerateError> {
        Ok(natural(&self.engine.device.logits()?, &self.engine.model))
    }

    fn token(
        &mut self,
        id: u32,
        logprob: Option<LogProb>,
        executed: Executed,
    ) -> Result<Event, GenerateError> {
        self.made += 1;
        let (piece, bytes) = match &self.engine.tokenizer {
            Some(tokenizer) => {
                let bytes = tokenizer.decode_piece(Some(executed.input.into()), id);
                (self.decoder.push(tokenizer, id), bytes)
            }
            None => (format!("{id} "), id.to_string().into_bytes()),
        };
        let (mut text, stop) = self.stops.push(&piece);
        let last_position = executed.position + 1 >= self.context;
        let reason = match stop {
            Some(stop) => Some(Reason::Stop(stop)),
            None if self.ends.contains(&id) => Some(Reason::End),
            None if self.made >= self.options.tokens_max => Some(Reason::Length),
            None => last_position.then_some(Reason::Context),
        };
        if let Some(reason) = reason {
            if !matches!(reason, Reason::Stop(_)) {
                let rest = std::mem::take(&mut self.decoder).finish();
                let (more, _) = self.stops.push(&rest);
                text.push_str(&more);
                text.push_str(&self.stops.finish());
            }
            self.end(reason)?;
        } else if matches!(self.stage, Stage::Choosing) {
            self.prompt.push(id as u16);
        } else {
            self.stage = Stage::Feed(id as u16);
        }
        Ok(Event::Token(Token { id, text, bytes, logprob, executed }))
    }

    fn end(&mut self, reason: Reason) -> Result<(), GenerateError> {
        if matches!(self.stage, Stage::Reading | Stage::Choosing) {
            self.engine.device.cancel()?;
        }
        self.stage = Stage::Done;
        self.finish.reason = reason;
        self.finish.completion_tokens = self.made;
        self.finish.faults = self.engine.device.faults()?;
        self.finish.saturations += self.engine.device.saturations()?;
        Ok(())
    }
}

impl Drop for Generation<'_> {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Reading | Stage::Choosing) {
            // Who drops an answer does not ask whether the device still works; its next start will tell.
            _ = self.engine.device.cancel();
        }
    }
}
