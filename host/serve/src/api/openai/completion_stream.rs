//! Chunks of a continued text.

use super::completion_logprobs::LogprobWriter;
use super::completions::{CompletionChoice, Writer};
use super::request::UsageIn;
use super::{LpuBody, TokenBody, UsageBody, reason};
use crate::api::error::{ApiError, Family};
use crate::api::stream::{Shape, data};
use crate::engine::{Event, Finished, Token};
use std::sync::Arc;

pub struct CompletionStream {
    writer: Writer,
    /// The prompt's text, until the answer's first message carries it.
    begin: Vec<String>,
    logprobs: Vec<LogprobWriter>,
    completion_tokens: usize,
    ends: Vec<(usize, Finished)>,
}

impl CompletionStream {
    pub fn new(writer: Writer) -> Self {
        let numbers = 0..writer.answers();
        let logprobs = |index| LogprobWriter::new(Arc::clone(&writer.model), writer.echo(index).first);
        Self {
            begin: numbers.clone().map(|index| writer.echo(index).text.clone()).collect(),
            logprobs: numbers.map(logprobs).collect(),
            completion_tokens: 0,
            ends: Vec::new(),
            writer,
        }
    }

    fn choice(&mut self, index: usize, text: &str, finish_reason: Option<&'static str>) -> CompletionChoice {
        let told = self.logprobs[index].take();
        let echoed = std::mem::take(&mut self.begin[index]);
        CompletionChoice {
            index,
            text: format!("{echoed}{text}"),
            logprobs: (!told.tokens.is_empty()).then_some(told),
            finish_reason,
            x_lpu_tokens: None,
        }
    }

    fn chunk(&self, choices: Vec<CompletionChoice>, x_lpu: Option<LpuBody>) -> String {
        let usage = self.writer.usage_in.so_far(self.writer.prompt_tokens, self.completion_tokens);
        data(&self.writer.body(choices, usage, x_lpu))
    }

    fn token(&mut self, index: usize, token: &Token) -> Option<String> {
        self.completion_tokens += 1;
        self.logprobs[index].token(token);
        if token.made.text.is_empty() && !self.writer.with_tokens {
            return None;
        }
        let mut choice = self.choice(index, &token.made.text, None);
        choice.x_lpu_tokens = self.writer.with_tokens.then(|| vec![TokenBody::of(token)]);
        Some(self.chunk(vec![choice], None))
    }

    fn finished(&mut self, index: usize, finished: Finished) -> String {
        let choice = self.choice(index, "", Some(reason(&finished.reason)));
        let lpu = LpuBody::of(&self.writer.model, &finished, Vec::new());
        self.ends.push((index, finished));
        self.chunk(vec![choice], Some(lpu))
    }
}

impl Shape for CompletionStream {
    const FAMILY: Family = Family::OpenAi;

    fn event(&mut self, index: usize, event: Event) -> Vec<String> {
        match event {
            Event::Prompt(token) => {
                self.logprobs[index].prompt(&token);
                Vec::new()
            }
            Event::Token(token) => self.token(index, &token).into_iter().collect(),
            Event::Finished(finished) => vec![self.finished(index, *finished)],
            Event::Failed(error) => vec![ApiError::from(error).body(Self::FAMILY)],
        }
    }

    fn end(&mut self) -> Vec<String> {
        let mut messages = Vec::new();
        if self.writer.usage_in != UsageIn::None {
            // Choices end in any order, but those of one prompt have neighbouring numbers.
            self.ends.sort_by_key(|(index, _)| *index);
            let ends: Vec<&Finished> = self.ends.iter().map(|(_, end)| end).collect();
            let usage = UsageBody::of(&ends, self.writer.answers_per_prompt);
            messages.push(data(&self.writer.body(Vec::new(), Some(Some(usage)), None)));
        }
        messages.push("[DONE]".into());
        messages
    }
}
