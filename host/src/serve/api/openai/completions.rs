//! `POST /v1/completions`: text that goes on where the prompt ends.

use super::{
    LpuBody, LpuOptions, Sampling, Stop, StreamOptions, TokenBody, UsageBody, fingerprint, id, reason,
};
use crate::sampling::Options;
use crate::serve::api::error::{ApiError, Family, OpenAiError};
use crate::serve::api::extract::read_json;
use crate::serve::api::generation::{Choice, Generation, encode};
use crate::serve::api::server::{Client, Server};
use crate::serve::api::stream::{Shape, data, stream};
use crate::serve::engine::{Event, Finished, Token};
use crate::serve::model::{ServedModel, now_s};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// OpenAI's default.
const TOKENS_DEFAULT: usize = 16;
const LOGPROBS_MAX: usize = 5;

/// A text to continue. A field that is not listed is refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    pub model: Option<String>,
    pub prompt: Prompt,
    #[schema(minimum = 1)]
    pub max_tokens: Option<usize>,
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
    /// Answers to each prompt, each with the next seed.
    #[schema(minimum = 1, maximum = 32)]
    pub n: Option<usize>,
    /// Only as many as `n`.
    pub best_of: Option<usize>,
    /// Puts the prompt before each answer.
    pub echo: Option<bool>,
    pub stop: Option<Stop>,
    pub seed: Option<i64>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    /// Alternatives to list for each token.
    #[schema(minimum = 0, maximum = 5)]
    pub logprobs: Option<usize>,
    /// Written to the log.
    pub user: Option<String>,
    pub x_lpu: Option<LpuOptions>,
}

/// A text or its tokens, one or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Prompt {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Serialize, ToSchema)]
pub struct CompletionResponse {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub model: String,
    pub system_fingerprint: String,
    pub choices: Vec<CompletionChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<UsageBody>)]
    pub usage: Option<Option<UsageBody>>,
    /// What the machine did, for the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_lpu: Option<LpuBody>,
}

#[derive(Serialize, ToSchema)]
pub struct CompletionChoice {
    pub index: usize,
    pub text: String,
    pub logprobs: Option<CompletionLogprobs>,
    pub finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x_lpu_tokens: Option<Vec<TokenBody>>,
}

#[derive(Clone, Default, Serialize, ToSchema)]
pub struct CompletionLogprobs {
    pub tokens: Vec<String>,
    pub token_logprobs: Vec<f64>,
    pub top_logprobs: Vec<BTreeMap<String, f64>>,
    /// Characters of the answer before each token.
    pub text_offset: Vec<usize>,
}

impl Prompt {
    fn encode(self, model: &ServedModel) -> Result<Vec<Vec<u32>>, ApiError> {
        let tokens = |tokens: Vec<u32>| match tokens.is_empty() {
            true => encode(model, ""),
            false => Ok(tokens),
        };
        match self {
            Self::Text(text) => Ok(vec![encode(model, &text)?]),
            Self::Texts(texts) => texts.iter().map(|text| encode(model, text)).collect(),
            Self::Tokens(list) => Ok(vec![tokens(list)?]),
            Self::TokenLists(lists) => lists.into_iter().map(tokens).collect(),
        }
    }
}

impl CompletionRequest {
    fn check(&self) -> Result<(), ApiError> {
        if self.stream_options.is_some() && self.stream != Some(true) {
            let message = "`stream_options` has a meaning only with `stream: true`";
            return Err(ApiError::invalid("stream_options", message));
        }
        if self.best_of.is_some_and(|best_of| best_of != self.n.unwrap_or(1)) {
            return Err(ApiError::unsupported("best_of", "as many as `n`"));
        }
        if self.echo == Some(true) && self.logprobs.is_some() {
            return Err(ApiError::unsupported("echo", "no `logprobs` beside it"));
        }
        match self.logprobs {
            Some(found) if found > LOGPROBS_MAX => {
                let message = format!("`logprobs` is {found}; expected 0 to {LOGPROBS_MAX}");
                Err(ApiError::invalid("logprobs", message))
            }
            _ => Ok(()),
        }
    }

    fn generation(self, model: &Arc<ServedModel>) -> Result<Generation, ApiError> {
        self.check()?;
        let Self { temperature, top_p, top_k, min_p, repetition_penalty, .. } = self;
        let Self { presence_penalty, frequency_penalty, logit_bias, .. } = self;
        let sampling = Sampling {
            temperature,
            top_p,
            top_k,
            min_p,
            repetition_penalty,
            presence_penalty,
            frequency_penalty,
            logit_bias,
        };
        let sampling = sampling.options()?;
        let lpu = self.x_lpu.unwrap_or_default();
        Ok(Generation {
            model: Arc::clone(model),
            prompts: self.prompt.encode(model)?,
            n: self.n.unwrap_or(1),
            options: Options {
                tokens_max: self.max_tokens.unwrap_or(TOKENS_DEFAULT),
                stop: Stop::into_list(self.stop),
                ignore_ends: lpu.ignore_eos,
                logprobs: self.logprobs,
                ..sampling
            },
            seed: self.seed,
            device: lpu.device,
        })
    }
}

/// Continue a text.
#[utoipa::path(
    post, path = "/v1/completions", tag = "OpenAI", request_body = CompletionRequest,
    responses(
        (status = 200, body = CompletionResponse, description = "With `stream`, chunks as server-sent events"),
        (status = 400, body = crate::serve::api::error::ErrorBody, description = "A field is wrong or not supported"),
    )
)]
pub async fn complete(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    body: Body,
) -> Result<Response, OpenAiError> {
    let request: CompletionRequest = read_json(body, &server.limits).await?;
    let model = Arc::clone(server.model(request.model.as_deref())?);
    if let Some(user) = &request.user {
        tracing::info!(user, "request of a user");
    }
    let streams = request.stream == Some(true);
    let echo = request.echo == Some(true);
    let writer = Writer {
        with_tokens: request.x_lpu.as_ref().is_some_and(|lpu| lpu.tokens),
        with_usage: request.stream_options.as_ref().is_some_and(|options| options.include_usage),
        id: id("cmpl"),
        created: now_s(),
        model: Arc::clone(&model),
    };
    let generation = request.generation(&model)?;
    let answers = generation.n;
    let echoed: Vec<String> = generation
        .prompts
        .iter()
        .map(|prompt| if echo { model.tokenizer.decode(prompt) } else { String::new() })
        .collect();
    let answer = generation.begin(&server, &client)?;
    if streams {
        let mut begin = Vec::new();
        for prompt in &echoed {
            begin.extend(std::iter::repeat_n(Some(prompt.clone()), answers));
        }
        let held = vec![CompletionLogprobs::default(); begin.len()];
        let shape = CompletionStream {
            writer,
            answers,
            held,
            offsets: vec![0; begin.len()],
            begin,
            ends: Vec::new(),
        };
        return Ok(stream(answer, shape).await?);
    }
    let choices = answer.collect().await?;
    Ok(Json(writer.response(&choices, answers, &echoed)).into_response())
}

struct Writer {
    with_tokens: bool,
    with_usage: bool,
    id: String,
    created: u64,
    model: Arc<ServedModel>,
}

impl Writer {
    fn body(
        &self,
        choices: Vec<CompletionChoice>,
        usage: Option<Option<UsageBody>>,
        x_lpu: Option<LpuBody>,
    ) -> CompletionResponse {
        CompletionResponse {
            id: self.id.clone(),
            object: "text_completion",
            created: self.created,
            model: self.model.id.clone(),
            system_fingerprint: fingerprint(&self.model),
            choices,
            usage,
            x_lpu,
        }
    }

    fn response(&self, choices: &[Choice], answers: usize, echoed: &[String]) -> CompletionResponse {
        let ends: Vec<&Finished> = choices.iter().map(|choice| &*choice.finished).collect();
        let made = choices.iter().enumerate().map(|(index, choice)| {
            let mut logprobs = CompletionLogprobs::default();
            let mut offset = 0;
            choice.tokens.iter().for_each(|token| logprobs.push(&self.model, token, &mut offset));
            CompletionChoice {
                index,
                text: format!("{}{}", echoed[index / answers], choice.text()),
                logprobs: choice.tokens.iter().any(|token| token.made.logprob.is_some()).then_some(logprobs),
                finish_reason: Some(reason(&choice.finished.reason)),
                x_lpu_tokens: self.with_tokens.then(|| choice.tokens.iter().map(TokenBody::of).collect()),
            }
        });
        let usage = UsageBody::of(&ends, answers);
        let lpu = choices.first().map(|choice| LpuBody::of_choice(&self.model, choice, false));
        self.body(made.collect(), Some(Some(usage)), lpu)
    }
}

impl CompletionLogprobs {
    fn push(&mut self, model: &ServedModel, token: &Token, offset: &mut usize) {
        let begin = *offset;
        *offset += String::from_utf8_lossy(&token.made.bytes).chars().count();
        let Some(found) = token.made.logprob.as_ref().filter(|_| !token.is_end) else { return };
        let top = found.top.iter();
        let top = top.map(|&(id, logprob)| (name(&model.tokenizer.decode_piece(None, id)), logprob));
        self.tokens.push(name(&token.made.bytes));
        self.token_logprobs.push(found.chosen);
        self.top_logprobs.push(top.collect());
        self.text_offset.push(begin);
    }
}

/// A token's name: its text, or its bytes as OpenAI writes them.
fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().fold("bytes:".into(), |name, byte| format!("{name}\\x{byte:02x}")),
    }
}

struct CompletionStream {
    writer: Writer,
    answers: usize,
    /// The prompt's text, until the answer's first message carries it.
    begin: Vec<Option<String>>,
    held: Vec<CompletionLogprobs>,
    offsets: Vec<usize>,
    ends: Vec<(usize, Finished)>,
}

impl CompletionStream {
    fn choice(&mut self, index: usize, text: &str, finish_reason: Option<&'static str>) -> CompletionChoice {
        let held = std::mem::take(&mut self.held[index]);
        let echoed = self.begin[index].take().unwrap_or_default();
        CompletionChoice {
            index,
            text: format!("{echoed}{text}"),
            logprobs: (!held.tokens.is_empty()).then_some(held),
            finish_reason,
            x_lpu_tokens: None,
        }
    }

    fn chunk(
        &self,
        choices: Vec<CompletionChoice>,
        usage: Option<UsageBody>,
        x_lpu: Option<LpuBody>,
    ) -> String {
        data(&self.writer.body(choices, self.writer.with_usage.then_some(usage), x_lpu))
    }

    fn token(&mut self, index: usize, token: &Token) -> Option<String> {
        let mut offset = self.offsets[index];
        self.held[index].push(&self.writer.model, token, &mut offset);
        self.offsets[index] = offset;
        if token.made.text.is_empty() && !self.writer.with_tokens {
            return None;
        }
        let mut choice = self.choice(index, &token.made.text, None);
        choice.x_lpu_tokens = self.writer.with_tokens.then(|| vec![TokenBody::of(token)]);
        Some(self.chunk(vec![choice], None, None))
    }
}

impl Shape for CompletionStream {
    const FAMILY: Family = Family::OpenAi;

    fn event(&mut self, index: usize, event: Event) -> Vec<String> {
        match event {
            Event::Token(token) => self.token(index, &token).into_iter().collect(),
            Event::Finished(finished) => {
                let choice = self.choice(index, "", Some(reason(&finished.reason)));
                let lpu = LpuBody::of(&self.writer.model, &finished, Vec::new());
                self.ends.push((index, *finished));
                vec![self.chunk(vec![choice], None, Some(lpu))]
            }
            Event::Failed(error) => vec![ApiError::from(error).body(Self::FAMILY)],
        }
    }

    fn end(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.writer.with_usage {
            // Choices end in any order, but those of one prompt have neighbouring numbers.
            self.ends.sort_by_key(|(index, _)| *index);
            let ends: Vec<&Finished> = self.ends.iter().map(|(_, end)| end).collect();
            messages.push(self.chunk(Vec::new(), Some(UsageBody::of(&ends, self.answers)), None));
        }
        messages.push("[DONE]".into());
        messages
    }
}
