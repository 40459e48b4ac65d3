//! Exports spans to an OpenTelemetry collector.

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

/// Timeout for exporting the remaining spans at the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Set once spans are exported.
static DESTINATIONS: OnceLock<Destinations> = OnceLock::new();

/// The values of `messaging.system` and `messaging.destination.name`.
#[derive(Debug)]
pub(super) struct Destinations {
    pub system: &'static str,
    pub commands: String,
    pub events: String,
}

/// `None` if no spans are exported.
pub(super) fn destinations() -> Option<&'static Destinations> {
    DESTINATIONS.get()
}

/// Exports spans in batches on its own thread. The queue is bounded: spans that do not fit are
/// dropped, so an unavailable collector does not affect the worker.
#[derive(Debug)]
pub struct Export(SdkTracerProvider);

impl Export {
    /// `None` if OTLP_ENDPOINT is not set.
    pub fn start(settings: &Settings) -> Result<Option<Self>, InvalidSetting> {
        let Some(endpoint) = settings.collector() else { return Ok(None) };
        let invalid = |problem: String| InvalidSetting { variable: "OTLP_ENDPOINT", problem };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(format!("{}/v1/traces", endpoint.expose().trim_end_matches('/')))
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name("order-worker").build())
            .build();
        let system = if settings.broker_url()?.is_some() { "rabbitmq" } else { "in-process" };
        let commands = settings.commands_queue.to_string();
        let events = settings.events_exchange.to_string();
        // Fails only on a second start in the same process.
        let _ = DESTINATIONS.set(Destinations { system, commands, events });
        Ok(Some(Self(provider)))
    }

    /// Exports the spans of this crate only: no events, and no spans of libraries.
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
        if let Err(error) = self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            eprintln!("order-worker: the last spans were not exported: {error}");
        }
    }
}
