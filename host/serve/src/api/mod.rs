//! Routes, and what happens to every request on its way: a name, a log line, a measurement, a key.

mod docs;
mod error;
mod extract;
mod fields;
mod generation;
mod openai;
mod operations;
mod pages;
mod server;
mod stream;
mod tgi;
mod tgi_info;

pub use docs::{DocumentedField, documented_fields, openapi};
pub use server::Server;

use crate::keys::{Key, Refusal, Ticket, reset_s};
use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use error::{ApiError, Family};
use server::Client;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tower_http::cors::{Any, CorsLayer};
use tower_http::normalize_path::NormalizePath;
use tracing::Instrument;

/// All routes of a server.
pub fn router(server: Arc<Server>) -> Router {
    let missing = |request: Request| async move {
        let message = format!("no route {} {}; see /docs", request.method(), request.uri().path());
        ApiError::new(StatusCode::NOT_FOUND, "invalid_request_error", message).response(family(&request))
    };
    let wrong_method = |request: Request| async move {
        let message = format!("{} does not take {}; see /docs", request.uri().path(), request.method());
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
            .response(family(&request))
    };
    let keyed = openai_routes()
        .nest("/v1", openai_routes())
        .nest("/openai/v1", openai_routes())
        .route("/", post(tgi::root))
        .route("/v1", post(tgi::root))
        .route("/generate", post(tgi::generate))
        .route("/generate_stream", post(tgi::generate_stream))
        .route("/tokenize", post(tgi_info::tokenize))
        .layer(middleware::from_fn_with_state(Arc::clone(&server), admit));
    let open = Router::new()
        .route("/", get(pages::playground))
        .route("/docs", get(pages::docs))
        .route("/openapi.json", get(docs::document))
        .route("/info", get(tgi_info::info))
        .route("/health", get(operations::health))
        .route("/ready", get(operations::ready))
        .route("/metrics", get(operations::metrics))
        .route("/lpu/devices", get(operations::devices))
        .route("/lpu/schedule", get(operations::schedule));
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).expose_headers(Any);
    let router = keyed
        .merge(open)
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(need_host))
        .layer(cors)
        .layer(middleware::from_fn_with_state(Arc::clone(&server), observe))
        .with_state(server);
    // Routes are found after the layers of a router have passed: what changes the path goes around all of it.
    Router::new().fallback_service(NormalizePath::trim_trailing_slash(router))
}

/// Refuses requests that do not say which host they mean, or say it twice: proxies would understand them differently.
async fn need_host(request: Request, next: Next) -> Response {
    let count = request.headers().get_all(header::HOST).iter().count();
    let is_old = request.version() < Version::HTTP_11;
    if count == 1 || count == 0 && is_old {
        return next.run(request).await;
    }
    let message = format!("the request has {count} `Host` headers; expected one");
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_request_error", message).response(family(&request))
}

/// Whose clients ask on this route.
fn family(request: &Request) -> Family {
    match request.uri().path() {
        "/" | "/v1" | "/generate" | "/generate_stream" | "/info" | "/tokenize" => Family::Tgi,
        _ => Family::OpenAi,
    }
}

fn openai_routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/models", get(openai::models::list))
        .route("/models/{id}", get(openai::models::one))
        .route("/chat/completions", post(openai::chat::chat))
        .route("/completions", post(openai::completions::complete))
}

/// Names, times, logs and counts every request.
async fn observe(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route =
        request.extensions().get::<MatchedPath>().map_or("none".into(), |path| path.as_str().to_owned());
    let begin = Instant::now();
    let span = tracing::info_span!("request", id, %method, path);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let seconds = begin.elapsed().as_secs_f64();
    server.metrics.requests.with_label_values(&[route.as_str(), status.as_str()]).inc();
    server.metrics.request_seconds.with_label_values(&[route.as_str()]).observe(seconds);
    span.in_scope(|| tracing::info!(status = status.as_u16(), seconds, "answered"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), id.clone());
        response.headers_mut().insert(HeaderName::from_static("inference-id"), id);
    }
    response
}

/// The client's own name for the request, if it is a sober one, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    let sober = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(sober).map_or_else(|| uuid::Uuid::new_v4().to_string(), Into::into)
}

/// Lets a request in, with its client's name; with keys, only within their limits.
async fn admit(State(server): State<Arc<Server>>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    let family = family(&request);
    let Some(keys) = &server.keys else {
        let name = address.unwrap_or_else(|| "local".into()).into();
        request.extensions_mut().insert(Client { name, ticket: None });
        return next.run(request).await;
    };
    let Some(key) = secret(request.headers()).and_then(|secret| keys.find(secret)) else {
        let message = "expected a known key in `Authorization: Bearer KEY` or `x-api-key: KEY`, found none: ask the operator for one";
        let error = ApiError::new(StatusCode::UNAUTHORIZED, "authentication_error", message);
        return error.code("invalid_api_key").response(family);
    };
    if request.method() == axum::http::Method::GET {
        // To look at the list of models costs nothing.
        request.extensions_mut().insert(Client { name: key.name.as_str().into(), ticket: None });
        return next.run(request).await;
    }
    match server.usage.admit(key) {
        Ok(ticket) => {
            let client = Client { name: key.name.as_str().into(), ticket: Some(Arc::clone(&ticket)) };
            request.extensions_mut().insert(client);
            let mut response = next.run(request).await;
            rate_headers(response.headers_mut(), &ticket);
            response
        }
        Err(refusal) => refused(refusal, key).response(family),
    }
}

/// The key that a request carries. The word before it has no case.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    bearer.or_else(|| text(HeaderName::from_static("x-api-key")))
}

fn refused(refusal: Refusal, key: &Key) -> ApiError {
    let name = &key.name;
    let limited = |what: &str, limit: u64| {
        let message =
            format!("the key `{name}` has used its {limit} {what} of today; try again tomorrow (UTC)");
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        error.code("rate_limit_exceeded").retry_after(reset_s())
    };
    match refusal {
        Refusal::Requests { limit } => limited("requests", limit),
        Refusal::Tokens { limit } => limited("tokens", limit),
        Refusal::Spent { quota } => {
            let message = format!("the key `{name}` has spent its {quota} tokens: ask the operator for more");
            ApiError::new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", message)
                .code("insufficient_quota")
        }
    }
}

fn rate_headers(headers: &mut HeaderMap, ticket: &Ticket) {
    let (key, count) = (ticket.key(), ticket.count());
    let limits =
        [("requests", key.requests_per_day, count.requests), ("tokens", key.tokens_per_day, count.tokens)];
    for (what, limit, used) in limits {
        let Some(limit) = limit else { continue };
        let values = [
            ("limit", limit.to_string()),
            ("remaining", limit.saturating_sub(used).to_string()),
            ("reset", duration(reset_s())),
        ];
        for (kind, value) in values {
            let name = HeaderName::try_from(format!("x-ratelimit-{kind}-{what}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}

/// As Groq writes durations: `6m30s`.
fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_groq_writes_them() {
        assert_eq!([0, 59, 390, 3600, 86_399].map(duration), ["0s", "59s", "6m30s", "1h0m0s", "23h59m59s"]);
    }

    #[test]
    fn only_sober_request_ids_are_kept() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("a-1_b.2"));
        assert_eq!(request_id(&headers), "a-1_b.2");
        for bad in ["", "a b", "x\"y", &"x".repeat(65)] {
            headers.insert("x-request-id", HeaderValue::try_from(bad).expect("a header"));
            assert_eq!(request_id(&headers).len(), 36, "{bad:?}");
        }
    }
}
