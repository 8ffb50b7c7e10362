//! What operators and the playground ask.

use super::error::{ApiError, OpenAiError};
use super::server::Server;
use crate::engine::DeviceState;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use lpu_runtime::trace::trace;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use utoipa::{IntoParams, ToSchema};

#[derive(Serialize, ToSchema)]
pub struct DeviceBody {
    pub name: String,
    pub state: DeviceState,
    /// The model whose program is loaded.
    pub model: Option<String>,
    /// Positions executed since the start.
    pub positions: u64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ScheduleQuery {
    /// Name of the model; may be left out while one is loaded.
    model: Option<String>,
    /// Position of the token.
    #[param(minimum = 0)]
    #[serde(default)]
    position: usize,
}

/// The process answers.
#[utoipa::path(get, path = "/health", tag = "Operation", responses((status = 200, description = "Alive")))]
pub async fn health() -> &'static str {
    "alive\n"
}

/// New requests are welcome: a device works, and the server is not shutting down.
#[utoipa::path(
    get, path = "/ready", tag = "Operation",
    responses((status = 200, description = "Ready"), (status = 503, description = "No device works, or shutting down"))
)]
pub async fn ready(State(server): State<Arc<Server>>) -> (StatusCode, &'static str) {
    match server.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false if server.draining.load(Ordering::Relaxed) => {
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
        }
        false => (StatusCode::SERVICE_UNAVAILABLE, "no device works\n"),
    }
}

/// Measurements for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "Operation", responses((status = 200, body = String)))]
pub async fn metrics(State(server): State<Arc<Server>>) -> Result<Response, OpenAiError> {
    let text = server.metrics.text().map_err(|error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", format!("no metrics: {error}"))
    })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

/// The devices and what they do.
#[utoipa::path(get, path = "/lpu/devices", tag = "LPU", responses((status = 200, body = Vec<DeviceBody>)))]
pub async fn devices(State(server): State<Arc<Server>>) -> Json<Vec<DeviceBody>> {
    let devices = server.engine.devices().iter().map(|device| DeviceBody {
        name: device.name.to_string(),
        state: device.state(),
        model: device.model(),
        positions: device.positions(),
    });
    Json(devices.collect())
}

/// One token's cycles over the slices, as a Chrome trace in which one cycle is one microsecond.
#[utoipa::path(
    get, path = "/lpu/schedule", tag = "LPU", params(ScheduleQuery),
    responses((status = 200, description = "The same trace as `lpu inspect --trace`"), (status = 400, description = "No such position"))
)]
pub async fn schedule(
    State(server): State<Arc<Server>>,
    query: Result<Query<ScheduleQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, OpenAiError> {
    let Query(query) = query.map_err(|error| ApiError::invalid("position", error.body_text()))?;
    let model = server.model(query.model.as_deref())?;
    if query.position >= model.context() {
        let message = format!(
            "position {} is beyond the context; expected 0 to {}",
            query.position,
            model.context() - 1
        );
        return Err(OpenAiError(ApiError::invalid("position", message)));
    }
    Ok(Json(trace(&model.image, &model.schedule, query.position)))
}
