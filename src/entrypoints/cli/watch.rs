//! `watch`: prints events as they are published.

use std::io::IsTerminal;

use clap::Args;
use serde_json::Value;

use super::CommandFailed;
use super::output::{print_line, printable};
use super::signals::stop_on_signal;
use super::topology::rabbitmq;
use crate::adapters::rabbitmq::Received;
use crate::config::Settings;

#[derive(Debug, Args)]
pub struct Watch {
    /// Binding keys of a topic exchange, such as order.status.completed or order.rejected.#.
    #[arg(default_value = "order.#")]
    patterns: Vec<String>,
    /// Print JSON lines; this is the default when the output is not a terminal.
    #[arg(long)]
    json: bool,
    /// Exit after this many events.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
}

impl Watch {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let stop = stop_on_signal()?;
        let json = self.json || !std::io::stdout().is_terminal();
        let mut subscription = rabbitmq(settings, false)?.subscribe(&self.patterns).await?;
        eprintln!("Watching {}; stop with Ctrl-C.", self.patterns.join(" "));
        let mut seen = 0;
        while self.count.is_none_or(|count| seen < count) {
            let event = tokio::select! {
                event = subscription.next() => event?,
                () = stop.cancelled() => break,
            };
            seen += 1;
            print_line(&if json { as_json(&event) } else { as_text(&event.body) })?;
        }
        Ok(())
    }
}

fn as_json(event: &Received) -> String {
    String::from_utf8_lossy(&event.body).into_owned()
}

/// An event as a line for people: time, order, change.
pub fn as_text(body: &[u8]) -> String {
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| match &event[name] {
        Value::String(text) => printable(text),
        Value::Null => String::new(),
        value => value.to_string(),
    };
    let when = format!("{}{}", field("changed_at"), field("rejected_at"));
    let what = match event["type"].as_str() {
        Some("OrderStatusChanged") => match event["previous_status"].as_str() {
            Some(previous) => format!("{previous} → {}", field("status")),
            None => format!("placed, {} for {}", field("status"), field("total")),
        },
        Some("OrderCommandRejected") => {
            format!("{} rejected: {} ({})", field("command"), field("detail"), field("code"))
        }
        _ => printable(&String::from_utf8_lossy(body)),
    };
    format!("{when}  order {:<12} {what}", field("order_id"))
}
