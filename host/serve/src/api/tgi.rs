//! The surface of Hugging Face's Text Generation Inference: `text_generation` at the bare address, `/generate`.

use super::error::{ApiError, Family, TgiError};
use super::extract::read_json;
use super::fields;
use super::generation::{Choice, Generation, Names, encode};
use super::server::{Client, Server};
use super::stream::{Shape, data, stream};
use crate::engine::{Event, Finished, Token};
use crate::model::ServedModel;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use lpu_runtime::sampling::{Options, Reason};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Text Generation Inference's default.
const NEW_TOKENS_DEFAULT: usize = 100;
const TOP_TOKENS_MAX: usize = 20;

/// A text to continue.
#[derive(Deserialize, ToSchema)]
pub struct GenerateRequest {
    pub inputs: String,
    #[serde(default)]
    pub parameters: Parameters,
    /// Only at the bare address, where one route answers both ways.
    pub stream: Option<bool>,
}

/// How to continue it. The most likely token is taken unless `do_sample` is true, or one of `temperature`, `top_k` and `top_p`
/// has another value than the one that changes nothing.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct Parameters {
    #[schema(minimum = 1)]
    pub max_new_tokens: Option<usize>,
    pub do_sample: bool,
    #[schema(exclusive_minimum = 0)]
    pub temperature: Option<f64>,
    pub seed: Option<u64>,
    pub stop: Vec<String>,
    /// The older name of `stop`.
    pub stop_sequences: Vec<String>,
    pub return_full_text: bool,
    /// Adds the finish reason, the seed and every token.
    pub details: bool,
    /// Adds every token of the prompt to the details of a whole answer.
    pub decoder_input_details: bool,
    /// Lists this many of the most likely tokens, with `details`.
    #[schema(minimum = 0, maximum = 20)]
    pub top_n_tokens: Option<usize>,
    /// Keeps only the prompt's last tokens.
    #[schema(minimum = 1)]
    pub truncate: Option<usize>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    #[schema(minimum = 1)]
    pub top_k: Option<usize>,
    #[schema(exclusive_minimum = 0)]
    pub repetition_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub struct GenerateResponse {
    pub generated_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

#[derive(Serialize, ToSchema)]
pub struct Details {
    pub finish_reason: &'static str,
    pub generated_tokens: usize,
    pub seed: Option<u64>,
    pub prefill: Vec<PrefillToken>,
    pub tokens: Vec<TgiToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_tokens: Option<Vec<Vec<TgiToken>>>,
}

/// A token of the prompt.
#[derive(Clone, Serialize, ToSchema)]
pub struct PrefillToken {
    pub id: u32,
    pub text: String,
    /// Null for the first, which nothing predicts.
    pub logprob: Option<f64>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct TgiToken {
    pub id: u32,
    pub text: String,
    pub logprob: f64,
    pub special: bool,
}

#[derive(Serialize, ToSchema)]
pub struct StreamMessage {
    pub index: usize,
    pub token: TgiToken,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top_tokens: Vec<TgiToken>,
    pub generated_text: Option<String>,
    pub details: Option<StreamDetails>,
}

#[derive(Serialize, ToSchema)]
pub struct StreamDetails {
    pub finish_reason: &'static str,
    pub generated_tokens: usize,
    pub input_length: usize,
    pub seed: Option<u64>,
}

impl Parameters {
    fn check(&self, streams: bool) -> Result<(), ApiError> {
        if !self.stop.is_empty() && !self.stop_sequences.is_empty() {
            let message = "`stop_sequences` is the older name of `stop`; expected one of them";
            return Err(ApiError::invalid("parameters.stop_sequences", message));
        }
        if self.truncate == Some(0) {
            let message = "`parameters.truncate` is 0; expected at least 1 token to keep";
            return Err(ApiError::invalid("parameters.truncate", message));
        }
        if streams && self.decoder_input_details {
            return Err(ApiError::unsupported("parameters.decoder_input_details", "false in a stream"));
        }
        if let Some(found) = self.temperature.filter(|found| !(*found > 0.0 && found.is_finite())) {
            let message = format!("`parameters.temperature` is {found}; expected more than 0");
            return Err(ApiError::invalid("parameters.temperature", message));
        }
        match self.top_n_tokens {
            Some(found) if found > TOP_TOKENS_MAX => {
                let message = format!("`parameters.top_n_tokens` is {found}; expected 0 to {TOP_TOKENS_MAX}");
                Err(ApiError::invalid("parameters.top_n_tokens", message))
            }
            _ => Ok(()),
        }
    }

    /// Whether tokens are drawn by their probabilities: as Text Generation Inference has it, what filters or warms them asks
    /// for that as well, whatever `do_sample` says.
    fn samples(&self) -> bool {
        let warms = self.temperature.is_some_and(|found| found != 1.0);
        self.do_sample || warms || self.top_k.is_some() || self.top_p.is_some_and(|found| found < 1.0)
    }

    fn prompt(&self, model: &ServedModel, inputs: &str) -> Result<Vec<u32>, ApiError> {
        let mut prompt = encode(model, "inputs", inputs)?;
        if let Some(kept) = self.truncate.filter(|kept| *kept < prompt.len()) {
            prompt.drain(..prompt.len() - kept);
        }
        Ok(prompt)
    }

    fn generation(
        &self,
        model: &Arc<ServedModel>,
        inputs: &str,
        streams: bool,
    ) -> Result<Generation, ApiError> {
        self.check(streams)?;
        // Streams tell each token's logarithm; so do details.
        let with_logprobs = streams || self.details;
        Ok(Generation {
            model: Arc::clone(model),
            prompts: vec![self.prompt(model, inputs)?],
            n: 1,
            options: Options {
                tokens_max: self.max_new_tokens.unwrap_or(NEW_TOKENS_DEFAULT),
                temperature: if self.samples() { self.temperature.unwrap_or(1.0) } else { 0.0 },
                top_k: self.top_k,
                top_p: self.top_p.unwrap_or(1.0),
                repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
                frequency_penalty: self.frequency_penalty.unwrap_or(0.0),
                stop: [&self.stop[..], &self.stop_sequences].concat(),
                logprobs: with_logprobs.then(|| self.top_n_tokens.unwrap_or(0)),
                ..Options::default()
            },
            // The same bits: a job takes them as they are.
            seed: self.seed.map(|seed| seed as i64),
            device: None,
            with_prompt: self.details && self.decoder_input_details,
            reads_only: false,
            names: Names {
                prompt: "inputs",
                tokens_max: "max_new_tokens",
                alternatives: "top_n_tokens",
                prefix: "parameters.",
            },
        })
    }
}

/// Continue a text, as a stream if asked for.
#[utoipa::path(
    post, path = "/", tag = "Text Generation Inference", request_body = GenerateRequest,
    responses((status = 200, body = Vec<GenerateResponse>), (status = 400, body = super::error::TgiErrorBody))
)]
pub async fn root(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, TgiError> {
    let request = read(&headers, body, &server).await?;
    let streams = request.stream == Some(true);
    if streams {
        return Ok(streamed(&server, &client, request).await?);
    }
    Ok(Json([whole(&server, &client, request).await?]).into_response())
}

/// Continue a text.
#[utoipa::path(
    post, path = "/generate", tag = "Text Generation Inference", request_body = GenerateRequest,
    responses((status = 200, body = GenerateResponse), (status = 400, body = super::error::TgiErrorBody))
)]
pub async fn generate(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<GenerateResponse>, TgiError> {
    let request = read(&headers, body, &server).await?;
    if request.stream == Some(true) {
        return Err(TgiError(ApiError::unsupported("stream", "false; streams are at /generate_stream")));
    }
    Ok(Json(whole(&server, &client, request).await?))
}

/// Continue a text as server-sent events.
#[utoipa::path(
    post, path = "/generate_stream", tag = "Text Generation Inference", request_body = GenerateRequest,
    responses((status = 200, body = StreamMessage), (status = 400, body = super::error::TgiErrorBody))
)]
pub async fn generate_stream(
    State(server): State<Arc<Server>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, TgiError> {
    let request = read(&headers, body, &server).await?;
    if request.stream == Some(false) {
        return Err(TgiError(ApiError::unsupported("stream", "true; whole answers are at /generate")));
    }
    Ok(streamed(&server, &client, request).await?)
}

async fn read(headers: &HeaderMap, body: Body, server: &Server) -> Result<GenerateRequest, ApiError> {
    let body = read_json(headers, body, &server.limits, fields::GENERATE).await?;
    fields::typed(&body, fields::GENERATE)
}

async fn whole(
    server: &Server,
    client: &Client,
    request: GenerateRequest,
) -> Result<GenerateResponse, ApiError> {
    let model = Arc::clone(server.model(None)?);
    let parameters = request.parameters;
    let generation = parameters.generation(&model, &request.inputs, false)?;
    let prompt = generation.prompts.concat();
    let choices = generation.begin(server, client)?.collect().await?;
    let choice = choices.first().ok_or_else(|| ApiError::invalid("inputs", "expected one text"))?;
    let begin = if parameters.return_full_text { request.inputs.as_str() } else { "" };
    Ok(GenerateResponse {
        generated_text: format!("{begin}{}", choice.text()),
        details: parameters.details.then(|| details(&model, &parameters, &prompt, choice)),
    })
}

async fn streamed(server: &Server, client: &Client, request: GenerateRequest) -> Result<Response, ApiError> {
    let model = Arc::clone(server.model(None)?);
    let parameters = request.parameters;
    let generation = parameters.generation(&model, &request.inputs, true)?;
    let begin = if parameters.return_full_text { request.inputs } else { String::new() };
    let answer = generation.begin(server, client)?;
    let sampled = parameters.samples();
    stream(answer, TgiStream { model, sampled, text: begin, index: 0, last: None }).await
}

/// A token's text by itself.
fn piece(model: &ServedModel, id: u32) -> String {
    String::from_utf8_lossy(&model.tokenizer.decode_piece(None, id)).into_owned()
}

fn token(token: &Token) -> TgiToken {
    TgiToken {
        id: token.made.id,
        text: String::from_utf8_lossy(&token.made.bytes).into_owned(),
        logprob: token.made.logprob.as_ref().map_or(0.0, |logprob| logprob.chosen),
        special: token.is_end,
    }
}

fn top_tokens(model: &ServedModel, token: &Token) -> Vec<TgiToken> {
    let top = token.made.logprob.iter().flat_map(|logprob| &logprob.top);
    let told = |&(id, logprob)| TgiToken {
        id,
        text: piece(model, id),
        logprob,
        special: model.tokenizer.is_end(id),
    };
    top.map(told).collect()
}

fn details(model: &ServedModel, parameters: &Parameters, prompt: &[u32], choice: &Choice) -> Details {
    let first = prompt.first().filter(|_| parameters.decoder_input_details).map(|&id| (id, None));
    let rest = choice.prompt.iter().map(|token| (token.id, Some(token.logprob.chosen)));
    let prefill = first.into_iter().chain(rest);
    Details {
        finish_reason: reason(&choice.finished.reason),
        generated_tokens: choice.finished.completion_tokens,
        seed: parameters.samples().then_some(choice.finished.seed),
        prefill: prefill.map(|(id, logprob)| PrefillToken { id, text: piece(model, id), logprob }).collect(),
        tokens: choice.tokens.iter().map(token).collect(),
        top_tokens: parameters
            .top_n_tokens
            .map(|_| choice.tokens.iter().map(|token| top_tokens(model, token)).collect()),
    }
}

fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::End => "eos_token",
        Reason::Stop(_) => "stop_sequence",
        Reason::Length | Reason::Context | Reason::Cancelled => "length",
    }
}

/// Messages of a stream. The last token waits for the end, since its message carries the whole text.
struct TgiStream {
    model: Arc<ServedModel>,
    sampled: bool,
    text: String,
    index: usize,
    last: Option<Token>,
}

impl TgiStream {
    fn message(&mut self, found: &Token, finished: Option<&Finished>) -> String {
        self.index += 1;
        let text = found.made.text.clone();
        self.text.push_str(&text);
        let told = TgiToken { text, ..token(found) };
        data(&StreamMessage {
            index: self.index,
            token: told,
            top_tokens: top_tokens(&self.model, found),
            generated_text: finished.map(|_| self.text.clone()),
            details: finished.map(|finished| StreamDetails {
                finish_reason: reason(&finished.reason),
                generated_tokens: finished.completion_tokens,
                input_length: finished.prompt_tokens,
                seed: self.sampled.then_some(finished.seed),
            }),
        })
    }
}

impl Shape for TgiStream {
    const FAMILY: Family = Family::Tgi;

    fn event(&mut self, _: usize, event: Event) -> Vec<String> {
        match event {
            Event::Prompt(_) => Vec::new(),
            Event::Token(token) => {
                let before = self.last.replace(token);
                before.map(|token| self.message(&token, None)).into_iter().collect()
            }
            Event::Finished(finished) => {
                let last = self.last.take();
                last.map(|token| self.message(&token, Some(&finished))).into_iter().collect()
            }
            Event::Failed(error) => vec![ApiError::from(error).body(Self::FAMILY)],
        }
    }

    fn end(&mut self) -> Vec<String> {
        Vec::new()
    }
}
