//! Chunks of a conversation's answer.

use super::chat::{ChatLogprobs, ChatRequest};
use super::request::UsageIn;
use super::{GroqBody, LpuBody, SERVICE_TIER, TokenBody, TokenLogprob, UsageBody, fingerprint, id, reason};
use crate::api::error::{ApiError, Family};
use crate::api::stream::{Shape, data};
use crate::engine::{Event, Finished, Token};
use crate::model::{ServedModel, now_s};
use serde::Serialize;
use std::sync::Arc;

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
    service_tier: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_groq: Option<GroqBody<'a>>,
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

pub struct ChatStream {
    model: Arc<ServedModel>,
    id: String,
    created: u64,
    fingerprint: String,
    with_tokens: bool,
    with_logprobs: bool,
    usage_in: UsageIn,
    prompt_tokens: usize,
    completion_tokens: usize,
    /// Whether each choice's role was told.
    begun: Vec<bool>,
    /// Logprobs of tokens whose text is held back.
    held: Vec<Vec<TokenLogprob>>,
    ends: Vec<Finished>,
}

impl ChatStream {
    pub fn new(model: Arc<ServedModel>, request: &ChatRequest, prompt_tokens: usize) -> Self {
        let answers = request.common.answers();
        Self {
            id: id("chatcmpl"),
            created: now_s(),
            fingerprint: fingerprint(&model),
            model,
            with_tokens: request.common.x_lpu.tokens,
            with_logprobs: request.own.logprobs,
            usage_in: request.common.usage_in(),
            prompt_tokens,
            completion_tokens: 0,
            begun: vec![false; answers],
            held: vec![Vec::new(); answers],
            ends: Vec::new(),
        }
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, x_lpu: Option<ChunkLpu>) -> String {
        data(&Chunk { x_lpu, ..self.empty(choices) })
    }

    /// A chunk with the usage that every chunk has.
    fn empty(&self, choices: Vec<ChunkChoice>) -> Chunk<'_> {
        Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model.id,
            system_fingerprint: &self.fingerprint,
            choices,
            usage: self.usage_in.so_far(self.prompt_tokens, self.completion_tokens),
            service_tier: SERVICE_TIER,
            x_groq: None,
            x_lpu: None,
        }
    }

    /// The usage of the choices that have ended.
    fn usage(&self) -> UsageBody {
        let ends: Vec<&Finished> = self.ends.iter().collect();
        UsageBody::of(&ends, ends.len())
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
        let x_groq = Some(GroqBody { id: &self.id, usage: None });
        vec![data(&Chunk { x_groq, ..self.empty(vec![choice]) })]
    }

    fn token(&mut self, index: usize, token: Token) -> Option<String> {
        self.completion_tokens += 1;
        if self.with_logprobs {
            self.held[index].extend(TokenLogprob::of(&self.model, &token));
        }
        if token.made.text.is_empty() && !self.with_tokens {
            return None;
        }
        let lpu = self.with_tokens.then(|| ChunkLpu::Token { tokens: [TokenBody::of(&token)] });
        let delta = Delta { role: None, content: Some(token.made.text) };
        let choices = self.delta(index, delta, None);
        Some(self.chunk(choices, lpu))
    }

    fn finished(&mut self, index: usize, finished: Finished) -> Vec<String> {
        let mut messages = Vec::new();
        if !self.held[index].is_empty() {
            let delta = Delta { role: None, content: Some(String::new()) };
            let choices = self.delta(index, delta, None);
            messages.push(self.chunk(choices, None));
        }
        let choices = self.delta(index, Delta::default(), Some(reason(&finished.reason)));
        let lpu = ChunkLpu::End(Box::new(LpuBody::of(&self.model, &finished, Vec::new())));
        self.ends.push(finished);
        let x_groq = Some(GroqBody { id: &self.id, usage: Some(self.usage()) });
        messages.push(data(&Chunk { x_groq, x_lpu: Some(lpu), ..self.empty(choices) }));
        messages
    }
}

impl Shape for ChatStream {
    const FAMILY: Family = Family::OpenAi;

    fn event(&mut self, index: usize, event: Event) -> Vec<String> {
        let mut messages = self.role(index);
        match event {
            Event::Prompt(_) => {}
            Event::Token(token) => messages.extend(self.token(index, token)),
            Event::Finished(finished) => messages.extend(self.finished(index, *finished)),
            Event::Failed(error) => messages.push(ApiError::from(error).body(Self::FAMILY)),
        }
        messages
    }

    fn end(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.usage_in != UsageIn::None {
            messages.push(data(&Chunk { usage: Some(Some(self.usage())), ..self.empty(Vec::new()) }));
        }
        messages.push("[DONE]".into());
        messages
    }
}
