//! The two pages: the playground, and the description of the interface. Each is one file that fetches nothing from elsewhere.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

const PLAYGROUND: &str = include_str!("../playground/index.html");
const STYLE: &str = include_str!("../playground/style.css");
const SCRIPT: &str = concat!(
    include_str!("../playground/stream.js"),
    include_str!("../playground/code.js"),
    include_str!("../playground/schedule.js"),
    include_str!("../playground/pane.js"),
    include_str!("../playground/main.js")
);
const DOCS: &str = include_str!("../playground/docs.html");

/// Only what the page itself holds may run, and only this server may be asked.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub async fn playground() -> Response {
    page(PLAYGROUND)
}

pub async fn docs() -> Response {
    page(DOCS)
}

fn page(text: &str) -> Response {
    let text = text.replace("/* style */", STYLE).replace("/* script */", SCRIPT);
    let mut response = Html(text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}
