//! Spans as OpenTelemetry's conventions for messaging and HTTP want them.

use std::collections::HashMap;

use axum::http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::MessageAttributes;
use super::export::places;

const TRACEPARENT: &str = "traceparent";

/// A span over the work on a batch.
pub fn describe_batch(span: &Span, messages: usize) {
    let Some(places) = places() else { return };
    span.record("otel.name", format!("process {}", places.commands));
    span.record("otel.kind", "consumer");
    describe(span, "process", messages);
    span.set_attribute("messaging.destination.name", places.commands.as_str());
}

/// A span over publishing a window.
pub fn describe_publishing(span: &Span, messages: usize) {
    let Some(places) = places() else { return };
    span.record("otel.name", format!("send {}", places.events));
    span.record("otel.kind", "producer");
    describe(span, "send", messages);
    span.set_attribute("messaging.destination.name", places.events.as_str());
}

fn describe(span: &Span, operation: &'static str, messages: usize) {
    let Some(places) = places() else { return };
    span.set_attribute("messaging.system", places.system);
    span.set_attribute("messaging.operation.type", operation);
    span.set_attribute("messaging.operation.name", operation);
    span.set_attribute(
        "messaging.batch.message_count",
        i64::try_from(messages).unwrap_or(i64::MAX),
    );
}

/// A span over a request, in the trace that the client names.
pub fn describe_request(span: &Span, method: &str, route: Option<&str>, headers: &HeaderMap) {
    if places().is_none() {
        return;
    }
    let route = route.unwrap_or_default();
    span.record("otel.name", format!("{method} {route}").trim_end());
    span.record("otel.kind", "server");
    span.set_attribute("http.request.method", method.to_owned());
    span.set_attribute("http.route", route.to_owned());
    if let Some(traceparent) = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
        set_parent(span, traceparent);
    }
}

/// Puts the span into the trace that the message names, and links it to the batch. Returns the span as
/// the parent of what the message causes; none while no spans are sent.
pub fn describe_message(span: &Span, message: MessageAttributes<'_>) -> Option<String> {
    let places = places()?;
    span.record("otel.name", format!("process {}", message.command));
    span.record("otel.kind", "consumer");
    span.set_attribute("messaging.system", places.system);
    span.set_attribute("messaging.operation.type", "process");
    span.set_attribute("messaging.operation.name", "process");
    if let Some(message_id) = message.message_id {
        span.set_attribute("messaging.message.id", message_id.to_owned());
    }
    if let Some(correlation_id) = message.correlation_id {
        span.set_attribute("messaging.message.conversation_id", correlation_id.to_owned());
    }
    if let Some(traceparent) = message.traceparent {
        let batch = Span::current().context();
        set_parent(span, traceparent);
        span.add_link(batch.span().span_context().clone());
    }
    traceparent_of(span)
}

/// The trace in which this code runs; none while no spans are sent.
pub fn present_trace() -> Option<String> {
    places().and_then(|_| traceparent_of(&Span::current()))
}

fn set_parent(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // Only a span that has begun refuses its parent; these begin with their first use.
        let _ = span.set_parent(parent);
    }
}

fn traceparent_of(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}
