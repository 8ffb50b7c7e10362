//! What Text Generation Inference tells of a model: `/info`, and `/tokenize`.

use super::error::TgiError;
use super::extract::read_json;
use super::fields;
use super::generation::{STOP_STRINGS_MAX, encode};
use super::server::Server;
use crate::model::ServedModel;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Both generations of names: clients read either.
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
    /// The older name of `max_input_tokens`.
    pub max_input_length: usize,
    pub max_total_tokens: usize,
    /// Tokens on all devices at once: one text each.
    pub max_batch_total_tokens: usize,
    pub max_waiting_tokens: usize,
    pub waiting_served_ratio: f32,
    pub max_batch_size: usize,
    pub max_client_batch_size: usize,
    pub validation_workers: usize,
    pub version: &'static str,
    pub sha: Option<&'static str>,
    pub docker_label: Option<&'static str>,
    pub router: &'static str,
}

#[derive(Deserialize, ToSchema)]
pub struct TokenizeRequest {
    pub inputs: String,
}

#[derive(Serialize, ToSchema)]
pub struct TokenizeToken {
    pub id: u32,
    pub text: String,
    /// Characters of the input before the token; a part of a character begins where the character does.
    pub start: usize,
    /// Characters of the input up to its end.
    pub stop: usize,
}

/// What is served, as Text Generation Inference tells it.
#[utoipa::path(get, path = "/info", tag = "Text Generation Inference", responses((status = 200, body = Info)))]
pub async fn info(State(server): State<Arc<Server>>) -> Result<Json<Info>, TgiError> {
    let model = server.model(None)?;
    let (context, devices) = (model.context(), server.engine.devices().len());
    Ok(Json(Info {
        model_id: model.id.clone(),
        model_sha: model.program_hash.clone(),
        model_dtype: "int9",
        model_device_type: "lpu",
        model_pipeline_tag: "text-generation",
        max_concurrent_requests: server.limits.waiting_max,
        max_best_of: 1,
        max_stop_sequences: STOP_STRINGS_MAX,
        max_input_tokens: context,
        max_input_length: context,
        max_total_tokens: context + 1,
        max_batch_total_tokens: (context + 1) * devices,
        max_waiting_tokens: 0,
        waiting_served_ratio: 0.0,
        max_batch_size: devices,
        max_client_batch_size: 1,
        validation_workers: 1,
        version: env!("CARGO_PKG_VERSION"),
        sha: None,
        docker_label: None,
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
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Vec<TokenizeToken>>, TgiError> {
    let body = read_json(&headers, body, &server.limits, fields::TOKENIZE).await?;
    let request: TokenizeRequest = fields::typed(&body, fields::TOKENIZE)?;
    let model = server.model(None)?;
    Ok(Json(tokens(model, &request.inputs, &encode(model, "inputs", &request.inputs)?)))
}

/// Tokens with their places in the text, by the bytes that each stands for.
fn tokens(model: &ServedModel, text: &str, ids: &[u32]) -> Vec<TokenizeToken> {
    let characters = Characters::of(text);
    let (mut before, mut begin) = (None, 0);
    let place = |&id: &u32| {
        let is_start = before.is_none() && id == model.tokenizer.bos();
        let bytes = if is_start { 0 } else { model.tokenizer.decode_piece(before, id).len() };
        let end = begin + bytes;
        let (start, stop) = (characters.begun_at(begin), characters.ended_at(end));
        (before, begin) = (Some(id), end);
        let alone = model.tokenizer.decode_piece(None, id);
        TokenizeToken { id, text: String::from_utf8_lossy(&alone).into_owned(), start, stop }
    };
    ids.iter().map(place).collect()
}

/// Where the characters of a text begin, in bytes, and where the text ends.
struct Characters(Vec<usize>);

impl Characters {
    fn of(text: &str) -> Self {
        Self(text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect())
    }

    /// Characters before the one that holds this byte.
    fn begun_at(&self, byte: usize) -> usize {
        self.0.partition_point(|begin| *begin <= byte) - 1
    }

    /// Characters that begin before this byte.
    fn ended_at(&self, byte: usize) -> usize {
        self.0.partition_point(|begin| *begin < byte).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_inside_a_character_belong_to_it() {
        let characters = Characters::of("aé€");
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 9].map(|byte| characters.begun_at(byte)), [0, 1, 1, 2, 2, 2, 3, 3]);
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 9].map(|byte| characters.ended_at(byte)), [0, 1, 2, 2, 3, 3, 3, 3]);
        assert_eq!((Characters::of("").begun_at(0), Characters::of("").ended_at(3)), (0, 0));
    }
}
