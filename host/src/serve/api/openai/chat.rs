//! `POST /v1/chat/completions`.

use super::{
    LpuBody, LpuOptions, Sampling, Stop, StreamOptions, TokenBody, TokenLogprob, UsageBody, fingerprint, id,
    reason,
};
use crate::chat;
use crate::sampling::Options;
use crate::serve::api::error::{ApiError, Family, OpenAiError};
use crate::serve::api::extract::read_json;
use crate::serve::api::generation::{Choice, Generation, encode_chat};
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

const TOP_LOGPROBS_MAX: usize = 20;

/// A conversation to continue. A field that is not listed is refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    #[schema(min_items = 1)]
    pub messages: Vec<Message>,
    pub model: Option<String>,
    #[schema(minimum = 1)]
    pub max_completion_tokens: Option<usize>,
    /// The older name of `max_completion_tokens`.
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
    /// Answers to make, each with the next seed.
    #[schema(minimum = 1, maximum = 32)]
    pub n: Option<usize>,
    pub stop: Option<Stop>,
    pub seed: Option<i64>,
    #[serde(default)]
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub logprobs: Option<bool>,
    #[schema(minimum = 0, maximum = 20)]
    pub top_logprobs: Option<usize>,
    #[expect(dead_code, reason = "it has one value, so that to read it is to honour it")]
    pub response_format: Option<ResponseFormat>,
    /// Written to the log.
    pub user: Option<String>,
    pub x_lpu: Option<LpuOptions>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub role: Role,
    pub content: Content,
    /// Answers of this server carry it; it is always null.
    #[schema(value_type = Option<String>)]
    #[expect(dead_code, reason = "it has one value, so that to read it is to honour it")]
    pub refusal: Option<()>,
}

#[derive(Clone, Copy, Deserialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
}

impl Role {
    /// As templates know it; OpenAI's newer name for `system` is older than most templates.
    fn name(self) -> &'static str {
        match self {
            Self::System | Self::Developer => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    Text { text: String },
}

/// Only free text is supported.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResponseFormat {
    Text,
}

#[derive(Serialize, ToSchema)]
pub struct ChatResponse {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub model: String,
    pub system_fingerprint: String,
    pub choices: Vec<ChatChoice>,
    pub usage: UsageBody,
    /// What the machine did, for the first answer.
    pub x_lpu: Option<LpuBody>,
}

#[derive(Serialize, ToSchema)]
pub struct ChatChoice {
    pub index: usize,
    pub message: Answered,
    pub logprobs: Option<ChatLogprobs>,
    pub finish_reason: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct Answered {
    pub role: &'static str,
    pub content: String,
    pub refusal: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ChatLogprobs {
    pub content: Vec<TokenLogprob>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'a str,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_lpu: Option<ChunkLpu>,
}

#[derive(Serialize)]
struct ChunkChoice {
    index: usize,
    delta: Delta,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ChunkLpu {
    Token { tokens: [TokenBody; 1] },
    End(Box<LpuBody>),
}

impl ChatRequest {
    fn check(&self) -> Result<(), ApiError> {
        if self.stream_options.is_some() && self.stream != Some(true) {
            let message = "`stream_options` has a meaning only with `stream: true`";
            return Err(ApiError::invalid("stream_options", message));
        }
        if self.max_tokens.is_some() && self.max_completion_tokens.is_some() {
            let message = "`max_tokens` is the older name of `max_completion_tokens`; expected one of them";
            return Err(ApiError::invalid("max_tokens", message));
        }
        if self.messages.is_empty() {
            return Err(ApiError::invalid("messages", "expected at least one message, found none"));
        }
        match self.top_logprobs {
            Some(_) if self.logprobs != Some(true) => Err(ApiError::invalid(
                "top_logprobs",
                "`top_logprobs` has a meaning only with `logprobs: true`",
            )),
            Some(found) if found > TOP_LOGPROBS_MAX => {
                let message = format!("`top_logprobs` is {found}; expected 0 to {TOP_LOGPROBS_MAX}");
                Err(ApiError::invalid("top_logprobs", message))
            }
            _ => Ok(()),
        }
    }

    /// The messages as the model's template reads them.
    fn messages(&self) -> Vec<chat::Message> {
        let text = |content: &Content| match content {
            Content::Text(text) => text.clone(),
            Content::Parts(parts) => parts.iter().map(|Part::Text { text }| text.as_str()).collect(),
        };
        let messages = self.messages.iter();
        messages.map(|message| chat::Message::new(message.role.name(), text(&message.content))).collect()
    }

    fn generation(self, model: &Arc<ServedModel>) -> Result<Generation, ApiError> {
        self.check()?;
        let prompts = vec![encode_chat(model, &self.messages())?];
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
        let answer_max = self.max_completion_tokens.or(self.max_tokens);
        Ok(Generation {
            model: Arc::clone(model),
            prompts,
            n: self.n.unwrap_or(1),
            options: Options {
                tokens_max: answer_max.unwrap_or(model.context()),
                stop: Stop::into_list(self.stop),
                ignore_ends: lpu.ignore_eos,
                logprobs: (self.logprobs == Some(true)).then(|| self.top_logprobs.unwrap_or(0)),
                ..sampling
            },
            seed: self.seed,
            device: lpu.device,
        })
    }
}

/// Continue a conversation.
///
/// Models without a chat template read all messages as one text, one message a line.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "OpenAI", request_body = ChatRequest,
    responses(
        (status = 200, body = ChatResponse, description = "With `stream`, chunks as server-sent events"),
        (status = 400, body = crate::serve::api::error::ErrorBody, description = "A field is wrong or not supported"),
    )
)]
pub async fn chat(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    body: Body,
) -> Result<Response, OpenAiError> {
    let request: ChatRequest = read_json(body, &server.limits).await?;
    let model = Arc::clone(server.model(request.model.as_deref())?);
    if let Some(user) = &request.user {
        tracing::info!(user, "request of a user");
    }
    let with_tokens = request.x_lpu.as_ref().is_some_and(|lpu| lpu.tokens);
    let streams = request.stream == Some(true);
    let with_usage = request.stream_options.as_ref().is_some_and(|options| options.include_usage);
    let generation = request.generation(&model)?;
    let with_logprobs = generation.options.logprobs.is_some();
    let answers = generation.n;
    let answer = generation.begin(&server, &client)?;
    if streams {
        let shape = ChatStream::new(model, answers, with_tokens, with_usage, with_logprobs);
        return Ok(stream(answer, shape).await?);
    }
    let choices = answer.collect().await?;
    Ok(Json(response(&model, &choices, with_tokens, with_logprobs)).into_response())
}

fn response(model: &ServedModel, choices: &[Choice], with_tokens: bool, with_logprobs: bool) -> ChatResponse {
    let ends: Vec<&Finished> = choices.iter().map(|choice| &*choice.finished).collect();
    let logprobs = |choice: &Choice| ChatLogprobs {
        content: choice.tokens.iter().filter_map(|token| TokenLogprob::of(model, token)).collect(),
    };
    let made = choices.iter().enumerate().map(|(index, choice)| ChatChoice {
        index,
        message: Answered { role: "assistant", content: choice.text(), refusal: None },
        logprobs: with_logprobs.then(|| logprobs(choice)),
        finish_reason: reason(&choice.finished.reason),
    });
    ChatResponse {
        id: id("chatcmpl"),
        object: "chat.completion",
        created: now_s(),
        model: model.id.clone(),
        system_fingerprint: fingerprint(model),
        choices: made.collect(),
        usage: UsageBody::of(&ends, choices.len()),
        x_lpu: choices.first().map(|choice| LpuBody::of_choice(model, choice, with_tokens)),
    }
}

struct ChatStream {
    model: Arc<ServedModel>,
    id: String,
    created: u64,
    fingerprint: String,
    with_tokens: bool,
    with_usage: bool,
    with_logprobs: bool,
    /// Whether each choice's role was told.
    begun: Vec<bool>,
    /// Logprobs of tokens whose text is held back.
    held: Vec<Vec<TokenLogprob>>,
    ends: Vec<Finished>,
}

impl ChatStream {
    fn new(
        model: Arc<ServedModel>,
        answers: usize,
        with_tokens: bool,
        with_usage: bool,
        with_logprobs: bool,
    ) -> Self {
        Self {
            id: id("chatcmpl"),
            created: now_s(),
            fingerprint: fingerprint(&model),
            model,
            with_tokens,
            with_usage,
            with_logprobs,
            begun: vec![false; answers],
            held: vec![Vec::new(); answers],
            ends: Vec::new(),
        }
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<UsageBody>, x_lpu: Option<ChunkLpu>) -> String {
        data(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model.id,
            system_fingerprint: &self.fingerprint,
            choices,
            usage: self.with_usage.then_some(usage),
            x_lpu,
        })
    }

    fn delta(&mut self, index: usize, delta: Delta, finish_reason: Option<&'static str>) -> Vec<ChunkChoice> {
        let content = std::mem::take(&mut self.held[index]);
        let logprobs = (!content.is_empty()).then_some(ChatLogprobs { content });
        vec![ChunkChoice { index, delta, logprobs, finish_reason }]
    }

    fn role(&mut self, index: usize) -> Vec<String> {
        if std::mem::replace(&mut self.begun[index], true) {
            return Vec::new();
        }
        let delta = Delta { role: Some("assistant"), content: Some(String::new()) };
        let choice = ChunkChoice { index, delta, logprobs: None, finish_reason: None };
        vec![self.chunk(vec![choice], None, None)]
    }

    fn token(&mut self, index: usize, token: Token) -> Option<String> {
        if self.with_logprobs {
            self.held[index].extend(TokenLogprob::of(&self.model, &token));
        }
        if token.made.text.is_empty() && !self.with_tokens {
            return None;
        }
        let lpu = self.with_tokens.then(|| ChunkLpu::Token { tokens: [TokenBody::of(&token)] });
        let delta = Delta { role: None, content: Some(token.made.text) };
        let choices = self.delta(index, delta, None);
        Some(self.chunk(choices, None, lpu))
    }

    fn finished(&mut self, index: usize, finished: Finished) -> Vec<String> {
        let mut messages = Vec::new();
        if !self.held[index].is_empty() {
            let delta = Delta { role: None, content: Some(String::new()) };
            let choices = self.delta(index, delta, None);
            messages.push(self.chunk(choices, None, None));
        }
        let choices = self.delta(index, Delta::default(), Some(reason(&finished.reason)));
        let lpu = ChunkLpu::End(Box::new(LpuBody::of(&self.model, &finished, Vec::new())));
        messages.push(self.chunk(choices, None, Some(lpu)));
        self.ends.push(finished);
        messages
    }
}

impl Shape for ChatStream {
    const FAMILY: Family = Family::OpenAi;

    fn event(&mut self, index: usize, event: Event) -> Vec<String> {
        let mut messages = self.role(index);
        match event {
            Event::Token(token) => messages.extend(self.token(index, token)),
            Event::Finished(finished) => messages.extend(self.finished(index, *finished)),
            Event::Failed(error) => messages.push(ApiError::from(error).body(Self::FAMILY)),
        }
        messages
    }

    fn end(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.with_usage {
            let ends: Vec<&Finished> = self.ends.iter().collect();
            messages.push(self.chunk(Vec::new(), Some(UsageBody::of(&ends, ends.len())), None));
        }
        messages.push("[DONE]".into());
        messages
    }
}
