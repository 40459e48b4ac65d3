//! What is left of spans for a collector in a build without the feature `otlp`: nothing.

use std::borrow::Cow;

use axum::http::HeaderMap;
use tracing::Span;

use crate::service_layer::Message;

#[inline]
pub fn describe_batch(_span: &Span, _messages: usize) {}

#[inline]
pub fn describe_publishing(_span: &Span, _messages: usize) {}

#[inline]
pub fn describe_request(_span: &Span, _method: &str, _route: Option<&str>, _headers: &HeaderMap) {}

/// The message as its effects are to name it.
#[inline]
pub fn tied<'a>(_span: &Span, message: &'a Message) -> Cow<'a, Message> {
    Cow::Borrowed(message)
}

/// The trace in which this code runs.
#[inline]
pub fn present_trace() -> Option<String> {
    None
}
