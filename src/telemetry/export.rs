//! Spans on their way to a collector.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::config::{InvalidSetting, Settings};

/// Longest wait for the collector at the end.
const LAST_SPANS_WITHIN: Duration = Duration::from_secs(3);

/// What the conventions call the broker and its parts; set while spans are sent.
static PLACES: OnceLock<Places> = OnceLock::new();

#[derive(Debug)]
pub(super) struct Places {
    pub system: &'static str,
    pub commands: String,
    pub events: String,
}

/// Where this worker gets and sends messages; none while no spans are sent.
pub(super) fn places() -> Option<&'static Places> {
    PLACES.get()
}

/// Sends spans in batches from a thread of its own. Its queue is bounded: what does not fit in is
/// dropped, and a collector that is away disturbs nobody.
#[derive(Debug)]
pub struct Export(SdkTracerProvider);

impl Export {
    /// None when no collector is named.
    pub fn start(settings: &Settings) -> Result<Option<Self>, InvalidSetting> {
        let Some(endpoint) = settings.collector() else { return Ok(None) };
        let wrong = |problem: String| InvalidSetting { variable: "OTLP_ENDPOINT", problem };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(format!("{}/v1/traces", endpoint.expose().trim_end_matches('/')))
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name("order-worker").build())
            .build();
        let system = if settings.broker_url()?.is_some() { "rabbitmq" } else { "in-process" };
        let commands = settings.commands_queue.to_string();
        let events = settings.events_exchange.to_string();
        // Spans are started once in a process.
        let _ = PLACES.set(Places { system, commands, events });
        Ok(Some(Self(provider)))
    }

    /// Makes spans of this program's own; no log lines, and none of its libraries.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_tracer(self.0.tracer("order-worker"))
            .with_filter(filter_fn(|it| it.is_span() && it.target().starts_with("order_worker")))
    }

    pub fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_SPANS_WITHIN) {
            eprintln!("order-worker: the last spans did not reach the collector: {error}");
        }
    }
}
