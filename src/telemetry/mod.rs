//! Log lines, and spans for a collector of OpenTelemetry.
//!
//! Spans go out only in a build with the feature `otlp`, and when OTLP_ENDPOINT names a collector.
//! Without the feature nothing of it is left in the program: the functions of `spans` are empty.

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
    describe_batch, describe_message, describe_publishing, describe_request, present_trace,
};

/// What a span says of a message.
#[derive(Debug, Clone, Copy)]
pub struct MessageAttributes<'a> {
    pub command: &'a str,
    pub message_id: Option<&'a str>,
    pub correlation_id: Option<&'a str>,
    /// The trace that the message names.
    pub traceparent: Option<&'a str>,
}

/// What goes on until the program ends.
#[derive(Debug)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    export: Option<export::Export>,
}

impl Telemetry {
    /// Starts to write log lines to standard error, and to send spans where that is set.
    ///
    /// # Errors
    /// When RUST_LOG or OTLP_ENDPOINT cannot be used.
    pub fn start(settings: &Settings) -> Result<Self, InvalidSetting> {
        let lines = lines(settings)?;
        #[cfg(feature = "otlp")]
        {
            let export = export::Export::start(settings)?;
            let spans = export.as_ref().map(export::Export::layer);
            Registry::default().with(lines).with(spans).init();
            Ok(Self { export })
        }
        #[cfg(not(feature = "otlp"))]
        {
            if settings.collector().is_some() {
                let problem = "this program was built without the feature otlp".to_owned();
                return Err(InvalidSetting { variable: "OTLP_ENDPOINT", problem });
            }
            Registry::default().with(lines).init();
            Ok(Self {})
        }
    }

    /// Sends what is left; waits for the collector for some seconds at most.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(export) = self.export {
            export.end();
        }
    }
}

fn lines(settings: &Settings) -> Result<Box<dyn Layer<Registry> + Send + Sync>, InvalidSetting> {
    // lapin's own lines repeat ours in its terms; those on returned messages hold their bodies,
    // which may be personal data.
    let lapin = if settings.rust_log.contains("lapin") { "" } else { "lapin=off," };
    // sqlx's are on tables that exist already, at each start.
    let directives = format!("{lapin}sqlx=warn,{},lapin::returned_messages=off", settings.rust_log);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| InvalidSetting { variable: "RUST_LOG", problem: error.to_string() })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    Ok(match settings.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    })
}
