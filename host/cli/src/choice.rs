//! The options that say how tokens are chosen, shared by the commands that make text.

use super::Failure;
use super::number::{decimal, whole};
use lpu_isa::image::ModelInfo;
use lpu_runtime::sampling::{Chooser, GenerateError, Options};

/// Tokens that are made unless the user says how many.
const TOKENS_DEFAULT: u32 = 256;

/// How tokens are chosen.
#[derive(clap::Args)]
#[command(next_help_heading = "Sampling")]
pub struct ChoiceArguments {
    /// Maximum number of tokens to generate; the model's context may end earlier.
    #[arg(long, value_name = "N", default_value_t = TOKENS_DEFAULT, value_parser = whole::<u32>(1))]
    pub tokens: u32,
    /// Sample with this temperature; 0 takes the most likely token.
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = temperature)]
    temperature: f64,
    /// Seed for sampling: the same seed gives the same text on every device.
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = whole::<u64>(0))]
    seed: u64,
    /// Sample from the K most likely tokens only.
    #[arg(long, value_name = "K", value_parser = whole::<usize>(1))]
    top_k: Option<usize>,
    /// Sample from the smallest set of most likely tokens whose probabilities add up to P.
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = decimal)]
    top_p: f64,
    /// Sample only from tokens that are at least P times as likely as the most likely one.
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = decimal)]
    min_p: f64,
    /// Penalise tokens that occur in the prompt or the text: their logits are divided by F; 1 turns it off.
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = decimal)]
    repetition_penalty: f64,
    /// Subtract X from the logits of tokens that occur in the text.
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = decimal)]
    presence_penalty: f64,
    /// Subtract X from the logits of tokens for each time that they occur in the text.
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = decimal)]
    frequency_penalty: f64,
    /// Add X to the logit of token ID; can be repeated.
    #[arg(long, value_name = "ID=X", value_parser = bias)]
    logit_bias: Vec<(u32, f64)>,
    /// Stop before this text appears; can be repeated.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Do not stop at the end-of-text token.
    #[arg(long)]
    ignore_eos: bool,
}

impl ChoiceArguments {
    pub fn options(&self) -> Options {
        Options {
            tokens_max: self.tokens as usize,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias: self.logit_bias.iter().copied().collect(),
            seed: self.seed,
            stop: self.stop.clone(),
            ignore_ends: self.ignore_eos,
            ..Options::default()
        }
    }
}

/// What the choice costs beyond the chip's cycles, if it costs anything.
pub fn cost_text(options: &Options, model: &ModelInfo) -> Option<String> {
    let cost = options.cost(model);
    (cost.chooser == Chooser::Host).then(|| {
        format!(
            "the host samples: {} bytes of logits are read for each token while the chip waits",
            cost.port_bytes_per_token
        )
    })
}

/// Devices that fail are machines; everything else is input.
pub fn failure(error: GenerateError) -> Failure {
    match error {
        GenerateError::Device(error) => Failure::machine(error),
        other => Failure::input(other),
    }
}

fn temperature(text: &str) -> Result<f64, String> {
    let refused = || {
        format!(
            "expected a number from 0 upward, found {text:?}: 0 takes the most likely token, 1 samples as trained"
        )
    };
    text.parse().ok().filter(|found: &f64| found.is_finite() && *found >= 0.0).ok_or_else(refused)
}

fn bias(text: &str) -> Result<(u32, f64), String> {
    let parts = text.split_once('=').and_then(|(id, bias)| Some((id.parse().ok()?, bias.parse().ok()?)));
    parts.ok_or_else(|| format!("expected ID=X, for example 50=-2.5, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn biases_name_a_token() {
        assert_eq!(bias("50=-2.5"), Ok((50, -2.5)));
        assert!(bias("50").is_err() && bias("a=1").is_err());
    }
}
