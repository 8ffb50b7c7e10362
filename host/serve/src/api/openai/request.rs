//! What requests for chat and completions share.

use super::UsageBody;
use crate::api::error::ApiError;
use crate::api::fields::{Fields, typed};
use lpu_runtime::sampling::Options;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A request of one route: `own` is what only that route knows.
#[derive(Deserialize, ToSchema)]
pub struct Request<T> {
    #[serde(flatten)]
    pub common: Common,
    #[serde(flatten)]
    pub sampling: Sampling,
    #[serde(flatten)]
    pub own: T,
}

impl<T: DeserializeOwned> Request<T> {
    /// Reads each part by itself: as one flattened object, a wrong value would lose its path.
    pub fn read(value: &Value, fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            common: typed(value, fields)?,
            sampling: typed(value, fields)?,
            own: typed(value, fields)?,
        })
    }
}

#[derive(Deserialize, ToSchema)]
pub struct Common {
    /// May be left out: then the first model that is served answers.
    pub model: Option<String>,
    #[schema(minimum = 1)]
    pub max_tokens: Option<usize>,
    /// Answers to each prompt, each with the next seed.
    #[schema(minimum = 1, maximum = 32)]
    pub n: Option<usize>,
    pub stop: Option<Stop>,
    pub seed: Option<i64>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    pub stream_options: StreamOptions,
    /// Goes on after the model has ended its text.
    #[serde(default)]
    pub ignore_eos: bool,
    /// Written to the log.
    pub user: Option<String>,
    #[serde(default)]
    pub x_lpu: LpuOptions,
}

/// One text, or up to four.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct StreamOptions {
    /// Sends a last chunk with the usage of the whole answer.
    pub include_usage: bool,
    /// Sends the usage so far with every chunk, as vLLM does.
    pub continuous_usage_stats: bool,
}

/// Wishes that only this server knows.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct LpuOptions {
    /// Runs on this device only; names are listed by `/lpu/devices`.
    pub device: Option<String>,
    /// Tells position, cycles and time of every token.
    pub tokens: bool,
    /// Goes on after the model has ended its text.
    pub ignore_eos: bool,
}

/// Which chunks of a stream carry the usage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum UsageIn {
    None,
    Last,
    /// Every chunk: until the last, what was counted so far.
    Each,
}

impl UsageIn {
    /// The usage of a chunk before the last: left out, null, or what was counted so far.
    pub fn so_far(self, prompt_tokens: usize, completion_tokens: usize) -> Option<Option<UsageBody>> {
        match self {
            Self::None => None,
            Self::Last => Some(None),
            Self::Each => Some(Some(UsageBody::so_far(prompt_tokens, completion_tokens))),
        }
    }
}

impl Common {
    pub fn check(&self) -> Result<(), ApiError> {
        let StreamOptions { include_usage, continuous_usage_stats } = self.stream_options;
        if !self.stream && (include_usage || continuous_usage_stats) {
            let message = "`stream_options` has a meaning only with `stream: true`";
            return Err(ApiError::invalid("stream_options", message));
        }
        if let Some(user) = &self.user {
            tracing::info!(user, "request of a user");
        }
        Ok(())
    }

    pub fn usage_in(&self) -> UsageIn {
        let StreamOptions { include_usage, continuous_usage_stats } = self.stream_options;
        match (include_usage, continuous_usage_stats) {
            (_, true) => UsageIn::Each,
            (true, false) => UsageIn::Last,
            (false, false) => UsageIn::None,
        }
    }

    pub fn answers(&self) -> usize {
        self.n.unwrap_or(1)
    }

    pub fn stops(&self) -> Vec<String> {
        match &self.stop {
            None => Vec::new(),
            Some(Stop::One(text)) => vec![text.clone()],
            Some(Stop::Many(texts)) => texts.clone(),
        }
    }

    pub fn ignores_ends(&self) -> bool {
        self.ignore_eos || self.x_lpu.ignore_eos
    }
}

/// How to choose tokens.
#[derive(Deserialize, ToSchema)]
pub struct Sampling {
    /// 0 takes the most likely token.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Only the fewest most likely tokens whose probabilities add up to this.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Only this many of the most likely tokens.
    #[schema(minimum = 1)]
    pub top_k: Option<usize>,
    /// Only tokens at least this times as likely as the likeliest.
    #[schema(minimum = 0, maximum = 1)]
    pub min_p: Option<f64>,
    #[schema(exclusive_minimum = 0)]
    pub repetition_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    pub presence_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
    /// Token numbers to what is added to their logits, -100 to 100.
    pub logit_bias: Option<BTreeMap<String, f64>>,
}

impl Sampling {
    /// The options so far; what is not said is as everywhere.
    pub fn options(&self) -> Result<Options, ApiError> {
        let ranges = [
            ("temperature", self.temperature, 0.0..=2.0),
            ("presence_penalty", self.presence_penalty, -2.0..=2.0),
            ("frequency_penalty", self.frequency_penalty, -2.0..=2.0),
        ];
        for (name, found, range) in ranges {
            if let Some(found) = found.filter(|found| !range.contains(found)) {
                let message = format!("`{name}` is {found}; expected {} to {}", range.start(), range.end());
                return Err(ApiError::invalid(name, message));
            }
        }
        Ok(Options {
            temperature: self.temperature.unwrap_or(1.0),
            top_k: self.top_k,
            top_p: self.top_p.unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            presence_penalty: self.presence_penalty.unwrap_or(0.0),
            frequency_penalty: self.frequency_penalty.unwrap_or(0.0),
            logit_bias: self.biases()?,
            ..Options::default()
        })
    }

    fn biases(&self) -> Result<BTreeMap<u32, f64>, ApiError> {
        let bias = |(id, bias): (&String, &f64)| {
            let refused = || {
                let message =
                    format!("`logit_bias` of {id:?} is {bias}; expected token numbers and -100 to 100");
                ApiError::invalid("logit_bias", message)
            };
            let id = id.parse().ok().filter(|_| (-100.0..=100.0).contains(bias)).ok_or_else(refused)?;
            Ok((id, *bias))
        };
        self.logit_bias.iter().flatten().map(bias).collect()
    }
}
