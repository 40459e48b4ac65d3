//! `dead-letters list`.

use clap::Args;
use serde_json::{Value, json};

use super::selection::FilterArguments;
use crate::config::Settings;
use crate::entrypoints::cli::output::{print_json, print_line, printable, table};
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::messages::wire::format_moment;
use crate::service_layer::dead_letters::{DeadLetterGroup, DeadLetterState, DeadLetterSummary};

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    filter: FilterArguments,
    /// Only those in this state: open, replaying, replayed, discarded or any.
    #[arg(long, default_value = "open", value_parser = state)]
    state: AnyState,
    /// List groups of the same code, command and pattern of the detail, with their counts.
    #[arg(long)]
    group: bool,
    /// Maximum dead letters or groups to list.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A state; none: any.
#[derive(Debug, Clone, Copy)]
struct AnyState(Option<DeadLetterState>);

fn state(word: &str) -> Result<AnyState, &'static str> {
    match word {
        "any" => Ok(AnyState(None)),
        word => word
            .parse()
            .map(|state| AnyState(Some(state)))
            .map_err(|_| "must be open, replaying, replayed, discarded or any"),
    }
}

impl List {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let filter = self.filter.filter(&database, self.state.0).await?;
        if self.group {
            return self.print_groups(
                &database.dead_letters().dead_letter_groups(&filter, self.limit).await?,
            );
        }
        self.print_dead_letters(
            &database.dead_letters().dead_letters(&filter, None, self.limit).await?,
        )
    }

    fn print_dead_letters(&self, dead_letters: &[DeadLetterSummary]) -> Result<(), CommandFailed> {
        if self.json {
            return print_json(&dead_letters.iter().map(summary).collect::<Vec<_>>());
        }
        let mut table =
            table(["id", "failed", "state", "code", "command", "order", "publisher", "detail"]);
        for dead_letter in dead_letters {
            table.add_row([
                dead_letter.id.to_string(),
                dead_letter.failed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                dead_letter.state.to_string(),
                printable(&dead_letter.reason.code),
                or_nothing(dead_letter.subject.command.as_deref()),
                or_nothing(dead_letter.subject.order_id.as_deref()),
                or_nothing(dead_letter.app_id.as_deref()),
                printable(&dead_letter.reason.detail),
            ]);
        }
        print_line(&table.to_string())?;
        self.print_count(dead_letters.len(), "dead letters")
    }

    fn print_groups(&self, groups: &[DeadLetterGroup]) -> Result<(), CommandFailed> {
        if self.json {
            return print_json(&groups.iter().map(group_body).collect::<Vec<_>>());
        }
        let mut table =
            table(["count", "code", "command", "detail", "first failed", "last failed", "example"]);
        for group in groups {
            table.add_row([
                group.count.to_string(),
                printable(&group.code),
                or_nothing(group.command.as_deref()),
                printable(&group.pattern),
                group.first_failed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                group.last_failed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                group.example.to_string(),
            ]);
        }
        print_line(&table.to_string())?;
        self.print_count(groups.len(), "groups")
    }

    fn print_count(&self, count: usize, what: &str) -> Result<(), CommandFailed> {
        let more = if count == self.limit as usize { " (there may be more: --limit)" } else { "" };
        print_line(&format!("{count} {what}{more}"))
    }
}

fn or_nothing(text: Option<&str>) -> String {
    printable(text.unwrap_or_default())
}

/// A dead letter as JSON, without properties and body.
pub fn summary(dead_letter: &DeadLetterSummary) -> Value {
    json!({
        "id": dead_letter.id,
        "state": dead_letter.state.as_str(),
        "code": dead_letter.reason.code,
        "detail": dead_letter.reason.detail,
        "command": dead_letter.subject.command,
        "order_id": dead_letter.subject.order_id,
        "customer_id": dead_letter.subject.customer_id,
        "message_id": dead_letter.message_id,
        "app_id": dead_letter.app_id,
        "first_failed_at": format_moment(dead_letter.first_failed_at),
        "last_failed_at": format_moment(dead_letter.failed_at),
        "failures": dead_letter.failures,
        "attempts": dead_letter.attempts,
        "replays": dead_letter.replays,
        "revision": dead_letter.revision,
    })
}

fn group_body(group: &DeadLetterGroup) -> Value {
    json!({
        "count": group.count,
        "code": group.code,
        "command": group.command,
        "pattern": group.pattern,
        "first_failed_at": format_moment(group.first_failed_at),
        "last_failed_at": format_moment(group.last_failed_at),
        "example": group.example,
    })
}
