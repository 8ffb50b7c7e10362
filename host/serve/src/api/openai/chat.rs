//! `POST /v1/chat/completions`.

use super::chat_stream::ChatStream;
use super::request::Request;
use super::{LpuBody, SERVICE_TIER, TokenLogprob, UsageBody, fingerprint, id, reason};
use crate::api::error::{ApiError, OpenAiError};
use crate::api::extract::read_json;
use crate::api::fields;
use crate::api::generation::{Choice, Generation, Names, encode_chat};
use crate::api::server::{Client, Server};
use crate::api::stream::stream;
use crate::engine::Finished;
use crate::model::{ServedModel, now_s};
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use lpu_runtime::chat;
use lpu_runtime::sampling::Options;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

const TOP_LOGPROBS_MAX: usize = 20;

pub type ChatRequest = Request<Chat>;

/// A conversation to continue.
#[derive(Deserialize, ToSchema)]
pub struct Chat {
    #[schema(min_items = 1)]
    pub messages: Vec<Message>,
    /// The newer name of `max_tokens`.
    #[schema(minimum = 1)]
    pub max_completion_tokens: Option<usize>,
    #[serde(default)]
    pub logprobs: bool,
    #[schema(minimum = 0, maximum = 20)]
    pub top_logprobs: Option<usize>,
}

#[derive(Deserialize, ToSchema)]
pub struct Message {
    pub role: Role,
    /// Only an assistant's message may be without.
    pub content: Option<Content>,
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
pub struct Part {
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "it has one value, so that to read it is to honour it")]
    pub kind: PartKind,
    pub text: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
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
    pub service_tier: &'static str,
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

impl ChatRequest {
    fn check(&self) -> Result<(), ApiError> {
        self.common.check()?;
        let Chat { messages, max_completion_tokens: newer, logprobs, top_logprobs } = &self.own;
        if self.common.max_tokens.is_some_and(|older| newer.is_some_and(|newer| newer != older)) {
            let message = "`max_tokens` is the older name of `max_completion_tokens`; expected one of them";
            return Err(ApiError::invalid("max_tokens", message));
        }
        if messages.is_empty() {
            return Err(ApiError::invalid("messages", "expected at least one message, found none"));
        }
        let lacking = |message: &Message| message.content.is_none() && message.role != Role::Assistant;
        if let Some(index) = messages.iter().position(lacking) {
            let place = format!("messages[{index}].content");
            let message =
                format!("`{place}` is missing; expected a text or a list of parts of the type \"text\"");
            return Err(ApiError::invalid(&place, message).code("missing_required_parameter"));
        }
        match *top_logprobs {
            Some(1..) if !logprobs => {
                let message = "`top_logprobs` has a meaning only with `logprobs: true`";
                Err(ApiError::invalid("top_logprobs", message))
            }
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
            Content::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
        };
        let content = |message: &Message| message.content.as_ref().map_or_else(String::new, text);
        let messages = self.own.messages.iter();
        messages.map(|message| chat::Message::new(message.role.name(), content(message))).collect()
    }

    fn generation(&self, model: &Arc<ServedModel>) -> Result<Generation, ApiError> {
        self.check()?;
        let Self { common, sampling, own } = self;
        let (newer, older) = (own.max_completion_tokens, common.max_tokens);
        Ok(Generation {
            model: Arc::clone(model),
            prompts: vec![encode_chat(model, &self.messages())?],
            n: common.answers(),
            options: Options {
                tokens_max: newer.or(older).unwrap_or(model.context()),
                stop: common.stops(),
                ignore_ends: common.ignores_ends(),
                logprobs: own.logprobs.then(|| own.top_logprobs.unwrap_or(0)),
                ..sampling.options()?
            },
            seed: common.seed,
            device: common.x_lpu.device.clone(),
            with_prompt: false,
            reads_only: false,
            names: Names {
                prompt: "messages",
                tokens_max: if newer.is_some() { "max_completion_tokens" } else { "max_tokens" },
                alternatives: "top_logprobs",
                prefix: "",
            },
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
        (status = 400, body = crate::api::error::ErrorBody, description = "A field is wrong or not supported"),
    )
)]
pub async fn chat(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OpenAiError> {
    let body = read_json(&headers, body, &server.limits, fields::CHAT).await?;
    let request = ChatRequest::read(&body, fields::CHAT)?;
    let model = Arc::clone(server.model(request.common.model.as_deref())?);
    let generation = request.generation(&model)?;
    let (with_tokens, with_logprobs) = (request.common.x_lpu.tokens, request.own.logprobs);
    let prompt_tokens = generation.prompts.iter().map(Vec::len).sum();
    let answer = generation.begin(&server, &client)?;
    if request.common.stream {
        return Ok(stream(answer, ChatStream::new(model, &request, prompt_tokens)).await?);
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
        service_tier: SERVICE_TIER,
        x_lpu: choices.first().map(|choice| LpuBody::of_choice(model, choice, with_tokens)),
    }
}
