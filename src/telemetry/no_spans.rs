//! What is left of spans for a collector in a build without the feature `otlp`: nothing.

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

/// The trace in which this code runs.
#[inline]
pub fn present_trace() -> Option<String> {
    None
}
