//! The interface's description, made from the handlers and types themselves.

use super::fields::{Fields, ROUTES, Rule};
use super::{error, openai, operations, tgi, tgi_info};
use axum::Json;
use serde_json::Value;
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
        tgi_info::info,
        tgi_info::tokenize,
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

/// A field that a route documents, for tests.
#[derive(Clone, Debug)]
pub struct DocumentedField {
    pub route: &'static str,
    /// Names from the request inward. What stands in a list has the names of the list.
    pub path: Vec<&'static str>,
    pub is_required: bool,
    /// Values that change nothing, beside null and absence.
    pub neutral: Vec<Value>,
}

/// All fields of all routes that read a body, from the table by which requests are read.
pub fn documented_fields() -> Vec<DocumentedField> {
    let mut found = Vec::new();
    for &(route, fields) in ROUTES {
        list(route, fields, &[], &mut found);
    }
    found
}

fn list(route: &'static str, fields: Fields, before: &[&'static str], found: &mut Vec<DocumentedField>) {
    for field in fields.iter().copied().flatten() {
        let path = [before, &[field.name]].concat();
        list(route, field.members, &path, found);
        let (is_required, neutral) = (field.rule == Rule::Required, field.neutral_values().collect());
        found.push(DocumentedField { route, path, is_required, neutral });
    }
}

pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}
