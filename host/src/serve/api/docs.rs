//! The interface's description, made from the handlers and types themselves.

use super::{error, openai, operations, tgi};
use axum::Json;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(title = "LPU", description = "Text from a chip whose every cycle is known before."),
    paths(
        openai::chat::chat,
        openai::completions::complete,
        openai::models::list,
        openai::models::one,
        tgi::root,
        tgi::generate,
        tgi::generate_stream,
        tgi::info,
        tgi::tokenize,
        operations::health,
        operations::ready,
        operations::metrics,
        operations::devices,
        operations::schedule,
    ),
    components(schemas(error::ErrorBody, error::TgiErrorBody))
)]
struct Document;

/// The description as data.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}
