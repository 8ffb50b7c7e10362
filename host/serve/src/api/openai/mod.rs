//! The surface that OpenAI's and Groq's clients speak.

pub mod chat;
mod chat_stream;
mod completion_logprobs;
mod completion_stream;
pub mod completions;
pub mod models;
pub mod request;

use super::generation::Choice;
use crate::engine::{Finished, Token};
use crate::model::ServedModel;
use lpu_isa::instruction::ISA_HASH;
use lpu_runtime::sampling::Reason;
use serde::Serialize;
use utoipa::ToSchema;

/// All requests are served alike.
const SERVICE_TIER: &str = "default";

/// Tokens and times, as OpenAI and Groq count them. Times are in seconds.
#[derive(Clone, Serialize, ToSchema)]
pub struct UsageBody {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
    pub prompt_tokens_details: PromptDetails,
    /// Waiting for a device.
    pub queue_time: f64,
    /// From the device's start to the first token.
    pub prompt_time: f64,
    pub completion_time: f64,
    /// Prompt and completion.
    pub total_time: f64,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct PromptDetails {
    /// Tokens of the prompt that the device still held from its last run.
    pub cached_tokens: usize,
}

/// Groq's part of a stream: clients take the usage from the last chunk that has one.
#[derive(Serialize)]
pub struct GroqBody<'a> {
    pub id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageBody>,
}

/// What the machine did.
#[derive(Clone, Serialize, ToSchema)]
pub struct LpuBody {
    pub device: String,
    pub geometry: String,
    pub isa_hash: String,
    /// Equal programs and weights have equal hashes.
    pub program_hash: String,
    pub clock_hz: u64,
    /// Executed positions: tokens of the prompt that were not held any more, and of the answer.
    pub positions: usize,
    /// Chip cycles of these positions, by the schedule alone.
    pub cycles_predicted: u64,
    /// The same, counted by the device.
    pub cycles_measured: u64,
    /// Seed of the chip's random generator: with it, the same request gives the same text.
    pub seed: i64,
    /// Devices that failed while they made the answer.
    pub retries: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenBody>,
}

/// What the machine did for one token.
#[derive(Clone, Serialize, ToSchema)]
pub struct TokenBody {
    pub id: u32,
    pub token: String,
    pub position: usize,
    pub cycles_predicted: u64,
    pub cycles_measured: u64,
    /// Since the token before, at the device.
    pub seconds: f64,
}

/// A token's probability, as chat clients read it.
#[derive(Clone, Serialize, ToSchema)]
pub struct TokenLogprob {
    pub token: String,
    pub logprob: f64,
    pub bytes: Vec<u8>,
    pub top_logprobs: Vec<TopLogprob>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct TopLogprob {
    pub token: String,
    pub logprob: f64,
    pub bytes: Vec<u8>,
}

impl UsageBody {
    /// Counts of an answer that is being made: its times are not known yet.
    pub fn so_far(prompt_tokens: usize, completion_tokens: usize) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails { cached_tokens: 0 },
            queue_time: 0.0,
            prompt_time: 0.0,
            completion_time: 0.0,
            total_time: 0.0,
        }
    }

    /// Sums choices: each prompt counts once, and the longest wait counts.
    pub fn of(choices: &[&Finished], answers_per_prompt: usize) -> Self {
        let prompt_tokens =
            choices.iter().step_by(answers_per_prompt.max(1)).map(|choice| choice.prompt_tokens).sum();
        let completion_tokens = choices.iter().map(|choice| choice.completion_tokens).sum();
        let sum = |time: fn(&Finished) -> f64| choices.iter().map(|choice| time(choice)).sum::<f64>();
        let prompt_time = sum(|choice| choice.prompt.as_secs_f64());
        let completion_time = sum(|choice| choice.completion.as_secs_f64());
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails {
                cached_tokens: choices.iter().map(|choice| choice.reused_tokens).sum(),
            },
            queue_time: choices.iter().map(|choice| choice.queue.as_secs_f64()).fold(0.0, f64::max),
            prompt_time,
            completion_time,
            total_time: prompt_time + completion_time,
        }
    }
}

impl LpuBody {
    pub fn of(model: &ServedModel, finished: &Finished, tokens: Vec<TokenBody>) -> Self {
        Self {
            device: finished.device.to_string(),
            geometry: model.image.geometry.name.into(),
            isa_hash: format!("{ISA_HASH:016x}"),
            program_hash: model.program_hash.clone(),
            clock_hz: model.image.geometry.clock_hz,
            positions: finished.positions,
            cycles_predicted: finished.cycles_predicted,
            cycles_measured: finished.cycles_measured,
            seed: finished.seed as i64,
            retries: finished.retries,
            tokens,
        }
    }

    /// Of a complete answer; with every token if asked for.
    pub fn of_choice(model: &ServedModel, choice: &Choice, with_tokens: bool) -> Self {
        let tokens = if with_tokens { choice.tokens.iter().map(TokenBody::of).collect() } else { Vec::new() };
        Self::of(model, &choice.finished, tokens)
    }
}

impl TokenBody {
    pub fn of(token: &Token) -> Self {
        let made = &token.made;
        Self {
            id: made.id,
            token: String::from_utf8_lossy(&made.bytes).into_owned(),
            position: made.executed.position,
            cycles_predicted: made.executed.cycles_predicted,
            cycles_measured: made.executed.cycles_measured,
            seconds: token.elapsed.as_secs_f64(),
        }
    }
}

impl TokenLogprob {
    /// `None` for tokens that are no text, and when no logits were read.
    pub fn of(model: &ServedModel, token: &Token) -> Option<Self> {
        let found = token.made.logprob.as_ref().filter(|_| !token.is_end)?;
        let top = found.top.iter().map(|&(id, logprob)| {
            let bytes = model.tokenizer.decode_piece(None, id);
            TopLogprob { token: String::from_utf8_lossy(&bytes).into_owned(), logprob, bytes }
        });
        Some(Self {
            token: String::from_utf8_lossy(&token.made.bytes).into_owned(),
            logprob: found.chosen,
            bytes: token.made.bytes.clone(),
            top_logprobs: top.collect(),
        })
    }
}

/// OpenAI's word for an end.
pub fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::End | Reason::Stop(_) => "stop",
        Reason::Length | Reason::Context | Reason::Cancelled => "length",
    }
}

/// Names what made an answer.
pub fn fingerprint(model: &ServedModel) -> String {
    format!("lpu_{}", model.program_hash)
}

/// A fresh name for an answer.
pub fn id(prefix: &str) -> String {
    format!("{prefix}-{}", uuid::Uuid::new_v4().simple())
}
