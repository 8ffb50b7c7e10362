//! What went wrong with a request, and how each family of clients reads it.

use crate::engine::{JobError, QueueFull};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A refused or failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: StatusCode,
    /// OpenAI's `type`.
    pub kind: &'static str,
    pub code: Option<&'static str>,
    /// The field that is wrong.
    pub param: Option<String>,
    pub message: String,
    pub retry_after_s: Option<u64>,
}

/// How the clients of a route read errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `{"error": {"message", "type", "code", "param"}}`
    OpenAi,
    /// `{"error": "...", "error_type": "..."}`
    Tgi,
}

/// An error as OpenAI's clients read it.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorDetail {
    pub message: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub code: Option<String>,
    pub param: Option<String>,
}

/// An error as Text Generation Inference's clients read it.
#[derive(Serialize, ToSchema)]
pub struct TgiErrorBody {
    pub error: String,
    pub error_type: String,
}

impl ApiError {
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into(), retry_after_s: None }
    }

    /// A request that cannot be honoured as it is.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        Self { param: Some(param.into()), ..error }
    }

    /// A value other than the one that changes nothing, in a field that is not supported.
    pub fn unsupported(param: &str, allowed: &str) -> Self {
        Self::invalid(param, format!("`{param}` is not supported here; expected {allowed}, or leave it out"))
            .code("unsupported_parameter")
    }

    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The body that clients of a family read.
    pub fn body(&self, family: Family) -> String {
        let text = match family {
            Family::OpenAi => serde_json::to_string(&ErrorBody {
                error: ErrorDetail {
                    message: self.message.clone(),
                    kind: self.kind.into(),
                    code: self.code.map(Into::into),
                    param: self.param.clone(),
                },
            }),
            Family::Tgi => serde_json::to_string(&TgiErrorBody {
                error: self.message.clone(),
                error_type: self.tgi_type().into(),
            }),
        };
        // Strings alone always have a JSON form.
        text.unwrap_or_default()
    }

    fn tgi_type(&self) -> &'static str {
        match self.status.as_u16() {
            400 | 413 | 415 | 422 => "validation",
            402 | 429 => "overloaded",
            401 | 403 => "authentication",
            404 | 405 => "not_found",
            503 => "overloaded",
            _ => "generation",
        }
    }

    /// The answer that clients of a family read.
    pub fn response(&self, family: Family) -> Response {
        let mut response = (self.status, self.body(family)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lpu\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<QueueFull> for ApiError {
    fn from(full: QueueFull) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", full.to_string());
        error.code("queue_full").retry_after(1)
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        let (status, code) = match &error {
            JobError::Devices { .. } | JobError::Pinned { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "device_failed")
            }
            JobError::Different { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "devices_disagree"),
            JobError::Program { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "program_failed"),
            JobError::Refused(_) => {
                return Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", error.to_string());
            }
            JobError::Closing => (StatusCode::SERVICE_UNAVAILABLE, "closing"),
        };
        let made = Self::new(status, "server_error", error.to_string()).code(code);
        if status == StatusCode::SERVICE_UNAVAILABLE { made.retry_after(1) } else { made }
    }
}

/// A type that answers in OpenAI's form; what routes of that family return.
pub struct OpenAiError(pub ApiError);

/// A type that answers in Text Generation Inference's form.
pub struct TgiError(pub ApiError);

impl From<ApiError> for OpenAiError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<ApiError> for TgiError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for OpenAiError {
    fn into_response(self) -> Response {
        self.0.response(Family::OpenAi)
    }
}

impl IntoResponse for TgiError {
    fn into_response(self) -> Response {
        self.0.response(Family::Tgi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_reads_its_own_form() {
        let error = ApiError::unsupported("logit_bias", "no bias");
        assert_eq!(
            error.body(Family::OpenAi),
            r#"{"error":{"message":"`logit_bias` is not supported here; expected no bias, or leave it out","type":"invalid_request_error","code":"unsupported_parameter","param":"logit_bias"}}"#
        );
        assert_eq!(
            error.body(Family::Tgi),
            r#"{"error":"`logit_bias` is not supported here; expected no bias, or leave it out","error_type":"validation"}"#
        );
    }
}
