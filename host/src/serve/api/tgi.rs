//! The surface of Hugging Face's Text Generation Inference: `text_generation` at the bare address, `/generate`, `/info`.

use super::error::{ApiError, Family, TgiError};
use super::extract::read_json;
use super::generation::{Choice, Generation, encode};
use super::server::{Client, Server};
use super::stream::{Shape, data, stream};
use crate::sampling::{Options, Reason};
use crate::serve::engine::{Event, Finished, Token};
use crate::serve::model::ServedModel;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Text Generation Inference's default.
const NEW_TOKENS_DEFAULT: usize = 100;
const TOP_TOKENS_MAX: usize = 20;

/// A text to continue. A field that is not listed is refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateRequest {
    pub inputs: String,
    #[serde(default)]
    pub parameters: Option<Parameters>,
    /// Only at the bare address, where one route answers both ways.
    pub stream: Option<bool>,
}

/// How to continue it. Without `do_sample` and `temperature`, the most likely token is taken.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    #[schema(minimum = 1)]
    pub max_new_tokens: Option<usize>,
    pub do_sample: Option<bool>,
    #[schema(exclusive_minimum = 0)]
    pub temperature: Option<f64>,
    pub seed: Option<i64>,
    pub stop: Option<Vec<String>>,
    /// The older name of `stop`.
    pub stop_sequences: Option<Vec<String>>,
    pub return_full_text: Option<bool>,
    /// Adds the finish reason, the seed and every token.
    pub details: Option<bool>,
    /// Only false is supported.
    pub decoder_input_details: Option<bool>,
    /// Lists this many of the most likely tokens, with `details`.
    #[schema(minimum = 0, maximum = 20)]
    pub top_n_tokens: Option<usize>,
    /// Keeps only the prompt's last tokens.
    #[schema(minimum = 1)]
    pub truncate: Option<usize>,
    /// Only 1 is supported.
    pub best_of: Option<usize>,
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    #[schema(minimum = 1)]
    pub top_k: Option<usize>,
    /// Only 1 is supported.
    pub typical_p: Option<f64>,
    #[schema(exclusive_minimum = 0)]
    pub repetition_penalty: Option<f64>,
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
    /// Only false is supported.
    pub watermark: Option<bool>,
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
    pub prefill: Vec<TgiToken>,
    pub tokens: Vec<TgiToken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_tokens: Option<Vec<Vec<TgiToken>>>,
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

#[derive(Serialize, ToSchema)]
pub struct Info {
    pub model_id: String,
    pub model_sha: String,
    pub model_dtype: &'static str,
    pub model_device_type: &'static str,
    pub model_pipeline_tag: &'static str,
    pub max_concurrent_requests: usize,
    pub max_best_of: usize,
    pub max_stop_sequences: usize,
    pub max_input_tokens: usize,
    pub max_total_tokens: usize,
    pub max_client_batch_size: usize,
    pub version: &'static str,
    pub router: &'static str,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenizeRequest {
    pub inputs: String,
}

#[derive(Serialize, ToSchema)]
pub struct TokenizeToken {
    pub id: u32,
    pub text: String,
}

impl Parameters {
    fn check(&self) -> Result<(), ApiError> {
        let numbers = [
            ("typical_p", self.typical_p, 1.0),
            ("best_of", self.best_of.map(|best_of| best_of as f64), 1.0),
        ];
        for (name, found, neutral) in numbers {
            if found.is_some_and(|found| found != neutral) {
                return Err(ApiError::unsupported(name, &neutral.to_string()));
            }
        }
        for (name, found) in
            [("watermark", self.watermark), ("decoder_input_details", self.decoder_input_details)]
        {
            if found == Some(true) {
                return Err(ApiError::unsupported(name, "false"));
            }
        }
        if self.stop.is_some() && self.stop_sequences.is_some() {
            let message = "`stop_sequences` is the older name of `stop`; expected one of them";
            return Err(ApiError::invalid("stop_sequences", message));
        }
        if self.truncate == Some(0) {
            return Err(ApiError::invalid("truncate", "`truncate` is 0; expected at least 1 token to keep"));
        }
        match self.top_n_tokens {
            Some(found) if found > TOP_TOKENS_MAX => {
                let message = format!("`top_n_tokens` is {found}; expected 0 to {TOP_TOKENS_MAX}");
                Err(ApiError::invalid("top_n_tokens", message))
            }
            _ => Ok(()),
        }
    }

    fn temperature(&self) -> Result<f64, ApiError> {
        match (self.temperature, self.do_sample) {
            (Some(found), _) if !(found > 0.0 && found.is_finite()) => {
                let message = format!("`temperature` is {found}; expected more than 0");
                Err(ApiError::invalid("temperature", message))
            }
            (Some(_), Some(false)) => {
                Err(ApiError::invalid("temperature", "`temperature` has no meaning with `do_sample: false`"))
            }
            (Some(found), _) => Ok(found),
            (None, Some(true)) => Ok(1.0),
            (None, _) => Ok(0.0),
        }
    }

    fn generation(
        &self,
        model: &Arc<ServedModel>,
        inputs: &str,
        streams: bool,
    ) -> Result<Generation, ApiError> {
        self.check()?;
        let mut prompt = encode(model, inputs)?;
        if let Some(kept) = self.truncate.filter(|kept| *kept < prompt.len()) {
            prompt.drain(..prompt.len() - kept);
        }
        // Streams tell each token's logarithm; so do details.
        let with_logprobs = streams || self.details == Some(true);
        Ok(Generation {
            model: Arc::clone(model),
            prompts: vec![prompt],
            n: 1,
            options: Options {
                tokens_max: self.max_new_tokens.unwrap_or(NEW_TOKENS_DEFAULT),
                temperature: self.temperature()?,
                top_k: self.top_k,
                top_p: self.top_p.unwrap_or(1.0),
                repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
                frequency_penalty: self.frequency_penalty.unwrap_or(0.0),
                stop: self.stop.clone().or_else(|| self.stop_sequences.clone()).unwrap_or_default(),
                logprobs: with_logprobs.then(|| self.top_n_tokens.unwrap_or(0)),
                ..Options::default()
            },
            seed: self.seed,
            device: None,
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
    body: Body,
) -> Result<Response, TgiError> {
    let request: GenerateRequest = read_json(body, &server.limits).await?;
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
    body: Body,
) -> Result<Json<GenerateResponse>, TgiError> {
    let request: GenerateRequest = read_json(body, &server.limits).await?;
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
    body: Body,
) -> Result<Response, TgiError> {
    let request: GenerateRequest = read_json(body, &server.limits).await?;
    if request.stream == Some(false) {
        return Err(TgiError(ApiError::unsupported("stream", "true; whole answers are at /generate")));
    }
    Ok(streamed(&server, &client, request).await?)
}

/// What is served, as Text Generation Inference tells it.
#[utoipa::path(get, path = "/info", tag = "Text Generation Inference", responses((status = 200, body = Info)))]
pub async fn info(State(server): State<Arc<Server>>) -> Result<Json<Info>, TgiError> {
    let model = server.model(None)?;
    Ok(Json(Info {
        model_id: model.id.clone(),
        model_sha: model.program_hash.clone(),
        model_dtype: "int9",
        model_device_type: "lpu",
        model_pipeline_tag: "text-generation",
        max_concurrent_requests: server.limits.waiting_max,
        max_best_of: 1,
        max_stop_sequences: super::generation::STOP_STRINGS_MAX,
        max_input_tokens: model.context(),
        max_total_tokens: model.context() + 1,
        max_client_batch_size: 1,
        version: env!("CARGO_PKG_VERSION"),
        router: "lpu",
    }))
}

/// The tokens of a text.
#[utoipa::path(
    post, path = "/tokenize", tag = "Text Generation Inference", request_body = TokenizeRequest,
    responses((status = 200, body = Vec<TokenizeToken>), (status = 400, body = super::error::TgiErrorBody))
)]
pub async fn tokenize(
    State(server): State<Arc<Server>>,
    body: Body,
) -> Result<Json<Vec<TokenizeToken>>, TgiError> {
    let request: TokenizeRequest = read_json(body, &server.limits).await?;
    let model = server.model(None)?;
    let ids = encode(model, &request.inputs)?;
    Ok(Json(ids.into_iter().map(|id| TokenizeToken { id, text: piece(model, id) }).collect()))
}

async fn whole(
    server: &Server,
    client: &Client,
    request: GenerateRequest,
) -> Result<GenerateResponse, ApiError> {
    let model = Arc::clone(server.model(None)?);
    let parameters = request.parameters.unwrap_or_default();
    let generation = parameters.generation(&model, &request.inputs, false)?;
    let choices = generation.begin(server, client)?.collect().await?;
    let choice = choices.first().ok_or_else(|| ApiError::invalid("inputs", "expected one text"))?;
    let begin = if parameters.return_full_text == Some(true) { request.inputs.as_str() } else { "" };
    Ok(GenerateResponse {
        generated_text: format!("{begin}{}", choice.text()),
        details: (parameters.details == Some(true)).then(|| details(&model, &parameters, choice)),
    })
}

async fn streamed(server: &Server, client: &Client, request: GenerateRequest) -> Result<Response, ApiError> {
    let model = Arc::clone(server.model(None)?);
    let parameters = request.parameters.unwrap_or_default();
    let generation = parameters.generation(&model, &request.inputs, true)?;
    let begin = if parameters.return_full_text == Some(true) { request.inputs } else { String::new() };
    let answer = generation.begin(server, client)?;
    let sampled = parameters.temperature()? > 0.0;
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

fn details(model: &ServedModel, parameters: &Parameters, choice: &Choice) -> Details {
    Details {
        finish_reason: reason(&choice.finished.reason),
        generated_tokens: choice.finished.completion_tokens,
        seed: parameters.temperature().is_ok_and(|found| found > 0.0).then_some(choice.finished.seed),
        prefill: Vec::new(),
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
