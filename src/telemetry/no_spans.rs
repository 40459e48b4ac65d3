//! The same functions as `spans.rs`, with no effect, for a build without the feature `otlp`.

use axum::http::HeaderMap;
use tracing::Span;

use super::MessageAttributes;

#[inline]
pub fn describe_batch(_span: &Span, _messages: usize) {}

#[inline]
pub fn describe_publishing(_span: &Span, _messages: usize) {}

#[inline]
pub fn describe_request(_span: &Span, _method: &str, _route: Option<&str>, _headers: &HeaderMap) {}

#[inline]
pub fn describe_message(_span: &Span, _message: MessageAttributes<'_>) -> Option<String> {
    None
}

#[inline]
pub fn current_traceparent() -> Option<String> {
    None
}
