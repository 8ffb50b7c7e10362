//! What all routes share.

use super::error::ApiError;
use crate::Limits;
use crate::engine::Engine;
use crate::keys::{Keys, Ticket, Usage};
use crate::metrics::Metrics;
use crate::model::ServedModel;
use axum::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Names that stand for no name: what users write, and what clients send when their user named no model.
const ANY_MODEL: [&str; 3] = ["dummy", "tgi", "default"];

/// A server's state.
pub struct Server {
    pub models: Vec<Arc<ServedModel>>,
    pub engine: Engine,
    pub metrics: Arc<Metrics>,
    pub keys: Option<Keys>,
    pub usage: Arc<Usage>,
    pub limits: Limits,
    pub draining: AtomicBool,
    /// The first model answers requests for names that no model has.
    pub answers_any_name: bool,
}

/// Who asks.
#[derive(Clone)]
pub struct Client {
    /// The key's name, or the address.
    pub name: Arc<str>,
    pub ticket: Option<Arc<Ticket>>,
}

impl Server {
    /// The model of this name. The first one answers when none is named, and any name if the operator has allowed it.
    pub fn model(&self, name: Option<&str>) -> Result<&Arc<ServedModel>, ApiError> {
        let first = self.models.first();
        let any = self.answers_any_name || name.is_none_or(|name| ANY_MODEL.contains(&name));
        let named = self.models.iter().find(|model| name == Some(model.id.as_str()));
        named.or(first.filter(|_| any)).ok_or_else(|| self.unknown_model(name.unwrap_or_default()))
    }

    /// The answer to a name that no model has.
    pub fn unknown_model(&self, name: &str) -> ApiError {
        let known: Vec<&str> = self.models.iter().map(|model| model.id.as_str()).collect();
        let message = format!(
            "no model is named `{name}`; expected {}, or `default` for the first (`lpu serve --any-model-name` takes every name)",
            known.join(" or ")
        );
        let error = ApiError::new(StatusCode::NOT_FOUND, "invalid_request_error", message);
        ApiError { param: Some("model".into()), ..error.code("model_not_found") }
    }

    /// Whether new requests are welcome.
    pub fn is_ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.engine.is_ready()
    }
}
