//! Sets the attributes of spans, following the OpenTelemetry semantic conventions for messaging and
//! HTTP.

use std::collections::HashMap;

use axum::http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::MessageAttributes;
use super::export::destinations;

const TRACEPARENT: &str = "traceparent";

/// Describes a span over the processing of a batch.
pub fn describe_batch(span: &Span, messages: usize) {
    let Some(destinations) = destinations() else { return };
    span.record("otel.name", format!("process {}", destinations.commands));
    span.record("otel.kind", "consumer");
    describe(span, "process", messages);
    span.set_attribute("messaging.destination.name", destinations.commands.as_str());
}

/// Describes a span over publishing a batch.
pub fn describe_publishing(span: &Span, messages: usize) {
    let Some(destinations) = destinations() else { return };
    span.record("otel.name", format!("send {}", destinations.events));
    span.record("otel.kind", "producer");
    describe(span, "send", messages);
    span.set_attribute("messaging.destination.name", destinations.events.as_str());
}

fn describe(span: &Span, operation: &'static str, messages: usize) {
    let Some(destinations) = destinations() else { return };
    span.set_attribute("messaging.system", destinations.system);
    span.set_attribute("messaging.operation.type", operation);
    span.set_attribute("messaging.operation.name", operation);
    span.set_attribute(
        "messaging.batch.message_count",
        i64::try_from(messages).unwrap_or(i64::MAX),
    );
}

/// Describes a span over an HTTP request, in the trace of the client's `traceparent`.
pub fn describe_request(span: &Span, method: &str, route: Option<&str>, headers: &HeaderMap) {
    if destinations().is_none() {
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

/// Describes a span over a message: in the trace of its `traceparent`, linked to the span of the
/// batch. Returns the `traceparent` for messages that it causes; `None` if no spans are exported.
pub fn describe_message(span: &Span, message: MessageAttributes<'_>) -> Option<String> {
    let destinations = destinations()?;
    span.record("otel.name", format!("process {}", message.command));
    span.record("otel.kind", "consumer");
    span.set_attribute("messaging.system", destinations.system);
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

/// The `traceparent` of the current span; `None` if no spans are exported.
pub fn current_traceparent() -> Option<String> {
    destinations().and_then(|_| traceparent_of(&Span::current()))
}

fn set_parent(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    if parent.span().span_context().is_valid() {
        // Fails only for a span that has started; these start on first use.
        let _ = span.set_parent(parent);
    }
}

fn traceparent_of(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}
