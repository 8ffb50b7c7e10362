//! What a user may ask of a generation, checked before anything runs.

use lpu_isa::host::{HEADER_BYTES, HOST_WORD_BYTES};
use lpu_isa::image::ModelInfo;
use std::collections::BTreeMap;

/// Stop strings are searched for in every piece of text, so there are few.
const STOPS_MAX: usize = 16;
/// Words of vector memory in a host word.
const LOGITS_PER_HOST_WORD: usize = 4;
/// Commands of one host word that start a run: its registers, its prompt token and the start itself.
const START_COMMANDS: usize = 11;

/// How tokens are chosen, and when to stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Tokens made at most; the context may end before.
    pub tokens_max: usize,
    /// 0 takes the most likely token.
    pub temperature: f64,
    /// Only the `k` most likely tokens.
    pub top_k: Option<usize>,
    /// Only the fewest most likely tokens whose probabilities add up to this; 1 keeps all.
    pub top_p: f64,
    /// Only tokens at least this times as likely as the likeliest; 0 keeps all.
    pub min_p: f64,
    /// Divides the positive and multiplies the negative logits of tokens in prompt and text; 1 changes nothing.
    pub repetition_penalty: f64,
    /// Taken off the logits of tokens in the text made so far.
    pub presence_penalty: f64,
    /// Taken off the logits of tokens for each time that they stand in the text made so far.
    pub frequency_penalty: f64,
    /// Added to the logits of single tokens.
    pub logit_bias: BTreeMap<u32, f64>,
    /// Equal seeds give equal texts.
    pub seed: u64,
    /// Texts that end the generation and are not given out.
    pub stop: Vec<String>,
    /// Go on after the model has ended its text.
    pub ignore_ends: bool,
    /// Give the log-probability of every token, and of this many likeliest ones.
    pub logprobs: Option<usize>,
    /// Give the logits of every position as the chip's integers.
    pub keep_logits: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tokens_max: 256,
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            seed: 1,
            stop: Vec::new(),
            ignore_ends: false,
            logprobs: None,
            keep_logits: false,
        }
    }
}

/// Who chooses the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chooser {
    /// The chip: tokens follow one another without the host.
    Chip,
    /// The host, from the logits of every position.
    Host,
}

/// What the options cost beyond the chip's cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub chooser: Chooser,
    /// Bytes that cross the host port for each token.
    pub port_bytes_per_token: usize,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{option} is {found}; expected {expected}")]
pub struct OptionsError {
    /// Name of the option, as a server's field.
    pub option: &'static str,
    pub found: String,
    pub expected: String,
}

impl Options {
    /// Who chooses: the chip unless the choice needs more than the likeliest token or a temperature.
    pub fn chooser(&self) -> Chooser {
        let filters = self.top_k.is_some() || self.top_p < 1.0 || self.min_p > 0.0;
        // Filters leave the most likely token where it is.
        let filters = filters && self.temperature > 0.0;
        let penalties = [self.repetition_penalty - 1.0, self.presence_penalty, self.frequency_penalty];
        match filters || penalties.iter().any(|penalty| *penalty != 0.0) || !self.logit_bias.is_empty() {
            true => Chooser::Host,
            false => Chooser::Chip,
        }
    }

    /// Whether the logits of every new token are read.
    pub(super) fn reads_logits(&self) -> bool {
        self.chooser() == Chooser::Host || self.logprobs.is_some() || self.keep_logits
    }

    pub fn cost(&self, model: &ModelInfo) -> Cost {
        let command = HEADER_BYTES + HOST_WORD_BYTES;
        let words = (model.vocab as usize).div_ceil(LOGITS_PER_HOST_WORD);
        let logits = if self.reads_logits() { HEADER_BYTES + words * HOST_WORD_BYTES } else { 0 };
        let start = if self.chooser() == Chooser::Host { START_COMMANDS * command } else { 0 };
        Cost { chooser: self.chooser(), port_bytes_per_token: command + logits + start }
    }

    /// # Errors
    /// The first option that is out of its range.
    pub fn check(&self, vocab: u32) -> Result<(), OptionsError> {
        fn need(
            good: bool,
            option: &'static str,
            found: impl std::fmt::Debug,
            expected: &str,
        ) -> Result<(), OptionsError> {
            let found = || format!("{found:?}");
            if good {
                Ok(())
            } else {
                Err(OptionsError { option, found: found(), expected: expected.into() })
            }
        }
        let finite = |number: f64| number.is_finite();
        let Self { temperature, top_p, min_p, repetition_penalty, .. } = *self;
        need(self.tokens_max > 0, "max_tokens", self.tokens_max, "at least 1")?;
        let warm = finite(temperature) && temperature >= 0.0;
        need(warm, "temperature", temperature, "a number from 0 upward")?;
        need(self.top_k != Some(0), "top_k", self.top_k.unwrap_or(0), "at least 1")?;
        need(top_p > 0.0 && top_p <= 1.0, "top_p", top_p, "more than 0 and at most 1")?;
        need((0.0..=1.0).contains(&min_p), "min_p", min_p, "0 to 1")?;
        let repetition = finite(repetition_penalty) && repetition_penalty > 0.0;
        need(repetition, "repetition_penalty", repetition_penalty, "a number above 0")?;
        let presence = self.presence_penalty;
        need(finite(presence), "presence_penalty", presence, "a finite number")?;
        let frequency = self.frequency_penalty;
        need(finite(frequency), "frequency_penalty", frequency, "a finite number")?;
        for (&id, &bias) in &self.logit_bias {
            need(id < vocab, "logit_bias", id, &format!("token ids below {vocab}"))?;
            need(finite(bias), "logit_bias", bias, "finite numbers")?;
        }
        need(self.stop.len() <= STOPS_MAX, "stop", self.stop.len(), &format!("at most {STOPS_MAX} texts"))?;
        need(!self.stop.iter().any(String::is_empty), "stop", "", "texts of at least one character")?;
        let logprobs = self.logprobs.unwrap_or(0);
        need(logprobs <= vocab as usize, "top_logprobs", logprobs, &format!("at most {vocab}"))
    }
}
