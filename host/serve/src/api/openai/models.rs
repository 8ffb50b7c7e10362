//! `GET /v1/models`: what can be asked.

use crate::api::error::OpenAiError;
use crate::api::server::Server;
use crate::model::ServedModel;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct ModelList {
    pub object: &'static str,
    pub data: Vec<ModelBody>,
}

#[derive(Serialize, ToSchema)]
pub struct ModelBody {
    pub id: String,
    pub object: &'static str,
    pub created: u64,
    pub owned_by: &'static str,
    /// Groq's name for the context.
    pub context_window: usize,
    pub active: bool,
    pub parameters: u64,
    pub geometry: String,
    pub clock_hz: u64,
    pub program_hash: String,
}

impl ModelBody {
    fn of(model: &ServedModel) -> Self {
        Self {
            id: model.id.clone(),
            object: "model",
            created: model.created_s,
            owned_by: "lpu",
            context_window: model.context(),
            active: true,
            parameters: model.image.model.parameters,
            geometry: model.image.geometry.name.into(),
            clock_hz: model.image.geometry.clock_hz,
            program_hash: model.program_hash.clone(),
        }
    }
}

/// All models.
#[utoipa::path(get, path = "/v1/models", tag = "OpenAI", responses((status = 200, body = ModelList)))]
pub async fn list(State(server): State<Arc<Server>>) -> Json<ModelList> {
    let data = server.models.iter().map(|model| ModelBody::of(model)).collect();
    Json(ModelList { object: "list", data })
}

/// One model.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "OpenAI",
    params(("id" = String, Path, description = "Name of the model")),
    responses((status = 200, body = ModelBody), (status = 404, description = "No such model"))
)]
pub async fn one(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
) -> Result<Json<ModelBody>, OpenAiError> {
    let named = server.models.iter().find(|model| model.id == id);
    match named {
        Some(model) => Ok(Json(ModelBody::of(model))),
        None => Err(OpenAiError(server.unknown_model(&id))),
    }
}
