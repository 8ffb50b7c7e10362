//! Answers as server-sent events.

use super::error::{ApiError, Family};
use super::generation::Answer;
use crate::engine::Event;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

/// Time that an answer may take to begin before its head is sent without knowing how it will end.
const FIRST_EVENT_PAUSE: Duration = Duration::from_secs(5);
/// Time between two comments that keep proxies from closing a silent stream.
const PING_PAUSE: Duration = Duration::from_secs(10);

/// How a family of clients reads events.
pub trait Shape: Send + 'static {
    const FAMILY: Family;

    /// The data of the messages that an event becomes.
    fn event(&mut self, choice: usize, event: Event) -> Vec<String>;

    /// The data of the messages that stand at the end.
    fn end(&mut self) -> Vec<String>;
}

/// A message's data.
pub fn data(value: &impl Serialize) -> String {
    // Only maps with keys that are no strings have no JSON form, and no message has one.
    serde_json::to_string(value).unwrap_or_default()
}

struct State<S> {
    answer: Option<Answer>,
    shape: S,
    ready: VecDeque<String>,
}

/// Streams an answer.
pub async fn stream<S: Shape>(mut answer: Answer, shape: S) -> Result<Response, ApiError> {
    answer.wait_for_first(FIRST_EVENT_PAUSE).await?;
    let state = State { answer: Some(answer), shape, ready: VecDeque::new() };
    let events = stream::unfold(state, |mut state| async move {
        let data = state.next().await?;
        Some((Ok::<_, Infallible>(sse::Event::default().data(data)), state))
    });
    let keep_alive = KeepAlive::new().interval(PING_PAUSE).text("waiting");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

impl<S: Shape> State<S> {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return Some(data);
            }
            let answer = self.answer.as_mut()?;
            let messages = match answer.next().await {
                Ok(Some((choice, event))) => self.shape.event(choice, event),
                Ok(None) => {
                    self.answer = None;
                    self.shape.end()
                }
                // An error is the last event: nothing that looks like a complete answer may follow it.
                Err(error) => {
                    self.answer = None;
                    vec![error.body(S::FAMILY)]
                }
            };
            self.ready.extend(messages);
        }
    }
}
