//! Reads a request's JSON within limits of size and time, and settles its fields.

use super::error::ApiError;
use super::fields::{self, Fields};
use crate::Limits;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The request's fields, as their table leaves them.
pub async fn read_json(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    fields: Fields,
) -> Result<Value, ApiError> {
    check_type(headers)?;
    let bytes = tokio::time::timeout(limits.body_timeout, read(body, limits.body_bytes_max)).await;
    let bytes = bytes.map_err(|_| {
        let seconds = limits.body_timeout.as_secs();
        let message = format!("the body did not arrive within {seconds} s; send it faster");
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", message)
    })??;
    let Object(mut object) = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body is not an object in JSON: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    })?;
    fields::settle(&mut object, fields, "")?;
    Ok(Value::Object(object))
}

/// Refuses what web pages and `curl -d` send by themselves: forms.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["application/x-www-form-urlencoded", "multipart/form-data"].contains(&kind.as_str()) {
        return Ok(());
    }
    let message =
        format!("the body is a form, {kind}; expected JSON with the header `Content-Type: application/json`");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error", message))
}

/// An object whose fields are given once each.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            let message = format!("the field `{name}` is given twice");
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(message));
            }
        }
        Ok(Object(object))
    }
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
