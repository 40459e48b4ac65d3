//! Logs, and spans for OpenTelemetry.
//!
//! Spans are exported only in a build with the feature `otlp`, and only if OTLP_ENDPOINT is set.
//! Without the feature, the functions of `spans` are empty, and no OpenTelemetry code is compiled
//! in.

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod spans;
#[cfg(not(feature = "otlp"))]
#[path = "no_spans.rs"]
mod spans;

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{InvalidSetting, LogFormat, Settings};

pub use spans::{
    current_traceparent, describe_batch, describe_message, describe_publishing, describe_request,
};

/// The attributes of a span about a message.
#[derive(Debug, Clone, Copy)]
pub struct MessageAttributes<'a> {
    pub command: &'a str,
    pub message_id: Option<&'a str>,
    pub correlation_id: Option<&'a str>,
    /// The `traceparent` header of the message.
    pub traceparent: Option<&'a str>,
}

/// The running exporter of spans.
#[derive(Debug)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    export: Option<export::Export>,
}

impl Telemetry {
    /// Starts logging to standard error, and exporting spans if OTLP_ENDPOINT is set.
    ///
    /// # Errors
    /// When RUST_LOG or OTLP_ENDPOINT is invalid, or OTLP_ENDPOINT is set in a build without
    /// `otlp`.
    pub fn start(settings: &Settings) -> Result<Self, InvalidSetting> {
        let logs = log_layer(settings)?;
        #[cfg(feature = "otlp")]
        {
            let export = export::Export::start(settings)?;
            let spans = export.as_ref().map(export::Export::layer);
            Registry::default().with(logs).with(spans).init();
            Ok(Self { export })
        }
        #[cfg(not(feature = "otlp"))]
        {
            if settings.collector().is_some() {
                let problem = "this program was built without the feature otlp".to_owned();
                return Err(InvalidSetting { variable: "OTLP_ENDPOINT", problem });
            }
            Registry::default().with(logs).init();
            Ok(Self {})
        }
    }

    /// Exports the remaining spans; waits for the collector for at most 3 s.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(export) = self.export {
            export.end();
        }
    }
}

fn log_layer(
    settings: &Settings,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, InvalidSetting> {
    // lapin logs the same errors as the worker. Its lines about returned messages contain bodies,
    // which may be personal data.
    let lapin = if settings.rust_log.contains("lapin") { "" } else { "lapin=off," };
    // At level info, sqlx logs at each start that the table of migrations already exists.
    let directives = format!("{lapin}sqlx=warn,{},lapin::returned_messages=off", settings.rust_log);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| InvalidSetting { variable: "RUST_LOG", problem: error.to_string() })?;
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    Ok(match settings.log_format {
        LogFormat::Text => layer.with_filter(filter).boxed(),
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
    })
}
