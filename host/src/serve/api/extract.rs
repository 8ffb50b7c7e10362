//! Reads a request's JSON within limits of size and time, and names the field that is wrong.

use super::error::ApiError;
use crate::serve::Limits;
use axum::body::Body;
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

/// The request's body as a value.
pub async fn read_json<T: DeserializeOwned>(body: Body, limits: &Limits) -> Result<T, ApiError> {
    let bytes = tokio::time::timeout(limits.body_timeout, read(body, limits.body_bytes_max)).await;
    let bytes = bytes.map_err(|_| {
        let seconds = limits.body_timeout.as_secs();
        let message = format!("the body did not arrive within {seconds} s; send it faster");
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", message)
    })??;
    serde_json::from_slice(&bytes).map_err(|error| {
        let message = error.to_string();
        let field = ["unknown field `", "missing field `"].into_iter().find_map(|start| {
            let (_, rest) = message.split_once(start)?;
            Some(rest.split_once('`')?.0.to_owned())
        });
        let error = ApiError::new(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        ApiError { param: field, ..error }
    })
}

/// Bytes that are read and dropped after a body that is too long, so that its sender comes to read the answer.
const DROPPED_BYTES_MAX: usize = 16 << 20;

async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let mut dropped = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            let message = format!("the body could not be read: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        })?;
        if bytes.len() + chunk.len() <= bytes_max && dropped == 0 {
            bytes.extend_from_slice(&chunk);
            continue;
        }
        dropped += chunk.len();
        if dropped > DROPPED_BYTES_MAX {
            break;
        }
    }
    if dropped > 0 {
        let message = format!("the body has more than {bytes_max} bytes; send a shorter request");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message));
    }
    Ok(bytes)
}
