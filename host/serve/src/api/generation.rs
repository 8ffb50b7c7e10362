//! What all families ask for in the end: texts to continue, within the limits of model and server.

use super::error::ApiError;
use super::server::{Client, Server};
use crate::engine::{Event, Events, Finished, Job, JobRequest, PromptToken, Token, listen};
use crate::model::ServedModel;
use axum::http::StatusCode;
use lpu_model::tokenizer::PIECE_BYTES_MAX;
use lpu_runtime::chat::Message;
use lpu_runtime::sampling::{Chooser, Options};
use lpu_sim::device::inverse_temperature;
use std::sync::Arc;
use std::time::Duration;

/// Choices of one request, over all its prompts.
const CHOICES_MAX: usize = 32;
pub const STOP_STRINGS_MAX: usize = 4;
pub const STOP_BYTES_MAX: usize = 256;

/// Answers to make.
pub struct Generation {
    pub model: Arc<ServedModel>,
    pub prompts: Vec<Vec<u32>>,
    /// Answers to each prompt; each has its own seed.
    pub n: usize,
    /// How to choose tokens; the seed here is not used.
    pub options: Options,
    /// `None`: any; the answer tells which.
    pub seed: Option<i64>,
    pub device: Option<String>,
    /// Tokens of the prompts are told too.
    pub with_prompt: bool,
    /// No token of the answer is wanted.
    pub reads_only: bool,
    pub names: Names,
}

/// What a route calls its fields, for messages.
#[derive(Clone, Copy)]
pub struct Names {
    pub prompt: &'static str,
    pub tokens_max: &'static str,
    pub alternatives: &'static str,
    /// Stands before the others.
    pub prefix: &'static str,
}

impl Names {
    fn of(&self, option: &'static str) -> String {
        let name = match option {
            "max_tokens" => self.tokens_max,
            "top_logprobs" => self.alternatives,
            other => other,
        };
        format!("{}{name}", self.prefix)
    }
}

/// Events of the answers being made. To drop it ends the work.
pub struct Answer {
    events: Events,
    open: usize,
    patience: Duration,
    first: Option<(usize, Event)>,
}

/// One complete answer.
pub struct Choice {
    /// Tokens of the prompt beyond its first, if asked for.
    pub prompt: Vec<PromptToken>,
    pub tokens: Vec<Token>,
    pub finished: Box<Finished>,
}

impl Choice {
    pub fn text(&self) -> String {
        let pieces = self.tokens.iter().map(|token| token.made.text.as_str());
        pieces.collect()
    }
}

impl Generation {
    /// Queues the work.
    pub fn begin(self, server: &Server, client: &Client) -> Result<Answer, ApiError> {
        self.check(server)?;
        let (listener, events) = listen();
        // Numbers of 32 bits survive every client's JSON.
        let seed = self.seed.map_or_else(|| u64::from(rand::random::<u32>()), |seed| seed as u64);
        let mut jobs = Vec::new();
        for (index, prompt) in self.prompts.iter().enumerate() {
            for choice in 0..self.n {
                let number = index * self.n + choice;
                let request = self.request(prompt, seed.wrapping_add(number as u64));
                let ticket = client.ticket.clone();
                jobs.push(Job::new(request, Arc::clone(&client.name), number, listener.clone(), ticket));
            }
        }
        let open = jobs.len();
        server.engine.submit(jobs)?;
        Ok(Answer { events, open, patience: server.limits.patience, first: None })
    }

    fn request(&self, prompt: &[u32], seed: u64) -> JobRequest {
        let options = Options { seed, keep_logits: self.with_prompt, ..self.options.clone() };
        JobRequest {
            model: Arc::clone(&self.model),
            prompt: prompt.to_vec(),
            options,
            device: self.device.clone(),
            reads_only: self.reads_only,
        }
    }

    /// The chip samples by itself if it need not filter; then it must be able to express the temperature.
    fn check_temperature(&self) -> Result<(), ApiError> {
        let found = self.options.temperature;
        let by_chip = self.options.chooser() == Chooser::Chip && found != 0.0;
        if by_chip && inverse_temperature(&self.model.image.model, found).is_none() {
            let name = self.names.of("temperature");
            let message =
                format!("`{name}` is {found}; expected 0.05 to 100, or 0 for the most likely token");
            return Err(ApiError::invalid(&name, message));
        }
        Ok(())
    }

    fn check(&self, server: &Server) -> Result<(), ApiError> {
        let choices = self.prompts.len() * self.n;
        if !(1..=CHOICES_MAX).contains(&choices) {
            let message = format!("the request asks for {choices} answers; expected 1 to {CHOICES_MAX}");
            return Err(ApiError::invalid("n", message));
        }
        check_stop(&self.names.of("stop"), &self.options.stop)?;
        self.options.check(self.model.image.model.vocab).map_err(|error| {
            let name = self.names.of(error.option);
            ApiError::invalid(&name, format!("`{name}` is {}; expected {}", error.found, error.expected))
        })?;
        self.check_temperature()?;
        if let Some(device) = &self.device {
            let names: Vec<&str> = server.engine.devices().iter().map(|device| &*device.name).collect();
            if !names.contains(&device.as_str()) {
                let message = format!("no device is named `{device}`; expected {}", names.join(" or "));
                return Err(ApiError::invalid("x_lpu.device", message));
            }
        }
        self.prompts.iter().try_for_each(|prompt| self.check_prompt(prompt))
    }

    fn check_prompt(&self, prompt: &[u32]) -> Result<(), ApiError> {
        let vocab = self.model.image.model.vocab;
        if let Some(token) = prompt.iter().find(|token| **token >= vocab) {
            let field = self.names.prompt;
            let message = format!("`{field}` holds token {token}; expected numbers below {vocab}");
            return Err(ApiError::invalid(field, message));
        }
        let (found, context) = (prompt.len(), self.model.context());
        match found > context {
            true => Err(too_long(self.names.prompt, &found.to_string(), context)),
            false => Ok(()),
        }
    }
}

fn check_stop(name: &str, stop: &[String]) -> Result<(), ApiError> {
    if stop.len() > STOP_STRINGS_MAX {
        let message = format!("`{name}` has {} texts; expected at most {STOP_STRINGS_MAX}", stop.len());
        return Err(ApiError::invalid(name, message));
    }
    match stop.iter().find(|stop| !(1..=STOP_BYTES_MAX).contains(&stop.len())) {
        Some(stop) => {
            let message =
                format!("`{name}` holds a text of {} bytes; expected 1 to {STOP_BYTES_MAX}", stop.len());
            Err(ApiError::invalid(name, message))
        }
        None => Ok(()),
    }
}

/// In OpenAI's words, by which clients know this error.
fn too_long(field: &str, found: &str, context: usize) -> ApiError {
    let message = format!(
        "This model's maximum context length is {context} tokens. However, your {field} resulted in {found} tokens. Please \
         reduce the length of the {field}."
    );
    ApiError::invalid(field, message).code("context_length_exceeded")
}

/// Refuses texts that cannot fit, with no need to encode megabytes to see it: no token stands for more bytes.
fn check_length(model: &ServedModel, field: &str, bytes: usize) -> Result<(), ApiError> {
    let (context, tokens_min) = (model.context(), bytes.div_ceil(PIECE_BYTES_MAX));
    match tokens_min > context {
        true => Err(too_long(field, &format!("at least {tokens_min}"), context)),
        false => Ok(()),
    }
}

/// The tokens of a text, from the token that begins texts on. Messages name the field that holds the text.
pub fn encode(model: &ServedModel, field: &str, text: &str) -> Result<Vec<u32>, ApiError> {
    check_length(model, field, text.len())?;
    let mut ids =
        model.tokenizer.encode(text).map_err(|error| ApiError::invalid(field, error.to_string()))?;
    if ids.is_empty() {
        ids.push(model.tokenizer.bos());
    }
    Ok(ids)
}

/// The tokens of a conversation, by the model's own template.
pub fn encode_chat(model: &ServedModel, messages: &[Message]) -> Result<Vec<u32>, ApiError> {
    check_length(model, "messages", messages.iter().map(|message| message.content.len()).sum())?;
    let ids = model.template.encode(&model.tokenizer, messages);
    ids.map_err(|error| ApiError::invalid("messages", error.to_string()))
}

impl Answer {
    /// Waits a while for the first event, so that an early failure can still have a status of its own.
    pub async fn wait_for_first(&mut self, pause: Duration) -> Result<(), ApiError> {
        if let Ok(event) = tokio::time::timeout(pause, self.next()).await {
            self.first = event?;
        }
        Ok(())
    }

    /// The next event with the number of its choice; `None` when all answers have ended.
    pub async fn next(&mut self) -> Result<Option<(usize, Event)>, ApiError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.open == 0 {
            return Ok(None);
        }
        let event = tokio::time::timeout(self.patience, self.events.next()).await.map_err(|_| {
            let seconds = self.patience.as_secs();
            let message =
                format!("no device took or continued the request within {seconds} s; try again later");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", message)
                .code("timeout")
                .retry_after(1)
        })?;
        match event {
            Some((_, Event::Failed(error))) => Err(error.into()),
            Some((choice, event)) => {
                self.open -= usize::from(matches!(event, Event::Finished(_)));
                Ok(Some((choice, event)))
            }
            None => {
                let message = "the device's thread ended before the answer did; read the server's log";
                Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message))
            }
        }
    }

    /// Waits for all answers, in the order of their numbers.
    pub async fn collect(mut self) -> Result<Vec<Choice>, ApiError> {
        let mut begun: Vec<(Vec<PromptToken>, Vec<Token>)> = vec![Default::default(); self.open];
        let mut ends: Vec<Option<Box<Finished>>> = vec![None; self.open];
        while let Some((choice, event)) = self.next().await? {
            match event {
                Event::Prompt(token) => begun[choice].0.push(token),
                Event::Token(token) => begun[choice].1.push(token),
                Event::Finished(finished) => ends[choice] = Some(finished),
                Event::Failed(error) => return Err(error.into()),
            }
        }
        let choices = begun.into_iter().zip(ends);
        let choices = choices
            .filter_map(|((prompt, tokens), end)| end.map(|finished| Choice { prompt, tokens, finished }));
        Ok(choices.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_strings_are_few_and_short() {
        let stops = |count: usize, bytes: usize| vec!["x".repeat(bytes); count];
        assert!(check_stop("stop", &stops(4, 256)).is_ok());
        for (count, bytes) in [(5, 1), (1, 0), (1, 257)] {
            assert!(check_stop("stop", &stops(count, bytes)).is_err());
        }
    }
}
