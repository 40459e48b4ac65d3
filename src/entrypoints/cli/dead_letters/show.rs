//! `dead-letters show`.

use clap::Args;
use serde_json::{Value, json};

use super::dead_letter;
use super::list::summary;
use crate::config::Settings;
use crate::entrypoints::body_format::readable;
use crate::entrypoints::cli::orders::{history_table, order_summary};
use crate::entrypoints::cli::output::{print_json, print_line, printable, table};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::messages::wire::format_moment;
use crate::service_layer::OrderHistory;
use crate::service_layer::dead_letters::current_order;
use crate::service_layer::dead_letters::{AuditEntry, DeadLetterRecord, properties_to_json};

#[derive(Debug, Args)]
pub struct Show {
    /// The id, as `list` shows it.
    id: i64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let record = dead_letter(&database, self.id).await?;
        let actions = database.dead_letters().dead_letter_actions(self.id).await?;
        let order = current_order(&*database.orders(), &record).await?;
        if self.json {
            return print_json(&in_full(&record, &actions, order.as_ref())?);
        }
        print_dead_letter(&record)?;
        print_actions(&actions)?;
        print_order(&record, order.as_ref())
    }
}

fn in_full(
    record: &DeadLetterRecord,
    actions: &[AuditEntry],
    order: Option<&OrderHistory>,
) -> Result<Value, CommandFailed> {
    let dead_letter = &record.dead_letter;
    let mut value = summary(&record.summary());
    value["exchange"] = dead_letter.exchange.as_str().into();
    value["routing_key"] = dead_letter.routing_key.as_str().into();
    value["properties"] = properties(record)?;
    value["body"] = String::from_utf8_lossy(&dead_letter.body).into();
    let original = record.original_body.as_deref();
    value["original_body"] = original.map(String::from_utf8_lossy).into();
    value["actions"] = actions
        .iter()
        .map(|action| {
            json!({
                "at": format_moment(action.at), "who": action.who, "what": action.what.as_str(),
                "why": action.why, "verdict": action.verdict,
            })
        })
        .collect();
    value["order"] = order.map_or(Value::Null, |found| {
        json!({
            "order_id": found.order.order_id().as_str(),
            "status": found.order.status().name(),
            "version": found.order.version(),
            "last_updated": format_moment(found.order.last_updated()),
        })
    });
    Ok(value)
}

fn properties(record: &DeadLetterRecord) -> Result<Value, CommandFailed> {
    let text = properties_to_json(&record.dead_letter.properties);
    Ok(serde_json::from_str(&text).map_err(std::io::Error::other)?)
}

fn print_dead_letter(record: &DeadLetterRecord) -> Result<(), CommandFailed> {
    let dead_letter = &record.dead_letter;
    let mut fields = table(["dead letter", &record.id.to_string()]);
    let text = |text: Option<&str>| printable(text.unwrap_or_default());
    for (name, value) in [
        ("state", record.state.to_string()),
        ("code", printable(&dead_letter.reason.code)),
        ("detail", printable(&dead_letter.reason.detail)),
        ("command", text(dead_letter.subject.command.as_deref())),
        ("message id", text(dead_letter.properties.message_id.as_deref())),
        ("publisher", text(dead_letter.properties.app_id.as_deref())),
        (
            "sent to",
            format!(
                "{} / {}",
                printable(&dead_letter.exchange),
                printable(&dead_letter.routing_key)
            ),
        ),
        ("first failed", format_moment(record.first_failed_at)),
        ("last failed", format_moment(dead_letter.failed_at)),
        ("failures", record.failures.to_string()),
        ("attempts", dead_letter.attempts.to_string()),
        ("replays", record.replays.to_string()),
        ("revision", record.revision.to_string()),
    ] {
        fields.add_row([name.to_owned(), value]);
    }
    print_line(&fields.to_string())?;
    print_line("\nProperties")?;
    print_json(&properties(record)?)?;
    print_line(&format!("\nBody, {} bytes", dead_letter.body.len()))?;
    print_line(&readable(&dead_letter.body))
}

fn print_actions(actions: &[AuditEntry]) -> Result<(), CommandFailed> {
    if actions.is_empty() {
        return Ok(());
    }
    let mut table = table(["when", "who", "what", "why", "verdict"]);
    for action in actions {
        table.add_row([
            format_moment(action.at),
            printable(&action.who),
            action.what.as_str().to_owned(),
            printable(action.why.as_deref().unwrap_or_default()),
            printable(&action.verdict),
        ]);
    }
    print_line(&format!("\n{table}"))
}

fn print_order(
    record: &DeadLetterRecord,
    order: Option<&OrderHistory>,
) -> Result<(), CommandFailed> {
    match (order, &record.dead_letter.subject.order_id) {
        (Some(OrderHistory { order, history }), _) => {
            print_line(&format!("\n{}", order_summary(order)))?;
            print_line(&history_table(history))
        }
        (None, Some(order_id)) => {
            print_line(&format!("\nThere is no order {}.", printable(order_id)))
        }
        (None, None) => Ok(()),
    }
}
