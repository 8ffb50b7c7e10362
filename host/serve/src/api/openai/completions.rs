//! `POST /v1/completions`: text that goes on where the prompt ends.

use super::completion_logprobs::{CompletionLogprobs, LogprobWriter};
use super::completion_stream::CompletionStream;
use super::request::{Request, UsageIn};
use super::{LpuBody, TokenBody, UsageBody, fingerprint, id, reason};
use crate::api::error::{ApiError, OpenAiError};
use crate::api::extract::read_json;
use crate::api::fields;
use crate::api::generation::{Choice, Generation, Names, encode};
use crate::api::server::{Client, Server};
use crate::api::stream::stream;
use crate::engine::Finished;
use crate::model::{ServedModel, now_s};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use lpu_runtime::sampling::Options;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// OpenAI's default.
const TOKENS_DEFAULT: usize = 16;
const LOGPROBS_MAX: usize = 5;

pub type CompletionRequest = Request<Completion>;

/// A text to continue.
#[derive(Deserialize, ToSchema)]
pub struct Completion {
    pub prompt: Prompt,
    /// Only as many as `n`.
    pub best_of: Option<usize>,
    /// Puts the prompt before each answer; with `logprobs`, tells the log-probabilities of its tokens too.
    #[serde(default)]
    pub echo: bool,
    /// Alternatives to list for each token, beside the token itself.
    #[schema(minimum = 0, maximum = 5)]
    pub logprobs: Option<usize>,
}

/// A text or its tokens, one or several.
#[derive(Clone, Deserialize, ToSchema)]
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

impl Prompt {
    fn encode(self, model: &ServedModel) -> Result<Vec<Vec<u32>>, ApiError> {
        let text = |text: &str| encode(model, "prompt", text);
        let tokens = |tokens: Vec<u32>| if tokens.is_empty() { text("") } else { Ok(tokens) };
        match self {
            Self::Text(one) => Ok(vec![text(&one)?]),
            Self::Texts(texts) => texts.iter().map(|one| text(one)).collect(),
            Self::Tokens(list) => Ok(vec![tokens(list)?]),
            Self::TokenLists(lists) => lists.into_iter().map(tokens).collect(),
        }
    }
}

impl CompletionRequest {
    fn check(&self) -> Result<(), ApiError> {
        self.common.check()?;
        if self.own.best_of.is_some_and(|best_of| best_of != self.common.answers()) {
            return Err(ApiError::unsupported("best_of", "as many as `n`"));
        }
        if self.common.max_tokens == Some(0) && !self.own.echo {
            let message = "`max_tokens` is 0; expected at least 1, or `echo: true` beside it";
            return Err(ApiError::invalid("max_tokens", message));
        }
        match self.own.logprobs {
            Some(found) if found > LOGPROBS_MAX => {
                let message = format!("`logprobs` is {found}; expected 0 to {LOGPROBS_MAX}");
                Err(ApiError::invalid("logprobs", message))
            }
            _ => Ok(()),
        }
    }

    fn generation(&self, model: &Arc<ServedModel>) -> Result<Generation, ApiError> {
        self.check()?;
        let Self { common, sampling, own } = self;
        let tokens_max = common.max_tokens.unwrap_or(TOKENS_DEFAULT);
        Ok(Generation {
            model: Arc::clone(model),
            prompts: own.prompt.clone().encode(model)?,
            n: common.answers(),
            options: Options {
                // A run makes at least one token.
                tokens_max: tokens_max.max(1),
                stop: common.stops(),
                ignore_ends: common.ignores_ends(),
                logprobs: own.logprobs,
                ..sampling.options()?
            },
            seed: common.seed,
            device: common.x_lpu.device.clone(),
            with_prompt: own.echo && own.logprobs.is_some(),
            reads_only: tokens_max == 0,
            names: Names { prompt: "prompt", tokens_max: "max_tokens", alternatives: "logprobs", prefix: "" },
        })
    }
}

/// Continue a text.
#[utoipa::path(
    post, path = "/v1/completions", tag = "OpenAI", request_body = CompletionRequest,
    responses(
        (status = 200, body = CompletionResponse, description = "With `stream`, chunks as server-sent events"),
        (status = 400, body = crate::api::error::ErrorBody, description = "A field is wrong or not supported"),
    )
)]
pub async fn complete(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OpenAiError> {
    let body = read_json(&headers, body, &server.limits, fields::COMPLETIONS).await?;
    let request = CompletionRequest::read(&body, fields::COMPLETIONS)?;
    let model = Arc::clone(server.model(request.common.model.as_deref())?);
    let generation = request.generation(&model)?;
    let writer = Writer::new(&request, &generation);
    let answer = generation.begin(&server, &client)?;
    if request.common.stream {
        return Ok(stream(answer, CompletionStream::new(writer)).await?);
    }
    let choices = answer.collect().await?;
    Ok(Json(writer.response(&choices)).into_response())
}

/// What all messages of an answer need.
pub struct Writer {
    pub model: Arc<ServedModel>,
    pub answers_per_prompt: usize,
    /// With `echo`, the prompt of each answer.
    echoed: Vec<Echo>,
    pub with_logprobs: bool,
    pub with_tokens: bool,
    pub usage_in: UsageIn,
    pub prompt_tokens: usize,
    id: String,
    created: u64,
}

/// What stands before an answer.
#[derive(Clone, Default)]
pub struct Echo {
    pub text: String,
    /// With `logprobs`: the prompt's first token, which nothing predicts.
    pub first: Option<u32>,
}

impl Writer {
    fn new(request: &CompletionRequest, generation: &Generation) -> Self {
        let model = Arc::clone(&generation.model);
        let echo = |prompt: &Vec<u32>| match request.own.echo {
            true => Echo {
                text: model.tokenizer.decode(prompt),
                first: prompt.first().copied().filter(|_| generation.with_prompt),
            },
            false => Echo::default(),
        };
        Self {
            answers_per_prompt: generation.n,
            echoed: generation.prompts.iter().map(echo).collect(),
            with_logprobs: request.own.logprobs.is_some(),
            with_tokens: request.common.x_lpu.tokens,
            usage_in: request.common.usage_in(),
            prompt_tokens: generation.prompts.iter().map(Vec::len).sum(),
            id: id("cmpl"),
            created: now_s(),
            model,
        }
    }

    /// Answers to all prompts.
    pub fn answers(&self) -> usize {
        self.echoed.len() * self.answers_per_prompt
    }

    /// What stands before the answer of this number.
    pub fn echo(&self, index: usize) -> &Echo {
        &self.echoed[index / self.answers_per_prompt]
    }

    pub fn body(
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

    fn response(&self, choices: &[Choice]) -> CompletionResponse {
        let ends: Vec<&Finished> = choices.iter().map(|choice| &*choice.finished).collect();
        let made = choices.iter().enumerate().map(|(index, choice)| CompletionChoice {
            index,
            text: format!("{}{}", self.echo(index).text, choice.text()),
            logprobs: self.with_logprobs.then(|| self.logprobs(index, choice)),
            finish_reason: Some(reason(&choice.finished.reason)),
            x_lpu_tokens: self.with_tokens.then(|| choice.tokens.iter().map(TokenBody::of).collect()),
        });
        let made = made.collect();
        let usage = UsageBody::of(&ends, self.answers_per_prompt);
        let lpu = choices.first().map(|choice| LpuBody::of_choice(&self.model, choice, false));
        self.body(made, Some(Some(usage)), lpu)
    }

    fn logprobs(&self, index: usize, choice: &Choice) -> CompletionLogprobs {
        let mut told = LogprobWriter::new(Arc::clone(&self.model), self.echo(index).first);
        choice.prompt.iter().for_each(|token| told.prompt(token));
        choice.tokens.iter().for_each(|token| told.token(token));
        told.take()
    }
}
